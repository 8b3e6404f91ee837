//! The evidence document: recorder, subject, expectations, and all observations.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Clock, ClusterEvidence, ContainerLog, DemoEvidence, Expectations, IngressEvidence,
    InstallEvidence, KialiEvidence, MeshEvidence, Observation, Redaction, explain_missing,
};

/// The schema that this program writes. It reads older schemas, but no newer ones.
pub const SCHEMA: u32 = 1;

/// All observations of one run, as one JSON document.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Evidence {
    /// The schema of this document, [`SCHEMA`] when it was written.
    pub schema: u32,
    /// The program that wrote it: `meshcheck 0.1.0`.
    pub recorder: String,
    /// When the collection began, by the clock of the machine that collected.
    #[schemars(with = "String")]
    pub recorded_at: Timestamp,
    /// How long the collection took, in milliseconds.
    pub took_ms: u64,
    /// The observed cluster.
    pub subject: Subject,
    /// The names and values that the run expects.
    pub expectations: Expectations,
    /// The cluster: nodes, version, load balancers, DNS.
    pub cluster: ClusterEvidence,
    /// The control plane and its injection webhooks.
    pub install: InstallEvidence,
    /// The demo's namespace: workloads and the client's log.
    pub demo: DemoEvidence,
    /// The sidecars, rules and traffic of the demo's pods.
    pub mesh: MeshEvidence,
    /// The gateway, tested from outside of the mesh.
    pub ingress: IngressEvidence,
    /// Kiali.
    pub kiali: KialiEvidence,
    /// The last lines of containers' logs, with `record --include-logs`. No claim reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<ContainerLog>,
    /// The texts from which secrets were removed: see [`crate::redact`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
}

impl Evidence {
    /// Creates evidence in which every observation has the same state and reason.
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

    /// Returns the time of the run by a clock of the cluster, where one was read. A wrong clock of the collecting machine
    /// would make valid certificates look expired.
    pub fn moment(&self) -> Timestamp {
        let logs = self.demo.client_logs.value().into_iter().flatten();
        let read = logs.filter(|log| log.clock != Clock::Collector).map(|log| log.read_at).next();
        read.unwrap_or(self.recorded_at)
    }
}

/// The observed cluster.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Subject {
    /// Who created it.
    pub provider: Provider,
    /// Its name: the kind cluster's, or the kubeconfig's name for it.
    pub name: String,
    /// The context of the kubeconfig that was used.
    pub context: String,
    /// The API server's URL, without credentials.
    pub server: String,
    /// The kubeconfig file that hints must name: meshcheck's own, or the one that the caller named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// Whether the context is the current one of its kubeconfig: commands need not name it then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub context_is_current: bool,
    /// Whether meshcheck was allowed to create temporary objects.
    pub active: bool,
    /// The source of the software, where meshcheck installed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleFacts>,
    /// The platform of the collecting machine: `linux/x86_64`.
    pub collected_on: String,
}

/// Who created a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// meshcheck, with kind.
    Kind,
    /// Somebody else: the caller named its context.
    Existing,
    /// There is no cluster: a preflight checked the machine alone.
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

/// The source of the software that meshcheck installed.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct BundleFacts {
    /// `release` or `lab`.
    pub origin: String,
    /// The key of the bundle's inputs.
    pub key: String,
    /// The options given to `istioctl install --set`, besides the profile.
    pub install_set: Vec<String>,
    /// The differences from the official release, or how the versions of a release were chosen, in sentences.
    pub notes: Vec<String>,
}

impl BundleFacts {
    /// Whether it is an official release, and not a lab's build.
    pub fn is_release(&self) -> bool {
        self.origin == "release"
    }
}

#[cfg(test)]
mod tests {
    use super::{Evidence, Provider};
    use crate::testing::{is_observation, places, recorded};
    use rstest::rstest;
    use serde_json::Value;

    #[test]
    fn provider_has_same_word_in_text_and_json() {
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
    fn document_without_required_field_is_refused(#[case] fields: &[&str], #[case] parent: &str) {
        for field in fields {
            let mut document = recorded();
            let parent = document.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            assert!(parent.remove(*field).is_some(), "{field}");
            assert!(serde_json::from_value::<Evidence>(document).is_err(), "{field}");
        }
    }

    #[rstest]
    #[case("release", true)]
    #[case("lab", false)]
    fn bundle_of_a_lab_is_no_official_release(#[case] origin: &str, #[case] expected: bool) {
        let mut bundle = crate::testing::healthy().subject.bundle.unwrap();
        bundle.origin = origin.into();
        assert_eq!(bundle.is_release(), expected);
    }

    #[test]
    fn malformed_observation_is_refused() {
        for place in places(&recorded(), is_observation) {
            let mut document = recorded();
            *document.pointer_mut(&place).unwrap() = serde_json::json!({});
            assert!(serde_json::from_value::<Evidence>(document).is_err(), "{place}");
        }
    }
}
