//! Load balancer addresses: which one the gateway holds, who holds the others, and whether one is left.

use std::net::IpAddr;

use crate::evidence::{Evidence, Expectations, Service, ServicePort};
use crate::facts::gateway::{find_address_sharers, shared_ports};
use crate::format::{excerpt, list};
use crate::judgement::Judgement;
use crate::object::Object;
use crate::steps::{Purpose, Step, services};

/// What the claims on addresses look at.
pub(super) const OBJECTS: &str = "services of type LoadBalancer";

/// What MetalLB says of a pool that has no address left.
const POOL_USED_UP: &str = "no available IPs";

/// The gateway's service, as far as load balancer addresses go.
pub(super) enum Gateway<'e> {
    /// It asked for an address and holds these.
    Holds(Vec<&'e str>),
    /// It asked for an address and holds none.
    Pending(&'e Service),
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
            addresses if addresses.is_empty() => Ok(Gateway::Pending(service)),
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

/// Whether a service holds an address that another one could want. A host name is one that a cloud makes for each
/// service.
fn holds_scarce_address(service: &Service) -> bool {
    service.load_balancer_addresses.iter().any(|it| it.parse::<IpAddr>().is_ok())
}

/// The address that a service of our own got, where no other service holds it since.
pub(crate) fn find_free_address(evidence: &Evidence) -> Option<&str> {
    let cluster = &evidence.cluster;
    let address = cluster.load_balancer_probe.value()?.address.as_ref()?;
    let mut services = cluster.load_balancer_services.value()?.iter();
    let is_held = services.any(|service| service.load_balancer_addresses.contains(address));
    (!is_held).then_some(address)
}

/// What the load balancer says of the gateway's service, and of one of ours.
fn events(evidence: &Evidence) -> impl Iterator<Item = &str> {
    let cluster = &evidence.cluster;
    let events = cluster.gateway_events.value().into_iter().flatten();
    let probed = cluster.load_balancer_probe.value().into_iter().flat_map(|probe| &probe.events);
    events.chain(probed).map(String::as_str)
}

/// What the load balancer says where its pool has no address left.
fn pool_used_up(evidence: &Evidence) -> Option<&str> {
    find_failure(evidence)
        .filter(|words| lacks_addresses(words) && find_free_address(evidence).is_none())
}

/// What the load balancer says of its failure to give an address (`AllocationFailed`, `SyncLoadBalancerFailed`).
pub(super) fn find_failure(evidence: &Evidence) -> Option<&str> {
    let failed = |event: &&str| event.split(':').next().is_some_and(|it| it.ends_with("Failed"));
    events(evidence).filter(|event| failed(event) || lacks_addresses(event)).last()
}

/// Whether a load balancer's words say that no pool of it has an address.
pub(super) fn lacks_addresses(words: &str) -> bool {
    words.contains(POOL_USED_UP)
}

/// What the load balancer says where it refuses an address for another reason than a pool that is used up.
pub(super) fn find_other_refusal(evidence: &Evidence) -> Option<&str> {
    find_failure(evidence).filter(|words| !lacks_addresses(words))
}

/// Why the gateway, or a service of ours, gets no address while others hold some.
pub(super) struct Shortage<'e> {
    /// The services that hold addresses.
    holders: Vec<&'e Service>,
    reason: Reason<'e>,
}

enum Reason<'e> {
    /// The pool is used up: so says the load balancer.
    Pool(&'e str),
    /// Addresses are the nodes' own, and this service has the gateway's ports there.
    NodePorts(&'e Service, Vec<u16>),
    /// It is not known.
    Unknown,
}

impl<'e> Shortage<'e> {
    /// Nothing where no service holds an address that the gateway could want, or where the load balancer gives
    /// another reason.
    pub(super) fn of(evidence: &'e Evidence) -> Option<Self> {
        if find_other_refusal(evidence).is_some() {
            return None;
        }
        let mut holders = find_holders(evidence);
        holders.retain(|service| holds_scarce_address(service));
        holders.first()?;
        let probe = Service { ports: vec![probed_port()], ..Service::default() };
        let waiting = match find_gateway(evidence) {
            Ok(Gateway::Pending(service)) => service,
            _ => &probe,
        };
        let on_nodes = holders.iter().find_map(|&holder| {
            let ports = shared_ports(waiting, holder);
            (takes_ports_of_nodes(evidence, holder) && !ports.is_empty()).then_some((holder, ports))
        });
        let reason = match (pool_used_up(evidence), on_nodes) {
            (Some(event), _) => Reason::Pool(event),
            (None, Some((holder, ports))) => Reason::NodePorts(holder, ports),
            (None, None) => Reason::Unknown,
        };
        Some(Self { holders, reason })
    }

    /// The service to look at first.
    pub(super) fn holder(&self) -> &'e Service {
        match self.reason {
            Reason::NodePorts(holder, _) => holder,
            Reason::Pool(_) | Reason::Unknown => self.holders[0],
        }
    }

    /// Why there is no address, as it stands behind a colon.
    pub(super) fn describe(&self) -> String {
        let held = format_holders(&self.holders);
        match &self.reason {
            Reason::Pool(_) => format!("the pool is used up by {held}"),
            Reason::NodePorts(holder, ports) => {
                let Service { namespace, name, .. } = holder;
                format!("{namespace}/{name} has {} of the nodes", format_ports(ports))
            }
            Reason::Unknown => held,
        }
    }

    /// The same, as a headline.
    pub(super) fn headline(&self) -> String {
        match self.reason {
            Reason::Unknown => format!("an address is held by {}", format_holders(&self.holders)),
            Reason::Pool(_) | Reason::NodePorts(..) => self.describe(),
        }
    }

    /// What the load balancer says, where it is known.
    pub(super) fn words(&self) -> Option<String> {
        match self.reason {
            Reason::Pool(event) => Some(excerpt(event)),
            _ => None,
        }
    }

    /// Shows what there is. An address is taken from nobody unless that is known to help.
    pub(super) fn steps(&self, evidence: &Evidence) -> Vec<Step> {
        let holder = self.holder();
        let show = services::show_holder(evidence, holder);
        match &self.reason {
            Reason::Pool(_) => vec![show, services::free_address(evidence, holder)],
            Reason::NodePorts(..) if holder.name == "traefik" => {
                let text = "start k3s with the option --disable traefik, which frees the ports (Rancher Desktop: switch Traefik off)";
                vec![show, Step::advice(Purpose::Fix, text)]
            }
            Reason::NodePorts(..) => {
                let text = "give one of the two services other ports, or another load balancer";
                vec![show, Step::advice(Purpose::Fix, text)]
            }
            Reason::Unknown => match find_gateway(evidence) {
                Ok(Gateway::Pending(Service { namespace, name, .. })) => {
                    let text = "shows under Events what the load balancer says";
                    vec![services::describe(evidence, namespace, name, text), show]
                }
                _ => vec![show, services::list_all(evidence, "shows who asks for an address")],
            },
        }
    }
}

/// Whether a service has its address from nodes, which have each port once: as k3s gives them, unless MetalLB runs there.
fn takes_ports_of_nodes(evidence: &Evidence, service: &Service) -> bool {
    let nodes = || evidence.cluster.nodes.value().into_iter().flatten();
    let speakers = evidence.cluster.network_pods.value().into_iter().flatten();
    let metallb = speakers.flat_map(|pod| pod.labels.values()).any(|value| value == "metallb");
    let is_of_node = |it| nodes().any(|node| node.addresses.contains(it));
    service.load_balancer_addresses.iter().any(is_of_node)
        || !metallb && nodes().any(|node| node.kubelet_version.contains("+k3s"))
}

/// The port of a service of ours that asks for an address.
fn probed_port() -> ServicePort {
    ServicePort { port: 80, protocol: "TCP".into(), ..ServicePort::default() }
}

/// `ports 80 and 443`
fn format_ports(ports: &[u16]) -> String {
    let noun = if ports.len() == 1 { "port" } else { "ports" };
    format!("{noun} {}", list(&ports.iter().map(u16::to_string).collect::<Vec<_>>()))
}

/// A failure where another service has the gateway's address, with the same ports: one of the two does not get its
/// traffic.
pub(super) fn check_address_is_not_shared(evidence: &Evidence) -> Result<(), Judgement> {
    let Some((other, ports)) = find_address_sharers(evidence).into_iter().next() else {
        return Ok(());
    };
    let Service { namespace, name, load_balancer_addresses, .. } = other;
    let gateway = &evidence.expectations.gateway;
    let (ports, address) = (format_ports(&ports), list(load_balancer_addresses));
    Err(Judgement::fail(format!(
        "{namespace}/{name} has the address of {gateway} too, with {ports}"
    ))
    .expected(format!("an address for {gateway} alone, or other ports"))
    .observed(format!("both have {address}, {ports}"))
    .object(Object::new("service", namespace, name))
    .steps([services::show_holder(evidence, other), services::free_address(evidence, other)]))
}

pub(super) fn format_holders(holders: &[&Service]) -> String {
    list(&holders.iter().map(|&holder| format_holder(holder)).collect::<Vec<_>>())
}

fn format_holder(service: &Service) -> String {
    let Service { namespace, name, load_balancer_addresses, .. } = service;
    format!("{namespace}/{name} (holds {})", list(load_balancer_addresses))
}

#[cfg(test)]
pub(in crate::claims) mod changes {
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

    /// Another service, whose address is a host name of a cloud.
    pub(crate) fn cloud(evidence: &mut Evidence) {
        kong(evidence);
        let kong = of(&mut evidence.cluster.load_balancer_services).last_mut().unwrap();
        kong.load_balancer_addresses = vec!["a1b2.elb.example.com".into()];
    }

    /// Another service with this address and these ports.
    pub(crate) fn other(evidence: &mut Evidence, name: &str, address: &str, ports: &[u16]) {
        kong(evidence);
        let other = of(&mut evidence.cluster.load_balancer_services).last_mut().unwrap();
        other.name = name.into();
        other.load_balancer_addresses = vec![address.into()];
        other.ports = vec![super::probed_port(); ports.len()];
        other.ports.iter_mut().zip(ports).for_each(|(port, number)| port.port = *number);
    }

    /// Another service has the gateway's address.
    pub(crate) fn sharer(evidence: &mut Evidence, ports: &[u16]) {
        let address = gateway_services(evidence).next().unwrap().load_balancer_addresses[0].clone();
        other(evidence, "kong-proxy", &address, ports);
    }

    /// k3s gives services the addresses of its nodes, each port once.
    pub(crate) fn on_nodes(evidence: &mut Evidence, name: &str, ports: &[u16]) {
        pending(evidence);
        let address = of(&mut evidence.cluster.nodes)[0].addresses[0].clone();
        other(evidence, name, &address, ports);
    }

    /// The load balancer says that its pool is used up.
    pub(crate) fn used_up(evidence: &mut Evidence) {
        kong(evidence);
        pending(evidence);
        let event = "AllocationFailed: Failed to allocate IP: no available IPs";
        evidence.cluster.gateway_events = Observation::seen(vec![event.into()]);
    }

    /// The load balancer says why it gives no address, though nobody holds one.
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
