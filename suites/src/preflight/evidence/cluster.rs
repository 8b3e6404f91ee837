//! A cluster that is there, before the install.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Expectations, Observation, Subject, explain_missing};

/// A cluster that is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterLook {
    /// The server's first answer.
    pub server: Observation<Server>,
    /// Whether it was not asked, or did not answer, because of the caller's credentials.
    pub credentials_refused: bool,
    /// What `check` sees of the same: of the sections *prepare* and *install*, and the demo's pods.
    pub seen: Evidence,
    /// Whether its nodes are containers on this machine.
    pub nodes_are_containers: bool,
    /// What its nodes are.
    pub platforms: Observation<Vec<Platform>>,
    /// What the caller may do there.
    pub rights: Observation<Vec<Right>>,
    /// What runs there that may give load balancer addresses: every deployment and daemon set.
    pub controllers: Observation<Vec<Controller>>,
    /// MetalLB's pools; absent where the cluster does not know that kind of object.
    pub pools: Observation<Vec<Pool>>,
    /// Objects of Istio's own kinds; absent where the cluster knows none of these kinds.
    pub istio_objects: Observation<Vec<IstioObject>>,
    /// Validating webhooks, by configuration and the service that each calls.
    pub validating: Observation<Vec<ValidatingWebhook>>,
    /// The namespaces that are being removed.
    pub terminating: Observation<Vec<String>>,
    /// The pull of an image, tried with a pod of our own.
    pub pull: Observation<Pull>,
}

impl ClusterLook {
    /// A cluster of which nothing was observed, and why.
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
    /// Its clock, to the second, where it told.
    pub clock: Option<Timestamp>,
    /// Our clock at that moment.
    pub ours: Timestamp,
}

/// What a node is.
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
    /// The number that its kernel drew when it started.
    pub boot_id: String,
    /// `kind://docker/kind/kind-control-plane`, `aws:///…`
    pub provider_id: String,
    /// The images that it has, by every name; the kubelet names fifty images at the most.
    pub images: Vec<String>,
    /// Whether more images may be there than are named.
    pub more_images: bool,
}

/// Something that an install does, and whether the caller may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Right {
    /// `create`
    pub verb: String,
    /// `deployments.apps`
    pub resource: String,
    /// The namespace; empty for all.
    pub namespace: String,
    /// Whether the server says yes.
    pub allowed: bool,
}

/// A deployment or a daemon set.
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
    /// How many of its pods are wanted.
    pub wanted: i32,
    /// How many are ready.
    pub ready: i32,
}

/// A pool of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// `172.18.255.200-172.18.255.203`, `192.168.9.0/28`
    pub addresses: Vec<String>,
    /// Whether services get an address of it without naming it.
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
    /// The configuration that it stands in.
    pub configuration: String,
    /// The name of the service that it calls.
    pub service: String,
    /// That service's namespace.
    pub namespace: String,
}

/// The pull of an image, tried with a pod of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// The image.
    pub image: String,
    /// Whether it came.
    pub came: bool,
    /// How long that took, or was waited for, in milliseconds.
    pub waited_ms: u64,
    /// What the cluster said last.
    pub words: String,
}
