//! Steps: instructions with a command, and their impact on the cluster.

pub(crate) mod cluster;
pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod images;
pub(crate) mod injection;
pub(crate) mod istio;
pub(crate) mod kiali;
pub(crate) mod machine;
pub(crate) mod namespaces;
pub(crate) mod nodes;
pub(crate) mod pods;
pub(crate) mod services;
pub(crate) mod vantage;
pub(crate) mod workloads;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a step fixes something or only shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It fixes the fault.
    Fix,
    /// It shows more, and fixes nothing.
    Inspect,
}

/// The impact of a step on the cluster or on the machine, from the least to the most.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// It reads.
    Reads,
    /// It replaces pods by new ones.
    RestartsPods,
    /// It creates or changes something.
    Changes,
    /// It deletes something.
    Deletes,
}

/// One instruction, with its command.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Step {
    /// Whether it fixes something.
    pub purpose: Purpose,
    /// Its impact on the cluster.
    pub impact: Impact,
    /// The instruction, in the imperative: "Restart the deployment".
    pub text: String,
    /// The command for a POSIX shell; none where no command can do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Step {
    /// Creates a step whose command only reads.
    fn inspect(command: String, text: impl Into<String>) -> Self {
        Self { purpose: Purpose::Inspect, ..Self::fix(Impact::Reads, command, text) }
    }

    /// Creates a step whose command fixes something.
    fn fix(impact: Impact, command: String, text: impl Into<String>) -> Self {
        Self { purpose: Purpose::Fix, impact, text: text.into(), command: Some(command) }
    }

    /// Creates a step that no command can do.
    pub fn advice(purpose: Purpose, text: impl Into<String>) -> Self {
        Self { purpose, impact: Impact::Reads, text: text.into(), command: None }
    }
}

/// One step or several steps.
pub(crate) trait IntoSteps {
    /// Returns the steps, the most useful one first.
    fn into_steps(self) -> Vec<Step>;
}

impl IntoSteps for Step {
    fn into_steps(self) -> Vec<Step> {
        vec![self]
    }
}

impl IntoSteps for Vec<Step> {
    fn into_steps(self) -> Vec<Step> {
        self
    }
}

/// The hint of a report: the text, then the command.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "{}: `{command}`", self.text),
            None => f.write_str(&self.text),
        }
    }
}
