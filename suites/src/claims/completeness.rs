//! Tests on the tables of cases: no claim is without a red, an unjudged and a green one.

use super::mutations::Case;
use super::{CLAIMS, demo, ingress, install, kiali, mesh, prepare};
use crate::judgement::Verdict;

/// The tables of all sections: those very rows that are proven one by one.
const SECTIONS: [&[&[Case]]; 7] = [
    prepare::tests::TABLES,
    install::tests::TABLES,
    demo::tests::TABLES,
    demo::log_tests::TABLES,
    mesh::tests::TABLES,
    ingress::tests::TABLES,
    kiali::tests::TABLES,
];

/// All rows.
pub(crate) fn cases() -> Vec<&'static Case> {
    SECTIONS.into_iter().flatten().copied().flatten().collect()
}

/// The claims that lack a case, and which.
fn lacking(cases: &[&Case]) -> Vec<String> {
    let needed = [Verdict::Fail, Verdict::Unjudged, Verdict::Pass];
    let all = CLAIMS.iter().flat_map(|claim| needed.map(|verdict| (claim.id, verdict)));
    all.filter(|(id, verdict)| {
        !cases.iter().any(|case| case.claim == *id && case.verdict == *verdict)
    })
    .map(|(id, verdict)| format!("{id} has no case that is {verdict}"))
    .collect()
}

#[test]
fn every_claim_has_a_red_an_unjudged_and_a_green_case() {
    assert_eq!(lacking(&cases()), [""; 0]);
}

#[test]
fn a_claim_that_lost_its_cases_is_told() {
    let id = "kiali::running";
    for verdict in [Verdict::Fail, Verdict::Unjudged, Verdict::Pass] {
        let mut cases = cases();
        cases.retain(|case| case.claim != id || case.verdict != verdict);
        assert_eq!(lacking(&cases), [format!("{id} has no case that is {verdict}")]);
    }
}
