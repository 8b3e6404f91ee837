//! An existing cluster, before the install.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Expectations, Observation, Provider, Subject, explain_missing};

/// An existing cluster, before the install.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterLook {
    /// The server's first answer.
    pub server: Observation<Server>,
    /// Whether the server, or a proxy before it, refused the credentials.
    pub credentials_refused: bool,
    /// The evidence of `check` for the sections *prepare* and *install*, and the demo's pods.
    pub seen: Evidence,
    /// Whether its nodes are containers on this machine.
    pub nodes_are_containers: bool,
    /// The platforms of its nodes.
    pub platforms: Observation<Vec<Platform>>,
    /// The rights of this account.
    pub rights: Observation<Vec<Right>>,
    /// All deployments and daemonsets: one may be a load balancer controller.
    pub controllers: Observation<Vec<Controller>>,
    /// MetalLB's address pools; absent where their CRD is not installed.
    pub pools: Observation<Vec<Pool>>,
    /// Objects of Istio's kinds; absent where no CRD of Istio is installed.
    pub istio_objects: Observation<Vec<IstioObject>>,
    /// The validating webhooks with the services that they call.
    pub validating: Observation<Vec<ValidatingWebhook>>,
    /// The namespaces that are being deleted.
    pub terminating: Observation<Vec<String>>,
    /// The pull of an image by a test pod.
    pub pull: Observation<Pull>,
}

impl ClusterLook {
    /// Creates the evidence where no cluster was named. `collected_on`: the platform of this machine, `linux/x86_64`.
    pub fn not_named(expectations: Expectations, at: Timestamp, collected_on: String) -> Self {
        let subject = Subject {
            provider: Provider::None,
            name: "this machine".into(),
            context: "this machine".into(),
            server: String::new(),
            kubeconfig: None,
            context_is_current: false,
            active: false,
            bundle: None,
            collected_on,
        };
        let why = Observation::not_asked("no cluster was named");
        Self::without_observations(subject, expectations, at, &why)
    }

    /// Creates evidence in which every observation has the same state and reason.
    pub fn without_observations(
        subject: Subject,
        expectations: Expectations,
        at: Timestamp,
        why: &Observation<()>,
    ) -> Self {
        let look = Self {
            server: Observation::default(),
            credentials_refused: false,
            seen: Evidence::without_observations(subject, expectations, at, why),
            nodes_are_containers: false,
            platforms: Observation::default(),
            rights: Observation::default(),
            controllers: Observation::default(),
            pools: Observation::default(),
            istio_objects: Observation::default(),
            validating: Observation::default(),
            terminating: Observation::default(),
            pull: Observation::default(),
        };
        explain_missing(look, why)
    }
}

/// The server's first answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The server's time, to the second, where it was sent.
    pub clock: Option<Timestamp>,
    /// The time of this machine at that moment.
    pub ours: Timestamp,
}

/// The platform of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Its name.
    pub node: String,
    /// `linux`
    pub os: String,
    /// `Debian GNU/Linux 12 (bookworm)`
    pub image: String,
    /// `amd64`
    pub architecture: String,
    /// `6.1.0-18-amd64`
    pub kernel: String,
    /// `containerd://1.7.24`
    pub runtime: String,
    /// The boot id of its kernel.
    pub boot_id: String,
    /// `kind://docker/kind/kind-control-plane`, `aws:///…`
    pub provider_id: String,
    /// The images that it has, by all names; the kubelet lists at most fifty.
    pub images: Vec<String>,
    /// Whether the node may have more images than are listed.
    pub more_images: bool,
}

/// A right that an install needs, and whether this account has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// `create`
    pub verb: String,
    /// `deployments.apps`
    pub resource: String,
    /// The namespace; empty for all.
    pub namespace: String,
    /// Whether the account has it.
    pub allowed: bool,
}

/// A deployment or a daemonset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// `deployment` or `daemonset`
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its images.
    pub images: Vec<String>,
    /// The desired number of pods.
    pub wanted: i32,
    /// The number of ready pods.
    pub ready: i32,
}

/// An address pool of MetalLB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// `172.18.255.200-172.18.255.203`, `192.168.9.0/28`
    pub addresses: Vec<String>,
    /// Whether services get an address from it without naming it (`autoAssign`).
    pub auto_assign: bool,
}

/// An object of one of Istio's kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IstioObject {
    /// `virtualservices.networking.istio.io`
    pub resource: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A validating webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatingWebhook {
    /// The name of its configuration.
    pub configuration: String,
    /// The name of the service that it calls.
    pub service: String,
    /// That service's namespace.
    pub namespace: String,
}

/// The pull of an image by a test pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The image.
    pub image: String,
    /// Whether it was pulled.
    pub came: bool,
    /// The time of the pull, or the time waited, in milliseconds.
    pub waited_ms: u64,
    /// The last event.
    pub words: String,
}
