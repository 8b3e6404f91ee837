//! What turns the claims of *ingress* red, what leaves them unjudged, and what does not matter.

use super::super::mutations::{Mutation, installed, of, prove, scale_to_zero};
use crate::evidence::{Evidence, HttpAnswer, Observation, Route, Service};
use crate::judgement::Verdict::{self, Fail, Pass, Skipped, Unjudged};
use rstest::rstest;

fn gateway(e: &mut Evidence) -> &mut Service {
    let name = e.expectations.gateway.clone();
    of(&mut e.install.services).iter_mut().find(|service| service.name == name).unwrap()
}

fn no_gateway(e: &mut Evidence) {
    let name = e.expectations.gateway.clone();
    of(&mut e.install.services).retain(|service| service.name != name);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "15021, 80 and 443")]
#[case::one_port_more(|e: &mut Evidence| { let mut more = gateway(e).ports[0].clone(); more.port = 15443; gateway(e).ports.push(more); }, Pass, "15443")]
#[case::node_port(|e: &mut Evidence| gateway(e).kind = "NodePort".into(), Fail, "of type NodePort")]
#[case::no_https(|e: &mut Evidence| gateway(e).ports.retain(|port| port.port != 443), Fail, "no port 443")]
#[case::udp(|e: &mut Evidence| gateway(e).ports.iter_mut().for_each(|port| port.protocol = "UDP".into()), Fail, "no port 15021")]
#[case::no_node_port(|e: &mut Evidence| gateway(e).ports.iter_mut().for_each(|port| port.node_port = None), Fail, "no node port")]
#[case::headless(|e: &mut Evidence| gateway(e).cluster_ip = Some("None".into()), Fail, "no cluster IP")]
#[case::gone(no_gateway, Fail, "there is no service")]
#[case::forbidden(|e: &mut Evidence| e.install.services = Observation::failed("services is forbidden"), Unjudged, "forbidden")]
#[case::installed_with_its_options(|e: &mut Evidence| { e.subject.bundle.as_mut().unwrap().install_set = vec!["values.a=b".into()]; gateway(e).kind = "NodePort".into(); }, Fail, "--set profile=default --set values.a=b -y")]
fn service(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("ingress::service_is_load_balancer", mutation, verdict, words);
}

fn address(e: &mut Evidence, address: &str) {
    gateway(e).load_balancer_addresses = vec![address.into()];
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "istio-ingressgateway has")]
#[case::another_range(|e: &mut Evidence| address(e, "192.0.2.10"), Pass, "192.0.2.10")]
#[case::version_6(|e: &mut Evidence| address(e, "2001:db8::1"), Pass, "2001:db8::1")]
#[case::host_name(|e: &mut Evidence| address(e, "a1b2.elb.example.com"), Pass, "a1b2.elb")]
#[case::pending(|e: &mut Evidence| gateway(e).load_balancer_addresses.clear(), Fail, "pending")]
#[case::literally_pending(|e: &mut Evidence| address(e, "<pending>"), Fail, "no address")]
#[case::unspecified(|e: &mut Evidence| address(e, "0.0.0.0"), Fail, "no address")]
#[case::no_number(|e: &mut Evidence| address(e, "172.18.0.999"), Fail, "no address")]
#[case::a_word(|e: &mut Evidence| address(e, "localhost"), Fail, "no address")]
#[case::gone(no_gateway, Fail, "there is no service")]
#[case::forbidden(|e: &mut Evidence| e.install.services = Observation::failed("services is forbidden"), Unjudged, "forbidden")]
#[case::held_by_another(|e: &mut Evidence| { let mut other = gateway(e).clone(); other.name = "kong-proxy".into(); other.namespace = "kong".into(); gateway(e).load_balancer_addresses.clear(); let all = of(&mut e.cluster.load_balancer_services); all.clear(); all.push(other); }, Fail, "-n kong get service kong-proxy")]
fn external_address(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("ingress::external_address", mutation, verdict, words);
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "200")]
#[case::not_ready(|e: &mut Evidence| of(&mut e.ingress.health).status = 503, Fail, "not ready: 503")]
#[case::refused(|e: &mut Evidence| e.ingress.health = Observation::absent("nothing answers: connection refused"), Fail, "refused")]
#[case::unseen(|e: &mut Evidence| e.ingress.health = Observation::failed("services is forbidden"), Unjudged, "forbidden")]
#[case::asleep(|e: &mut Evidence| { let name = e.expectations.gateway.clone(); scale_to_zero(installed(e, &name)); e.ingress.health = Observation::absent("nothing answers: refused"); }, Fail, "scaled to zero")]
#[case::not_asked(|e: &mut Evidence| e.ingress.health = Observation::not_asked("--only"), Skipped, "--only")]
fn answers(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("ingress::address_answers", mutation, verdict, words);
}

fn route(e: &mut Evidence) -> &mut Route {
    of(&mut e.ingress.route)
}

fn routed(e: &mut Evidence) -> &mut HttpAnswer {
    of(&mut route(e).routed)
}

#[rstest]
#[case::healthy(|_: &mut Evidence| {}, Pass, "the backend's reply")]
#[case::not_routed(|e: &mut Evidence| routed(e).status = 404, Fail, "does not lead")]
#[case::another_text(|e: &mut Evidence| routed(e).body = "Hello from backend service v2\n".into(), Fail, "v2")]
#[case::two_newlines(|e: &mut Evidence| routed(e).body.push('\n'), Fail, "does not lead")]
#[case::nothing_answers(|e: &mut Evidence| route(e).routed = Observation::absent("nothing answers: refused"), Fail, "refused")]
#[case::answers_everyone(|e: &mut Evidence| of(&mut route(e).unknown_host).status = 200, Fail, "nobody routes")]
#[case::left_there(|e: &mut Evidence| route(e).removed = Observation::seen(false), Unjudged, "still there")]
#[case::perhaps_left_there(|e: &mut Evidence| route(e).removed = Observation::failed("no answer"), Unjudged, "not known")]
#[case::refused_by_the_server(|e: &mut Evidence| e.ingress.route = Observation::failed("cannot create resource namespaces"), Unjudged, "cannot create")]
#[case::no_address(|e: &mut Evidence| e.ingress.route = Observation::absent("the service has no address"), Fail, "no address")]
#[case::not_asked(|e: &mut Evidence| e.ingress.route = Observation::not_asked("--active allows them"), Skipped, "--active")]
#[case::wrong_and_unseen(|e: &mut Evidence| { route(e).unknown_host = Observation::failed("no answer"); routed(e).status = 503; }, Fail, "503")]
#[case::one_unseen(|e: &mut Evidence| route(e).unknown_host = Observation::failed("no answer"), Unjudged, "no answer")]
#[case::routed_unseen(|e: &mut Evidence| route(e).routed = Observation::failed("no answer"), Unjudged, "no answer")]
fn routes(#[case] mutation: Mutation, #[case] verdict: Verdict, #[case] words: &str) {
    prove("ingress::routes_into_mesh", mutation, verdict, words);
}
