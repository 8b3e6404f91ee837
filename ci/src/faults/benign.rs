//! One variation that is no fault: brought about, judged, undone.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::case::{Benign, Look};
use super::networks::Other;
use super::results::Stayed;
use super::steps::take;
use crate::line::Line;
use crate::live::Cluster;
use crate::out::{elapsed, say};

/// How long the mesh may take to be as it was.
const RECOVERY: Duration = Duration::from_mins(2);

/// How long each call is held up where the API server is slow.
const DELAY: Duration = Duration::from_millis(300);

/// Runs a variation from green to green, and keeps the evidence of its check in this file.
///
/// # Errors
/// When it cannot be brought about or undone. A red claim is an outcome, not an error.
pub(crate) fn run(cluster: &Cluster, variation: &Benign, evidence: &Path) -> Result<Stayed> {
    let name = variation.name;
    say(format_args!("── {name} (benign)"));
    let start = Instant::now();
    take(cluster, variation.varies).with_context(|| format!("{name}: varying"))?;
    let evidence = evidence.display().to_string();
    let keep = ["--evidence", evidence.as_str()];
    let verdicts = match variation.look {
        Look::Plain => cluster.check(&keep)?,
        Look::OtherNetworks => Other::beside(cluster)?.cluster.check(&keep)?,
        Look::Renamed => {
            let other = tempfile::NamedTempFile::new()?;
            fs::copy(cluster.kubeconfig(), other.path())?;
            let path = other.path().display();
            let rename = format!(
                "kubectl --kubeconfig {path} config rename-context \
                 \"$(kubectl --kubeconfig {path} config current-context)\" training-vm-7"
            );
            cluster.typed(&rename).run()?;
            let context = ["--context", "training-vm-7"];
            elsewhere(cluster, &path.to_string(), &[context, keep].concat())?
        }
        Look::Slow => {
            let server = "kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}'";
            let server = cluster.typed(server).read()?;
            let slow = Line::slow(server.trim_start_matches("https://"), DELAY)?;
            let text = fs::read_to_string(cluster.kubeconfig())?;
            let other = tempfile::NamedTempFile::new()?;
            fs::write(other.path(), text.replace(&server, &format!("https://{}", slow.address())))?;
            let patience = ["--timeout", "10"];
            let path = other.path().display().to_string();
            elsewhere(cluster, &path, &[patience, keep].concat())?
        }
    };
    let own = |set: std::collections::BTreeSet<&str>| set.into_iter().map(str::to_owned).collect();
    let mut stayed = Stayed {
        name: name.to_owned(),
        red: own(verdicts.red()),
        unjudged: own(&verdicts.unjudged() ^ &variation.unseen.iter().copied().collect()),
        seconds: 0.0,
        text: verdicts.text.clone(),
    };
    take(cluster, variation.undo).with_context(|| format!("{name}: undoing"))?;
    cluster.until_green(&format!("{name}: all green after it is undone"), RECOVERY)?;
    stayed.seconds = start.elapsed().as_secs_f64();
    say(format_args!("   {name}: {verdicts}, in {}", elapsed(start.elapsed())));
    Ok(stayed)
}

/// A check of the same cluster as one that is not known to be ours.
fn elsewhere(cluster: &Cluster, kubeconfig: &str, more: &[&str]) -> Result<crate::live::Verdicts> {
    let bundle = cluster.bundle().display().to_string();
    let arguments = ["--kubeconfig", kubeconfig, "--active", "--bundle", &bundle];
    cluster.check(&[&arguments[..], more].concat())
}
