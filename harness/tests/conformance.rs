//! One test per claim, all on one recording of one provisioned cluster.
//!
//! Under nextest a setup script records it (`.config/nextest.toml`); `cargo test` provisions in this
//! process, once, when the first claim is run. Listing needs no cluster.

use std::io::{Write as _, stderr};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use meshcheck::conformance;
use meshcheck_suites::{CLAIMS, Claim, Evidence};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let evidence: Arc<OnceLock<Result<Evidence, String>>> = Arc::default();
    let trials = CLAIMS
        .iter()
        .map(|claim| {
            let evidence = Arc::clone(&evidence);
            Trial::test(claim.id, move || match evidence.get_or_init(conformance::evidence) {
                Ok(evidence) => verdict(claim, evidence),
                Err(reason) => Err(quoted(&format!("not judged: {reason}"))),
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Passes only on a claim that holds: on a cluster of our own nothing is left out.
fn verdict(claim: &Claim, evidence: &Evidence) -> Result<(), Failed> {
    conformance::explain(claim, evidence).map_or(Ok(()), |explanation| Err(quoted(&explanation)))
}

/// nextest quotes what stands behind `Error: ` on standard error.
fn quoted(explanation: &str) -> Failed {
    let _ = writeln!(stderr().lock(), "Error: {explanation}");
    Failed::from(explanation)
}
