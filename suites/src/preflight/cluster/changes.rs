//! Changes to the evidence of a cluster, for the cases of this section.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::evidence::{Observation, Pod, Service};
use crate::preflight::evidence::*;
use crate::preflight::tests::ready::controller;
use crate::testing::{healthy, of};

pub(crate) fn no_answer(evidence: &mut PreflightEvidence) {
    let reason = "the API server `https://10.0.0.5:6443` does not answer: timed out";
    evidence.cluster.server = Observation::absent(reason);
}

pub(crate) fn of_kind(evidence: &mut PreflightEvidence, state: &str) {
    no_answer(evidence);
    evidence.cluster.seen.subject.context = "kind-class".into();
    of(&mut evidence.machine.kind_nodes)[0].state = state.into();
}

pub(crate) fn apart(evidence: &mut PreflightEvidence, seconds: i64) {
    let server = of(&mut evidence.cluster.server);
    server.clock = Some(server.ours + SignedDuration::from_secs(seconds));
}

pub(crate) fn platform(evidence: &mut PreflightEvidence) -> &mut Platform {
    &mut of(&mut evidence.cluster.platforms)[0]
}

pub(crate) fn service(namespace: &str, address: Option<&str>) -> Service {
    let mut service = healthy().cluster.load_balancer_services.value().unwrap()[0].clone();
    service.namespace = namespace.into();
    service.name = format!("{namespace}-proxy");
    service.load_balancer_addresses = address.map(str::to_owned).into_iter().collect();
    service
}

pub(crate) fn services(evidence: &mut PreflightEvidence) -> &mut Vec<Service> {
    of(&mut evidence.cluster.seen.cluster.load_balancer_services)
}

pub(crate) fn not_tried(evidence: &mut PreflightEvidence) {
    evidence.cluster.seen.cluster.load_balancer_probe =
        Observation::not_asked("--active asks for one");
}

pub(crate) fn in_vain(evidence: &mut PreflightEvidence) {
    of(&mut evidence.cluster.seen.cluster.load_balancer_probe).address = None;
}

/// Removes everything that assigns addresses.
pub(crate) fn plain(evidence: &mut PreflightEvidence) {
    not_tried(evidence);
    of(&mut evidence.cluster.controllers).clear();
    evidence.cluster.pools = Observation::absent("the cluster knows no pools");
}

pub(crate) fn called(evidence: &mut PreflightEvidence, image: &str) {
    plain(evidence);
    of(&mut evidence.cluster.controllers).push(controller("daemonset", "lb", image));
}

/// Gives MetalLB's pool a single address.
pub(crate) fn one_address(evidence: &mut PreflightEvidence) {
    not_tried(evidence);
    of(&mut evidence.cluster.pools)[0].addresses = vec!["172.18.255.251/32".into()];
}

/// Installs the mesh of the recorded evidence.
pub(crate) fn installed(evidence: &mut PreflightEvidence) {
    evidence.cluster.seen.install = healthy().install;
}

pub(crate) fn istiod(evidence: &mut PreflightEvidence) -> &mut Pod {
    let pods = of(&mut evidence.cluster.seen.install.pods);
    pods.iter_mut().find(|pod| pod.labels.get("app").is_some_and(|it| it == "istiod")).unwrap()
}

/// Leaves only webhooks and CRDs of the recorded mesh.
pub(crate) fn without_istiod(evidence: &mut PreflightEvidence) {
    installed(evidence);
    of(&mut evidence.cluster.seen.install.pods).clear();
    of(&mut evidence.cluster.seen.install.deployments).clear();
    of(&mut evidence.cluster.seen.install.services).clear();
    evidence.cluster.istio_objects = Observation::seen(vec![]);
}

pub(crate) fn without_webhooks(evidence: &mut PreflightEvidence) {
    without_istiod(evidence);
    of(&mut evidence.cluster.seen.install.webhooks).clear();
}

pub(crate) fn labelled(evidence: &mut PreflightEvidence) {
    of(&mut evidence.cluster.seen.install.namespaces)
        .insert("shop".into(), BTreeMap::from([("istio-injection".into(), "enabled".into())]));
}

pub(crate) fn fewer_images(evidence: &mut PreflightEvidence) {
    platform(evidence).images.truncate(1);
}
