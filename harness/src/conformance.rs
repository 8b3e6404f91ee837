//! What `tests/conformance.rs` is made of: where its evidence comes from, and what a verdict tells.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use meshcheck_suites::{Claim, Evidence, Verdict};

use crate::chain;
use crate::cli::{EVIDENCE_VARIABLE, ISTIO_VARIABLE, REASON_VARIABLE, record_once};
use crate::report::{change_lines, steps};
use crate::text::for_terminal;

/// The evidence that the claims are judged on: from the file that the environment names, or from a
/// cluster that is provisioned for it and removed again.
///
/// # Errors
///
/// As text: why there is no evidence. Every claim is then unjudged for this reason.
pub fn evidence() -> Result<Evidence, String> {
    if let Some(reason) = env::var_os(REASON_VARIABLE).filter(|reason| !reason.is_empty()) {
        return Err(reason.to_string_lossy().into_owned());
    }
    if let Some(file) = evidence_file() {
        return crate::evidence_file::read(&file)
            .map_err(|error| format!("{}\nfix: {}", chain(&error), error.hint()));
    }
    if env::var_os("NEXTEST").is_some() {
        return Err(format!(
            "nextest runs each claim in a process of its own, and no setup script handed over the evidence\n\
             fix: use the repository's .config/nextest.toml, or set {EVIDENCE_VARIABLE} to a file"
        ));
    }
    let bundle = env::var_os("MESHCHECK_BUNDLE").map(PathBuf::from);
    record_once(bundle)
}

/// Returns the file of evidence that the environment names.
pub fn evidence_file() -> Option<PathBuf> {
    env::var_os(EVIDENCE_VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// Returns the version of Istio that `MESHCHECK_ISTIO` names, as the tests' names have it: nextest's output and JUnit
/// then show it.
pub fn named_version() -> Option<String> {
    let version = env::var(ISTIO_VARIABLE).ok().filter(|version| !version.is_empty())?;
    Some(format!("Istio {}", for_terminal(&version)))
}

/// Returns why a claim's test fails; nothing where the claim holds. A claim that was skipped fails as well: on a
/// cluster of meshcheck nothing has to be skipped.
///
/// The symptom comes first. If another claim causes it, that claim and its steps follow. The last line names the file
/// of the evidence, where there is one.
pub fn explain(claim: &Claim, evidence: &Evidence, file: Option<&Path>) -> Option<String> {
    // Judging takes microseconds, and causes are found among all claims.
    let report = meshcheck_suites::judge(evidence, &[]);
    let judged = report.claims.iter().find(|judged| judged.id == claim.id)?;
    if judged.verdict == Verdict::Pass {
        return None;
    }
    let mut text = for_terminal(&format!("{}: {}", judged.verdict, judged.summary));
    let details = [
        ("object", &judged.object),
        ("expected", &judged.expected),
        ("observed", &judged.observed),
    ];
    for (name, detail) in details {
        if let Some(detail) = detail {
            let _ = write!(text, "\n  {name:8}  {}", for_terminal(detail));
        }
    }
    if let Some(change) = &judged.change {
        for (name, line) in change_lines(change) {
            let _ = write!(text, "\n  {name}  {}", for_terminal(&line));
        }
    }
    let root = report.causes.iter().find(|cause| judged.because.as_ref() == Some(&cause.claim));
    if let Some(root) = root {
        let _ = write!(text, "\ncaused by {}: {}", root.claim, for_terminal(&root.summary));
    }
    let advice = steps(root.map_or(&judged.steps, |root| &root.steps), "  ");
    let id = root.map_or(&judged.id, |root| &root.claim);
    let _ = write!(text, "\n{advice}  More: meshcheck explain {id}");
    if let Some(file) = file {
        let _ = write!(text, "\n  Evidence: {}", for_terminal(&file.to_string_lossy()));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::explain;
    use meshcheck_suites::CLAIMS;
    use meshcheck_suites::evidence::Observation;

    #[test]
    fn consequence_shows_its_symptom_then_its_cause() {
        let mut evidence: meshcheck_suites::Evidence =
            serde_json::from_str(include_str!("../../fixtures/evidence/lab.json")).unwrap();
        let explained = |evidence: &_, id: &str| {
            let claim = CLAIMS.iter().find(|claim| claim.id == id).unwrap();
            explain(claim, evidence, Some(Path::new("run-7.json")))
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
        assert!(lines[0].starts_with("fail: "), "{text}");
        let cause = lines.iter().position(|line| line.starts_with("caused by kiali::running: "));
        let steps = &lines[cause.unwrap() + 1..];
        assert!(steps[0].starts_with("  Fix ("), "{text}");
        assert!(
            steps[1].starts_with("    kubectl ") && steps[1].ends_with("--replicas=1"),
            "{text}"
        );
        let end = ["  More: meshcheck explain kiali::running", "  Evidence: run-7.json"];
        assert!(steps.ends_with(&end), "{text}");
        let text = explained(&evidence, "kiali::running").unwrap();
        assert!(text.starts_with("fail: "), "{text}");
    }
}
