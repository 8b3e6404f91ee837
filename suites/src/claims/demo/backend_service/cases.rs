//! The cases of the claim.

use crate::claims::demo::testing::remove_backend;
use crate::entry::cases;
use crate::evidence::{Endpoint, Evidence, Observation, Service};
use crate::testing::{demo_pod, of};

fn service(evidence: &mut Evidence) -> &mut Service {
    let name = evidence.expectations.backend_service.clone();
    of(&mut evidence.demo.services).iter_mut().find(|service| service.name == name).unwrap()
}

fn endpoint(evidence: &mut Evidence) -> &mut Endpoint {
    let name = evidence.expectations.backend_service.clone();
    of(&mut evidence.demo.endpoints).iter_mut().find(|one| one.service == name).unwrap()
}

cases! { Evidence:
    healthy(|_| {}, Pass);
    being_deleted(|e| service(e).terminating = true, Fail);
    second_port(|e| { let mut more = service(e).ports[0].clone(); more.port = 81; more.name = "more".into(); service(e).ports.insert(0, more); }, Pass);
    two_families(|e| { let mut more = endpoint(e).clone(); more.addresses = vec!["fd00::8".into()]; of(&mut e.demo.endpoints).push(more); }, Pass);
    pod_without_an_owner(|e| demo_pod(e, "echo").owner = None, Pass);
    named_target(|e| service(e).ports[0].target_port = "web".into(), Pass);
    node_port(|e| service(e).kind = "NodePort".into(), Pass);
    three_echo_pods(|e| {
        for name in ["second", "third"] {
            let mut pod = demo_pod(e, "echo").clone();
            pod.name = name.into();
            of(&mut e.demo.pods).push(pod);
            let more = Endpoint { pod: Some(name.into()), ..endpoint(e).clone() };
            of(&mut e.demo.endpoints).push(more);
        }
    }, Pass);
    one_not_ready(|e| { let more = Endpoint { ready: false, ..endpoint(e).clone() }; of(&mut e.demo.endpoints).push(more); }, Pass);
    by_owner(|e| e.demo.deployments = Observation::failed("forbidden"), Pass);
    missing(|e| of(&mut e.demo.services).clear(), Fail);
    no_namespace(|e| e.demo.services = Observation::absent("no namespace"), Fail);
    port_renamed(|e| service(e).ports[0].name = "web".into(), Fail);
    port_renamed_with_named_target(|e| { let port = &mut service(e).ports[0]; (port.name, port.target_port) = ("web".into(), "web".into()); }, Fail);
    port_named_http_web(|e| service(e).ports[0].name = "http-web".into(), Fail);
    port_named_tcp(|e| service(e).ports[0].name = "tcp-web".into(), Fail);
    port_named_grpc(|e| service(e).ports[0].name = "grpc-web".into(), Fail);
    one_endpoint_on_another_port(|e| { let more = Endpoint { ports: vec![8080], ..endpoint(e).clone() }; of(&mut e.demo.endpoints).push(more); }, Fail);
    port_without_name(|e| service(e).ports[0].name.clear(), Fail);
    other_port(|e| service(e).ports[0].port = 8080, Fail);
    protocol_udp(|e| service(e).ports[0].protocol = "UDP".into(), Fail);
    other_target_port(|e| service(e).ports[0].target_port = "5679".into(), Fail);
    named_target_elsewhere(|e| { service(e).ports[0].target_port = "web".into(); endpoint(e).ports = vec![8080]; }, Fail);
    other_selector(|e| { service(e).selector.insert("app".into(), "eco".into()); }, Fail);
    selector_too_narrow(|e| { service(e).selector.insert("tier".into(), "a".into()); }, Fail);
    name_and_selector(|e| { service(e).ports[0].name = "web".into(); service(e).selector.insert("app".into(), "eco".into()); }, Fail);
    target_and_selector(|e| { service(e).ports[0].target_port = "5679".into(); service(e).selector.clear(); }, Fail);
    no_selector(|e| service(e).selector.clear(), Fail);
    headless(|e| service(e).cluster_ip = Some("None".into()), Fail);
    external_name(|e| service(e).kind = "ExternalName".into(), Fail);
    no_endpoint(|e| of(&mut e.demo.endpoints).clear(), Fail);
    pod_not_ready(|e| { endpoint(e).ready = false; demo_pod(e, "echo").ready = false; }, Fail);
    endpoint_without_address(|e| endpoint(e).addresses.clear(), Fail);
    scaled_to_zero(remove_backend, Fail);
    endpoint_of_another_pod(|e| { let client = demo_pod(e, "client").name.clone(); endpoint(e).pod = Some(client); }, Fail);
    endpoint_without_pod(|e| endpoint(e).pod = None, Fail);
    services_unread(|e| e.demo.services = Observation::failed("forbidden"), Unjudged);
    endpoints_unread(|e| e.demo.endpoints = Observation::failed("forbidden"), Unjudged);
    pods_unread(|e| e.demo.pods = Observation::failed("forbidden"), Unjudged);
    port_without_name_and_endpoints_unread(|e| {
        e.demo.endpoints = Observation::failed("forbidden");
        service(e).ports[0].name.clear();
    }, Fail);
}
