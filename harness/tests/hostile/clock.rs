//! Clocks that disagree: the cluster's, this machine's, and that of whoever recorded evidence.

use serde_json::Value;

use crate::Cases;
use crate::api::{against, lost};
use crate::mesh::Mesh;
use crate::program::{Outcome, judge};
use crate::sandbox::Sandbox;
use crate::support::run::recorded;

pub(crate) const CASES: Cases = &[
    ("cluster_ahead", |sandbox| of_the_cluster(sandbox, "2030")),
    ("cluster_behind", |sandbox| of_the_cluster(sandbox, "2020")),
    ("recorder_ahead", |sandbox| of_the_recorder(sandbox, "2096-01-01T00:00:00Z")),
    ("recorder_behind", |sandbox| of_the_recorder(sandbox, "1970-01-01T00:00:00Z")),
    ("first_moment", |sandbox| of_the_recorder(sandbox, "-009999-01-02T01:59:59Z")),
    ("last_moment", |sandbox| of_the_recorder(sandbox, "9999-12-30T22:00:00.9Z")),
    ("no_moment", |sandbox| {
        judge(sandbox, recorded_at("2026-13-45T99:00:00Z").to_string())
            .run()
            .error(2, &["e.json", "is damaged"])
    }),
];

/// All times of the cluster in another year; those of this machine as they are.
fn of_the_cluster(sandbox: &Sandbox, year: &str) -> Outcome {
    let check = |mesh: Mesh| against(sandbox, &mesh.serve(), "5").run().report(1);
    let plain = check(Mesh::with_a_fault()).json();
    let text = Mesh::with_a_fault().0.to_string().replace("2026-", &format!("{year}-"));
    let ended = check(Mesh(serde_json::from_str(&text).unwrap()));
    lost(&ended.json(), &plain);
    ended
}

fn recorded_at(time: &str) -> Value {
    let mut evidence = recorded();
    evidence["recorded_at"] = time.into();
    evidence
}

fn of_the_recorder(sandbox: &Sandbox, time: &str) -> Outcome {
    let judged =
        |evidence: &Value| judge(sandbox, evidence.to_string()).args(&["--output", "json"]).run();
    let plain = judged(&recorded()).json();
    let ended = judged(&recorded_at(time));
    let report = ended.json();
    let code = if lost(&report, &plain) > 0 { 3 } else { 0 };
    assert_eq!(ended.exit, Some(code), "{ended}");
    ended
}
