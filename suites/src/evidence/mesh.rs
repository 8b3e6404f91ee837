//! The sidecars, rules and traffic of the demo's pods.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Container, Observation};

/// The observations of the section *mesh*, besides the pods of [`super::DemoEvidence`].
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct MeshEvidence {
    /// A dry run of a pod in a namespace without labels of Istio.
    #[serde(default)]
    pub dry_run_unlabelled: Observation<DryRun>,
    /// A dry run of a pod in the demo's namespace.
    #[serde(default)]
    pub dry_run_labelled: Observation<DryRun>,
    /// The log of istio-init, by pod. Pods without that container have no entry.
    pub init_logs: BTreeMap<String, Observation<String>>,
    /// The rules in force in each pod's network namespace, as `iptables-save` prints them, by pod.
    pub live_rules: BTreeMap<String, Observation<String>>,
    /// The same for IPv6, as `ip6tables-save` prints them, for pods with an IPv6 address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub live_rules_v6: BTreeMap<String, Observation<String>>,
    /// Request counters of both proxies, before and after meshcheck's requests.
    #[serde(default)]
    pub traffic: Observation<Traffic>,
    /// The expiry of the workload certificates of these proxies, by pod.
    #[serde(default)]
    #[schemars(with = "Observation<BTreeMap<String, String>>")]
    pub certificate_ends: Observation<BTreeMap<String, Timestamp>>,
    /// The `Sidecar` resources and authorization policies of the demo's namespace and of the mesh's root namespace.
    #[serde(default)]
    pub resources: Observation<Vec<MeshResource>>,
}

/// An object of Istio that configures proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct MeshResource {
    /// `Sidecar` or `AuthorizationPolicy`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels by which it selects pods; empty where it applies to its whole namespace, or the mesh.
    pub selector: BTreeMap<String, String>,
    /// The action of an authorization policy: `ALLOW`, `DENY`, `AUDIT` or `CUSTOM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

/// The result of a server-side dry run of a pod.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct DryRun {
    /// The namespace.
    pub namespace: String,
    /// The containers that the pod would have.
    pub containers: Vec<Container>,
    /// The init containers that the pod would have.
    pub init_containers: Vec<Container>,
}

/// Request counters before and after meshcheck's requests.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Traffic {
    /// The number of requests between the two readings. The demo's client may have sent more.
    pub requests: u32,
    /// The pod that sent them.
    pub client_pod: String,
    /// The cluster `outbound|80||echo-service.…` in that pod's proxy.
    pub outbound: CounterPair,
    /// The cluster `inbound|5678||`, summed over the proxies of all backend pods.
    pub inbound: CounterPair,
}

/// Two readings of one counter.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct CounterPair {
    /// Envoy's cluster. The value is the sum of `rq_total` of its endpoints.
    pub cluster: String,
    /// Before the requests.
    #[serde(default)]
    pub before: Observation<u64>,
    /// After them.
    #[serde(default)]
    pub after: Observation<u64>,
}
