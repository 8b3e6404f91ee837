//! The document itself: who looked, at what, expecting what.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Clock, ClusterEvidence, ContainerLog, DemoEvidence, Expectations, IngressEvidence,
    InstallEvidence, KialiEvidence, MeshEvidence, Observation, Redaction, explain_missing,
};

/// The schema number that this program writes. Older ones still judge, newer ones do not.
pub const SCHEMA: u32 = 1;

/// Everything that was observed in one run. One JSON document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The number of this layout, [`SCHEMA`] when it was written.
    pub schema: u32,
    /// The program that wrote it: `meshcheck 0.1.0`.
    pub recorder: String,
    /// When the collection began, by the clock of the machine that collected.
    pub recorded_at: Timestamp,
    /// How long the collection took, in milliseconds.
    pub took_ms: u64,
    /// The cluster that was looked at, and how.
    pub subject: Subject,
    /// What the run expects to find.
    pub expectations: Expectations,
    /// Nodes, version, load balancers, DNS.
    pub cluster: ClusterEvidence,
    /// The control plane and its injection webhooks.
    pub install: InstallEvidence,
    /// The namespace of the demo, its workloads, the client's log.
    pub demo: DemoEvidence,
    /// What the mesh does to the demo's pods and their traffic.
    pub mesh: MeshEvidence,
    /// The gateway, seen from outside.
    pub ingress: IngressEvidence,
    /// Kiali.
    pub kiali: KialiEvidence,
    /// The ends of containers' logs, where `record --include-logs` asked for them. No claim looks at
    /// them: they are for who mends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<ContainerLog>,
    /// Where secrets stood, which are not in here: see [`crate::redact`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
}

impl Evidence {
    /// Evidence in which every observation ended in the same way, and why.
    pub fn without_observations(
        subject: Subject,
        expectations: Expectations,
        recorded_at: Timestamp,
        why: &Observation<()>,
    ) -> Self {
        let evidence = Self {
            schema: SCHEMA,
            recorder: "meshcheck".into(),
            recorded_at,
            took_ms: 0,
            subject,
            expectations,
            cluster: ClusterEvidence::default(),
            install: InstallEvidence::default(),
            demo: DemoEvidence::default(),
            mesh: MeshEvidence::default(),
            ingress: IngressEvidence::default(),
            kiali: KialiEvidence::default(),
            logs: Vec::new(),
            redactions: Vec::new(),
        };
        explain_missing(evidence, why)
    }

    /// The time of the look, by a clock of the cluster where one was read: that of the machine that
    /// collected may be wrong, and would make certificates look expired that are not.
    pub fn moment(&self) -> Timestamp {
        let logs = self.demo.client_logs.value().into_iter().flatten();
        let read = logs.filter(|log| log.clock != Clock::Collector).map(|log| log.read_at).next();
        read.unwrap_or(self.recorded_at)
    }
}

/// The cluster that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Who provided it.
    pub provider: Provider,
    /// Its name: the kind cluster's, or the kubeconfig's name for it.
    pub name: String,
    /// The context of the kubeconfig that was used.
    pub context: String,
    /// The API server's URL, without credentials.
    pub server: String,
    /// The kubeconfig file that reaches it, where hints must name it: the cluster is ours, or the
    /// caller named a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// Whether the context is the current one of its kubeconfig: commands need not name it then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context_is_current: bool,
    /// Whether objects of our own were allowed there.
    pub active: bool,
    /// Where the software came from, when this run or an earlier one installed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleFacts>,
    /// What kind of machine collected: `linux/x86_64`.
    pub collected_on: String,
}

/// Who provided a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// We made it with kind.
    Kind,
    /// It was there, and its context was named.
    Existing,
    /// There is none: a preflight looked at the machine alone.
    None,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "kind",
            Self::Existing => "existing",
            Self::None => "none",
        })
    }
}

/// What a reader of the evidence must know of the software's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFacts {
    /// `release` or `lab`.
    pub origin: String,
    /// The key of the bundle's inputs.
    pub key: String,
    /// The options given to `istioctl install --set`, besides the profile.
    pub install_set: Vec<String>,
    /// What makes this software differ from the official release, in sentences.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::{Evidence, Provider};
    use crate::testing::{is_observation, places, recorded};
    use rstest::rstest;
    use serde_json::Value;

    #[test]
    fn a_provider_has_one_word() {
        let words =
            [(Provider::Kind, "kind"), (Provider::Existing, "existing"), (Provider::None, "none")];
        for (provider, word) in words {
            assert_eq!(provider.to_string(), word);
            assert_eq!(serde_json::to_value(provider).unwrap(), word);
        }
    }

    #[rstest]
    #[case::section(&["cluster", "install", "demo", "mesh", "ingress", "kiali"], "")]
    #[case::head(&["schema", "recorded_at", "subject", "expectations"], "")]
    #[case::map_by_pod(&["init_logs", "live_rules"], "/mesh")]
    fn document_without_a_part_that_is_no_observation_is_refused(
        #[case] fields: &[&str],
        #[case] parent: &str,
    ) {
        for field in fields {
            let mut document = recorded();
            let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            assert!(parent.remove(*field).is_some(), "{field}");
            assert!(serde_json::from_value::<Evidence>(document).is_err(), "{field}");
        }
    }

    #[test]
    fn observation_of_another_shape_is_refused() {
        for place in places(&recorded(), is_observation) {
            let mut document = recorded();
            *document.pointer_mut(&place).unwrap() = serde_json::json!({});
            assert!(serde_json::from_value::<Evidence>(document).is_err(), "{place}");
        }
    }
}
