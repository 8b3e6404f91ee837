//! Load balancer addresses: which one the gateway holds, and who holds the others.

use crate::evidence::{Evidence, Expectations, Service};
use crate::format::list;
use crate::judgement::Judgement;

/// What the claims on addresses look at.
pub(super) const OBJECTS: &str = "services of type LoadBalancer";

/// The gateway's service, as far as load balancer addresses go.
pub(super) enum Gateway<'e> {
    /// It asked for an address and holds these.
    Holds(Vec<&'e str>),
    /// It asked for an address and holds none.
    Pending,
    /// It is of another type, and asks for none.
    AsksNone(&'e str),
    /// It is not there: before the install.
    Missing,
}

/// Finds the gateway's service in the list of all that ask for an address, or else in its
/// namespace.
pub(super) fn find_gateway(evidence: &Evidence) -> Result<Gateway<'_>, Judgement> {
    let Expectations { gateway, .. } = &evidence.expectations;
    let namespace = evidence.expectations.gateway_namespace();
    let asking = evidence.cluster.load_balancer_services.value();
    let local = evidence.install.services.value();
    let is_gateway =
        |service: &&Service| service.name == *gateway && service.namespace == namespace;
    let found = asking
        .and_then(|services| services.iter().find(is_gateway))
        .or_else(|| local.and_then(|services| services.iter().find(is_gateway)));
    match found {
        Some(service) if service.kind != "LoadBalancer" => Ok(Gateway::AsksNone(&service.kind)),
        Some(service) => match service.external_addresses().collect::<Vec<_>>() {
            addresses if addresses.is_empty() => Ok(Gateway::Pending),
            addresses => Ok(Gateway::Holds(addresses)),
        },
        None if asking.is_some() || local.is_some() => Ok(Gateway::Missing),
        None => {
            let reason = evidence.cluster.load_balancer_services.reason().unwrap_or_default();
            Err(Judgement::unjudged(format!("could not look at {OBJECTS}: {reason}")))
        }
    }
}

/// The services besides the gateway, and besides a probe of ours, that hold addresses.
pub(super) fn find_holders(evidence: &Evidence) -> Vec<&Service> {
    let Expectations { gateway, .. } = &evidence.expectations;
    let namespace = evidence.expectations.gateway_namespace();
    let probe = evidence.cluster.load_balancer_probe.value().map(|probe| &probe.namespace);
    let services = evidence.cluster.load_balancer_services.value();
    services
        .into_iter()
        .flatten()
        .filter(|service| service.name != *gateway || service.namespace != namespace)
        .filter(|service| Some(&service.namespace) != probe)
        .filter(|service| !service.load_balancer_addresses.is_empty())
        .collect()
}

pub(super) fn format_holder(service: &Service) -> String {
    let Service { namespace, name, load_balancer_addresses, .. } = service;
    format!("{namespace}/{name} (holds {})", list(load_balancer_addresses))
}

#[cfg(test)]
pub(super) mod changes {
    //! Changes to who holds an address.

    use crate::evidence::{Evidence, LoadBalancerProbe, Observation, Service};
    use crate::testing::of;

    /// Another service that holds an address, and the names that hints must quote.
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

    pub(crate) fn gateway_services(evidence: &mut Evidence) -> impl Iterator<Item = &mut Service> {
        let name = evidence.expectations.gateway.clone();
        of(&mut evidence.cluster.load_balancer_services)
            .iter_mut()
            .chain(of(&mut evidence.install.services))
            .filter(move |service| service.name == name)
    }

    pub(crate) fn pending(evidence: &mut Evidence) {
        gateway_services(evidence).for_each(|service| service.load_balancer_addresses.clear());
    }

    /// A service of our own got an address.
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
}
