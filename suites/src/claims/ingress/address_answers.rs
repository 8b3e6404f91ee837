//! The gateway's address answers from outside of the mesh.

use super::answers::{another_answers, another_gateway_answers, require_answer, unhealthy};
use super::{bring_back_gateway, expect, gateway_object};
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, HttpAnswer, Observation, selector};
use crate::facts::gateway::{
    find_gateway_service, find_missing_label, find_routed_reply, has_address, has_counted_requests,
    has_no_gateway_deployment, has_ready_endpoint, is_ingress_gateway, is_strangers_health,
    lacks_address,
};
use crate::judgement::{Judged, Judgement, require};

claim! {
    /// The tutorial implies that the gateway answers at its external address.
    ///
    /// ## Why it matters
    /// A load balancer may assign an address that no machine can reach, or that another machine has.
    ///
    /// ## How it is checked
    /// Sends `GET http://ADDRESS:15021/healthz/ready` to every address of the service, from this machine. Where this
    /// machine gets no answer and the nodes are containers on it, a container on their network sends the request.
    ///
    /// The status must be 200, and the gateway's proxies must have counted the requests (`get` on pods/portforward).
    /// Where their counters cannot be read, the service must have a ready endpoint that is a gateway pod. The report
    /// then says what is not proven. It also says where the request came from.
    ///
    /// The claim is unjudged where this machine has no connection to the cluster's network and the address is private.
    /// It is also unjudged where the gateway has only IPv6 addresses, and this machine no IPv6 connection.
    /// A connection exists where a node's address answers on port 10250 with its own certificate.
    ///
    /// ## What makes it fail
    /// - The gateway does not answer, or is not ready. Where port 80 answers for meshcheck's test route, a closed port
    ///   15021 is no failure.
    /// - Another machine or another mesh's gateway answers: two address pools overlap. At `localhost`, another program has
    ///   the port.
    /// - The load balancer sends PROXY protocol, which Envoy answers with 400.
    /// - MetalLB does not announce the address: it has no L2Advertisement, or all nodes are excluded from load balancers
    ///   by label `node.kubernetes.io/exclude-from-external-load-balancers`, which kubeadm sets on control planes. Or its
    ///   speakers are not ready.
    /// - The address is outside of the nodes' network, or DNS does not know the host name.
    /// - The gateway has no deployment (`default_profile`) or no ready pod (`control_plane_running`).
    /// - The service has no address (`external_address`).
    ///
    /// ## How to fix it
    /// Scale the gateway up where it has 0 replicas. Set the selector of its service to the labels of its pods. Give
    /// MetalLB an unused pool in the nodes' network, and an L2Advertisement. If these are right, check the gateway's pods
    /// and endpoints.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system get service istio-ingressgateway
    ///     curl -i http://ADDRESS:15021/healthz/ready
    ingress::address_answers: "the gateway's address answers from outside of the mesh",
    beyond: true,
    needs: Request,
    stops: [LoadBalancer],
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if has_no_deployment,
        control_plane_running if no_gateway_pod_is_ready,
        external_address if has_no_address_to_ask,
    ],
    holds_without: [
        ("/ingress/health", "port 80 answers for meshcheck's test route"),
        ("/ingress/counted", "a ready endpoint is a gateway pod; the report says what is not proven"),
    ],
    holds_unasked: [
        ("/ingress/counted", "a ready endpoint is a gateway pod; the report says what is not proven"),
    ],
}

/// The answer that the claim is about, as messages name it.
const HEALTH: &str = "the gateway's answer to /healthz/ready";

fn judge(evidence: &Evidence) -> Judged {
    let object = gateway_object(evidence);
    let bring_back = || bring_back_gateway(evidence);
    if let Observation::Absent { reason } = &evidence.ingress.health
        && let Some(answer) = find_routed_reply(evidence)
    {
        return Ok(Judgement::pass(format!(
            "{} from {}: 200 from the backend; port 15021 does not answer: {reason}",
            answer.request, answer.vantage
        )));
    }
    require_answer(evidence, &evidence.ingress.health, "200 from /healthz/ready", "")?;
    let answer = require(&evidence.ingress.health, HEALTH, &object, bring_back)
        .map_err(|judgement| expect(judgement, "200 from /healthz/ready"))?;
    if is_strangers_health(answer) {
        return Err(another_answers(evidence, answer));
    }
    if answer.status != 200 {
        return Err(unhealthy(evidence, answer));
    }
    let proof = prove_gateway(evidence)?;
    let summary = format!("{} from {}: 200, {proof}", answer.request, answer.vantage);
    let judgement = Judgement::pass(&summary);
    if proof.starts_with(NOT_PROVEN) {
        let route = if evidence.subject.active {
            "meshcheck's test route did not prove it either"
        } else {
            "`meshcheck check --active` tests it with a route"
        };
        let caveat = format!("{summary}; {route}");
        return Ok(judgement.caveat(caveat));
    }
    Ok(judgement)
}

const NOT_PROVEN: &str = "not proven that this mesh's gateway answered";

/// Returns what proves that this mesh's gateway answered, or what is not proven.
fn prove_gateway(evidence: &Evidence) -> Result<String, Judgement> {
    let gateway = &evidence.expectations.gateway;
    let count = evidence.ingress.counted.value();
    let requests = count.map_or(0, |it| it.requests);
    let counted = count.map_or(0, |it| it.after.saturating_sub(it.before));
    let routed = "meshcheck's test route reaches the backend";
    match (has_counted_requests(evidence), find_routed_reply(evidence)) {
        (Some(true), _) => return Ok(format!("counted by istio-proxy of {gateway}")),
        (Some(false), Some(_)) => {
            return Ok(format!(
                "{routed}, although {gateway} counted {counted} of {requests} requests"
            ));
        }
        (Some(false), None) => {
            let why = format!("this gateway counted {counted} of {requests} requests");
            let expected = format!("{requests} requests counted by istio-proxy of {gateway}");
            return Err(another_gateway_answers(evidence, &why, expected, counted.to_string()));
        }
        (None, Some(_)) => return Ok(routed.into()),
        (None, None) => {}
    }
    match (has_ready_endpoint(evidence), find_unrouted(evidence)) {
        (Some(false), _) => {
            let why = "its service has no ready gateway pod";
            let expected = format!("an endpoint of service {gateway} that is a ready gateway pod");
            let service = find_gateway_service(evidence).filter(|it| !it.selector.is_empty());
            let selector =
                service.map(|it| format!("; its selector is {}", selector(&it.selector)));
            let observed = format!("no such endpoint{}", selector.unwrap_or_default());
            Err(another_gateway_answers(evidence, why, expected, observed))
        }
        (Some(true), Some(answer)) => {
            Err(Judgement::unjudged(format!("{NOT_PROVEN}: {}: {}", answer.request, answer.status)))
        }
        (Some(true), None) => Ok(format!("{NOT_PROVEN}: cannot read its counters")),
        (None, _) => Err(Judgement::unjudged(format!(
            "{NOT_PROVEN}: cannot read its counters, nor the endpoints of service \
             {gateway}: {}",
            evidence
                .install
                .endpoints
                .reason()
                .or(evidence.install.pods.reason())
                .unwrap_or_default()
        ))),
    }
}

/// Returns the 404 of a gateway for the test route, where istiod must have seen that route.
fn find_unrouted(evidence: &Evidence) -> Option<&HttpAnswer> {
    let route = evidence.ingress.route.value()?;
    if find_missing_label(route, evidence).is_some() {
        return None;
    }
    route.routed.value().filter(|answer| answer.status == 404)
}

/// Whether the gateway has an address and no deployment.
fn has_no_deployment(effect: &Effect<'_, Evidence>) -> bool {
    has_no_gateway_deployment(effect.evidence) && has_address(effect.evidence)
}

/// Whether the gateway has an address and a deployment, and none of its pods is ready.
fn no_gateway_pod_is_ready(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let deployments = evidence.install.deployments.value().into_iter().flatten();
    let mut gateways = deployments.filter(|one| is_ingress_gateway(one, evidence)).peekable();
    let Some(pods) = evidence.install.pods.value() else { return false };
    has_address(evidence)
        && gateways.peek().is_some()
        && gateways.all(|gateway| {
            !pods.iter().any(|pod| gateway.selects(pod) && pod.is_running_and_ready())
        })
}

/// Whether the gateway has no address to which a request could be sent.
fn has_no_address_to_ask(effect: &Effect<'_, Evidence>) -> bool {
    effect.evidence.ingress.health.value().is_none() && lacks_address(effect.evidence)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{
        Container, ContainerState, Evidence, HttpAnswer, Node, Observation, Pod, Provider,
    };
    use crate::testing::{gateway_service as gateway, installed, of, scale_to_zero};

    fn silent(e: &mut Evidence, reason: &str) {
        e.ingress.health = Observation::absent(reason);
        let route = of(&mut e.ingress.route);
        route.routed = Observation::failed("not asked");
        route.unknown_host = Observation::absent(reason);
    }

    fn no_connection(e: &mut Evidence) {
        silent(e, "nothing answers: from this machine: no answer within 2 s");
        e.ingress.way = Observation::absent("172.18.0.2:10250: no answer within 1 s");
    }

    fn at(e: &mut Evidence, address: &str, asked: &[&str]) {
        gateway(e).load_balancer_addresses = vec![address.into()];
        e.ingress.asked = asked.iter().map(|&it| it.into()).collect();
    }

    fn named<'e>(e: &'e mut Evidence, server: &str) -> &'e mut HttpAnswer {
        e.ingress.counted = Observation::failed("no endpoint");
        let health = of(&mut e.ingress.health);
        health.headers.insert("server".into(), server.into());
        health
    }

    fn not_active(e: &mut Evidence) {
        e.ingress.route = Observation::not_asked("--active allows them");
        e.subject.active = false;
    }

    fn not_counted(e: &mut Evidence) {
        not_active(e);
        of(&mut e.ingress.counted).after = 15;
    }

    fn unknown_counters(e: &mut Evidence) {
        not_active(e);
        e.ingress.counted = Observation::failed("pods/portforward is forbidden");
    }

    fn exclude_nodes(e: &mut Evidence) {
        for node in of(&mut e.cluster.nodes) {
            node.excluded_from_load_balancers = true;
        }
    }

    fn no_endpoint(e: &mut Evidence) {
        of(&mut e.install.endpoints).retain(|it| it.service != "istio-ingressgateway");
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        not_ready(|e| of(&mut e.ingress.health).status = 503, Fail);
        not_found(|e| of(&mut e.ingress.health).status = 404, Fail);
        proxy_protocol(|e| { let health = of(&mut e.ingress.health); (health.status, health.body) = (400, "Bad Request".into()); }, Fail);
        no_ipv6(|e| { silent(e, "nothing answers: from this machine: Network is unreachable (os error 101)"); at(e, "2001:db8::1", &["2001:db8::1"]); }, Unjudged);
        another_program_on_localhost(|e| { not_active(e); at(e, "localhost", &["127.0.0.1"]); named(e, "Microsoft-IIS/10.0").request = "GET http://localhost:15021/healthz/ready".into(); }, Fail);
        speaker_not_ready(|e| {
            silent(e, "nothing answers GET http://172.18.255.200:15021/healthz/ready: from this machine: No route to host (os error 113)");
            let state = ContainerState::Waiting { reason: "CreateContainerConfigError".into(), message: "secret \"memberlist\" not found".into() };
            let speaker = Container { name: "speaker".into(), state, ..Container::default() };
            let pod = Pod { namespace: "metallb-system".into(), name: "speaker-5znb5".into(), phase: "Pending".into(), containers: vec![speaker], ..Pod::default() };
            e.cluster.network_pods = Observation::seen(vec![pod]);
        }, Fail);
        no_route(|e| silent(e, "nothing answers: no route to host"), Fail);
        refused(|e| silent(e, "nothing answers: connection refused"), Fail);
        health_unknown(|e| e.ingress.health = Observation::failed("services is forbidden"), Unjudged);
        scaled_to_zero(|e| { let name = e.expectations.gateway.clone(); scale_to_zero(installed(e, &name)); no_endpoint(e); silent(e, "nothing answers: refused"); }, Fail);
        service_selects_nothing(|e| {
            gateway(e).selector = [("istio".into(), "gateway".into())].into();
            no_endpoint(e);
            no_connection(e);
        }, Fail);
        service_selects_its_pods(|e| silent(e, "nothing answers: refused"), Fail);
        not_asked(|e| e.ingress.health = Observation::not_asked("--only"), Skipped);
        port_80_alone(|e| e.ingress.health = Observation::absent("nothing answers: no answer within 2 s"), Pass);
        no_connection_to_it(no_connection, Unjudged);
        no_connection_to_a_cluster_elsewhere(|e| { no_connection(e); e.subject.provider = Provider::Existing; }, Unjudged);
        no_connection_to_a_virtual_machine_here(|e| {
            no_connection(e);
            e.subject.provider = Provider::Existing;
            e.subject.context = "rancher-desktop".into();
            e.subject.server = "https://127.0.0.1:6443".into();
        }, Unjudged);
        refused_on_the_path(|e| {
            silent(e, "nothing answers GET http://172.18.255.200:15021/healthz/ready: from this machine: Connection refused (os error 111)");
            e.ingress.way = Observation::absent("172.18.0.2:10250: refused");
        }, Unjudged);
        minikube_on_a_mac(|e| { no_connection(e); e.subject.context = "minikube".into(); e.subject.collected_on = "macos/aarch64".into(); }, Unjudged);
        public(|e| { no_connection(e); at(e, "203.0.113.9", &["203.0.113.9"]); }, Fail);
        name_of_a_private_address(|e| { no_connection(e); at(e, "lb.example.com", &["10.0.3.4"]); }, Unjudged);
        unknown_name(|e| { silent(e, "looking up lb.example.com: Name or service not known"); at(e, "lb.example.com", &[]); }, Fail);
        localhost_with_one_address_tested(|e| { silent(e, "Connection refused"); at(e, "localhost", &[]); }, Unjudged);
        localhost_refuses(|e| { silent(e, "Connection refused"); at(e, "localhost", &["::1", "127.0.0.1"]); }, Fail);
        localhost_of_a_cluster_elsewhere(|e| {
            silent(e, "Connection refused");
            at(e, "127.0.0.1", &["127.0.0.1"]);
            e.subject.server = "https://10.20.30.47:6443".into();
        }, Unjudged);
        address_of_a_network(|e| { no_connection(e); at(e, "172.18.0.0", &["172.18.0.0"]); }, Fail);
        services_unread(|e| { silent(e, "nothing answers: connection refused"); e.install.services = Observation::failed("services is forbidden"); }, Fail);
        services_unread_and_no_address_asked(|e| {
            silent(e, "nothing answers: connection refused");
            e.install.services = Observation::failed("services is forbidden");
            e.ingress.asked.clear();
        }, Unjudged);
        connection_unknown(|e| { no_connection(e); e.ingress.way = Observation::failed("nodes is forbidden"); }, Unjudged);
        nodes_excluded(|e| { silent(e, "nothing answers: no answer within 2 s"); exclude_nodes(e); }, Fail);
        all_of_two_nodes_excluded(|e| {
            silent(e, "nothing answers: no answer within 2 s");
            let nodes = of(&mut e.cluster.nodes);
            let second = Node { name: "worker".into(), ..nodes[0].clone() };
            nodes.push(second);
            exclude_nodes(e);
        }, Fail);
        one_of_two_nodes_excluded(|e| {
            silent(e, "nothing answers: no answer within 2 s");
            exclude_nodes(e);
            let nodes = of(&mut e.cluster.nodes);
            let second = Node { excluded_from_load_balancers: false, ..nodes[0].clone() };
            nodes.push(second);
        }, Fail);
        nodes_excluded_and_the_address_answers(exclude_nodes, Pass);
        nodes_excluded_and_no_connection(|e| { no_connection(e); exclude_nodes(e); }, Unjudged);
        outside_of_the_network(|e| { silent(e, "No route to host"); at(e, "172.19.255.1", &["172.19.255.1"]); }, Fail);
        outside_of_the_network_without_ranges(|e| {
            silent(e, "No route to host");
            at(e, "172.19.255.1", &["172.19.255.1"]);
            of(&mut e.ingress.way).networks.clear();
            e.subject.context = "kind-mesh".into();
        }, Fail);
        older_file_without_connection(|e| {
            silent(e, "from this machine: no answer within 2 s; from a meshcheck container on the cluster's network: `docker run` did not end");
            e.ingress.way = Observation::default();
        }, Unjudged);
        older_file_with_request_of_a_container(|e| {
            silent(e, "from this machine: no answer; from a meshcheck container on the cluster's network: curl: (28) timed out");
            e.ingress.way = Observation::default();
        }, Fail);
        printer(|e| { let it = named(e, "lighttpd/1.4.53"); it.status = 404; it.body = "<h1>404</h1>".into(); not_active(e); }, Fail);
        captive_portal(|e| { let it = named(e, "squid/5.7"); it.headers.insert("via".into(), "1.1 proxy".into()); not_active(e); }, Unjudged);
        web_page(|e| { let it = named(e, "envoy"); it.headers.clear(); it.headers.insert("content-type".into(), "text/html".into()); not_active(e); }, Fail);
        filter_on_the_path(|e| { named(e, "filter"); e.ingress.way = Observation::absent("no node answers"); not_active(e); }, Unjudged);
        another_mesh(not_counted, Fail);
        another_mesh_and_no_endpoint(|e| { not_counted(e); no_endpoint(e); }, Fail);
        not_counted_and_routed(|e| of(&mut e.ingress.counted).after = 15, Pass);
        restarted_in_between(|e| { not_active(e); of(&mut e.ingress.counted).after = 1; }, Pass);
        counters_forbidden(unknown_counters, Pass);
        counters_forbidden_and_routed(|e| e.ingress.counted = Observation::failed("forbidden"), Pass);
        counters_forbidden_and_no_endpoint(|e| { unknown_counters(e); no_endpoint(e); }, Fail);
        counters_and_endpoints_forbidden(|e| { unknown_counters(e); e.install.endpoints = Observation::failed("forbidden"); }, Unjudged);
        counters_forbidden_and_not_routed(|e| {
            e.ingress.counted = Observation::failed("forbidden");
            of(&mut of(&mut e.ingress.route).routed).status = 404;
        }, Unjudged);
    }
}
