//! Splits the lines of the client's log into replies, curl's progress meter and errors.

/// A piece of a line. curl's meter overwrites itself with carriage returns, and each of them begins a new piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The head of curl's meter: a request begins.
    MeterHead,
    /// A state of curl's meter.
    Meter,
    /// The reply, exactly.
    Reply,
    /// Anything else: an error of curl, another body, an error of the shell.
    Other(String),
}

/// The beginnings of Envoy's own replies. These bodies end without a newline, so the next reply is in the same line.
const ENVOY_BODIES: [&str; 12] = [
    "no healthy upstream",
    "upstream connect error or disconnect/reset before headers",
    "upstream request timeout",
    "upstream response timeout",
    "upstream max stream duration reached",
    "stream timeout",
    "RBAC: access denied",
    "fault filter abort",
    "local_rate_limited",
    "Audiences in Jwt are not allowed",
    // All other answers of the filter `jwt_authn`: `Jwt is missing`, `Jwks remote fetch is failed`.
    "Jwt ",
    "Jwks ",
];

/// Returns the pieces of a line, in order.
pub(super) fn pieces(line: &str, reply: &str) -> Vec<Piece> {
    line.split(['\r', '\n']).flat_map(|piece| classify(piece, reply)).collect()
}

fn classify(piece: &str, reply: &str) -> Vec<Piece> {
    if piece == reply {
        return vec![Piece::Reply];
    }
    if piece.trim().is_empty() {
        return Vec::new();
    }
    let words: Vec<_> = piece.split_whitespace().collect();
    if words.starts_with(&["%", "Total", "%", "Received"]) {
        return vec![Piece::MeterHead];
    }
    if words.starts_with(&["Dload", "Upload"]) || is_meter(&words) {
        return vec![Piece::Meter];
    }
    // On a terminal both streams are one: the reply follows the meter's last number at once.
    if let Some(before) = piece.strip_suffix(reply) {
        if is_meter(&before.split_whitespace().collect::<Vec<_>>()) {
            return vec![Piece::Meter, Piece::Reply];
        }
        if ENVOY_BODIES.iter().any(|body| before.starts_with(body)) {
            return vec![Piece::Other(before.to_owned()), Piece::Reply];
        }
    }
    vec![Piece::Other(remove_meter(piece).to_owned())]
}

/// Whether these are the columns of curl's meter: sizes, speeds and times, many of them.
fn is_meter(words: &[&str]) -> bool {
    words.len() >= 6 && words.iter().all(|word| is_column(word))
}

fn is_column(word: &str) -> bool {
    let time =
        || word.contains(':') && word.chars().all(|c| c.is_ascii_digit() || "-:dh".contains(c));
    let size = || {
        let number = word.trim_end_matches(['k', 'K', 'M', 'G', 'T', 'P']);
        word.len() <= number.len() + 1
            && number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    size() || time()
}

/// Removes the meter before an error: curl's errors follow the meter's last number at once.
fn remove_meter(piece: &str) -> &str {
    match piece.find("curl: (") {
        Some(at) => &piece[at..],
        None => piece.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, is_column, pieces};
    use crate::testing::text::damaged;
    use proptest::prelude::*;
    use rstest::rstest;

    const REPLY: &str = "Hello from backend service";
    const ROW: &str =
        "  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0";
    const DONE: &str =
        "100    27  100    27    0     0   5400      0 --:--:-- --:--:-- --:--:--  5400";

    const LOG: &[&str] = &[
        "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n\
         \x20                                Dload  Upload   Total   Spent    Left  Speed\n\
         \r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\
         \r100    27  100    27    0     0   5400      0 --:--:-- --:--:-- --:--:--  5400\n\
         Hello from backend service\n",
        "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\
         curl: (6) Could not resolve host: echo-service.client.svc.cluster.local\n\
         no healthy upstreamHello from backend service\n",
    ];

    fn other(text: &str) -> Piece {
        Piece::Other(text.to_owned())
    }

    #[rstest]
    #[case(REPLY.to_owned(), &[Piece::Reply])]
    #[case("  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current".to_owned(), &[Piece::MeterHead])]
    #[case("                                 Dload  Upload   Total   Spent    Left  Speed".to_owned(), &[Piece::Meter])]
    #[case(format!("\r{ROW}\r{DONE}"), &[Piece::Meter, Piece::Meter])]
    #[case(format!("\r{ROW}\r{DONE}{REPLY}"), &[Piece::Meter, Piece::Meter, Piece::Reply])]
    #[case(format!("{REPLY}\r"), &[Piece::Reply])]
    #[case(format!("\r{ROW}\r{REPLY}"), &[Piece::Meter, Piece::Reply])]
    #[case("100 12.3M  100 12.3M    0     0  1200k      0  0:00:10  0:00:10 --:--:-- 1300k".to_owned(), &[Piece::Meter])]
    #[case(String::new(), &[])]
    #[case(format!("no healthy upstreamno healthy upstream{REPLY}"), &[other("no healthy upstreamno healthy upstream"), Piece::Reply])]
    #[case(format!("Jwt is missing{REPLY}"), &[other("Jwt is missing"), Piece::Reply])]
    #[case(format!("local_rate_limitedlocal_rate_limited{REPLY}"), &[other("local_rate_limitedlocal_rate_limited"), Piece::Reply])]
    fn lines_of_a_good_log_are_recognised(#[case] line: String, #[case] expected: &[Piece]) {
        assert_eq!(pieces(&line, REPLY), expected);
    }

    #[rstest]
    #[case("Hello from backend service v2")]
    #[case("xHello from backend service")]
    #[case("Hello from backend service ")]
    #[case(" Hello from backend service")]
    #[case("hello from backend service")]
    #[case("5400Hello from backend service")]
    #[case("Hello from backend serviceHello from backend service")]
    #[case("RBAC: access denied")]
    #[case("Jwt is missing")]
    #[case("Jwt is missingHello from backend service v2")]
    #[case("my Jwt is missingHello from backend service")]
    #[case("no healthy upstream")]
    #[case("sh: curl: not found")]
    #[case("1 2 3")]
    fn lines_of_a_bad_log_are_recognised(#[case] line: &str) {
        assert_eq!(pieces(line, REPLY), [other(line.trim())]);
    }

    #[test]
    fn errors_lose_the_meter_before_them() {
        let line = format!("\r{ROW}curl: (6) Could not resolve host: echo");
        assert_eq!(pieces(&line, REPLY), [other("curl: (6) Could not resolve host: echo")]);
    }

    #[rstest]
    #[case("0", true)]
    #[case("12.3M", true)]
    #[case("0:00:10", true)]
    #[case("--:--:--", true)]
    #[case("-", false)]
    #[case("dh", false)]
    #[case("a:b", false)]
    #[case("12kk", false)]
    #[case("x12", false)]
    #[case("1x2", false)]
    #[case(".5", false)]
    #[case("", false)]
    fn meter_columns_are_sizes_and_times(#[case] word: &str, #[case] column: bool) {
        assert_eq!(is_column(word), column);
    }

    proptest! {
        #[test]
        fn only_the_exact_reply_counts(line in "[ -~\\r]{0,60}") {
            let found = pieces(&line, REPLY).contains(&Piece::Reply);
            prop_assert!(!found || line.contains(REPLY));
        }

        /// A damaged log loses only white space and the text before an error of curl.
        #[test]
        fn damaged_log_has_pieces(text in damaged(LOG, "(curl: \\(|[0-9:.kM-]{1,8}|\r|\n|%|\\PC{0,3})")) {
            for line in text.split('\n') {
                let found = pieces(line, REPLY);
                prop_assert!(line.trim().is_empty() || !found.is_empty(), "{line:?}");
                for piece in found {
                    if let Piece::Other(other) = piece {
                        prop_assert!(line.contains(&other) && !other.trim().is_empty(), "{line:?}");
                    }
                }
            }
        }

        #[test]
        fn random_line_causes_no_panic(line in "\\PC*", reply in "\\PC*") {
            pieces(&line, &reply);
        }
    }
}
