//! The whole report on every recorded fault, variation and case, as `meshcheck judge` prints it into a pipe.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../suites/tests/recorded/mod.rs"]
mod recorded;

use std::fs;

use meshcheck::report::{Document, Style, human, schema};
use meshcheck_suites::evidence::SCHEMA;
use meshcheck_suites::{Evidence, golden, judge};
use recorded::{KINDS, folders, meshes, name, stable_report, stable_report_on};
use serde_json::Value;

#[test]
fn generated_reports_are_up_to_date() {
    for folder in KINDS.into_iter().flat_map(folders) {
        let report = human(&stable_report(&folder), Style::plain());
        golden::assert_file(&folder.join("report.snap"), &report, "faults");
    }
}

#[test]
fn generated_reports_on_whole_meshes_are_up_to_date() {
    for file in meshes() {
        let report = human(&stable_report_on(&file), Style::plain());
        // `NAME.json.gz` becomes `NAME.snap`.
        let snap = file.with_extension("").with_extension("snap");
        golden::assert_file(&snap, &report, "faults");
    }
}

/// The README shows what the program prints: a report where all holds, and one with a fault.
#[test]
fn generated_samples_in_the_readme_are_up_to_date() {
    let path = recorded::repository("README.md");
    let mut readme = fs::read_to_string(&path).unwrap();
    let samples = [
        ("    $ meshcheck check\n", "variations/istiod-restarted"),
        ("    $ meshcheck check --context vm7\n", "faults/istiod-scaled-to-zero"),
    ];
    for (command, folder) in samples {
        let folder = recorded::repository("fixtures").join(folder);
        let report = human(&stable_report(&folder), Style::plain());
        let lines = report.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n");
        let sample: String = lines.collect();
        let start = readme.find(command).unwrap() + command.len();
        // The sample ends where the next line of prose begins.
        let end =
            readme[start..].lines().take_while(|line| line.is_empty() || line.starts_with("    "));
        let length: usize = end.map(|line| line.len() + 1).sum();
        readme.replace_range(start..start + length, &(sample + "\n"));
    }
    golden::assert_file(&path, &readme, "faults");
}

/// The validator of a document, from the schema that `meshcheck schema` prints.
fn validator(document: Document) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(&schema(document)).unwrap()).unwrap()
}

/// What a schema finds wrong with a document.
fn violations(validator: &jsonschema::Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|it| format!("{}: {it}", it.instance_path())).collect()
}

#[test]
fn every_recorded_document_fits_its_schema() {
    let (reports, evidence) = (validator(Document::Report), validator(Document::Evidence));
    let folders: Vec<_> = KINDS.into_iter().flat_map(folders).collect();
    assert!(!folders.is_empty());
    for folder in folders {
        let report = serde_json::to_value(stable_report(&folder)).unwrap();
        assert_eq!(violations(&reports, &report), [""; 0], "{}", folder.display());
        let recorded = recorded::text(&folder.join("evidence.json.gz"));
        let recorded = serde_json::from_str(&recorded).unwrap();
        assert_eq!(violations(&evidence, &recorded), [""; 0], "{}", folder.display());
    }
}

#[test]
fn wrong_document_does_not_fit_its_schema() {
    let folder = folders("faults").remove(0);
    let report = serde_json::to_value(stable_report(&folder)).unwrap();
    let mut wrong = report.clone();
    wrong["claims"][0]["verdict"] = "green".into();
    assert_eq!(violations(&validator(Document::Report), &wrong).len(), 1);
    let mut wrong = report.clone();
    wrong.as_object_mut().unwrap().remove("totals");
    assert_eq!(violations(&validator(Document::Report), &wrong).len(), 1);
    assert!(!violations(&validator(Document::Evidence), &report).is_empty());
}

/// The layouts of evidence that meshcheck ever wrote, each of a healthy mesh: `NUMBER-WHAT-IS-NEW.json.gz`.
#[test]
fn every_layout_of_evidence_that_was_ever_written_still_judges() {
    let layouts = folders("layouts");
    for number in 1..=SCHEMA {
        let of_number = layouts.iter().filter(|it| name(it).starts_with(&format!("{number}-")));
        assert!(of_number.count() > 0, "no evidence of schema {number} is kept");
    }
    let schema = validator(Document::Evidence);
    for file in layouts {
        let text = recorded::text(&file);
        assert_eq!(violations(&schema, &serde_json::from_str(&text).unwrap()), [""; 0]);
        let evidence: Evidence = serde_json::from_str(&text).unwrap();
        let report = judge(&evidence, &[]);
        assert_eq!(report.totals.pass, report.claims.len(), "{}", file.display());
    }
}
