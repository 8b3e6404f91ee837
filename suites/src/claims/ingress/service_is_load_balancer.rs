//! The ingress gateway is a `LoadBalancer` service with ports 15021, 80 and 443.

use std::net::IpAddr;

use super::{gateway_object, gateway_service, show_service};
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, ServicePort};
use crate::facts::gateway::{find_gateway_service, has_no_gateway_deployment};
use crate::format::list;
use crate::judgement::{Judged, Judgement};
use crate::steps::workloads::show_finalizers;
use crate::steps::{Step, gateway as steps, istio};

claim! {
    /// The tutorial says: the service `istio-ingressgateway` is of type LoadBalancer and has the ports 15021, 80 and 443.
    ///
    /// ## Why it matters
    /// The tutorial shows the output of `kubectl get svc`. A service of another type gets no external IP.
    ///
    /// ## How it is checked
    /// Reads the services of the control plane's namespace (`list` on services). The type must be LoadBalancer, with a
    /// cluster IP, and each of the three TCP ports must have a node port, unless `allocateLoadBalancerNodePorts` is false.
    /// More ports are allowed.
    ///
    /// ## What makes it fail
    /// - The service is missing, being deleted, of another type or headless.
    /// - A port is missing, is not TCP, or has no node port.
    /// - The gateway is not installed at all: then `default_profile` is the cause.
    ///
    /// ## How to fix it
    /// Set the type to LoadBalancer, or add the missing port. A missing service is created again by
    /// `istioctl install --set profile=default -y`.
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
}

/// The ports of the default profile's gateway: name, port, target port.
/// Source: `manifests/charts/gateways/istio-ingress/values.yaml` of Istio 1.20.
const PORTS: [(&str, u16, u16); 3] =
    [("status-port", 15021, 15021), ("http2", 80, 8080), ("https", 443, 8443)];

fn judge(evidence: &Evidence) -> Judged {
    let gateway = gateway_service(evidence)?;
    let name = &gateway.name;
    let fail = |summary: String, expected: &str, observed: String, fix: Step| {
        Judgement::fail(summary)
            .expected(expected)
            .observed(observed)
            .object(gateway_object(evidence))
            .steps([fix, show_service(evidence, "Show the service")])
    };
    let install = || istio::install_default(evidence, "Install the default profile again");
    if gateway.terminating {
        let show = show_finalizers(evidence, &gateway.namespace, &format!("service/{name}"));
        return Err(Judgement::fail(format!("service {name} is being deleted"))
            .expected("no deletion timestamp")
            .observed("a deletion timestamp")
            .object(gateway_object(evidence))
            .steps([show, install()]));
    }
    let kind = &gateway.kind;
    if kind != "LoadBalancer" {
        return Err(fail(
            format!("service {name} is of type {kind}, expected LoadBalancer"),
            "type LoadBalancer",
            format!("type {kind}"),
            steps::make_load_balancer(evidence, gateway).unwrap_or_else(install),
        ));
    }
    if gateway.cluster_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()).is_none() {
        let found = gateway.cluster_ip.as_deref().unwrap_or("none");
        return Err(fail(
            format!("service {name} has no cluster IP"),
            "an IP address as cluster IP",
            format!("cluster IP {found}"),
            install(),
        ));
    }
    let all: Vec<_> = gateway.ports.iter().map(format_port).collect();
    for (port_name, wanted, target) in PORTS {
        let port = gateway.ports.iter().find(|port| port.port == wanted && port.protocol == "TCP");
        let Some(port) = port else {
            return Err(fail(
                format!("service {name} has no TCP port {wanted}"),
                "ports 15021, 80 and 443",
                format!("ports {}", list(&all)),
                steps::add_port(evidence, gateway, (port_name, wanted, target))
                    .unwrap_or_else(install),
            ));
        };
        if port.node_port.is_none() && gateway.allocates_node_ports != Some(false) {
            return Err(fail(
                format!("port {wanted} of service {name} has no node port"),
                &format!("port {wanted} with a node port"),
                format!("port {wanted} without a node port"),
                install(),
            ));
        }
    }
    Ok(Judgement::pass(format!("service {name} is a LoadBalancer with ports {}", list(&all))))
}

/// Formats a port: `443`, or `443/UDP` where it is not TCP.
fn format_port(port: &ServicePort) -> String {
    match port.protocol.as_str() {
        "TCP" => port.port.to_string(),
        protocol => format!("{}/{protocol}", port.port),
    }
}

/// Whether the gateway has neither a service nor a deployment.
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
    use crate::testing::{gateway_service as gateway, move_gateway, remove_gateway_service};

    cases! { Evidence:
        healthy(|_| {}, Pass);
        one_port_more(|e| { let mut more = gateway(e).ports[0].clone(); more.port = 15443; gateway(e).ports.push(more); }, Pass);
        node_port(|e| gateway(e).kind = "NodePort".into(), Fail);
        no_https(|e| gateway(e).ports.retain(|port| port.port != 443), Fail);
        https_on_another_port(|e| gateway(e).ports.iter_mut().filter(|port| port.port == 443).for_each(|port| port.port = 8443), Fail);
        udp(|e| gateway(e).ports.iter_mut().for_each(|port| port.protocol = "UDP".into()), Fail);
        no_node_port(|e| gateway(e).ports.iter_mut().for_each(|port| port.node_port = None), Fail);
        node_ports_not_allocated(|e| { gateway(e).ports.iter_mut().for_each(|port| port.node_port = None); gateway(e).allocates_node_ports = Some(false); }, Pass);
        headless(|e| gateway(e).cluster_ip = Some("None".into()), Fail);
        being_deleted(|e| gateway(e).terminating = true, Fail);
        gone(remove_gateway_service, Fail);
        gateway_elsewhere(move_gateway, Unjudged);
        forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
        installed_with_its_options(|e| { e.subject.bundle.as_mut().unwrap().install_set = vec!["values.a=b".into()]; gateway(e).kind = "NodePort".into(); }, Fail);
    }
}
