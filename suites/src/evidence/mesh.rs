//! What the mesh does to the demo's pods and to their traffic.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Container, Observation};

/// What the section *mesh* needs, besides the pods of [`super::DemoEvidence`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshEvidence {
    /// A pod as the API server would make it in a namespace without labels of Istio.
    #[serde(default)]
    pub dry_run_unlabelled: Observation<DryRun>,
    /// A pod as the API server would make it in the demo's namespace.
    #[serde(default)]
    pub dry_run_labelled: Observation<DryRun>,
    /// The log of the init container that programs the redirection, by pod. Pods that have none
    /// are not in here.
    pub init_logs: BTreeMap<String, Observation<String>>,
    /// The rules in force in each pod's network namespace, as `iptables-save` prints them, by pod.
    pub live_rules: BTreeMap<String, Observation<String>>,
    /// The same of IPv6, as `ip6tables-save` prints them: of the pods that have an address of IPv6.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub live_rules_v6: BTreeMap<String, Observation<String>>,
    /// Request counters of both sides, before and after requests of our own.
    #[serde(default)]
    pub traffic: Observation<Traffic>,
    /// When the workload certificates end of the proxies whose requests were counted, by pod.
    #[serde(default)]
    pub certificate_ends: Observation<BTreeMap<String, Timestamp>>,
    /// The `Sidecar` resources and authorization policies of the demo's namespace and of the mesh's root namespace.
    #[serde(default)]
    pub resources: Observation<Vec<MeshResource>>,
}

/// An object of Istio that changes what proxies do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshResource {
    /// `Sidecar` or `AuthorizationPolicy`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels by which it selects pods; empty where it is for all of its namespace, or of the mesh.
    pub selector: BTreeMap<String, String>,
    /// The action of an authorization policy: `ALLOW`, `DENY`, `AUDIT` or `CUSTOM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

/// A server-side dry run of a pod: nothing was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DryRun {
    /// The namespace.
    pub namespace: String,
    /// The containers that the pod would have.
    pub containers: Vec<Container>,
    /// The init containers that it would have.
    pub init_containers: Vec<Container>,
}

/// Request counters around requests of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// How many requests were made between the two readings. The demo's own loop may have added
    /// more.
    pub requests: u32,
    /// The pod from which they were made.
    pub client_pod: String,
    /// `outbound|80||echo-service.…` in that pod's proxy.
    pub outbound: CounterPair,
    /// `inbound|5678||` in the proxies of all backend pods, summed.
    pub inbound: CounterPair,
}

/// Two readings of one counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterPair {
    /// Envoy's cluster whose endpoints' `rq_total` are summed.
    pub cluster: String,
    /// Before the requests.
    #[serde(default)]
    pub before: Observation<u64>,
    /// After them.
    #[serde(default)]
    pub after: Observation<u64>,
}
