//! Clocks that disagree: the cluster's, this machine's, and that of whoever recorded evidence.

use serde_json::Value;

use crate::api::{against, lost};
use crate::case::{Case, Place};
use crate::mesh::{Mesh, recorded};
use crate::program::{Ended, arguments, totals};
use crate::server::{Server, Way};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("clock::cluster_ahead", "a cluster whose clock is 4 years ahead", |place| {
            of_the_cluster(place, "2030")
        }),
        Case::new("clock::cluster_behind", "a cluster whose clock is 6 years behind", |place| {
            of_the_cluster(place, "2020")
        }),
        Case::new(
            "clock::recorder_ahead",
            "evidence whose recorder's clock was 70 years ahead",
            |place| of_the_recorder(place, "2096-01-01T00:00:00Z"),
        ),
        Case::new(
            "clock::recorder_behind",
            "evidence whose recorder's clock was at 1970",
            |place| of_the_recorder(place, "1970-01-01T00:00:00Z"),
        ),
        Case::new("clock::first_moment", "evidence of the first moment that there is", |place| {
            of_the_recorder(place, "-009999-01-02T01:59:59Z")
        }),
        Case::new("clock::last_moment", "evidence of the last moment that there is", |place| {
            of_the_recorder(place, "9999-12-30T22:00:00.9Z")
        }),
        Case::new("clock::no_moment", "evidence of a time that there is not", |place| {
            let file = place.file("evidence.json", recorded_at("2026-13-45T99:00:00Z").to_string());
            place
                .meshcheck(&arguments(&[&"judge", &file]))
                .run()
                .error(2, &["evidence.json", "line"])
        }),
    ]
}

/// All times of the cluster in another year; those of this machine as they are.
fn of_the_cluster(place: &Place, year: &str) -> Ended {
    let check = |mesh: Mesh| {
        let server = Server::start(move |request| Way::Whole(mesh.answer(request)));
        against(place, server, "5").run().report(1)
    };
    let plain = check(Mesh::with_a_fault()).json();
    let text = Mesh::with_a_fault().evidence.to_string().replace("\"2026-", &format!("\"{year}-"));
    let ended = check(Mesh::changed(|evidence| *evidence = serde_json::from_str(&text).unwrap()));
    lost(&ended.json(), &plain);
    ended
}

fn recorded_at(time: &str) -> Value {
    let mut evidence = recorded();
    evidence["recorded_at"] = time.into();
    evidence
}

fn of_the_recorder(place: &Place, time: &str) -> Ended {
    let judge = |evidence: &Value| {
        let file = place.file("evidence.json", evidence.to_string());
        place.meshcheck(&arguments(&[&"judge", &file, &"--output", &"json"])).run()
    };
    let plain = judge(&recorded()).json();
    let ended = judge(&recorded_at(time));
    let report = ended.json();
    let code = if lost(&report, &plain) > 0 { 3 } else { 0 };
    assert_eq!(ended.exit, Some(code), "{ended}");
    let told = totals(&report);
    ended.told(told)
}
