//! Load balancer addresses: the gateway's, those of other services, and whether one is free.

use std::net::IpAddr;

use crate::evidence::{Evidence, Expectations, Provider, Service, ServicePort};
use crate::facts::gateway::{find_address_sharers, runs_metallb, shared_ports};
use crate::format::{SERVICE, count, list};
use crate::judgement::{Judgement, Look as _};
use crate::object::Object;
use crate::steps::{Purpose, Step, services};

/// The objects that the claims on addresses read.
pub(super) const OBJECTS: &str = "services of type LoadBalancer";

/// Why no test service was created: only a preflight with `--active` creates one.
pub(super) const NO_TEST_SERVICE: &str =
    "whether an address is free was not tested: only meshcheck preflight --active tests it";

/// The text of MetalLB's event on a pool without a free address.
const POOL_USED_UP: &str = "no available IPs";

/// The state of the gateway's service, as far as load balancer addresses go.
pub(super) enum Gateway<'e> {
    /// It has these external addresses.
    Holds(Vec<&'e str>),
    /// It has type LoadBalancer and no address yet.
    Pending(&'e Service),
    /// It has another type, which gets no address.
    OtherType(&'e str),
    /// It does not exist: Istio is not installed yet.
    Missing,
}

/// Finds the gateway's service in the list of all load balancer services, then in its namespace.
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
        Some(service) if service.kind != "LoadBalancer" => Ok(Gateway::OtherType(&service.kind)),
        Some(service) => match service.external_addresses().collect::<Vec<_>>() {
            addresses if addresses.is_empty() => Ok(Gateway::Pending(service)),
            addresses => Ok(Gateway::Holds(addresses)),
        },
        None if asking.is_some() || local.is_some() => Ok(Gateway::Missing),
        None => {
            let reason = evidence.cluster.load_balancer_services.reason().unwrap_or_default();
            Err(Judgement::unjudged(format!("cannot read {OBJECTS}: {reason}")))
        }
    }
}

/// Finds the other services that have an address: neither the gateway nor meshcheck's test service.
pub(crate) fn find_owners(evidence: &Evidence) -> Vec<&Service> {
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

/// Whether a service has an IP address, which another service could need. A cloud creates a host name for each service.
fn has_scarce_address(service: &Service) -> bool {
    service.load_balancer_addresses.iter().any(|it| it.parse::<IpAddr>().is_ok())
}

/// Finds the address that meshcheck's test service got, unless another service has it now.
pub(crate) fn find_free_address(evidence: &Evidence) -> Option<&str> {
    let cluster = &evidence.cluster;
    let address = cluster.load_balancer_probe.value()?.address.as_ref()?;
    let mut services = cluster.load_balancer_services.value()?.iter();
    let is_held = services.any(|service| service.load_balancer_addresses.contains(address));
    (!is_held).then_some(address)
}

/// Lists the load balancer's events on the gateway's service and on the test service.
fn events(evidence: &Evidence) -> impl Iterator<Item = &str> {
    let cluster = &evidence.cluster;
    let events = cluster.gateway_events.value().into_iter().flatten();
    let probed = cluster.load_balancer_probe.value().into_iter().flat_map(|probe| &probe.events);
    events.chain(probed).map(String::as_str)
}

/// Whether the load balancer's pool has no free address, by its own event.
fn is_pool_used_up(evidence: &Evidence) -> bool {
    find_failure(evidence).is_some_and(lacks_addresses) && find_free_address(evidence).is_none()
}

/// Finds the last event on a failed allocation (`AllocationFailed`, `SyncLoadBalancerFailed`).
pub(super) fn find_failure(evidence: &Evidence) -> Option<&str> {
    let failed = |event: &&str| event.split(':').next().is_some_and(|it| it.ends_with("Failed"));
    events(evidence).filter(|event| failed(event) || lacks_addresses(event)).last()
}

/// Whether an event's text states that no pool has a free address.
pub(super) fn lacks_addresses(event: &str) -> bool {
    event.contains(POOL_USED_UP)
}

/// Finds the event of a load balancer that refuses an address for another reason than a used-up pool.
pub(super) fn find_other_refusal(evidence: &Evidence) -> Option<&str> {
    find_failure(evidence).filter(|event| !lacks_addresses(event))
}

/// The reason why the gateway, or the test service, gets no address while other services have some.
pub(super) struct Shortage<'e> {
    /// The services that have an address.
    owners: Vec<&'e Service>,
    reason: Reason<'e>,
}

enum Reason<'e> {
    /// The load balancer's event states that the pool is used up.
    Pool,
    /// Services get the nodes' addresses, and this service uses the gateway's ports there.
    NodePorts(&'e Service, Vec<u16>),
    /// No event and no port shows the reason.
    Unknown,
}

impl<'e> Shortage<'e> {
    /// Finds the shortage. There is none where no service has an IP address, or where the load balancer gives
    /// another reason.
    pub(super) fn find(evidence: &'e Evidence) -> Option<Self> {
        if find_other_refusal(evidence).is_some() {
            return None;
        }
        let mut owners = find_owners(evidence);
        owners.retain(|service| has_scarce_address(service));
        owners.first()?;
        let probe = Service { ports: vec![probed_port()], ..Service::default() };
        let waiting = match find_gateway(evidence) {
            Ok(Gateway::Pending(service)) => service,
            _ => &probe,
        };
        let on_nodes = owners.iter().find_map(|&owner| {
            let ports = shared_ports(waiting, owner);
            (uses_ports_of_nodes(evidence, owner) && !ports.is_empty()).then_some((owner, ports))
        });
        let reason = match on_nodes {
            _ if is_pool_used_up(evidence) => Reason::Pool,
            Some((owner, ports)) => Reason::NodePorts(owner, ports),
            None => Reason::Unknown,
        };
        Some(Self { owners, reason })
    }

    /// Requires the events where only they can show another reason.
    pub(super) fn require_events(&self, evidence: &Evidence) -> Result<(), Judgement> {
        if matches!(self.reason, Reason::Unknown) {
            evidence.cluster.gateway_events.look("the events of the gateway's service")?;
        }
        Ok(())
    }

    /// Returns the service that the failure names: the one that the tutorial removes, where it has an address.
    pub(super) fn owner(&self) -> &'e Service {
        match self.reason {
            Reason::NodePorts(owner, _) => owner,
            Reason::Pool | Reason::Unknown => {
                let tutorials = self.owners.iter().find(|it| is_tutorials_competitor(it));
                tutorials.unwrap_or(&self.owners[0])
            }
        }
    }

    /// Describes the shortage in a clause: `service kong/kong-proxy has 198.51.100.7`.
    pub(super) fn describe(&self) -> String {
        let Service { namespace, name, load_balancer_addresses, .. } = self.owner();
        let owners = match self.owners.len() {
            1 => (format!("service {namespace}/{name} has"), list(load_balancer_addresses)),
            number => (format!("{} have", count(number, SERVICE)), "an external IP".to_owned()),
        };
        match &self.reason {
            Reason::Pool => format!("{} all addresses of the pool", owners.0),
            Reason::NodePorts(_, ports) => {
                format!("service {namespace}/{name} uses {} of the nodes", format_ports(ports))
            }
            Reason::Unknown if self.owners.len() > 1 => {
                format!("{} {}, the pool may be used up", owners.0, owners.1)
            }
            Reason::Unknown => format!("{} {}", owners.0, owners.1),
        }
    }

    /// Returns the steps. An address is freed only where the tutorial frees it and that helps.
    pub(super) fn steps(&self, evidence: &Evidence) -> Vec<Step> {
        let owner = self.owner();
        let show = services::show_holder(evidence, owner);
        let fix = match &self.reason {
            Reason::Pool => services::free_address(evidence, owner),
            Reason::NodePorts(..) if owner.name == "traefik" => Step::advice(
                Purpose::Fix,
                "Start k3s with the option --disable traefik (Rancher Desktop: switch off Traefik)",
            ),
            Reason::NodePorts(..) => Step::advice(
                Purpose::Fix,
                "Give one of the two services other ports, or another load balancer",
            ),
            Reason::Unknown => {
                let mut steps = match find_gateway(evidence) {
                    Ok(Gateway::Pending(Service { namespace, name, .. })) => {
                        let text = "Show the load balancer's events on the service";
                        vec![services::describe(evidence, namespace, name, text), show]
                    }
                    _ => vec![show, services::list_all(evidence, LIST_ADDRESSES)],
                };
                // A cloud's load balancer has no pool: another service takes no address from this one.
                let has_pool =
                    evidence.subject.provider == Provider::Kind || runs_metallb(evidence);
                if is_tutorials_competitor(owner) && has_pool {
                    steps.extend([services::free_address(evidence, owner), add_addresses()]);
                }
                return steps;
            }
        };
        match &self.reason {
            // k3s starts traefik, so the fix is certain.
            Reason::NodePorts(..) if owner.name == "traefik" => vec![fix, show],
            Reason::Pool if is_tutorials_competitor(owner) => vec![show, fix, add_addresses()],
            _ => vec![show, fix],
        }
    }
}

/// The text of the step that lists all services.
pub(super) const LIST_ADDRESSES: &str = "List the services and their external IPs";

/// Adds addresses to the pool instead of taking one from a service.
fn add_addresses() -> Step {
    Step::advice(Purpose::Fix, "Add an address to MetalLB's pool instead")
}

/// Whether the tutorial removes this service: it names `kong-proxy` in namespace `kong`.
fn is_tutorials_competitor(service: &Service) -> bool {
    service.namespace == "kong" && service.name == "kong-proxy"
}

/// Whether a service has a node's address, on which each port exists once: so does k3s, unless MetalLB runs there.
fn uses_ports_of_nodes(evidence: &Evidence, service: &Service) -> bool {
    let nodes = || evidence.cluster.nodes.value().into_iter().flatten();
    let is_of_node = |it| nodes().any(|node| node.addresses.contains(it));
    service.load_balancer_addresses.iter().any(is_of_node)
        || !runs_metallb(evidence) && nodes().any(|node| node.kubelet_version.contains("+k3s"))
}

/// Returns the port of meshcheck's test service.
fn probed_port() -> ServicePort {
    ServicePort { port: 80, protocol: "TCP".into(), ..ServicePort::default() }
}

/// Formats ports: `ports 80 and 443`.
fn format_ports(ports: &[u16]) -> String {
    let noun = if ports.len() == 1 { "port" } else { "ports" };
    format!("{noun} {}", list(&ports.iter().map(u16::to_string).collect::<Vec<_>>()))
}

/// Fails where another service has the gateway's address and one of its ports: one of the two gets no traffic there.
pub(super) fn check_address_is_not_shared(evidence: &Evidence) -> Result<(), Judgement> {
    let Some((other, ports)) = find_address_sharers(evidence).into_iter().next() else {
        return Ok(());
    };
    let Service { namespace, name, load_balancer_addresses, .. } = other;
    let gateway = &evidence.expectations.gateway;
    let (ports, address) = (format_ports(&ports), list(load_balancer_addresses));
    Err(Judgement::fail(format!(
        "service {namespace}/{name} has the same address and {ports} as {gateway}"
    ))
    .expected(format!("{address}, {ports}: {gateway}"))
    .observed(format!("{address}, {ports}: {gateway} and {namespace}/{name}"))
    .object(Object::new("service", namespace, name))
    .steps([services::show_holder(evidence, other), services::free_address(evidence, other)]))
}

/// Formats services with their addresses: `kong/kong-proxy has 198.51.100.7`.
pub(super) fn format_owners(owners: &[&Service]) -> String {
    let format = |service: &&Service| {
        let Service { namespace, name, load_balancer_addresses, .. } = service;
        format!("{namespace}/{name} has {}", list(load_balancer_addresses))
    };
    list(&owners.iter().map(format).collect::<Vec<_>>())
}

#[cfg(test)]
pub(in crate::claims) mod changes;
