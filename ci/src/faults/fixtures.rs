//! The recorded evidence of the cases: tests judge it again, without a cluster.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use fs_err::File;
use serde_json::Value;

use super::case::Case;

/// The kubeconfig that a fixture names: the recording machine's own path stays out of it.
const KUBECONFIG: &str = "~/.kube/config";

/// Puts recorded evidence into the folder of its case.
pub(crate) fn put(recorded: &Path, case: &Case) -> Result<()> {
    let mut evidence: Value = serde_json::from_reader(GzDecoder::new(File::open(recorded)?))
        .with_context(|| format!("reading `{}`", recorded.display()))?;
    if let Some(kubeconfig) = evidence.pointer_mut("/subject/kubeconfig") {
        *kubeconfig = KUBECONFIG.into();
    }
    let file = File::create(case.folder.join("evidence.json.gz"))?;
    let mut encoder = GzEncoder::new(file, Compression::best());
    encoder.write_all(&serde_json::to_vec(&evidence)?)?;
    encoder.finish()?;
    Ok(())
}
