//! What `tests/conformance.rs` is made of: where its evidence comes from, and what a verdict tells.

use std::env;
use std::path::{Path, PathBuf};

use meshcheck_suites::{Claim, Evidence, Verdict};

use crate::chain;
use crate::cli::{EVIDENCE_VARIABLE, REASON_VARIABLE, record_once};
use crate::report::{Style, hint};
use crate::text::for_terminal;

/// The evidence that the claims are judged on: from the file that the environment names, or from a
/// cluster that is provisioned for it and removed again.
///
/// # Errors
///
/// In words: why there is no evidence. Every claim is then unjudged for this reason.
pub fn evidence() -> Result<Evidence, String> {
    if let Some(reason) = env::var_os(REASON_VARIABLE).filter(|reason| !reason.is_empty()) {
        return Err(reason.to_string_lossy().into_owned());
    }
    if let Some(file) = env::var_os(EVIDENCE_VARIABLE).filter(|file| !file.is_empty()) {
        return crate::evidence_file::read(Path::new(&file))
            .map_err(|error| format!("{}\nhint: {}", chain(&error), error.hint()));
    }
    if env::var_os("NEXTEST").is_some() {
        return Err(format!(
            "nextest runs each claim in a process of its own, and no setup script handed over the evidence\n\
             hint: use the repository's .config/nextest.toml, or set {EVIDENCE_VARIABLE} to a file"
        ));
    }
    let bundle = env::var_os("MESHCHECK_BUNDLE").map(PathBuf::from);
    record_once(bundle)
}

/// Why a claim's test fails; nothing where the claim holds. A claim that was left out fails as
/// well: on a cluster of our own everything can be asked.
///
/// What only follows from another claim says so first, and leaves what to do to that one.
pub fn explain(claim: &Claim, evidence: &Evidence) -> Option<String> {
    // Judging takes microseconds, and causes are found among all claims.
    let report = meshcheck_suites::judge(evidence, &[]);
    let judged = report.claims.iter().find(|judged| judged.id == claim.id)?;
    if judged.verdict == Verdict::Pass {
        return None;
    }
    let mut lines = Vec::new();
    let advice = |label: &str, words: &str| {
        let text = hint(label, words, "  ", Style::plain());
        text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let root = report.causes.iter().find(|cause| judged.because.as_ref() == Some(&cause.claim));
    if let Some(root) = root {
        lines.push(for_terminal(&format!("because of {}: {}", root.claim, root.summary)));
        lines.extend(root.hint.iter().flat_map(|hint| advice("mend that first", hint)));
    }
    lines.push(for_terminal(&format!("{}: {}", judged.verdict, judged.summary)));
    let details = [
        ("expected", &judged.expected),
        ("observed", &judged.observed),
        ("object", &judged.object),
    ];
    for (name, detail) in details {
        if let Some(detail) = detail {
            lines.push(for_terminal(&format!("  {name}: {detail}")));
        }
    }
    if root.is_none() {
        lines.extend(judged.hint.iter().flat_map(|hint| advice("hint", hint)));
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::explain;
    use meshcheck_suites::CLAIMS;
    use meshcheck_suites::evidence::Observation;

    #[test]
    fn a_consequence_says_its_cause_first() {
        let mut evidence: meshcheck_suites::Evidence =
            serde_json::from_str(include_str!("../../fixtures/evidence/lab.json")).unwrap();
        let explained = |evidence: &_, id: &str| {
            explain(CLAIMS.iter().find(|claim| claim.id == id).unwrap(), evidence)
        };
        assert_eq!(explained(&evidence, "kiali::console_served"), None);
        for deployment in evidence.install.deployments.value_mut().unwrap() {
            if deployment.name == "kiali" {
                deployment.replicas = 0;
            }
        }
        evidence.install.pods.value_mut().unwrap().retain(|pod| !pod.name.starts_with("kiali"));
        evidence.kiali.console = Observation::absent("no Kiali pod is ready");
        evidence.kiali.api = Observation::absent("no Kiali pod is ready");
        let text = explained(&evidence, "kiali::console_served").unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("because of kiali::running: Kiali is not"), "{text}");
        assert_eq!(lines[1], "  mend that first:", "{text}");
        let command = lines[2].trim_start();
        assert!(command.starts_with("kubectl ") && command.ends_with("--replicas=1"), "{text}");
        assert!(lines[3].trim() == "starts it again" && lines[4].starts_with("fail: "), "{text}");
        let text = explained(&evidence, "kiali::running").unwrap();
        assert!(text.starts_with("fail: Kiali is not available"), "{text}");
    }
}
