//! What turns the claims of *ingress* red, what leaves them unjudged, and what does not matter.

use crate::evidence::{Evidence, HttpAnswer, Observation, Route, Service};
use crate::testing::{installed, of, scale_to_zero};

fn gateway(e: &mut Evidence) -> &mut Service {
    let name = e.expectations.gateway.clone();
    of(&mut e.install.services).iter_mut().find(|service| service.name == name).unwrap()
}

fn no_gateway(e: &mut Evidence) {
    let name = e.expectations.gateway.clone();
    of(&mut e.install.services).retain(|service| service.name != name);
}

pub(crate) mod service {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        one_port_more(|e| { let mut more = gateway(e).ports[0].clone(); more.port = 15443; gateway(e).ports.push(more); }, Pass);
        node_port(|e| gateway(e).kind = "NodePort".into(), Fail);
        no_https(|e| gateway(e).ports.retain(|port| port.port != 443), Fail);
        udp(|e| gateway(e).ports.iter_mut().for_each(|port| port.protocol = "UDP".into()), Fail);
        no_node_port(|e| gateway(e).ports.iter_mut().for_each(|port| port.node_port = None), Fail);
        headless(|e| gateway(e).cluster_ip = Some("None".into()), Fail);
        gone(no_gateway, Fail);
        forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
        installed_with_its_options(|e| { e.subject.bundle.as_mut().unwrap().install_set = vec!["values.a=b".into()]; gateway(e).kind = "NodePort".into(); }, Fail);
    }
}

fn address(e: &mut Evidence, address: &str) {
    gateway(e).load_balancer_addresses = vec![address.into()];
}

pub(crate) mod external_address {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        another_range(|e| address(e, "192.0.2.10"), Pass);
        version_6(|e| address(e, "2001:db8::1"), Pass);
        host_name(|e| address(e, "a1b2.elb.example.com"), Pass);
        pending(|e| gateway(e).load_balancer_addresses.clear(), Fail);
        literally_pending(|e| address(e, "<pending>"), Fail);
        unspecified(|e| address(e, "0.0.0.0"), Fail);
        no_number(|e| address(e, "172.18.0.999"), Fail);
        a_word(|e| address(e, "gateway"), Fail);
        docker_desktop(|e| address(e, "localhost"), Pass);
        hyphen(|e| address(e, "lb-1.example.com"), Pass);
        hyphen_in_front(|e| address(e, "-lb.example.com"), Fail);
        hyphen_behind(|e| address(e, "lb-.example.com"), Fail);
        underscore(|e| address(e, "lb_1.example.com"), Fail);
        empty_label(|e| address(e, "lb..example.com"), Fail);
        gone(no_gateway, Fail);
        forbidden(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
        held_by_another(|e| { let mut other = gateway(e).clone(); other.name = "kong-proxy".into(); other.namespace = "kong".into(); gateway(e).load_balancer_addresses.clear(); let all = of(&mut e.cluster.load_balancer_services); all.clear(); all.push(other); }, Fail);
    }
}

pub(crate) mod answers {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        not_ready(|e| of(&mut e.ingress.health).status = 503, Fail);
        no_route(|e| e.ingress.health = Observation::absent("nothing answers: no route to host"), Fail);
        refused(|e| e.ingress.health = Observation::absent("nothing answers: connection refused"), Fail);
        unseen(|e| e.ingress.health = Observation::failed("services is forbidden"), Unjudged);
        asleep(|e| { let name = e.expectations.gateway.clone(); scale_to_zero(installed(e, &name)); e.ingress.health = Observation::absent("nothing answers: refused"); }, Fail);
        selects_nothing(|e| {
            gateway(e).selector = [("istio".into(), "gateway".into())].into();
            e.ingress.health = Observation::absent("nothing answers: refused");
        }, Fail);
        selects_its_pods(|e| e.ingress.health = Observation::absent("nothing answers: refused"), Fail);
        not_asked(|e| e.ingress.health = Observation::not_asked("--only"), Skipped);
    }
}

fn route(e: &mut Evidence) -> &mut Route {
    of(&mut e.ingress.route)
}

fn routed(e: &mut Evidence) -> &mut HttpAnswer {
    of(&mut route(e).routed)
}

pub(crate) mod routes {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { Evidence:
        healthy(|_| {}, Pass);
        not_routed(|e| routed(e).status = 404, Fail);
        another_text(|e| routed(e).body = "Hello from backend service v2\n".into(), Fail);
        two_newlines(|e| routed(e).body.push('\n'), Fail);
        nothing_answers(|e| route(e).routed = Observation::absent("nothing answers: refused"), Fail);
        answers_everyone(|e| of(&mut route(e).unknown_host).status = 200, Fail);
        left_there(|e| route(e).removed = Observation::seen(false), Unjudged);
        perhaps_left_there(|e| route(e).removed = Observation::failed("no answer"), Unjudged);
        refused_by_the_server(|e| e.ingress.route = Observation::failed("cannot create resource namespaces"), Unjudged);
        no_address(|e| e.ingress.route = Observation::absent("the service has no address"), Fail);
        not_asked(|e| e.ingress.route = Observation::not_asked("--active allows them"), Skipped);
        wrong_and_unseen(|e| { route(e).unknown_host = Observation::failed("no answer"); routed(e).status = 503; }, Fail);
        one_unseen(|e| route(e).unknown_host = Observation::failed("no answer"), Unjudged);
        routed_unseen(|e| route(e).routed = Observation::failed("no answer"), Unjudged);
    }
}
