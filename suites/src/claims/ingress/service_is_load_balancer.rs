//! The ingress gateway is a `LoadBalancer` service with ports 15021, 80 and 443.

use std::net::IpAddr;

use super::{gateway_object, gateway_service, show_service};
use crate::claims::by_name::default_profile::{self, looks_in_wrong_place};
use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::facts::gateway::{find_gateway_service, has_no_gateway_deployment};
use crate::format::list;
use crate::judgement::{Judged, Judgement};
use crate::steps::istio;
use crate::steps::workloads::show_finalizers;

claim! {
    /// The tutorial says: the service `istio-ingressgateway` is of type LoadBalancer and has the ports 15021, 80 and 443.
    ///
    /// ## Why it matters
    /// The reader compares her `kubectl get svc` with the tutorial's. A service of another type gets no external IP.
    ///
    /// ## How it is checked
    /// Reads the services of the control plane's namespace (`list` on services). The type must be LoadBalancer, with a
    /// cluster IP, and each of the three TCP ports must have a node port, unless `allocateLoadBalancerNodePorts` is false.
    /// More ports are no fault.
    ///
    /// ## What makes it fail
    /// - The service is missing, being deleted, of another type or headless.
    /// - A port is missing, is not TCP, or has no node port.
    /// - The gateway is not installed at all: then `default_profile` is the cause.
    ///
    /// ## How to fix it
    /// Install the default profile again: `istioctl install --set profile=default -y` sets the service right.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get service istio-ingressgateway -o wide
    ingress::service_is_load_balancer: "the ingress gateway is a LoadBalancer service with ports 15021, 80 and 443",
    needs: Reading,
    stops: [Gateway],
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if gateway_is_not_installed,
    ],
    judge: judge,
}

/// The ports of the default profile's gateway: health, HTTP, HTTPS.
const PORTS: [u16; 3] = [15021, 80, 443];

fn judge(evidence: &Evidence) -> Judged {
    let gateway = gateway_service(evidence)?;
    let fail = |summary: String, observed: String| {
        Judgement::fail(summary)
            .expected(format!(
                "type LoadBalancer with a cluster IP, ports {PORTS:?}, each with a node port"
            ))
            .observed(observed)
            .object(gateway_object(evidence))
            .steps([
                istio::install_default(evidence, "sets it right"),
                show_service(evidence, "shows it"),
            ])
    };
    if gateway.terminating {
        let summary = format!("service {} is being deleted", gateway.name);
        let show =
            show_finalizers(evidence, &gateway.namespace, &format!("service/{}", gateway.name));
        return Err(fail(summary, "a deletion timestamp".into()).step(show));
    }
    if gateway.kind != "LoadBalancer" {
        let kind = &gateway.kind;
        return Err(fail(format!("{} is of type {kind}", gateway.name), format!("type {kind}")));
    }
    if gateway.cluster_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()).is_none() {
        let found = gateway.cluster_ip.as_deref().unwrap_or("none");
        return Err(fail(
            format!("{} has no cluster IP", gateway.name),
            format!("cluster IP {found}"),
        ));
    }
    let all: Vec<_> = gateway.ports.iter().map(|port| port.port.to_string()).collect();
    for wanted in PORTS {
        let port = gateway.ports.iter().find(|port| port.port == wanted && port.protocol == "TCP");
        let Some(port) = port else {
            return Err(fail(
                format!("{} has no port {wanted}", gateway.name),
                format!("ports {}", list(&all)),
            ));
        };
        if port.node_port.is_none() && gateway.allocates_node_ports != Some(false) {
            return Err(fail(
                format!("port {wanted} of {} has no node port", gateway.name),
                format!("port {wanted} without a node port"),
            ));
        }
    }
    Ok(Judgement::pass(format!("{} is a LoadBalancer with ports {}", gateway.name, list(&all))))
}

fn gateway_is_not_installed(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    evidence.install.services.value().is_some()
        && find_gateway_service(evidence).is_none()
        && has_no_gateway_deployment(evidence)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::{gateway_service as gateway, remove_gateway_service};

    cases! { Evidence:
        healthy(|_| {}, Pass);
        being_deleted(|e| gateway(e).terminating = true, Fail);
        one_port_more(|e| { let mut more = gateway(e).ports[0].clone(); more.port = 15443; gateway(e).ports.push(more); }, Pass);
        node_port(|e| gateway(e).kind = "NodePort".into(), Fail);
        no_https(|e| gateway(e).ports.retain(|port| port.port != 443), Fail);
        udp(|e| gateway(e).ports.iter_mut().for_each(|port| port.protocol = "UDP".into()), Fail);
        no_node_port(|e| gateway(e).ports.iter_mut().for_each(|port| port.node_port = None), Fail);
        no_node_port_asked_for(|e| { gateway(e).ports.iter_mut().for_each(|port| port.node_port = None); gateway(e).allocates_node_ports = Some(false); }, Pass);
        headless(|e| gateway(e).cluster_ip = Some("None".into()), Fail);
        gone(remove_gateway_service, Fail);
        forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
        installed_with_its_options(|e| { e.subject.bundle.as_mut().unwrap().install_set = vec!["values.a=b".into()]; gateway(e).kind = "NodePort".into(); }, Fail);
    }
}
