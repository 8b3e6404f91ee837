//! The table of checks: read it from top to bottom, it is what must be right before class.

use super::evidence::PreflightEvidence;
use super::{cluster, machine, software};
use crate::claims::Section;
use crate::judgement::{Judged, Judgement};

/// Something that must be so before the install, and how it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// `SECTION::NAME`
    pub id: &'static str,
    /// One sentence in plain words.
    pub statement: &'static str,
    /// Where it has a meaning.
    pub when: When,
    /// What must answer before this can be looked at.
    pub after: Option<&'static str>,
    /// What this fails with.
    pub(super) follows_from: Option<Follows>,
    pub(super) judge: fn(&PreflightEvidence) -> Judged,
}

/// A check that another one fails with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follows {
    /// Its id.
    pub(super) id: &'static str,
    /// Whether it is so here: with what was seen of that one alone the other could not hold.
    pub(super) so: fn(&PreflightEvidence) -> bool,
}

/// Where a check has a meaning; elsewhere it is *skipped*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Everywhere.
    Always,
    /// Where no cluster was named: this machine is to make one.
    Provisioning,
    /// There, and where the software was named.
    Software,
    /// Where this machine is to make a cluster, or the named one's nodes are containers on it.
    Engine,
    /// Where this machine is to make a cluster, or the named one's nodes run on its kernel.
    NodesHere,
    /// Where a cluster was named.
    ClusterNamed,
}

impl Check {
    /// The section that it belongs to.
    pub fn section(&self) -> Section {
        Section::PREFLIGHT
            .into_iter()
            .find(|section| self.id.starts_with(&format!("{section}::")))
            .unwrap_or(Section::Machine)
    }

    /// The verdict on what was seen.
    pub fn judge(&self, evidence: &PreflightEvidence) -> Judgement {
        let judged = self.when.applies(evidence).and_then(|()| (self.judge)(evidence));
        judged.unwrap_or_else(|early| early)
    }
}

const ENGINE: Option<&str> = Some("machine::docker_usable");
const SERVER: Option<&str> = Some("cluster::server_answers");

/// Where nothing gives addresses, or all are held, none is free.
const NO_ADDRESSES: Option<Follows> = Some(Follows { id: "cluster::load_balancer", so: |_| true });

/// Every check, in the order in which a reader mends.
pub const CHECKS: &[Check] = &[
    Check {
        id: "machine::docker_usable",
        statement: "the docker engine answers, and this user may use it",
        when: When::Engine,
        after: None,
        follows_from: None,
        judge: machine::docker_usable,
    },
    Check {
        id: "machine::cgroups",
        statement: "the control groups are such as a node needs",
        when: When::Engine,
        after: ENGINE,
        follows_from: None,
        judge: machine::cgroups,
    },
    Check {
        id: "machine::kernel_redirects",
        statement: "the kernel takes the rules with which istio-init redirects traffic",
        when: When::NodesHere,
        after: None,
        follows_from: None,
        judge: machine::kernel_redirects,
    },
    Check {
        id: "machine::cpus",
        statement: "there are processors enough for the cluster and the mesh",
        when: When::Provisioning,
        after: ENGINE,
        follows_from: None,
        judge: machine::cpus,
    },
    Check {
        id: "machine::memory",
        statement: "there is memory enough for the cluster and the mesh",
        when: When::Provisioning,
        after: ENGINE,
        follows_from: None,
        judge: machine::memory,
    },
    Check {
        id: "machine::disk",
        statement: "the disks have room for the software and for a node",
        when: When::Provisioning,
        after: ENGINE,
        follows_from: None,
        judge: machine::disk,
    },
    Check {
        id: "machine::inotify",
        statement: "the kernel lets a node watch its files",
        when: When::Engine,
        after: None,
        follows_from: None,
        judge: machine::inotify,
    },
    Check {
        id: "machine::open_files",
        statement: "enough files can be opened",
        when: When::NodesHere,
        after: None,
        follows_from: None,
        judge: machine::open_files,
    },
    Check {
        id: "machine::network_kind",
        statement: "the network of kind has free addresses for a node and its load balancer",
        when: When::Provisioning,
        after: ENGINE,
        follows_from: None,
        judge: machine::network_kind,
    },
    Check {
        id: "machine::no_proxy",
        statement: "no proxy stands between this machine and the cluster's addresses",
        when: When::Always,
        after: None,
        follows_from: None,
        judge: machine::no_proxy,
    },
    Check {
        id: "machine::kind_nodes_run",
        statement: "no cluster of kind on this machine has a node that stands still",
        when: When::Engine,
        after: ENGINE,
        follows_from: None,
        judge: machine::kind_nodes_run,
    },
    Check {
        id: "machine::no_leftovers",
        statement: "no run of meshcheck that was killed has left a cluster",
        when: When::Provisioning,
        after: ENGINE,
        follows_from: None,
        judge: machine::no_leftovers,
    },
    Check {
        id: "software::available",
        statement: "the software is here and whole, or can be downloaded",
        when: When::Software,
        after: None,
        follows_from: None,
        judge: software::available,
    },
    Check {
        id: "software::programs_run",
        statement: "kind and istioctl of the software run on this machine",
        when: When::Software,
        after: Some("software::available"),
        follows_from: None,
        judge: software::programs_run,
    },
    Check {
        id: "software::kubernetes_supported",
        statement: "the Istio of the software supports the Kubernetes of its nodes",
        when: When::Software,
        after: Some("software::available"),
        follows_from: None,
        judge: software::kubernetes_supported,
    },
    Check {
        id: "cluster::server_answers",
        statement: "the API server answers, and accepts the credentials",
        when: When::ClusterNamed,
        after: None,
        follows_from: Some(Follows {
            id: "machine::kind_nodes_run",
            so: cluster::node_stands_still,
        }),
        judge: cluster::server_answers,
    },
    Check {
        id: "cluster::clock",
        statement: "the clocks of the server and of this machine agree",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: cluster::clock,
    },
    Check {
        id: "cluster::kubernetes_version_supported",
        statement: "the version of Kubernetes is one that this Istio supports",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: |it| cluster::as_claimed("prepare::kubernetes_version_supported", it),
    },
    Check {
        id: "cluster::rights",
        statement: "the caller may install Istio and the demo",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: cluster::rights,
    },
    Check {
        id: "cluster::nodes_ready",
        statement: "the nodes are ready and have room for the mesh",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: |it| cluster::as_claimed("prepare::nodes_ready", it),
    },
    Check {
        id: "cluster::platforms",
        statement: "the images of Istio are made for what the nodes are",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: cluster::platforms,
    },
    Check {
        id: "cluster::dns_on_pod_network",
        statement: "the cluster's DNS pods run, with addresses of the pod network",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: |it| cluster::as_claimed("prepare::dns_on_pod_network", it),
    },
    Check {
        id: "cluster::load_balancer",
        statement: "something there gives load balancer addresses",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: cluster::load_balancer,
    },
    Check {
        id: "cluster::load_balancer_address_free",
        statement: "a load balancer address is free for the ingress gateway",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: NO_ADDRESSES,
        judge: |it| cluster::as_claimed("prepare::load_balancer_address_free", it),
    },
    Check {
        id: "cluster::no_competing_load_balancer",
        statement: "no other service holds the only load balancer address",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: NO_ADDRESSES,
        judge: |it| cluster::as_claimed("prepare::no_competing_load_balancer", it),
    },
    Check {
        id: "cluster::no_earlier_istio",
        statement: "no earlier Istio has left anything that is in the way",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: cluster::no_earlier_istio,
    },
    Check {
        id: "cluster::images",
        statement: "the nodes have the images, or can get them",
        when: When::ClusterNamed,
        after: SERVER,
        follows_from: None,
        judge: cluster::images,
    },
];
