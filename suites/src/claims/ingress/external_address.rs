//! The ingress gateway has an external address.

use std::net::IpAddr;

use super::{gateway_object, gateway_service, show_service};
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::claims::prepare::addresses::{find_free_address, find_owners};
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Service};
use crate::facts::gateway::find_gateway_service;
use crate::format::{excerpt, list};
use crate::hint::escape_backquotes;
use crate::judgement::{Judged, Judgement};
use crate::steps::{Step, services};

claim! {
    /// The tutorial says: `kubectl -n istio-system get svc` shows an EXTERNAL-IP for `istio-ingressgateway`.
    ///
    /// ## Why it matters
    /// Without an external IP no client outside of the cluster reaches the mesh.
    ///
    /// ## How it is checked
    /// Reads the gateway's service (`list` on services): the addresses in its status, and `spec.externalIPs`, as
    /// `kubectl get svc` shows them. One must be an IP address or a host name with a domain. `<pending>` never passes.
    ///
    /// ## What makes it fail
    /// - The service is pending: no load balancer controller runs, or it has no free address. Then
    ///   `load_balancer_address_free` is the cause, where that claim fails.
    /// - The service names a `loadBalancerClass`, and no controller of that class runs.
    /// - The service is not of type LoadBalancer (`service_is_load_balancer`).
    /// - The address in the status is invalid.
    ///
    /// ## How to fix it
    /// Read the events of the service: they say why it is pending. Install a load balancer such as MetalLB, or add
    /// addresses to its pool.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get service istio-ingressgateway
    ///     kubectl -n istio-system describe service istio-ingressgateway
    ingress::external_address: "the ingress gateway has an external address",
    needs: Reading,
    stops: [LoadBalancer],
    caused_by: [
        default_profile if looks_in_wrong_place,
        service_is_load_balancer if asks_for_no_address,
        load_balancer_address_free if is_pending,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let gateway = gateway_service(evidence)?;
    let fail = |summary: String, observed: String, step: Step| {
        Judgement::fail(summary)
            .expected("an IP address or a host name")
            .observed(observed)
            .object(gateway_object(evidence))
            .step(step)
    };
    let addresses: Vec<_> = gateway.external_addresses().collect();
    let Some(first) = addresses.first() else {
        let event = evidence.cluster.gateway_events.value().and_then(|events| events.last());
        let event = event.map(|event| format!(", event {}", excerpt(event)));
        let class = gateway
            .load_balancer_class
            .as_ref()
            .map(|class| format!(", it needs a load balancer of class {}", excerpt(class)));
        let Service { namespace, name, .. } = gateway;
        let (state, text) = explain_pending(evidence);
        let class = class.unwrap_or_default();
        return Err(fail(
            format!("service {name} {state}{class}"),
            format!("<pending>{}", event.unwrap_or_default()),
            services::describe(evidence, namespace, name, &text),
        ));
    };
    if addresses.iter().any(|address| is_address(address)) {
        return Ok(Judgement::pass(format!(
            "service {} has external IP {}",
            gateway.name,
            list(&addresses)
        )));
    }
    Err(fail(
        format!("service {} has an invalid external IP: {}", gateway.name, excerpt(first)),
        excerpt(first),
        show_service(evidence, "Show the service"),
    ))
}

/// Describes the pending service in a clause, with what other services show, and returns the text of the step that
/// describes it. A load balancer of another class may have given them their addresses.
fn explain_pending(evidence: &Evidence) -> (String, String) {
    let pending = "has no external IP (<pending>)".to_owned();
    let has_class =
        find_gateway_service(evidence).is_some_and(|it| it.load_balancer_class.is_some());
    if let Some(address) = find_free_address(evidence).filter(|_| !has_class) {
        let state =
            format!("is <pending>, although a test service got {address}: the pool is not used up");
        let text = "Check the address that the service requests (loadBalancerIP, annotations) and its events: the \
                    address must be in the pool and free";
        return (state, text.to_owned());
    }
    if let Some(Service { namespace, name, .. }) =
        find_owners(evidence).first().filter(|_| !has_class)
    {
        let owner = escape_backquotes(&format!("{namespace}/{name}"));
        let text = format!(
            "Read in the events why the service gets no address: a load balancer runs, because service {owner} has one"
        );
        return (pending, text);
    }
    let text = "Check the events of the service: without a load balancer (MetalLB or a cloud's) it stays <pending>";
    (pending, text.to_owned())
}

/// Whether a text is an IP address that a client can use, or a host name.
fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok_and(|ip| !ip.is_unspecified()) || is_host_name(text)
}

/// Whether a text is a host name with a domain, or `localhost`, which Docker Desktop assigns.
fn is_host_name(text: &str) -> bool {
    if text == "localhost" {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let numeric = text.split('.').all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= 253
        && text.contains('.')
        && !numeric
        && text.trim_end_matches('.').split('.').all(label)
}

/// Whether the service is missing, or of a type that gets no address.
fn asks_for_no_address(effect: &Effect<'_, Evidence>) -> bool {
    match find_gateway_service(effect.evidence) {
        Some(service) => {
            service.kind != "LoadBalancer" && service.external_addresses().next().is_none()
        }
        None => effect.evidence.install.services.value().is_some(),
    }
}

/// Whether the service is of type LoadBalancer and has no address.
fn is_pending(effect: &Effect<'_, Evidence>) -> bool {
    find_gateway_service(effect.evidence).is_some_and(|service| {
        service.kind == "LoadBalancer" && service.external_addresses().next().is_none()
    })
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::{gateway_service as gateway, move_gateway, of, remove_gateway_service};

    fn address(e: &mut Evidence, address: &str) {
        gateway(e).load_balancer_addresses = vec![address.into()];
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        another_range(|e| address(e, "192.0.2.10"), Pass);
        version_6(|e| address(e, "2001:db8::1"), Pass);
        host_name(|e| address(e, "a1b2.elb.example.com"), Pass);
        pending(|e| gateway(e).load_balancer_addresses.clear(), Fail);
        external_ips_alone(|e| { gateway(e).load_balancer_addresses.clear(); gateway(e).external_ips = vec!["172.18.0.2".into()]; }, Pass);
        load_balancer_class_set(|e| { gateway(e).load_balancer_addresses.clear(); gateway(e).load_balancer_class = Some("example.com/lb".into()); }, Fail);
        second_address(|e| gateway(e).load_balancer_addresses.insert(0, "<pending>".into()), Pass);
        pending_with_an_event(|e| {
            gateway(e).load_balancer_addresses.clear();
            let event = "AllocationFailed: \"10.9.9.9\" is not allowed in config";
            e.cluster.gateway_events = Observation::seen(vec![event.into()]);
        }, Fail);
        literally_pending(|e| address(e, "<pending>"), Fail);
        unspecified(|e| address(e, "0.0.0.0"), Fail);
        no_number(|e| address(e, "172.18.0.999"), Fail);
        one_word(|e| address(e, "gateway"), Fail);
        docker_desktop(|e| address(e, "localhost"), Pass);
        hyphen(|e| address(e, "lb-1.example.com"), Pass);
        hyphen_in_front(|e| address(e, "-lb.example.com"), Fail);
        hyphen_behind(|e| address(e, "lb-.example.com"), Fail);
        underscore(|e| address(e, "lb_1.example.com"), Fail);
        empty_label(|e| address(e, "lb..example.com"), Fail);
        gone(remove_gateway_service, Fail);
        gateway_elsewhere(move_gateway, Unjudged);
        forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
        held_by_another(|e| { e.cluster.load_balancer_probe = Observation::not_asked("--active"); let mut other = gateway(e).clone(); other.name = "kong-proxy".into(); other.namespace = "kong".into(); gateway(e).load_balancer_addresses.clear(); let all = of(&mut e.cluster.load_balancer_services); all.clear(); all.push(other); }, Fail);
    }
}
