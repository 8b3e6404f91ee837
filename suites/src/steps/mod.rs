//! Steps: what to do next, and what each step does to the cluster.

pub(crate) mod cluster;
pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod injection;
pub(crate) mod istio;
pub(crate) mod kiali;
pub(crate) mod machine;
pub(crate) mod namespaces;
pub(crate) mod nodes;
pub(crate) mod pods;
pub(crate) mod services;
pub(crate) mod workloads;

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a step repairs something or only shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It repairs what is wrong.
    Fix,
    /// It shows more, and repairs nothing.
    Inspect,
}

/// What a step does to the cluster, or to the machine, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// One thing to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whether it repairs.
    pub purpose: Purpose,
    /// What it does to the cluster.
    pub impact: Impact,
    /// What the command does; the whole advice where there is no command.
    pub text: String,
    /// The command, as a POSIX shell takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Step {
    /// A command that only reads.
    fn inspect(command: String, text: impl Into<String>) -> Self {
        Self { purpose: Purpose::Inspect, ..Self::fix(Impact::Reads, command, text) }
    }

    /// A command that repairs.
    fn fix(impact: Impact, command: String, text: impl Into<String>) -> Self {
        Self { purpose: Purpose::Fix, impact, text: text.into(), command: Some(command) }
    }

    /// Advice that no command carries out.
    pub fn advice(purpose: Purpose, text: impl Into<String>) -> Self {
        Self { purpose, impact: Impact::Reads, text: text.into(), command: None }
    }
}

/// One step, or several.
pub(crate) trait IntoSteps {
    /// The steps, the most useful one first.
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

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) => write!(f, "`{command}` {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
