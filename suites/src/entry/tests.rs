//! What must be true of every claim and every check.

use std::collections::BTreeSet;

use super::{Entry, Page, Section, Subject};
use crate::judgement::Verdict;
use crate::{CHECKS, CLAIMS};

/// What is wrong with entries that a reader would miss.
fn problems<E: Subject>(entries: &[&Entry<E>], sections: &[Section]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for entry in entries {
        let id = entry.id;
        let mut miss = |what: String| problems.push(format!("{id} {what}"));
        let (section, name) = id.split_once("::").unwrap_or_default();
        if !ids.insert(id) {
            miss("stands twice".into());
        }
        if !sections.iter().any(|known| known.word() == section)
            || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            miss("is no id".into());
        }
        if !entry.page.file.ends_with(&format!("{section}/{name}.rs")) {
            miss(format!("stands in {}", entry.page.file));
        }
        for verdict in [Verdict::Fail, Verdict::Unjudged, Verdict::Pass] {
            if !entry.cases.iter().any(|case| case.verdict == verdict) {
                miss(format!("has no case that is {verdict}"));
            }
        }
        let names: BTreeSet<_> = entry.cases.iter().map(|case| case.name).collect();
        if names.len() != entry.cases.len() {
            miss("has two cases of one name".into());
        }
        let page = entry.page.text();
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        if headings != Page::HEADINGS {
            miss(format!("has a page with the headings {headings:?}"));
        }
        if page.contains("TODO") {
            miss("has a page with something left to write".into());
        }
    }
    problems
}

#[test]
fn every_claim_is_complete() {
    assert_eq!(problems(CLAIMS, &Section::ALL), [""; 0]);
    assert!(CLAIMS.is_sorted_by_key(|claim| claim.section()));
}

#[test]
fn every_check_is_complete() {
    assert_eq!(problems(CHECKS, &Section::PREFLIGHT), [""; 0]);
    assert!(CHECKS.is_sorted_by_key(|check| check.section()));
}

/// Takes away what nothing explains, over and over: nothing is left where there is no circle.
fn assert_no_circle<E: Subject>(entries: &[&Entry<E>]) {
    let mut left: Vec<_> = entries.to_vec();
    while !left.is_empty() {
        let open = |id: &str| left.iter().any(|entry| entry.id == id);
        let explained = |entry: &&&Entry<E>| entry.causes.iter().any(|it| open(it.entry.id));
        let rest: Vec<_> = left.iter().filter(explained).copied().collect();
        assert!(rest.len() < left.len(), "a circle: {rest:?}");
        left = rest;
    }
}

#[test]
fn causes_have_no_circle() {
    assert_no_circle(CLAIMS);
    assert_no_circle(CHECKS);
}
