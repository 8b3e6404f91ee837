//! One test per claim, all on one recording of one provisioned cluster.
//!
//! Under nextest a setup script records it (`.config/nextest.toml`); `cargo test` provisions in this
//! process, once, when the first claim is run, and ignores the claims where it cannot. Listing needs no
//! cluster.

use std::env;
use std::io::{Write as _, stderr};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use meshcheck::conformance;
use meshcheck_suites::{CLAIMS, Claim, Evidence};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let evidence: Arc<OnceLock<Result<Evidence, String>>> = Arc::default();
    let missing = missing().filter(|_| !arguments.list);
    let version = conformance::named_version();
    let trials = CLAIMS
        .iter()
        .map(|claim| {
            let evidence = Arc::clone(&evidence);
            let test = move || match evidence.get_or_init(conformance::evidence) {
                Ok(evidence) => verdict(claim, evidence),
                Err(reason) => Err(quoted(&format!("not judged: {reason}"))),
            };
            Trial::test(claim.id, test)
                .with_kind(missing.or(version.as_deref()).unwrap_or_default())
                .with_ignored_flag(missing.is_some())
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What a cluster is missing here, where the evidence would come from one.
fn missing() -> Option<&'static str> {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if ["NEXTEST", "MESHCHECK_EVIDENCE", "MESHCHECK_NO_EVIDENCE"].into_iter().any(is_set) {
        return None;
    }
    let docker = || Command::new("docker").arg("info").output().is_ok_and(|it| it.status.success());
    if !is_set("MESHCHECK_BUNDLE") {
        Some("needs a bundle: MESHCHECK_BUNDLE")
    } else if !docker() {
        Some("needs docker")
    } else {
        None
    }
}

/// Passes only on a claim that holds: on a cluster of meshcheck nothing is left out.
fn verdict(claim: &Claim, evidence: &Evidence) -> Result<(), Failed> {
    let file = conformance::evidence_file();
    let explanation = conformance::explain(claim, evidence, file.as_deref());
    explanation.map_or(Ok(()), |explanation| Err(quoted(&explanation)))
}

/// nextest quotes what stands behind `Error: ` on standard error.
fn quoted(explanation: &str) -> Failed {
    let _ = writeln!(stderr().lock(), "Error: {explanation}");
    Failed::from(explanation)
}
