//! Tests on every claim and every check: completeness, causes, pages.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Entry, Page, Section, Subject};
use crate::judgement::Verdict;
use crate::{CHECKS, CLAIMS};

/// Lists what is missing or wrong in entries.
fn problems<E: Subject>(entries: &[&Entry<E>], sections: &[Section]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    for entry in entries {
        let id = entry.id;
        let mut miss = |what: String| problems.push(format!("{id} {what}"));
        let (section, name) = id.split_once("::").unwrap_or_default();
        if !ids.insert(id) {
            miss("is defined twice".into());
        }
        if !sections.iter().any(|known| known.word() == section)
            || !name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            miss("is not a valid id".into());
        }
        if !entry.page.file.ends_with(&format!("{section}/{name}.rs")) {
            miss(format!("is in {}", entry.page.file));
        }
        for verdict in [Verdict::Fail, Verdict::Unjudged, Verdict::Pass] {
            if !entry.cases.iter().any(|case| case.verdict == verdict) {
                miss(format!("has no case that is {verdict}"));
            }
        }
        let names: BTreeSet<_> = entry.cases.iter().map(|case| case.name).collect();
        if names.len() != entry.cases.len() {
            miss("has two cases with the same name".into());
        }
        let page = entry.page.markdown();
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        if headings != Page::HEADINGS {
            miss(format!("has a page with the headings {headings:?}"));
        }
        if page.contains("TODO") {
            miss("has a page with a TODO".into());
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

/// Pairs of effect and cause that would close a cycle, but never occur together with the reverse pair. `default_profile` explains
/// `control_plane_running` only where no istiod is installed; the reverse needs an installed istiod that is not ready.
const EXCLUSIVE: [(&str, &str); 1] =
    [("install::default_profile", "install::control_plane_running")];

/// Asserts that causes have no cycle: removes entries without causes until none is left.
fn assert_no_cycle<E: Subject>(entries: &[&Entry<E>]) {
    let mut left: Vec<_> = entries.to_vec();
    while !left.is_empty() {
        let open = |id: &str| left.iter().any(|entry| entry.id == id);
        let explained = |entry: &&&Entry<E>| {
            let mut causes = entry.causes.iter().map(|it| it.entry.id);
            causes.any(|cause| open(cause) && !EXCLUSIVE.contains(&(entry.id, cause)))
        };
        let rest: Vec<_> = left.iter().filter(explained).copied().collect();
        assert!(rest.len() < left.len(), "a cycle: {rest:?}");
        left = rest;
    }
}

#[test]
fn causes_have_no_cycle() {
    assert_no_cycle(CLAIMS);
    assert_no_cycle(CHECKS);
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("docs")
}

fn assert_pages<E: Subject>(entries: &[&Entry<E>]) {
    for entry in entries {
        let path = docs().join("claims").join(entry.page_path());
        crate::golden::assert_file(&path, &entry.explain(), "claims");
    }
}

#[test]
fn generated_pages_of_claims_are_current() {
    assert_pages(CLAIMS);
}

#[test]
fn generated_pages_of_checks_are_current() {
    assert_pages(CHECKS);
}

/// The graph of causes, in Mermaid.
#[test]
fn generated_picture_of_causes_is_current() {
    let mut text = String::from(
        "# Causes of failing claims\n\nAn arrow points from a claim to the claims that may fail because of it, where the evidence shows it.\n\
         Each claim lists its causes in its file.\n\n```mermaid\ngraph LR\n",
    );
    for claim in CLAIMS {
        let mut drawn = BTreeSet::new();
        for cause in claim.causes {
            if drawn.insert(cause.entry.id) {
                let _ = writeln!(text, "    {} --> {}", cause.entry.id, claim.id);
            }
        }
    }
    text += "```\n";
    crate::golden::assert_file(&docs().join("causes.md"), &text, "claims");
}

#[test]
fn every_page_is_of_an_entry() {
    let entries =
        CLAIMS.iter().map(|it| it.page_path()).chain(CHECKS.iter().map(|it| it.page_path()));
    let known: BTreeSet<_> = entries.collect();
    for section in Section::ALL.into_iter().chain(Section::PREFLIGHT) {
        let folder = docs().join("claims").join(section.word());
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = format!("{section}/{}", file.file_name().to_string_lossy());
            assert!(known.contains(&path), "docs/claims/{path} is of no claim or check");
        }
    }
}
