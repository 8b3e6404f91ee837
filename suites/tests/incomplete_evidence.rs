//! A verdict that is shown while evidence is collected is the final one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod recorded;

use std::path::{Path, PathBuf};

use meshcheck_suites::evidence::{MeshEvidence, Observation};
use meshcheck_suites::{Evidence, Section, judge, judged_early};
use recorded::{folders, meshes, text};
use rstest::rstest;

/// Removes the observations of a section.
fn remove(evidence: &mut Evidence, section: Section) {
    let (subject, expectations) = (evidence.subject.clone(), evidence.expectations.clone());
    let why = Observation::failed("not collected yet");
    let empty = Evidence::without_observations(subject, expectations, evidence.recorded_at, &why);
    match section {
        Section::Prepare => evidence.cluster = empty.cluster,
        Section::Install => evidence.install = empty.install,
        Section::Demo => {
            evidence.demo = empty.demo;
            evidence.mesh.traffic = empty.mesh.traffic;
        }
        Section::Mesh => {
            let traffic = evidence.mesh.traffic.clone();
            evidence.mesh = MeshEvidence { traffic, ..empty.mesh };
        }
        Section::Ingress => evidence.ingress = empty.ingress,
        _ => evidence.kiali = empty.kiali,
    }
}

/// All sets of sections that can be complete before others.
fn sets() -> impl Iterator<Item = Vec<Section>> {
    (0..1 << Section::ALL.len()).map(|bits: u32| {
        let sections = Section::ALL.into_iter().enumerate();
        sections.filter(|(at, _)| bits & (1 << at) != 0).map(|(_, section)| section).collect()
    })
}

/// Returns how many verdicts are shown early, and those that are not the final ones.
fn compare(evidence: &Evidence) -> (usize, Vec<String>) {
    let last = judge(evidence, &[]);
    let (mut shown, mut wrong) = (0, Vec::new());
    // Without these two, no verdict is shown.
    for complete in sets().filter(|it| it.starts_with(&[Section::Prepare, Section::Install])) {
        let mut part = evidence.clone();
        part.demo.pods_at_end = Observation::failed("not collected yet");
        let missing = Section::ALL.into_iter().filter(|section| !complete.contains(section));
        missing.for_each(|section| remove(&mut part, section));
        let early = judge(&part, &[]);
        for claim in judged_early(&early, &complete) {
            let final_claim = last.claims.iter().find(|it| it.id == claim.id).unwrap();
            shown += 1;
            if claim.verdict != final_claim.verdict {
                let verdicts = (claim.verdict, final_claim.verdict);
                wrong.push(format!("{}: {verdicts:?} with {complete:?}", claim.id));
            }
        }
    }
    (shown, wrong)
}

/// The recorded evidence below a folder of `fixtures`.
fn files(kind: &str) -> Vec<PathBuf> {
    if kind == "evidence" {
        return meshes();
    }
    folders(kind).into_iter().map(|folder| folder.join("evidence.json.gz")).collect()
}

fn read(file: &Path) -> Evidence {
    serde_json::from_str(&text(file)).unwrap()
}

#[rstest]
#[case("evidence")]
#[case("faults")]
#[case("variations")]
#[case("live")]
#[case("cases")]
fn verdict_on_incomplete_evidence_is_the_final_one(#[case] kind: &str) {
    let (mut shown, mut wrong) = (0, Vec::new());
    let files = files(kind);
    for file in &files {
        let (more, others) = compare(&read(file));
        shown += more;
        wrong.extend(others.into_iter().map(|it| format!("{}: {it}", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown > 100 * files.len(), "{shown} verdicts on {} files", files.len());
}

#[test]
fn nothing_is_shown_before_the_sections_that_decide_on_all_claims_are_complete() {
    let report = judge(&read(&files("evidence")[0]), &[]);
    let all = Section::ALL;
    assert_eq!(judged_early(&report, &all[1..]).count(), 0);
    assert_eq!(judged_early(&report, &[Section::Prepare, Section::Demo]).count(), 0);
    assert!(judged_early(&report, &all).count() > 25);
}
