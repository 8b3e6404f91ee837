//! The gateway directs external traffic into the mesh.

use super::answers::{another_answers, no_answer};
use super::{bring_back_gateway, gateway_object};
use crate::claims::Claim;
use crate::claims::by_name::backend_deployment::{self, other_reply_text};
use crate::claims::by_name::backend_service::{self, leads_to_the_backend};
use crate::claims::by_name::default_profile::{self, looks_in_wrong_place};
use crate::claims::by_name::{
    address_answers, backend_replies, control_plane_running, external_address, inbound_redirected,
    live_rules, no_competing_load_balancer, proxies_in_sync,
};
use crate::claims::mesh::bypass::bypasses_decryption;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, HttpAnswer, Observation, Route, text_of};
use crate::facts::demo::find_wrong_reply;
use crate::facts::gateway::{
    can_be_unseen, find_address_sharers, has_address, has_counted_requests, is_answered_by_another,
    is_backends_reply, lacks_address, names_another_server,
};
use crate::facts::injection::is_webhook_failure;
use crate::facts::istiod::{find_other_domain, is_istiod_down};
use crate::facts::proxy_replies::{is_expired_certificate, is_policy_denial};
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, require};
use crate::steps::{istio, namespaces, services};

claim! {
    /// The tutorial says: the ingress gateway directs external traffic into the mesh.
    ///
    /// ## Why it matters
    /// A gateway that answers its health check can still have no routes, or lead every host to the same place.
    ///
    /// ## How it is checked
    /// Creates a Gateway and a VirtualService for a host of its own, in a namespace of its own, and asks the gateway's
    /// address for that host: the backend's reply is expected. A host that nobody routes must get 404. Then it deletes
    /// the namespace. The namespace has the labels of the demo's, for istiod to see it (`discoverySelectors`). It needs `create` and `delete` on namespaces, gateways and virtualservices, and `--active` on a
    /// cluster that is not meshcheck's.
    ///
    /// ## What makes it fail
    /// - The gateway does not get the route: istiod is down (`control_plane_running`), or the kinds are not
    ///   defined (`default_profile`).
    /// - The backend is not there, replies something else, or forbids the request (`demo::*`).
    /// - Traffic reaches the backend past its sidecar (`inbound_redirected`, `live_rules`).
    /// - Another machine or another mesh's gateway has the address (`address_answers`).
    /// - The gateway has no address (`external_address`) or does not answer (`address_answers`), or another service with
    ///   its address answers in its place (`no_competing_load_balancer`).
    /// - Somebody else's route takes every host.
    /// - An `AuthorizationPolicy` forbids the request at the gateway, or the gateway does not trust the backend's
    ///   certificate (`proxies_in_sync`).
    ///
    /// It is unjudged where this machine has no way to a private address, or a web filter answers in between.
    ///
    /// ## How to fix it
    /// See whether the gateway has its configuration, whether its address is its own, then who routes the host.
    ///
    /// ## Check by hand
    ///     istioctl proxy-status
    ///     kubectl get gateways.networking.istio.io,virtualservices.networking.istio.io -A
    ingress::routes_into_mesh: "the gateway directs external traffic into the mesh",
    needs: Objects,
    stops: [Route],
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if routes_are_not_defined,
        control_plane_running if istiod_takes_no_route,
        backend_deployment if backend_gives_other_reply,
        backend_service if backend_has_no_endpoint,
        backend_replies if backend_fails_in_the_same_way,
        proxies_in_sync if gateway_does_not_trust_backend,
        inbound_redirected if |effect| reply_is_not_decrypted(effect, &inbound_redirected::CLAIM),
        live_rules if |effect| reply_is_not_decrypted(effect, &live_rules::CLAIM),
        external_address if has_no_address_to_ask,
        no_competing_load_balancer if another_service_answers,
        address_answers if nothing_answers,
        address_answers if another_answers_there,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let route =
        require(&evidence.ingress.route, "a route of our own", gateway_object(evidence), || {
            bring_back_gateway(evidence)
        })?;
    if let Some(denied) = denied_by_gateway(evidence, route) {
        return Err(denied);
    }
    let removed = match &route.removed {
        Observation::Seen { value: true } => Ok(Judgement::pass(String::new())),
        Observation::Seen { value: false } => Err(Judgement::unjudged(format!(
            "the objects of the probe in namespace {} are still there",
            route.namespace
        ))
        .step(namespaces::delete(evidence, &route.namespace, "removes them"))),
        other => Err(Judgement::unjudged(format!(
            "whether the probe's objects are gone is not known: {}",
            other.reason().unwrap_or_default()
        ))),
    };
    all_hold([routed(evidence, route), unknown(evidence, &route.unknown_host), removed])?;
    Ok(Judgement::pass(format!("host {}: the backend's reply; an unknown host: 404", route.host)))
}

fn answer<'e>(
    evidence: &Evidence,
    observation: &'e Observation<HttpAnswer>,
    what: &str,
) -> Result<&'e HttpAnswer, Judgement> {
    if let Observation::Absent { reason } = observation
        && has_address(evidence)
    {
        let health =
            evidence.ingress.health.value().map(|it| format!("; {}: {}", it.request, it.status));
        return Err(no_answer(evidence, what, &format!("{reason}{}", health.unwrap_or_default())));
    }
    require(observation, what, gateway_object(evidence), || bring_back_gateway(evidence))
}

fn routed(evidence: &Evidence, route: &Route) -> Judged {
    let answer = answer(evidence, &route.routed, "the answer for a host that is routed")?;
    let Route { host, namespace, .. } = route;
    if is_backends_reply(answer, evidence) {
        return Ok(Judgement::pass(String::new()));
    }
    if names_another_server(answer) {
        return Err(another_answers(evidence, answer));
    }
    if answer.status == 404 && can_be_unseen(route, evidence) {
        return Err(Judgement::unjudged(format!(
            "request for host {host} through the gateway: 404: istiod may select namespaces by labels that namespace \
             {} has and the route's namespace {namespace} had not",
            evidence.expectations.namespace
        )));
    }
    let mut judgement =
        Judgement::fail(format!("the gateway does not lead host {host} to the backend"))
            .expected(format!("200 `{}`", evidence.expectations.reply))
            .observed(format!("{} {}", answer.status, excerpt(&answer.body)))
            .object(gateway_object(evidence));
    if answer.status == 404 && has_counted_requests(evidence) != Some(true) {
        judgement.summary += ", or another mesh's gateway has its address";
        let text = "shows the pool: no other cluster may have its addresses";
        judgement = judgement.step(services::show_pools(evidence, text));
    }
    Err(judgement.step(istio::proxy_status(evidence, "shows whether the gateway has its routes")))
}

fn unknown(evidence: &Evidence, observation: &Observation<HttpAnswer>) -> Judged {
    let answer = answer(evidence, observation, "the answer for a host that nobody routes")?;
    if answer.status == 404 {
        return Ok(Judgement::pass(String::new()));
    }
    if names_another_server(answer) {
        return Err(another_answers(evidence, answer));
    }
    Err(Judgement::fail(format!(
        "the gateway answers {} for a host that nobody routes",
        answer.status
    ))
    .expected("404")
    .observed(format!("{} {}", answer.status, excerpt(&answer.body)))
    .object(gateway_object(evidence))
    .step(istio::list_routes(evidence, "shows who routes every host")))
}

/// Without their definitions, the API server takes neither of the two objects of a route.
fn routes_are_not_defined(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let is_defined = |name: &str| {
        let crds = evidence.install.crds.value();
        crds.is_none_or(|crds| crds.iter().any(|crd| crd.name == name && crd.established))
    };
    let kinds = ["gateways.networking.istio.io", "virtualservices.networking.istio.io"];
    has_address(evidence)
        && evidence.ingress.route.value().is_none()
        && !kinds.into_iter().all(is_defined)
}

/// istiod validates a route, and hands it to the gateway: while it is down, neither happens.
fn istiod_takes_no_route(effect: &Effect<'_, Evidence>) -> bool {
    is_istiod_down(effect.evidence)
        && match &effect.evidence.ingress.route {
            Observation::Failed { reason } => is_webhook_failure(reason),
            Observation::Seen { value } => {
                value.routed.value().is_some_and(|answer| answer.status == 404)
            }
            Observation::Absent { .. } | Observation::NotAsked { .. } => false,
        }
}

fn backend_has_no_endpoint(effect: &Effect<'_, Evidence>) -> bool {
    let routed = effect.evidence.ingress.route.value().and_then(|route| route.routed.value());
    leads_to_the_backend(effect.evidence) == Some(false)
        && routed.is_some_and(|answer| (502..=504).contains(&answer.status))
}

/// Another service has the gateway's address and port, and what answered is no Envoy.
fn another_service_answers(effect: &Effect<'_, Evidence>) -> bool {
    let route = effect.evidence.ingress.route.value();
    let answers = route.into_iter().flat_map(|it| [it.routed.value(), it.unknown_host.value()]);
    let is_envoy = |answer: &HttpAnswer| {
        answer.headers.get("server").is_some_and(|server| server.ends_with("envoy"))
    };
    find_address_sharers(effect.evidence).iter().any(|(_, ports)| ports.contains(&80))
        && answers.flatten().any(|answer| !is_envoy(answer))
}

fn has_no_address_to_ask(effect: &Effect<'_, Evidence>) -> bool {
    effect.evidence.ingress.route.value().is_none() && lacks_address(effect.evidence)
}

/// Neither the health check nor a request through the gateway got an answer. The route may have been given up
/// before its first answer: then the request for a host that nobody routes says the same.
fn nothing_answers(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let is_silent = |route: &Route| {
        matches!(
            (&route.routed, &route.unknown_host),
            (Observation::Absent { .. }, _)
                | (Observation::Failed { .. }, Observation::Absent { .. })
        )
    };
    has_address(evidence)
        && evidence.ingress.health.is_absent()
        && (evidence.ingress.route.is_absent()
            || evidence.ingress.route.value().is_some_and(is_silent))
}

/// Somebody else answers at the address: for the route too.
fn another_answers_there(effect: &Effect<'_, Evidence>) -> bool {
    is_answered_by_another(effect.evidence)
}

/// The backend gives the other text that its deployment has.
fn backend_gives_other_reply(effect: &Effect<'_, Evidence>) -> bool {
    let route = effect.evidence.ingress.route.value();
    let answer = route.and_then(|route| route.routed.value());
    other_reply_text(effect.evidence).is_some_and(|other| {
        answer.is_some_and(|answer| answer.status == 200 && text_of(&answer.body) == other)
    })
}

/// The backend fails for the client as it does for the gateway, with the same answer or for the same reason. The
/// gateway itself fails for nothing, or it would for a host that nobody routes.
fn backend_fails_in_the_same_way(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let Some(route) = evidence.ingress.route.value() else { return false };
    let is_gateway_well = route.unknown_host.value().is_some_and(|answer| answer.status == 404);
    let (Some(routed), Some(reply)) = (route.routed.value(), find_wrong_reply(evidence)) else {
        return false;
    };
    let is_same = reply.status == routed.status
        && text_of(&reply.body) == text_of(&routed.body)
        && !routed.body.is_empty();
    let are_expired = [&reply.body, &routed.body].into_iter().all(|it| is_expired_certificate(it));
    let is_unknown =
        reply.status == 0 && routed.status == 503 && find_other_domain(evidence).is_some();
    is_gateway_well && (is_same || are_expired || is_unknown)
}

/// A policy on the gateway: it denies a host that nobody routes, too.
fn denied_by_gateway(evidence: &Evidence, route: &Route) -> Option<Judgement> {
    let denied = |answer: &&HttpAnswer| answer.status == 403 && is_policy_denial(&answer.body);
    let answer = route.routed.value().filter(denied)?;
    route.unknown_host.value().filter(denied)?;
    let observed = format!("{} {}", answer.status, excerpt(&answer.body));
    let summary = format!("an authorization policy denies requests at the gateway: {observed}");
    Some(
        Judgement::fail(summary)
            .expected(format!("200 `{}`", evidence.expectations.reply))
            .observed(observed)
            .object(gateway_object(evidence))
            .step(istio::list_policies(evidence)),
    )
}

/// The gateway does not accept the backend's certificate: it is of the authority that istiod had before.
fn gateway_does_not_trust_backend(effect: &Effect<'_, Evidence>) -> bool {
    let route = effect.evidence.ingress.route.value();
    let routed = route.and_then(|route| route.routed.value());
    routed.is_some_and(|answer| answer.body.contains("CERTIFICATE_VERIFY_FAILED"))
}

fn reply_is_not_decrypted(effect: &Effect<'_, Evidence>, redirection: &Claim) -> bool {
    let route = effect.evidence.ingress.route.value();
    let routed = route.and_then(|route| route.routed.value());
    bypasses_decryption(effect, redirection, routed.map(|answer| answer.body.as_str()))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, HttpAnswer, Observation, Route};
    use crate::testing::{gateway_service as gateway, of};

    fn route(e: &mut Evidence) -> &mut Route {
        of(&mut e.ingress.route)
    }

    fn routed(e: &mut Evidence) -> &mut HttpAnswer {
        of(&mut route(e).routed)
    }

    fn label_demo(e: &mut Evidence) {
        let demo = e.expectations.namespace.clone();
        let labels = of(&mut e.install.namespaces).entry(demo).or_default();
        labels.insert("istio-discovery".into(), "enabled".into());
    }

    /// Another server answers on port 80, for every host.
    fn filter(e: &mut Evidence) {
        let route = route(e);
        for answer in [&mut route.routed, &mut route.unknown_host] {
            let answer = of(answer);
            answer.status = 403;
            answer.headers.insert("server".into(), "filter/6.2".into());
        }
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        not_routed(|e| routed(e).status = 404, Fail);
        denied_at_the_gateway(|e| {
            let route = route(e);
            for answer in [&mut route.routed, &mut route.unknown_host] {
                of(answer).status = 403;
                of(answer).body = "RBAC: access denied".into();
            }
        }, Fail);
        backend_not_trusted(|e| { routed(e).status = 503; routed(e).body = "TLS_error:|1:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED".into(); }, Fail);
        not_routed_and_not_counted(|e| { routed(e).status = 404; e.ingress.counted = Observation::failed("forbidden"); }, Fail);
        namespace_unseen(|e| { label_demo(e); routed(e).status = 404; }, Unjudged);
        namespace_labelled_like_the_demo(|e| {
            label_demo(e);
            route(e).namespace_labels = Some([("istio-discovery".into(), "enabled".into())].into());
            routed(e).status = 404;
        }, Fail);
        web_filter(|e| { filter(e); gateway(e).load_balancer_addresses = vec!["203.0.113.9".into()]; e.ingress.asked.clear(); }, Unjudged);
        another_machine(filter, Fail);
        no_way(|e| {
            route(e).routed = Observation::failed("not asked");
            route(e).unknown_host = Observation::absent("nothing answers: no answer within 2 s");
            e.ingress.way = Observation::absent("no node answers");
        }, Unjudged);
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
