//! Logs of containers, for people: no claim reads them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Observation;

/// The end of a container's log.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ContainerLog {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether this is the log of the container's previous run, which shows why it was restarted.
    #[serde(default)]
    pub previous: bool,
    /// The last lines, each with its timestamp.
    #[serde(default)]
    pub text: Observation<String>,
    /// Whether older lines were left out.
    #[serde(default)]
    pub cut: bool,
}

impl ContainerLog {
    /// Returns `NAMESPACE/POD/CONTAINER`, with a note where the log is of the previous run.
    pub fn name(&self) -> String {
        let run = if self.previous { " (before its restart)" } else { "" };
        format!("{}/{}/{}{run}", self.namespace, self.pod, self.container)
    }
}

#[cfg(test)]
mod tests {
    use super::{ContainerLog, Observation};

    #[test]
    fn name_of_a_log_shows_the_run_before_a_restart() {
        let log = |previous| ContainerLog {
            namespace: "client".into(),
            pod: "client-5b9".into(),
            container: "client".into(),
            previous,
            text: Observation::seen(String::new()),
            cut: false,
        };
        assert_eq!(log(false).name(), "client/client-5b9/client");
        assert_eq!(log(true).name(), "client/client-5b9/client (before its restart)");
    }
}
