//! The cluster that is checked as one that is not known to be meshcheck's, and what is left on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::Program;
use crate::line::Line;
use crate::live::Cluster;
use crate::software::Software;
use crate::wait::until;

/// What marks the namespaces of probes.
const PROBES: &str = "meshcheck.dev/probe";

/// A cluster with the mesh and the demo on it.
pub(crate) struct Target {
    cluster: Cluster,
    line: Line,
    /// A kubeconfig that leads through the line.
    through: tempfile::NamedTempFile,
}

impl Target {
    pub(crate) fn up(meshcheck: &Program, software: &Software) -> Result<Self> {
        let cluster = Cluster::up(meshcheck, software)?;
        cluster.until_green("all green before anything is ended", Duration::from_mins(1))?;
        let probes = || match Self::probes(&cluster) {
            Ok(found) if found.is_empty() => Ok(()),
            Ok(found) => Err(format!("{} there", found.len())),
            Err(error) => Err(format!("{error:#}")),
        };
        // On a cluster of meshcheck a check does not wait for the end of its namespace.
        let what = "the probe of the first look to be gone";
        until(what, Duration::from_millis(200), Duration::from_mins(1), probes)?;
        let (line, through) = cluster.line(Duration::ZERO)?;
        Ok(Self { cluster, line, through })
    }

    /// The way that can be cut.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// The kubeconfig, through that way or not.
    pub(crate) fn kubeconfig(&self, through_the_line: bool) -> PathBuf {
        let direct: &Path = self.cluster.kubeconfig();
        if through_the_line { self.through.path().to_owned() } else { direct.to_owned() }
    }

    /// Whether a namespace of a probe is there.
    pub(crate) fn has_namespace(&self) -> bool {
        self.namespaces().is_ok_and(|found| !found.is_empty())
    }

    /// Whether one is on its way out.
    pub(crate) fn has_leaving_namespace(&self) -> bool {
        let leaves = |it: &Value| it["metadata"]["deletionTimestamp"].is_string();
        self.namespaces().is_ok_and(|found| found.iter().any(leaves))
    }

    /// What is left of probes, as text.
    pub(crate) fn left(&self) -> Result<Vec<String>> {
        let names = self.namespaces()?;
        Ok(names.iter().map(|it| format!("namespace {}", it["metadata"]["name"])).collect())
    }

    fn namespaces(&self) -> Result<Vec<Value>> {
        Self::probes(&self.cluster)
    }

    fn probes(cluster: &Cluster) -> Result<Vec<Value>> {
        let line = format!("kubectl get namespaces -l {PROBES} -o json");
        let found: Value = serde_json::from_str(&cluster.typed(&line).read()?)?;
        Ok(found["items"].as_array().context("kubectl lists no items")?.clone())
    }
}
