//! Tests that go through all claims and all of their cases.

mod contradictions;
mod corruption;
mod fix_commands;
mod missing_observations;
mod renamed_demo;
mod sidecars;
mod versions;

use super::CLAIMS;
use crate::evidence::Expectations;

#[test]
fn statements_name_the_ports_and_paths_that_are_expected() {
    let tutorial = Expectations::of_the_tutorial("1.20.3", "the tutorial");
    for claim in CLAIMS {
        assert_eq!(claim.statement_for(&tutorial), claim.statement);
    }
    let mut varied = tutorial;
    varied.backend.service_port = 8080;
    varied.kiali.web_root = "/console/".into();
    let statements: Vec<_> = CLAIMS.iter().map(|claim| claim.statement_for(&varied)).collect();
    assert!(statements.iter().any(|it| it.contains("from port 8080 to")), "{statements:?}");
    assert!(statements.iter().any(|it| it == "Kiali redirects / to /console/"), "{statements:?}");
}
