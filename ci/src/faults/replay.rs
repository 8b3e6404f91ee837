//! Every case of the campaign again, on the evidence that it recorded: red as it must be, in the words of
//! `docs/faults.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use meshcheck_suites::{Evidence, Report, judge};

use super::{cases, fixtures};
use crate::live::Verdicts;
use crate::workspace::repository;

/// `renew` writes the table anew.
const VARIABLE: &str = "MESHCHECK_FAULTS";

const HEAD: &str = "\
# Broken meshes, and what is told of them

Every fault of `cargo xtask faults`, on the evidence that it recorded (`fixtures/evidence/faults`): what a report says first, the command that it
names first, and which other claims are red because of it. A test compares this table with what is judged today;
`MESHCHECK_FAULTS=renew cargo nextest run -p ci replay` writes it anew.

| fault | what is told first | type | red as well |
|---|---|---|---|
";

/// What a case has recorded, on a cluster whose context is called `vm7`.
fn evidence(name: &str) -> Evidence {
    let file = fixtures::file(name);
    let text = fixtures::text(&file).unwrap_or_else(|error| {
        panic!("{error:#}: `cargo xtask faults --only {name} --fixtures` records it")
    });
    serde_json::from_str(&text).unwrap()
}

/// The report on it as of a cluster whose context is called `vm7`; names that chance gave end in an ellipsis.
fn report(name: &str) -> Report {
    let mut evidence = evidence(name);
    evidence.subject.kubeconfig = None;
    evidence.subject.context = "vm7".into();
    let sets =
        [&evidence.demo.pods, &evidence.install.pods].into_iter().filter_map(|it| it.value());
    let pods = sets.flatten().filter_map(|pod| {
        let set = pod.owner.as_deref()?.strip_prefix("ReplicaSet/")?;
        Some((pod.name.clone(), set.rsplit_once('-')?.0.to_owned()))
    });
    let mut told = serde_json::to_string(&judge(&evidence, &[])).unwrap();
    for (pod, deployment) in pods.collect::<Vec<_>>() {
        told = told.replace(&pod, &format!("{deployment}-…"));
    }
    let node = format!("{}-", evidence.subject.name.trim_start_matches("kind-"));
    serde_json::from_str(&told.replace(&node, "vm7-")).unwrap()
}

fn verdicts(report: &Report) -> Verdicts {
    Verdicts::read(&serde_json::to_string(report).unwrap(), String::new()).unwrap()
}

#[test]
fn every_fault_is_told_by_its_evidence() {
    let mut wrong = String::new();
    for fault in cases::faults() {
        let verdicts = verdicts(&judge(&evidence(fault.name), &[]));
        let set = |claims: &'static [&'static str]| claims.iter().copied().collect::<BTreeSet<_>>();
        let told = verdicts.told();
        let silent = fault.says.iter().any(|words| !told.contains(words));
        if verdicts.red() != set(fault.red) || verdicts.unjudged() != set(fault.unjudged) || silent
        {
            let _ = writeln!(wrong, "{}: {verdicts}\n", fault.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_variation_stays_green() {
    let mut wrong = String::new();
    for variation in cases::benign() {
        let verdicts = verdicts(&judge(&evidence(variation.name), &[]));
        let unseen: BTreeSet<_> = variation.unseen.iter().copied().collect();
        if !verdicts.red().is_empty() || verdicts.unjudged() != unseen {
            let _ = writeln!(wrong, "{}: {verdicts}\n", variation.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn fixtures_are_of_cases_and_of_no_machine() {
    let cases = cases::faults().map(|it| it.name).chain(cases::benign().map(|it| it.name));
    let known: BTreeSet<_> = cases.map(|name| format!("{name}{}", fixtures::ENDING)).collect();
    let directory = fixtures::file("x").parent().unwrap().to_owned();
    let there: BTreeSet<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, known);
    for name in there {
        let text = fixtures::text(&directory.join(&name)).unwrap();
        for word in ["\"/tmp/", "/home/", "/root/", "meshcheck.dev/maker"] {
            assert!(!text.contains(word), "{name} holds {word}");
        }
    }
}

/// A cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn the_table_of_faults_is_what_is_told() {
    let mut table = HEAD.to_owned();
    for fault in cases::faults() {
        let report = report(fault.name);
        for (at, cause) in report.causes.iter().enumerate() {
            let name = if at == 0 { format!("`{}`", fault.name) } else { String::new() };
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
        assert!(!report.causes.is_empty(), "{} has no cause", fault.name);
    }
    let file = repository().join("docs").join("faults.md");
    if std::env::var(VARIABLE).is_ok_and(|value| value == "renew") {
        fs::write(&file, &table).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    let differs = there.lines().zip(table.lines()).find(|(there, now)| there != now);
    assert!(
        there == table,
        "`{VARIABLE}=renew` writes it anew; the first difference: {differs:#?}"
    );
}
