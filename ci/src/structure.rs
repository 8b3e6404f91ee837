//! Tests on the repository's structure: the length of files, and how far modules reach.

use std::collections::BTreeMap;
use std::fs;

use crate::command::Program;
use crate::workspace::repository;

/// How many lines a Rust file has at the most, unless `long-files.toml` says why.
const MAX_LINES: usize = 400;

/// Every Rust file of the repository with its text.
fn sources() -> Vec<(String, String)> {
    let listed = Program::new("git").args(["ls-files", "*.rs"]).dir(repository()).read().unwrap();
    let text = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    listed.lines().map(|path| (path.to_owned(), text(path))).collect()
}

#[test]
fn files_are_short_or_listed_with_a_reason() {
    let list = include_str!("../long-files.toml");
    let listed: BTreeMap<String, String> = toml::from_str(list).unwrap();
    let long: BTreeMap<_, _> = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .collect();
    let unlisted: Vec<_> = long.iter().filter(|(path, _)| !listed.contains_key(*path)).collect();
    assert!(unlisted.is_empty(), "split these, or say why not in ci/long-files.toml: {unlisted:?}");
    let short: Vec<_> = listed.keys().filter(|path| !long.contains_key(*path)).collect();
    assert!(
        short.is_empty(),
        "these are short now, take them out of ci/long-files.toml: {short:?}"
    );
}

#[test]
fn modules_do_not_reach_far_up() {
    for (reach, most) in [("super::super", 25), ("pub(in", 20)] {
        let count: usize = sources().iter().map(|(_, text)| text.matches(reach).count()).sum();
        assert!(count <= most, "`{reach}` stands in {count} places, {most} at the most");
    }
}
