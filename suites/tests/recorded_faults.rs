//! Every recorded fault turns exactly its claims red, every variation none, and whole records are judged as known.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod recorded;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use meshcheck_suites::{Evidence, Report, Verdict, golden, judge};
use recorded::{cell, folders, name, repository, stable_report, text};
use serde::Deserialize;

/// What a check must say of a case; the steps of its file are the campaign's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Expected {
    red: BTreeSet<String>,
    causes: Vec<String>,
    unjudged: BTreeSet<String>,
    says: Vec<String>,
}

fn report(file: &Path) -> Report {
    let evidence: Evidence = serde_json::from_str(&text(file)).unwrap();
    judge(&evidence, &[])
}

/// The claims with one of these verdicts.
fn claims_with(report: &Report, verdicts: [Verdict; 2]) -> BTreeSet<String> {
    let has = |verdict| verdicts.contains(&verdict);
    report.claims.iter().filter(|it| has(it.verdict)).map(|it| it.id.clone()).collect()
}

/// How a report differs from what is expected of it.
fn difference(report: &Report, expected: &Expected) -> Option<String> {
    let red = claims_with(report, [Verdict::Fail, Verdict::Changed]);
    let unjudged = claims_with(report, [Verdict::Unjudged, Verdict::Skipped]);
    let mut texts = String::new();
    for claim in report.claims.iter().filter(|claim| claim.verdict != Verdict::Pass) {
        let details = [&claim.expected, &claim.observed, &claim.object].into_iter().flatten();
        details.chain([&claim.summary]).for_each(|text| texts.extend([text, "\n"]));
    }
    let silent: Vec<_> = expected.says.iter().filter(|text| !texts.contains(*text)).collect();
    let causes: Vec<_> = report.causes.iter().map(|cause| cause.claim.clone()).collect();
    let as_expected = red == expected.red
        && causes == expected.causes
        && unjudged == expected.unjudged
        && silent.is_empty();
    (!as_expected).then(|| {
        format!(
            "red {red:?}, causes {causes:?}, unjudged {unjudged:?}, not said {silent:?}\n{texts}"
        )
    })
}

/// The cases of a kind whose verdicts are not as their files say.
fn wrong(kind: &str, file: &str) -> String {
    let mut wrong = String::new();
    for folder in folders(kind) {
        let expected = toml::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap();
        if let Some(how) = difference(&report(&folder.join("evidence.json.gz")), &expected) {
            let _ = writeln!(wrong, "{}: {how}", name(&folder));
        }
    }
    wrong
}

#[test]
fn every_fault_turns_exactly_its_claims_red() {
    assert_eq!(wrong("faults", "fault.toml"), "");
}

#[test]
fn every_situation_on_a_real_mesh_turns_exactly_its_claims_red() {
    assert_eq!(wrong("live", "fault.toml"), "");
}

#[test]
fn no_variation_turns_a_claim_red() {
    assert_eq!(wrong("variations", "variation.toml"), "");
}

/// Whole records of other releases than the one that the faults were tried on.
#[test]
fn recorded_meshes_have_the_verdicts_that_are_known() {
    let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
    let native_sidecars = Expected {
        // Kiali's image has another release's tag there.
        red: ids(&["mesh::two_containers_per_pod", "kiali::console_served"]),
        causes: vec!["kiali::console_served".into()],
        unjudged: ids(&["prepare::kubernetes_version_supported"]),
        says: vec!["a native sidecar".into(), "v1.89.0".into()],
    };
    let meshes = [
        ("istio-1.20.3", Expected::default()),
        ("istio-1.31-alpha-kubernetes-1.34", native_sidecars),
    ];
    for (name, expected) in meshes {
        let report = report(&repository(&format!("fixtures/evidence/{name}.json.gz")));
        assert_eq!(difference(&report, &expected), None, "{name}");
    }
}

#[test]
fn recorded_evidence_names_no_machine() {
    let cases = recorded::KINDS.into_iter().flat_map(folders);
    let meshes = fs::read_dir(repository("fixtures/evidence")).unwrap();
    let meshes = meshes.map(|entry| entry.unwrap().path());
    let files = cases.map(|folder| folder.join("evidence.json.gz")).chain(meshes);
    for file in files.filter(|file| file.extension().is_some_and(|it| it == "gz")) {
        let text = text(&file);
        for word in ["\"/tmp/", "/home/", "/root/", "meshcheck.dev/maker"] {
            assert!(!text.contains(word), "{} holds {word}", file.display());
        }
    }
}

const HEAD: &str = "\
# Broken meshes, and what is told of them

Every fault of `cargo xtask faults` and of its set `live`, judged on the evidence that it recorded in `fixtures/faults` and `fixtures/live`. The table has what
the report says first, the command that it names first, and which other claims are red because of it. The whole report is `report.snap` in the fault's folder. A test compares this table with
what is judged today; `cargo xtask bless faults` writes it anew.

| fault | what is told first | type | red as well |
|---|---|---|---|
";

#[test]
fn generated_table_of_faults_is_up_to_date() {
    let mut rows: Vec<_> = ["faults", "live"]
        .into_iter()
        .flat_map(folders)
        .map(|it| (stable_report(&it), name(&it).to_owned()))
        .collect();
    // In the tutorial's order.
    rows.sort_by_key(|(report, _)| {
        let cause = report.causes.first();
        cause.and_then(|cause| report.claims.iter().position(|claim| claim.id == cause.claim))
    });
    let mut table = HEAD.to_owned();
    for (report, name) in rows {
        for (at, cause) in report.causes.iter().enumerate() {
            let name = if at == 0 { format!("`{name}`") } else { String::new() };
            let command = cause.commands.first().map(|it| format!("`{}`", cell(it)));
            let _ = writeln!(
                table,
                "| {name} | {}: {} | {} | {} |",
                cause.claim,
                cell(&cause.summary),
                command.unwrap_or_default(),
                cause.explains.join(", ")
            );
        }
    }
    golden::assert_file(&repository("docs/faults.md"), &table, "faults");
}
