//! Logs for who mends: no claim looks at them.

use serde::{Deserialize, Serialize};

use super::Observation;

/// The end of a container's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerLog {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether it is the log of the container's run before this one: why it was restarted.
    #[serde(default)]
    pub previous: bool,
    /// Its last lines, each with the time at which it was written.
    #[serde(default)]
    pub text: Observation<String>,
    /// Whether older lines were left out.
    #[serde(default)]
    pub cut: bool,
}

impl ContainerLog {
    /// `NAMESPACE/POD/CONTAINER`, and whether it is of a run before.
    pub fn name(&self) -> String {
        let run = if self.previous { " (before its restart)" } else { "" };
        format!("{}/{}/{}{run}", self.namespace, self.pod, self.container)
    }
}
