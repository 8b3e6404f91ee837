//! Load balancer addresses: is there one for the gateway, and who holds the others?

use crate::evidence::{Evidence, Expectations, LoadBalancerProbe, Observation, Service};
use crate::format::{excerpt, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};

const OBJECTS: &str = "services of type LoadBalancer";

/// The gateway's service, as far as load balancer addresses go.
enum Gateway<'e> {
    /// It asked for an address and holds these.
    Holds(&'e [String]),
    /// It asked for an address and holds none.
    Pending,
    /// It is of another type, and asks for none.
    AsksNone(&'e str),
    /// It is not there: before the install.
    Missing,
}

pub(in super::super) fn load_balancer_address_free(evidence: &Evidence) -> Judged {
    let gateway = &evidence.expectations.gateway;
    let probe = &evidence.cluster.load_balancer_probe;
    match look_at_gateway(evidence) {
        Ok(Gateway::Holds(addresses)) => {
            Ok(Judgement::pass(format!("{gateway} holds {}", list(addresses))))
        }
        Ok(Gateway::Pending) => Err(gateway_pending(evidence)),
        Ok(state @ (Gateway::AsksNone(_) | Gateway::Missing)) => match probe {
            Observation::Seen { value } => probed(evidence, value),
            Observation::NotAsked { reason } => Err(Judgement::skipped(format!(
                "{}, and whether an address is free was not tried: {reason}",
                describe(&state, gateway)
            ))),
            Observation::Failed { reason } | Observation::Absent { reason } => {
                Err(Judgement::unjudged(format!(
                    "{}, and whether an address is free could not be tried: {reason}",
                    describe(&state, gateway)
                )))
            }
        },
        // A service of our own that got nothing proves the claim wrong, whoever holds what.
        Err(unseen) => match probe.value() {
            Some(probe) if probe.address.is_none() => probed(evidence, probe),
            _ => Err(unseen),
        },
    }
}

fn describe(state: &Gateway<'_>, gateway: &str) -> String {
    match state {
        Gateway::AsksNone(kind) => {
            format!("the service {gateway} is of type {kind} and asks for no address")
        }
        _ => format!("the service {gateway} is not there yet"),
    }
}

fn probed(evidence: &Evidence, probe: &LoadBalancerProbe) -> Judged {
    if let Some(address) = &probe.address {
        return Ok(Judgement::pass(format!(
            "a service of our own in {} got {address}",
            probe.namespace
        )));
    }
    let mut observed = format!("none after {} s", probe.waited_ms.div_ceil(1000));
    if let Some(event) = probe.events.last() {
        observed = format!("{observed}; the cluster says: {}", excerpt(event));
    }
    Err(without_address(evidence, "a service of our own", &observed)
        .object(format!("a service of type LoadBalancer in namespace {}", probe.namespace)))
}

fn gateway_pending(evidence: &Evidence) -> Judgement {
    let Expectations { gateway, istio_namespace, .. } = &evidence.expectations;
    let mut observed = "<pending>".to_owned();
    if let Some(address) =
        evidence.cluster.load_balancer_probe.value().and_then(|probe| probe.address.as_ref())
    {
        observed = format!("{observed}, although a service of our own got {address}");
    }
    without_address(evidence, &format!("the service {gateway}"), &observed)
        .object(format!("service {istio_namespace}/{gateway}"))
}

fn without_address(evidence: &Evidence, who: &str, observed: &str) -> Judgement {
    let holders = holders(evidence);
    let expected = "an external address";
    let Some(first) = holders.first() else {
        let command = evidence.kubectl(&["get", "services", "--all-namespaces"]);
        let judgement = Judgement::fail(format!(
            "{who} gets no load balancer address, and no other service holds one: \
             no load balancer controller answers"
        ));
        return judgement.expected(expected).observed(observed).legacy_hint(format!(
            "`{command}` shows who asks for an address: a cluster without a cloud needs a \
             controller such as MetalLB, with a pool that has a free address"
        ));
    };
    Judgement::fail(format!(
        "{who} gets no load balancer address: the pool is used up by {}",
        list(&holders.iter().map(|&holder| holding(holder)).collect::<Vec<_>>())
    ))
    .expected(expected)
    .observed(observed)
    .legacy_hint(freeing(evidence, first))
}

pub(in super::super) fn no_competing_load_balancer(evidence: &Evidence) -> Judged {
    let Expectations { gateway, istio_namespace, .. } = &evidence.expectations;
    require(&evidence.cluster.load_balancer_services, OBJECTS, OBJECTS, || {
        format!("`{}`", evidence.kubectl(&["get", "services", "--all-namespaces"]))
    })?;
    let holders = holders(evidence);
    let held = list(&holders.iter().map(|&holder| holding(holder)).collect::<Vec<_>>());
    let state = look_at_gateway(evidence)?;
    if let Gateway::Holds(addresses) = state {
        let own = list(addresses);
        return Ok(Judgement::pass(if holders.is_empty() {
            format!("{gateway} holds {own}, and no other service holds an address")
        } else {
            format!("{gateway} holds {own}; {held} do not keep it from that")
        }));
    }
    let Some(first) = holders.first() else {
        return Ok(Judgement::pass(match state {
            Gateway::Pending => format!(
                "no other service holds an address: that {gateway} has none either has another \
                 cause"
            ),
            _ => "no service holds a load balancer address".to_owned(),
        }));
    };
    let probe = &evidence.cluster.load_balancer_probe;
    let who = match (&state, probe) {
        (Gateway::Pending, _) => format!("{gateway} waits for an address"),
        (_, Observation::Seen { value }) => match &value.address {
            Some(address) => {
                return Ok(Judgement::pass(format!(
                    "{held} leave an address free: a service of our own got {address}"
                )));
            }
            None => "a service of our own got none".to_owned(),
        },
        (_, Observation::NotAsked { reason }) => {
            return Err(Judgement::skipped(format!(
                "{held}; whether that was the only address was not tried: {reason}"
            )));
        }
        (_, Observation::Failed { reason } | Observation::Absent { reason }) => {
            return Err(Judgement::unjudged(format!(
                "{held}; whether that was the only address could not be tried: {reason}"
            )));
        }
    };
    Err(Judgement::fail(format!("an address is held by {held}, and {who}"))
        .expected(format!("an address left for {istio_namespace}/{gateway}"))
        .observed(held)
        .object(format!("service {}/{}", first.namespace, first.name))
        .legacy_hint(freeing(evidence, first)))
}

/// Finds the gateway's service in the list of all that ask for an address, or else in its
/// namespace.
fn look_at_gateway(evidence: &Evidence) -> Result<Gateway<'_>, Judgement> {
    let Expectations { gateway, istio_namespace, .. } = &evidence.expectations;
    let asking = evidence.cluster.load_balancer_services.value();
    let local = evidence.install.services.value();
    let is_gateway =
        |service: &&Service| service.name == *gateway && service.namespace == *istio_namespace;
    let found = asking
        .and_then(|services| services.iter().find(is_gateway))
        .or_else(|| local.and_then(|services| services.iter().find(is_gateway)));
    match found {
        Some(service) if service.kind != "LoadBalancer" => Ok(Gateway::AsksNone(&service.kind)),
        Some(service) if service.load_balancer_addresses.is_empty() => Ok(Gateway::Pending),
        Some(service) => Ok(Gateway::Holds(&service.load_balancer_addresses)),
        None if asking.is_some() || local.is_some() => Ok(Gateway::Missing),
        None => {
            let reason = evidence.cluster.load_balancer_services.reason().unwrap_or_default();
            Err(Judgement::unjudged(format!("could not look at {OBJECTS}: {reason}")))
        }
    }
}

/// The services besides the gateway, and besides a probe of ours, that hold addresses.
fn holders(evidence: &Evidence) -> Vec<&Service> {
    let Expectations { gateway, istio_namespace, .. } = &evidence.expectations;
    let ours = evidence.cluster.load_balancer_probe.value().map(|probe| &probe.namespace);
    let services = evidence.cluster.load_balancer_services.value();
    services
        .into_iter()
        .flatten()
        .filter(|service| service.name != *gateway || service.namespace != *istio_namespace)
        .filter(|service| Some(&service.namespace) != ours)
        .filter(|service| !service.load_balancer_addresses.is_empty())
        .collect()
}

fn holding(service: &Service) -> String {
    let Service { namespace, name, load_balancer_addresses, .. } = service;
    format!("{namespace}/{name} (holds {})", list(load_balancer_addresses))
}

fn freeing(evidence: &Evidence, holder: &Service) -> String {
    let Service { namespace, name, .. } = holder;
    let look = evidence.kubectl(&["-n", namespace, "get", "svc", name]);
    let patch = r#"{"spec":{"type":"ClusterIP"}}"#;
    let free = evidence.kubectl(&["-n", namespace, "patch", "svc", name, "-p", patch]);
    format!("`{look}` shows who holds the address; `{free}` frees it, if nobody needs it")
}
