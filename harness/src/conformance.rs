//! What `tests/conformance.rs` is made of: where its evidence comes from, and what a verdict tells.

use std::env;
use std::path::{Path, PathBuf};

use meshcheck_suites::{Claim, Evidence, Verdict};

use crate::{chain, text};

/// Names a file of evidence: the claims are judged on it, nothing is provisioned.
pub const EVIDENCE_VARIABLE: &str = "MESHCHECK_EVIDENCE";

/// Says why nextest's setup script has no evidence to hand over.
pub const REASON_VARIABLE: &str = "MESHCHECK_NO_EVIDENCE";

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
    crate::cli::record_once(bundle)
}

/// Why a claim's test fails; nothing where the claim holds. A claim that was left out fails as
/// well: on a cluster of our own everything can be asked.
pub fn explain(claim: &Claim, evidence: &Evidence) -> Option<String> {
    let judgement = claim.judge(evidence);
    if judgement.verdict == Verdict::Pass {
        return None;
    }
    let mut lines = vec![format!("{}: {}", judgement.verdict, judgement.summary)];
    let details = [
        ("expected", &judgement.expected),
        ("observed", &judgement.observed),
        ("object", &judgement.object),
        ("hint", &judgement.hint),
    ];
    for (name, detail) in details {
        if let Some(detail) = detail {
            lines.push(format!("  {name}: {detail}"));
        }
    }
    Some(lines.iter().map(|line| text::for_terminal(line)).collect::<Vec<_>>().join("\n"))
}
