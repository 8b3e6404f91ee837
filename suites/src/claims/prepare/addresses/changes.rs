//! Changes to the services that have an address.

use crate::evidence::{Evidence, LoadBalancerProbe, Observation, Service};
use crate::testing::of;

/// Adds another service with an address.
pub(crate) fn kong(evidence: &mut Evidence) {
    let proxy = Service {
        namespace: "kong".into(),
        name: "kong-proxy".into(),
        kind: "LoadBalancer".into(),
        load_balancer_addresses: vec!["198.51.100.7".into()],
        ..Service::default()
    };
    of(&mut evidence.cluster.load_balancer_services).push(proxy);
}

/// Adds another service with the host name of a cloud.
pub(crate) fn cloud(evidence: &mut Evidence) {
    kong(evidence);
    let kong = of(&mut evidence.cluster.load_balancer_services).last_mut().unwrap();
    kong.load_balancer_addresses = vec!["a1b2.elb.example.com".into()];
}

/// Adds another service with this address and these ports.
pub(crate) fn other(evidence: &mut Evidence, name: &str, address: &str, ports: &[u16]) {
    kong(evidence);
    let other = of(&mut evidence.cluster.load_balancer_services).last_mut().unwrap();
    other.name = name.into();
    other.load_balancer_addresses = vec![address.into()];
    other.ports = vec![super::probed_port(); ports.len()];
    other.ports.iter_mut().zip(ports).for_each(|(port, number)| port.port = *number);
}

/// Adds another service with the gateway's address.
pub(crate) fn sharer(evidence: &mut Evidence, ports: &[u16]) {
    let address = gateway_services(evidence).next().unwrap().load_balancer_addresses[0].clone();
    other(evidence, "kong-proxy", &address, ports);
}

/// Adds another service with a node's address, as k3s does.
pub(crate) fn on_nodes(evidence: &mut Evidence, name: &str, ports: &[u16]) {
    pending(evidence);
    let address = of(&mut evidence.cluster.nodes)[0].addresses[0].clone();
    other(evidence, name, &address, ports);
}

/// Adds the event of a used-up pool.
pub(crate) fn used_up(evidence: &mut Evidence) {
    kong(evidence);
    pending(evidence);
    let event = "AllocationFailed: Failed to allocate IP: no available IPs";
    evidence.cluster.gateway_events = Observation::seen(vec![event.into()]);
}

/// Adds an event of the load balancer on the pending gateway.
pub(crate) fn refused(evidence: &mut Evidence, event: &str) {
    pending(evidence);
    evidence.cluster.gateway_events = Observation::seen(vec![event.into()]);
}

pub(crate) fn gateway_services(evidence: &mut Evidence) -> impl Iterator<Item = &mut Service> {
    let name = evidence.expectations.gateway.clone();
    of(&mut evidence.cluster.load_balancer_services)
        .iter_mut()
        .chain(of(&mut evidence.install.services))
        .filter(move |service| service.name == name)
}

pub(crate) fn pending(evidence: &mut Evidence) {
    gateway_services(evidence).for_each(|service| service.load_balancer_addresses.clear());
    not_tried(evidence);
}

/// Gives the test service an address.
pub(crate) fn tried(evidence: &mut Evidence) {
    evidence.cluster.load_balancer_probe = Observation::seen(LoadBalancerProbe {
        namespace: "probe".into(),
        address: Some("198.51.100.8".into()),
        waited_ms: 900,
        events: Vec::new(),
    });
}

pub(crate) fn before_the_install(evidence: &mut Evidence) {
    tried(evidence);
    of(&mut evidence.cluster.load_balancer_services).clear();
    evidence.install.services = Observation::absent("no namespace");
    evidence.install.deployments = Observation::absent("no namespace");
    evidence.install.pods = Observation::seen(Vec::new());
    evidence.demo.pods = Observation::seen(Vec::new());
}

pub(crate) fn node_port(evidence: &mut Evidence) {
    gateway_services(evidence).for_each(|service| {
        service.kind = "NodePort".into();
        service.load_balancer_addresses.clear();
    });
    of(&mut evidence.cluster.load_balancer_services).clear();
}

pub(crate) fn not_tried(evidence: &mut Evidence) {
    evidence.cluster.load_balancer_probe = Observation::not_asked("--active");
}

pub(crate) fn tried_in_vain(evidence: &mut Evidence) {
    tried(evidence);
    let probe = of(&mut evidence.cluster.load_balancer_probe);
    probe.address = None;
    probe.events = vec!["no available IPs".into()];
}

pub(crate) fn blind(evidence: &mut Evidence) {
    evidence.cluster.load_balancer_services = Observation::failed("forbidden");
    evidence.install.services = Observation::failed("forbidden");
}
