//! How a program ended, and the recorded evidence that most of them read.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// The file of recorded evidence on which all holds.
pub(crate) const RECORDED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/evidence/lab.json");

/// The evidence on which all holds.
pub(crate) fn recorded() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/evidence/lab.json")).unwrap()
}

/// Compresses bytes as `gzip` does.
pub(crate) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code; nothing where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")).into()
    }

    /// What it has printed as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The verdicts of a report by claim. A machine that was not judged has none.
pub(crate) fn verdicts(report: &Value) -> BTreeMap<&str, &str> {
    let claims = report["claims"].as_array().into_iter().flatten();
    claims.map(|it| (it["id"].as_str().unwrap(), it["verdict"].as_str().unwrap())).collect()
}
