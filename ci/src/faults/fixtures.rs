//! The evidence of the cases among the fixtures: there the tests judge it again, without a cluster.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::workspace::repository;

/// What follows a case's name in its file's.
pub(crate) const ENDING: &str = ".json.gz";

/// Where hints find the kubeconfig in a fixture: where it was on the machine that recorded is nobody's
/// business.
const KUBECONFIG: &str = "~/.kube/config";

/// The fixture of a case.
pub(crate) fn file(name: &str) -> PathBuf {
    let directory = ["fixtures", "evidence", "faults"].iter().collect::<PathBuf>();
    repository().join(directory).join(format!("{name}{ENDING}"))
}

/// Puts what a case has recorded among the fixtures.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn put(recorded: &Path, name: &str) -> Result<()> {
    let mut evidence: Value = serde_json::from_str(&text(recorded)?)?;
    if let Some(kubeconfig) = evidence.pointer_mut("/subject/kubeconfig") {
        *kubeconfig = KUBECONFIG.into();
    }
    let file = file(name);
    let write = || {
        fs::create_dir_all(file.parent().context("it has a directory")?)?;
        let mut encoder = GzEncoder::new(File::create(&file)?, Compression::best());
        encoder.write_all(&serde_json::to_vec(&evidence)?)?;
        encoder.finish()?;
        Ok::<_, anyhow::Error>(())
    };
    write().with_context(|| format!("writing `{}`", file.display()))
}

/// What a compressed file holds.
///
/// # Errors
/// When it is not there, or no text.
pub(crate) fn text(file: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(file)
        .and_then(|compressed| GzDecoder::new(compressed).read_to_string(&mut text))
        .with_context(|| format!("reading `{}`", file.display()))?;
    Ok(text)
}
