//! Texts that are the same in every run: without names of pods, addresses, times and temporary names.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;
use sha2::{Digest as _, Sha256};

use super::names::Names;

/// What differs between two runs in a text, each with its replacement. Later ones see the replacements of earlier ones.
static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "<time>"),
        (r"meshcheck-[a-z]+-[0-9a-f]{8,}", "<temporary>"),
        (r"\b\d{1,3}(\.\d{1,3}){3}(/\d+)?(:\d+)?\b", "<address>"),
        (r"\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){3,7}(/\d+)?\b", "<address>"),
        (r"localhost:\d+", "<address>"),
        (r"\b\d+(\.\d+)? ?(ms|s|min|h|days?)\b", "<time>"),
        (r"\brestarted (once|\d+ times)\b", "restarted"),
    ]
    .into_iter()
    .filter_map(|(pattern, by)| Some((Regex::new(pattern).ok()?, by)))
    .collect()
});

/// Returns a text as any run would have it.
pub(super) fn stable(text: &str, names: &Names) -> String {
    let mut text = names.replace(text);
    for (pattern, by) in VARYING.iter() {
        text = pattern.replace_all(&text, *by).into_owned();
    }
    text
}

/// How many hexadecimal digits a fingerprint has: two for each byte.
const DIGITS: usize = 12;

/// Returns the fingerprint of a difference: of its id, its object and its text, which must be stable.
pub(super) fn fingerprint(id: &str, object: &str, text: &str) -> String {
    let digest = Sha256::digest(format!("{id}\n{object}\n{text}").as_bytes());
    let mut digits = String::new();
    for byte in digest.iter().take(DIGITS / 2) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("GET http://172.18.255.251:15021/healthz: 200", "GET http://<address>/healthz: 200")]
    #[case("newest reply: 37 s ago", "newest reply: <time> ago")]
    #[case("host meshcheck-route-d44ddb38.meshcheck.test", "host <temporary>.meshcheck.test")]
    #[case("coredns has fd00:10:244::8", "coredns has <address>")]
    #[case(
        "redirected to port 15006, 0 of 1 replicas",
        "redirected to port 15006, 0 of 1 replicas"
    )]
    #[case("Istio 1.20.3 of mesh::live_rules", "Istio 1.20.3 of mesh::live_rules")]
    #[case("since 2026-11-29T07:11:54.19Z", "since <time>")]
    fn text_loses_what_differs_between_runs(#[case] text: &str, #[case] expected: &str) {
        let names = Names::of(&crate::testing::healthy());
        assert_eq!(stable(text, &names), expected);
    }

    #[test]
    fn fingerprint_has_twelve_digits_and_depends_on_each_part() {
        let of = |id, object, text| fingerprint(id, object, text);
        let one = of("a", "b", "c");
        assert_eq!(one.len(), DIGITS);
        assert_eq!(one, of("a", "b", "c"));
        for other in [of("x", "b", "c"), of("a", "x", "c"), of("a", "b", "x")] {
            assert!(other != one);
        }
    }
}
