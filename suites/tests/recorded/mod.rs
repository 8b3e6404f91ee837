//! What is recorded: `fixtures/faults`, `fixtures/variations`, `fixtures/live` and `fixtures/cases`, a folder each.
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use meshcheck_suites::{Evidence, Report, judge};

/// What is recorded in folders below `fixtures`.
pub(crate) const KINDS: [&str; 4] = ["faults", "variations", "live", "cases"];

/// A path below the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The folders of one of the kinds, by name.
pub(crate) fn folders(kind: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(repository("fixtures").join(kind)).unwrap();
    let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// The records of whole meshes: `fixtures/evidence`, by name.
pub(crate) fn meshes() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository("fixtures/evidence")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|it| it == "gz")).collect();
    files.sort();
    files
}

/// The name of a case: its folder's.
pub(crate) fn name(folder: &Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

/// The cell of a table.
pub(crate) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The text of a compressed file.
pub(crate) fn text(file: &Path) -> String {
    let mut text = String::new();
    let compressed = File::open(file).unwrap_or_else(|error| {
        panic!("`{}`: {error}: `cargo xtask faults --fixtures` records it", file.display())
    });
    GzDecoder::new(compressed).read_to_string(&mut text).unwrap();
    text
}

/// The report on a folder's evidence, as of a cluster whose context is called `vm7`. Where a name has a part
/// that changes with every recording, an ellipsis stands for it.
pub(crate) fn stable_report(folder: &Path) -> Report {
    stable_report_on(&folder.join("evidence.json.gz"))
}

/// The same of a file.
pub(crate) fn stable_report_on(file: &Path) -> Report {
    let text = text(file);
    let mut evidence: Evidence = serde_json::from_str(&text).unwrap();
    evidence.subject.kubeconfig = None;
    evidence.subject.context_is_current = false;
    evidence.subject.context = "vm7".into();
    let sets =
        [&evidence.demo.pods, &evidence.install.pods].into_iter().filter_map(|it| it.value());
    let pods = sets.flatten().filter_map(|pod| {
        let set = pod.owner.as_deref()?.strip_prefix("ReplicaSet/")?;
        Some((pod.name.clone(), set.rsplit_once('-')?.0.to_owned()))
    });
    let mut report = serde_json::to_string(&judge(&evidence, &[])).unwrap();
    for (pod, deployment) in pods.collect::<Vec<_>>() {
        report = report.replace(&pod, &format!("{deployment}-…"));
    }
    let node = format!("{}-", evidence.subject.name.trim_start_matches("kind-"));
    serde_json::from_str(&report.replace(&node, "vm7-")).unwrap()
}
