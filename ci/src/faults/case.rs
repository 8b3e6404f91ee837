//! A case of the campaign: a folder of `fixtures/faults`, `fixtures/variations` or `fixtures/live`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use fs_err as fs;
use serde::Deserialize;

use crate::workspace::repository;

/// Which cases: a set has kinds, which are folders of `fixtures`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Set {
    /// Faults of meshcheck's choice, and variations that must stay green
    Campaign,
    /// Situations that other people met, on a real mesh
    Live,
}

impl Set {
    /// Its folders below `fixtures`, with the file of a case.
    fn kinds(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Campaign => &[("faults", "fault.toml"), ("variations", "variation.toml")],
            Self::Live => &[("live", "fault.toml")],
        }
    }
}

/// What is done to a running mesh, and what a check must say of it: `fault.toml` or `variation.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Case {
    /// The folder, whose name is the case's.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
    /// The steps up to the point where the fault has its full effect.
    pub(crate) make: Vec<Step>,
    /// The steps that restore the mesh. They also work where the report's commands have restored it already.
    pub(crate) undo: Vec<Step>,
    /// The claims that must be red: exactly these, and none of a variation.
    pub(crate) red: BTreeSet<String>,
    /// Those of them that no other claim explains: a report names them first.
    pub(crate) causes: Vec<String>,
    /// The claims that cannot be judged then: exactly these.
    pub(crate) unjudged: BTreeSet<String>,
    /// Texts that the report must contain: the broken object, or what is wrong with it.
    pub(crate) says: Vec<String>,
    /// What one of the report's commands must print: the fault itself.
    pub(crate) shows: Option<String>,
    /// Why the report's commands cannot restore the mesh, where they cannot.
    pub(crate) by_hand: Option<String>,
    /// Whether a rollout cannot end because of the fault: a check must not wait for it, which is measured.
    pub(crate) rollout_cannot_end: bool,
    /// How the check reaches the cluster.
    pub(crate) check: Check,
    /// Whether CI runs it.
    pub(crate) ci: bool,
}

/// One step that makes a fault, or undoes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// A line for `sh`, with `kubectl` and `istioctl` on the path, `KUBECONFIG` set, and the variables
    /// of [`crate::live::Cluster`]. It waits for what it does, where that takes time.
    Sh(String),
    /// Objects for `kubectl apply`.
    Apply(String),
    /// Waits until such a line succeeds.
    Until(String),
    /// Waits until each of the demo's clients has sent one more request, and its log has the outcome.
    NextRequest,
}

/// How a check reaches the cluster.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// As any cluster of `meshcheck up`.
    #[default]
    Plain,
    /// By another kubeconfig, in which the context has another name.
    RenamedContext,
    /// Through a proxy that delays every call.
    SlowApiServer,
    /// As any cluster of `meshcheck up`, but another one: its networks have other ranges.
    OtherNetworks,
    /// The same with addresses of IPv4 and of IPv6.
    DualStack,
}

impl Check {
    /// Whether the case has a cluster of its own, on which its steps run.
    pub(crate) fn has_own_cluster(self) -> bool {
        matches!(self, Self::OtherNetworks | Self::DualStack)
    }
}

impl Case {
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether something is broken; a variation leaves every claim green.
    pub(crate) fn is_fault(&self) -> bool {
        !self.red.is_empty()
    }

    fn read(folder: PathBuf, file: &str) -> Result<Self> {
        let file = folder.join(file);
        let case: Self = toml::from_str(&fs::read_to_string(&file)?)
            .with_context(|| format!("reading `{}`", file.display()))?;
        Ok(Self { folder, ..case })
    }
}

/// Reads the cases of a set: what is broken, then what is not, each by name; those that need a second cluster
/// come first of these.
pub(crate) fn read_all(set: Set) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for &(kind, file) in set.kinds() {
        let mut folders = folders(&repository().join("fixtures").join(kind))?;
        folders.sort();
        for folder in folders {
            cases.push(Case::read(folder, file)?);
        }
    }
    // They take longest: the other clusters work meanwhile.
    cases.sort_by_key(|case| (!case.is_fault(), !case.check.has_own_cluster()));
    Ok(cases)
}

fn folders(directory: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_a_complete_case() {
        let sets = Set::value_variants().iter().map(|&set| read_all(set).unwrap());
        for case in &sets.flatten().collect::<Vec<_>>() {
            let name = case.name();
            let is_in = |kind| case.folder.parent().unwrap().ends_with(kind);
            assert!(
                is_in("live") || case.is_fault() == is_in("faults"),
                "{name} is in the wrong folder"
            );
            if case.is_fault() {
                assert!(!case.make.is_empty() && !case.undo.is_empty(), "{name} lacks steps");
                assert!(!case.says.is_empty(), "{name} does not say what the report says");
                let is_red = |cause| case.red.contains(cause);
                assert!(case.causes.iter().all(is_red), "{name}: a cause is red itself");
            } else {
                let nothing =
                    case.says.is_empty() && case.by_hand.is_none() && case.shows.is_none();
                assert!(nothing, "{name} breaks nothing");
            }
            for file in ["evidence.json.gz", "report.snap"] {
                assert!(case.folder.join(file).is_file(), "{name} has no {file}");
            }
        }
    }

    #[test]
    fn unknown_fields_and_steps_are_refused() {
        for text in ["maek = []", "make = [{ shell = \"true\" }]", "check = \"fast\""] {
            assert!(toml::from_str::<Case>(text).is_err(), "{text}");
        }
        let case: Case = toml::from_str("make = [{ until = \"true\" }, \"next-request\"]").unwrap();
        assert!(matches!(case.make[..], [Step::Until(_), Step::NextRequest]));
    }
}
