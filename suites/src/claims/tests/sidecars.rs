//! Tests that no report denies the sidecar of a pod that has one, whether it runs or not.

use crate::judge;
use crate::testing::{claim_cases, recorded_fault, recorded_faults};

#[test]
fn report_denies_no_existing_sidecar() {
    let faults = recorded_faults().into_iter().map(|name| (recorded_fault(&name), name));
    let cases = claim_cases();
    let cases = cases
        .iter()
        .map(|(claim, case)| (case.evidence(claim), format!("{} {}", claim.id, case.name)));
    let mut denied = Vec::new();
    for (evidence, name) in faults.chain(cases) {
        let pods = evidence.demo.pods.value();
        let has_sidecar = pods.is_some_and(|pods| {
            let mut stay = pods.iter().filter(|pod| !pod.terminating && pod.phase != "Succeeded");
            stay.any(|pod| pod.sidecar().is_some())
        });
        let report = judge(&evidence, &[]);
        let is_denial = |summary: &str| {
            summary.starts_with("no pod in namespace") && summary.ends_with("has a sidecar")
        };
        let claims = report.claims.iter().filter(|claim| has_sidecar && is_denial(&claim.summary));
        denied.extend(claims.map(|claim| format!("{name}: {}: {}", claim.id, claim.summary)));
    }
    assert!(denied.is_empty(), "{denied:#?}");
}
