//! What turns the claims of *ingress* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Case, cases, installed, of, scale_to_zero};
use crate::evidence::{Evidence, HttpAnswer, Observation, Route, Service};

fn gateway(e: &mut Evidence) -> &mut Service {
    let name = e.expectations.gateway.clone();
    of(&mut e.install.services).iter_mut().find(|service| service.name == name).unwrap()
}

fn no_gateway(e: &mut Evidence) {
    let name = e.expectations.gateway.clone();
    of(&mut e.install.services).retain(|service| service.name != name);
}

cases! { service proves "ingress::service_is_load_balancer":
    healthy(|_| {}, Pass, "15021, 80 and 443");
    one_port_more(|e| { let mut more = gateway(e).ports[0].clone(); more.port = 15443; gateway(e).ports.push(more); }, Pass, "15443");
    node_port(|e| gateway(e).kind = "NodePort".into(), Fail, "of type NodePort");
    no_https(|e| gateway(e).ports.retain(|port| port.port != 443), Fail, "no port 443");
    udp(|e| gateway(e).ports.iter_mut().for_each(|port| port.protocol = "UDP".into()), Fail, "no port 15021");
    no_node_port(|e| gateway(e).ports.iter_mut().for_each(|port| port.node_port = None), Fail, "no node port");
    headless(|e| gateway(e).cluster_ip = Some("None".into()), Fail, "no cluster IP");
    gone(no_gateway, Fail, "there is no service");
    forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged, "forbidden");
    installed_with_its_options(|e| { e.subject.bundle.as_mut().unwrap().install_set = vec!["values.a=b".into()]; gateway(e).kind = "NodePort".into(); }, Fail, "--set profile=default --set values.a=b -y");
}

fn address(e: &mut Evidence, address: &str) {
    gateway(e).load_balancer_addresses = vec![address.into()];
}

cases! { external_address proves "ingress::external_address":
    healthy(|_| {}, Pass, "istio-ingressgateway has");
    another_range(|e| address(e, "192.0.2.10"), Pass, "192.0.2.10");
    version_6(|e| address(e, "2001:db8::1"), Pass, "2001:db8::1");
    host_name(|e| address(e, "a1b2.elb.example.com"), Pass, "a1b2.elb");
    pending(|e| gateway(e).load_balancer_addresses.clear(), Fail, "pending");
    literally_pending(|e| address(e, "<pending>"), Fail, "no address");
    unspecified(|e| address(e, "0.0.0.0"), Fail, "no address");
    no_number(|e| address(e, "172.18.0.999"), Fail, "no address");
    a_word(|e| address(e, "gateway"), Fail, "no address");
    docker_desktop(|e| address(e, "localhost"), Pass, "localhost");
    hyphen(|e| address(e, "lb-1.example.com"), Pass, "lb-1.example.com");
    hyphen_in_front(|e| address(e, "-lb.example.com"), Fail, "no address");
    hyphen_behind(|e| address(e, "lb-.example.com"), Fail, "no address");
    underscore(|e| address(e, "lb_1.example.com"), Fail, "no address");
    empty_label(|e| address(e, "lb..example.com"), Fail, "no address");
    gone(no_gateway, Fail, "there is no service");
    forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged, "forbidden");
    held_by_another(|e| { let mut other = gateway(e).clone(); other.name = "kong-proxy".into(); other.namespace = "kong".into(); gateway(e).load_balancer_addresses.clear(); let all = of(&mut e.cluster.load_balancer_services); all.clear(); all.push(other); }, Fail, "-n kong get service kong-proxy");
}

cases! { answers proves "ingress::address_answers":
    healthy(|_| {}, Pass, "200");
    not_ready(|e| of(&mut e.ingress.health).status = 503, Fail, "not ready: 503");
    no_route(|e| e.ingress.health = Observation::absent("nothing answers: no route to host"), Fail, "get pods,endpoints -l istio=ingressgateway");
    refused(|e| e.ingress.health = Observation::absent("nothing answers: connection refused"), Fail, "refused");
    unseen(|e| e.ingress.health = Observation::failed("services is forbidden"), Unjudged, "forbidden");
    asleep(|e| { let name = e.expectations.gateway.clone(); scale_to_zero(installed(e, &name)); e.ingress.health = Observation::absent("nothing answers: refused"); }, Fail, "scaled to zero");
    selects_nothing(|e| {
        gateway(e).selector = [("istio".into(), "gateway".into())].into();
        e.ingress.health = Observation::absent("nothing answers: refused");
    }, Fail, "patch service istio-ingressgateway --type=json");
    selects_its_pods(|e| e.ingress.health = Observation::absent("nothing answers: refused"), Fail, "shows the gateway's pods");
    not_asked(|e| e.ingress.health = Observation::not_asked("--only"), Skipped, "--only");
}

fn route(e: &mut Evidence) -> &mut Route {
    of(&mut e.ingress.route)
}

fn routed(e: &mut Evidence) -> &mut HttpAnswer {
    of(&mut route(e).routed)
}

cases! { routes proves "ingress::routes_into_mesh":
    healthy(|_| {}, Pass, "the backend's reply");
    not_routed(|e| routed(e).status = 404, Fail, "does not lead");
    another_text(|e| routed(e).body = "Hello from backend service v2\n".into(), Fail, "v2");
    two_newlines(|e| routed(e).body.push('\n'), Fail, "does not lead");
    nothing_answers(|e| route(e).routed = Observation::absent("nothing answers: refused"), Fail, "refused");
    answers_everyone(|e| of(&mut route(e).unknown_host).status = 200, Fail, "nobody routes");
    left_there(|e| route(e).removed = Observation::seen(false), Unjudged, "still there");
    perhaps_left_there(|e| route(e).removed = Observation::failed("no answer"), Unjudged, "not known");
    refused_by_the_server(|e| e.ingress.route = Observation::failed("cannot create resource namespaces"), Unjudged, "cannot create");
    no_address(|e| e.ingress.route = Observation::absent("the service has no address"), Fail, "no address");
    not_asked(|e| e.ingress.route = Observation::not_asked("--active allows them"), Skipped, "--active");
    wrong_and_unseen(|e| { route(e).unknown_host = Observation::failed("no answer"); routed(e).status = 503; }, Fail, "503");
    one_unseen(|e| route(e).unknown_host = Observation::failed("no answer"), Unjudged, "no answer");
    routed_unseen(|e| route(e).routed = Observation::failed("no answer"), Unjudged, "no answer");
}

/// What `completeness` reads: that no claim is without its cases.
pub(in super::super) const TABLES: &[&[Case]] = &[
    service::table::CASES,
    external_address::table::CASES,
    answers::table::CASES,
    routes::table::CASES,
];
