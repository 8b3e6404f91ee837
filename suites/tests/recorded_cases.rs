//! Situations that other people met: each file of evidence in `fixtures/cases` has exactly the verdicts of its `case.toml`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod recorded;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use meshcheck_suites::{Evidence, Report, Verdict, golden, is_installed_otherwise, judge};
use recorded::{cell, folders, name, repository, stable_report, text};
use serde::Deserialize;

/// A `case.toml`. Claims that it does not name pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is the case, in one sentence.
    situation: String,
    /// Who met it: `owner/repository#number` of an issue or pull request, or an address.
    sources: Vec<String>,
    #[serde(default)]
    fail: BTreeSet<String>,
    #[serde(default)]
    changed: BTreeSet<String>,
    #[serde(default)]
    unjudged: BTreeSet<String>,
    #[serde(default)]
    skipped: BTreeSet<String>,
    /// The causes, in the report's order.
    #[serde(default)]
    causes: Vec<String>,
    /// What the report must contain: its JSON, with messages and commands.
    #[serde(default)]
    says: Vec<String>,
    /// What it must not contain, such as a command that would do harm.
    #[serde(default)]
    never_says: Vec<String>,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let file = folder.join("case.toml");
        let text = fs::read_to_string(&file).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// How a report differs from what is right.
    fn difference(&self, report: &Report) -> String {
        let mut difference = String::new();
        let verdicts = [
            (Verdict::Fail, &self.fail),
            (Verdict::Changed, &self.changed),
            (Verdict::Unjudged, &self.unjudged),
            (Verdict::Skipped, &self.skipped),
        ];
        for (verdict, right) in verdicts {
            let claims = report.claims.iter().filter(|it| it.verdict == verdict);
            let judged: BTreeSet<_> = claims.map(|it| it.id.clone()).collect();
            for claim in judged.difference(right) {
                let _ =
                    writeln!(difference, "  {claim} is {verdict:?}: {}", summary(report, claim));
            }
            for claim in right.difference(&judged) {
                let _ = writeln!(
                    difference,
                    "  {claim} is not {verdict:?}: {}",
                    summary(report, claim)
                );
            }
        }
        let causes: Vec<_> = report.causes.iter().map(|cause| cause.claim.clone()).collect();
        if causes != self.causes {
            let _ = writeln!(difference, "  the causes are {causes:?}");
        }
        let text = serde_json::to_string(report).unwrap();
        let contains =
            |part: &String| text.contains(serde_json::to_string(part).unwrap().trim_matches('"'));
        for part in self.says.iter().filter(|it| !contains(it)) {
            let _ = writeln!(difference, "  the report does not contain {part:?}");
        }
        for part in self.never_says.iter().filter(|it| contains(it)) {
            let _ = writeln!(difference, "  the report contains {part:?}");
        }
        difference
    }
}

fn summary<'a>(report: &'a Report, claim: &str) -> &'a str {
    report.claims.iter().find(|it| it.id == claim).map_or("no such claim", |it| &it.summary)
}

/// The report on the evidence as it was recorded.
fn report(folder: &Path) -> Report {
    let evidence: Evidence = serde_json::from_str(&text(&folder.join("evidence.json.gz"))).unwrap();
    judge(&evidence, &[])
}

#[test]
fn every_case_has_its_right_verdicts() {
    let mut wrong = String::new();
    for folder in folders("cases") {
        let difference = Case::read(&folder).difference(&report(&folder));
        if !difference.is_empty() {
            let _ = writeln!(wrong, "{}:\n{difference}", name(&folder));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn istioctl_installs_nothing_over_another_installation() {
    let mut others = 0;
    for folder in folders("cases") {
        let evidence: Evidence =
            serde_json::from_str(&text(&folder.join("evidence.json.gz"))).unwrap();
        if is_installed_otherwise(&evidence) {
            others += 1;
            let report = serde_json::to_string(&judge(&evidence, &[])).unwrap();
            assert!(!report.contains("install --set"), "{}", name(&folder));
        }
    }
    assert!(others >= 6, "{others}");
}

const HEAD: &str = "\
# Situations that other people met

Each is evidence in `fixtures/cases`, judged by `cargo test`: what was reported where, the claims that do not pass, what the report says first and
the command that it names first. The whole report is `report.snap` in the case's folder. `cargo xtask bless faults` writes this table.

| case | situation | sources | fail, *changed*, (unjudged) | first cause | first command |
|---|---|---|---|---|---|
";

#[test]
fn generated_table_of_cases_is_up_to_date() {
    let mut table = HEAD.to_owned();
    for folder in folders("cases") {
        let (case, report) = (Case::read(&folder), stable_report(&folder));
        let fail = case.fail.iter().cloned();
        let changed = case.changed.iter().map(|it| format!("*{it}*"));
        let unjudged = case.unjudged.iter().map(|it| format!("({it})"));
        let mut verdicts = fail.chain(changed).chain(unjudged).collect::<Vec<_>>().join(", ");
        if verdicts.is_empty() {
            verdicts = "none".into();
        }
        let root = report.causes.first();
        let first = root.map(|it| cell(&format!("{}: {}", it.claim, it.summary)));
        let command = root.and_then(|it| it.commands.first());
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {verdicts} | {} | {} |",
            name(&folder),
            cell(&case.situation),
            cell(&case.sources.join(", ")),
            first.unwrap_or_default(),
            command.map(|it| format!("`{}`", cell(it))).unwrap_or_default(),
        );
    }
    golden::assert_file(&repository("docs/field.md"), &table, "faults");
}
