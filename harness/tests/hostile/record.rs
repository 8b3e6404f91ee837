//! The figures of the cases, in `target/xtask/hostile.json`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use crate::program::Outcome;

/// Adds the figures of a case. Each test may have a process of its own: a lock keeps them apart.
pub(crate) fn add(name: &str, outcome: Option<&Outcome>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/xtask");
    fs::create_dir_all(&directory).unwrap();
    let lock = File::create(directory.join("hostile.lock")).unwrap();
    lock.lock().unwrap();
    let path = directory.join("hostile.json");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let old: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut cases: BTreeMap<String, Value> =
        serde_json::from_value(old["cases"].clone()).unwrap_or_default();
    let figures = match outcome {
        Some(run) => json!({ "passed": true, "seconds": run.seconds, "peak_mib": run.peak_mib }),
        None => json!({ "passed": false }),
    };
    cases.insert(name.to_owned(), figures);
    // Of those that are no more nothing stays.
    cases.retain(|name, _| crate::cases().any(|(known, _)| known == *name));
    let passed = cases.values().filter(|case| case["passed"] == true).count();
    let all = json!({ "tried": cases.len(), "passed": passed, "cases": cases });
    fs::write(path, format!("{all:#}\n")).unwrap();
}
