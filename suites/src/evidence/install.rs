//! The control plane and its webhooks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Deployment, Endpoint, Observation, Pod, Service};

/// The labels and annotations that show which tool installed an object.
pub const MARKS: [&str; 9] = [
    "app.kubernetes.io/managed-by",
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/tracking-id",
    "helm.toolkit.fluxcd.io/name",
    "install.operator.istio.io/owning-resource",
    "kustomize.toolkit.fluxcd.io/name",
    "maistra.io/owner",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
];

/// The observations of the section *install*.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct InstallEvidence {
    /// The pods of the control plane's and the gateway's namespace, gateways and Kiali included.
    pub pods: Observation<Vec<Pod>>,
    /// The deployments in these namespaces.
    pub deployments: Observation<Vec<Deployment>>,
    /// The services in these namespaces.
    pub services: Observation<Vec<Service>>,
    /// The endpoints of these services.
    pub endpoints: Observation<Vec<Endpoint>>,
    /// Custom resource definitions whose group ends in `istio.io`.
    pub crds: Observation<Vec<Crd>>,
    /// The mutating webhooks for pods, of all configurations.
    pub webhooks: Observation<Vec<Webhook>>,
    /// The labels of all namespaces, by name.
    pub namespaces: Observation<BTreeMap<String, BTreeMap<String, String>>>,
    /// The namespaces among them that are being deleted. Empty in older files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terminating_namespaces: Vec<TerminatingNamespace>,
    /// The pods of istiod, of gateways, of ambient mode and of Kiali in all namespaces, by their labels.
    pub mesh_pods: Observation<Vec<Pod>>,
    /// The version and the proxies that each istiod pod reports, by pod name.
    pub istiod: Observation<BTreeMap<String, Istiod>>,
    /// The version of `istioctl`, where it was used.
    pub istioctl_version: Observation<String>,
}

/// A namespace that is being deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TerminatingNamespace {
    /// Its name.
    pub name: String,
    /// Why the deletion is not complete, by its conditions; often empty.
    pub message: String,
}

/// The version and the proxies that one istiod pod reports.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Istiod {
    /// `/version` on port 15014: `1.20.3`.
    #[serde(default)]
    pub version: Observation<String>,
    /// `/debug/syncz` on port 15014: the proxies that are connected to it.
    #[serde(default)]
    pub proxies: Observation<Vec<ProxySync>>,
}

/// The sync status of one proxy, by istiod.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ProxySync {
    /// `POD.NAMESPACE`
    pub proxy: String,
    /// `sidecar`, `router`, …; empty where this version of istiod does not report it.
    #[serde(default)]
    pub kind: String,
    /// The version that the proxy reports.
    pub istio_version: String,
    /// Clusters (CDS).
    pub clusters: SyncState,
    /// Listeners (LDS).
    pub listeners: SyncState,
    /// Routes (RDS).
    pub routes: SyncState,
    /// Endpoints (EDS).
    pub endpoints: SyncState,
}

/// The nonces of one kind of configuration: the last sent and the last acknowledged one, empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct SyncState {
    /// The nonce sent last.
    pub sent: String,
    /// The nonce acknowledged last.
    pub acked: String,
}

/// A custom resource definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Crd {
    /// `virtualservices.networking.istio.io`
    pub name: String,
    /// Whether the API server serves it: condition `Established`.
    pub established: bool,
}

/// One webhook of a mutating webhook configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Webhook {
    /// The name of its configuration.
    pub configuration: String,
    /// Its name in that configuration.
    pub name: String,
    /// The revision that the configuration is labelled with (`istio.io/rev`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The tag that the configuration is labelled with (`istio.io/tag`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Those of [`MARKS`] that the configuration has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, String>,
    /// The namespaces that it selects.
    pub namespace_selector: LabelSelector,
    /// The pods that it selects.
    pub object_selector: LabelSelector,
    /// `Fail` or `Ignore`.
    pub failure_policy: String,
    /// The service that it calls, where it calls one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<WebhookService>,
    /// The URL that it calls, where it calls one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The certificates with which the API server verifies the service.
    pub ca_bundle: CaBundle,
}

/// The service that a webhook calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct WebhookService {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The path: `/inject`, `/inject/cluster/…`.
    pub path: String,
    /// The port, 443 by default.
    pub port: u16,
}

/// The facts of a webhook's CA bundle. The certificates themselves are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct CaBundle {
    /// Its length in bytes; 0 where it is empty.
    pub bytes: usize,
    /// The certificates in it.
    pub certificates: Vec<CertificateFacts>,
    /// Why it cannot be parsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The facts of a certificate that claims need.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Its subject: `O=cluster.local`.
    pub subject: String,
    /// The beginning of its validity.
    #[schemars(with = "String")]
    pub not_before: Timestamp,
    /// The end of its validity.
    #[schemars(with = "String")]
    pub not_after: Timestamp,
}

/// A Kubernetes label selector: all of its requirements must hold. Without requirements it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LabelSelector {
    /// `matchLabels`
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// `matchExpressions`
    #[serde(default)]
    pub match_expressions: Vec<LabelExpression>,
}

/// One of a selector's `matchExpressions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LabelExpression {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values, for the first two.
    #[serde(default)]
    pub values: Vec<String>,
}
