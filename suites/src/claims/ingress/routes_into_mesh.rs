//! The gateway directs external traffic into the mesh.

use super::answers::{another_answers, find_other_mesh, no_answer, unwatched_namespace};
use super::{bring_back_gateway, expect, gateway_object};
use crate::claims::by_name::backend_deployment::other_reply_text;
use crate::claims::by_name::backend_service::leads_to_the_backend;
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::claims::mesh::bypass::bypasses_decryption;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, HttpAnswer, Observation, Route, text_of};
use crate::facts::demo::find_wrong_reply;
use crate::facts::gateway::{
    find_address_sharers, has_address, has_counted_requests, is_answered_by_another,
    is_backends_reply, lacks_address, names_another_server,
};
use crate::facts::injection::is_webhook_failure;
use crate::facts::istiod::{find_other_domain, is_istiod_down};
use crate::facts::proxy_replies::{is_expired_certificate, is_policy_denial};
use crate::format::{excerpt, format_answer};
use crate::judgement::{Judged, Judgement, require};
use crate::steps::{istio, namespaces};

claim! {
    /// The tutorial says: the ingress gateway directs external traffic into the mesh.
    ///
    /// ## Why it matters
    /// A gateway that answers its health check can still have no routes, or route every host to one service.
    ///
    /// ## How it is checked
    /// Creates a Gateway and a VirtualService for a test host in a temporary namespace. A request for that host to the
    /// gateway's address must get the backend's reply, and a request for an unknown host must get 404. Then it deletes the
    /// namespace.
    ///
    /// The namespace has the labels of the demo's namespace, so that istiod watches it (`discoverySelectors`). The check
    /// needs `create` and `delete` on namespaces, gateways and virtualservices. On a cluster that meshcheck did not create
    /// it also needs `--active`.
    ///
    /// ## What makes it fail
    /// - The gateway does not get the route: istiod is down (`control_plane_running`), or the kinds are not
    ///   defined (`default_profile`).
    /// - The backend is missing, replies with another text, or denies the request (`demo::*`).
    /// - Traffic to the backend bypasses its sidecar (`inbound_redirected`, `live_rules`).
    /// - Another machine or another mesh's gateway has the address (`address_answers`).
    /// - The gateway has no address (`external_address`) or does not answer (`address_answers`), or another service with
    ///   the same address answers instead (`no_competing_load_balancer`).
    /// - Another route matches every host.
    /// - An `AuthorizationPolicy` denies the request at the gateway, or the gateway does not trust the backend's
    ///   certificate (`proxies_in_sync`).
    ///
    /// It is unjudged where this machine has no connection to a private address, or a web filter on the path answers.
    ///
    /// ## How to fix it
    /// Check that the gateway has received its configuration. No other machine may have its address, and no other route
    /// may match the host.
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
        inbound_redirected if reply_is_not_decrypted,
        live_rules if reply_is_not_decrypted,
        external_address if has_no_address_to_ask,
        no_competing_load_balancer if another_service_answers,
        address_answers if nothing_answers,
        address_answers if another_answers_there,
    ],
}

/// The summary where the request for the test host was given up.
const NOT_REQUESTED: &str = "no request for the test host: the address did not answer before";

fn judge(evidence: &Evidence) -> Judged {
    if let Observation::NotAsked { .. } = &evidence.ingress.route {
        return Err(Judgement::skipped("needs --active, which creates a temporary Gateway"));
    }
    let route = require(
        &evidence.ingress.route,
        "the test route of the gateway",
        gateway_object(evidence),
        || bring_back_gateway(evidence),
    )
    .map_err(|judgement| expect(judgement, &expected_reply(evidence)))?;
    if let Some(denied) = denied_by_gateway(evidence, route) {
        return Err(denied);
    }
    let namespace = &route.namespace;
    let removed = match &route.removed {
        Observation::Seen { value: true } => Ok(Judgement::pass(String::new())),
        Observation::Seen { value: false } => {
            let delete = namespaces::delete(evidence, namespace, "Delete the temporary namespace");
            let summary = format!("temporary namespace {namespace} of the test route still exists");
            Err(Judgement::unjudged(summary).step(delete))
        }
        other => Err(Judgement::unjudged(format!(
            "cannot check that temporary namespace {namespace} is deleted: {}",
            other.reason().unwrap_or_default()
        ))),
    };
    all_hold([routed(evidence, route), unknown(evidence, &route.unknown_host), removed])?;
    Ok(Judgement::pass(format!("host {}: 200 from the backend; unknown host: 404", route.host)))
}

/// Formats the reply of the backend that a routed request must get.
fn expected_reply(evidence: &Evidence) -> String {
    format!("200 `{}`", evidence.expectations.reply)
}

/// Returns the gateway's answer for a host, or the judgement on a missing answer.
fn answer<'e>(
    evidence: &Evidence,
    observation: &'e Observation<HttpAnswer>,
    host: &str,
    expected: &str,
) -> Result<&'e HttpAnswer, Judgement> {
    if let Observation::Absent { reason } = observation
        && has_address(evidence)
    {
        let health =
            evidence.ingress.health.value().map(|it| format!("; {}: {}", it.request, it.status));
        return Err(no_answer(
            evidence,
            expected,
            &format!("{reason}{}", health.unwrap_or_default()),
        ));
    }
    if observation.reason() == Some("not asked") {
        return Err(Judgement::unjudged(NOT_REQUESTED));
    }
    let what = format!("the gateway's answer for {host}");
    require(observation, &what, gateway_object(evidence), || bring_back_gateway(evidence))
        .map_err(|judgement| expect(judgement, expected))
}

/// Judges the gateway's answer for the test host.
fn routed(evidence: &Evidence, route: &Route) -> Judged {
    let expected = expected_reply(evidence);
    let answer = answer(evidence, &route.routed, "the test host", &expected)?;
    let host = &route.host;
    if is_backends_reply(answer, evidence) {
        return Ok(Judgement::pass(String::new()));
    }
    if names_another_server(answer) {
        return Err(another_answers(evidence, answer));
    }
    if let Some(judgement) = unwatched_namespace(evidence, route, answer) {
        return Err(judgement);
    }
    let mut observed = format_answer(answer);
    if observed == expected {
        observed += " with other white space at its end";
    }
    let wrong = match answer.status {
        200 => "200 with another text".to_owned(),
        status => format!("{status}, expected 200"),
    };
    let mut judgement =
        Judgement::fail(format!("request for host {host} through the gateway: {wrong}"))
            .expected(expected)
            .observed(observed)
            .object(gateway_object(evidence));
    if answer.status == 404 && has_counted_requests(evidence) != Some(true) {
        judgement.summary += ": no route, or another mesh's gateway has the address";
        judgement = judgement.steps(find_other_mesh(evidence));
    }
    let text = "Check that the gateway is SYNCED: if not, it lacks the route";
    Err(judgement.step(istio::proxy_status(evidence, text)))
}

/// Judges the gateway's answer for a host that no route matches.
fn unknown(evidence: &Evidence, observation: &Observation<HttpAnswer>) -> Judged {
    let answer = answer(evidence, observation, "an unknown host", "404")?;
    if answer.status == 404 {
        return Ok(Judgement::pass(String::new()));
    }
    if names_another_server(answer) {
        return Err(another_answers(evidence, answer));
    }
    let location = answer.headers.get("location").map(|it| format!(", location {}", excerpt(it)));
    let to_https = location.as_ref().is_some_and(|it| it.starts_with(", location https://"));
    let text = if to_https {
        "List the routes: a Gateway with httpsRedirect, or a route, matches every host"
    } else {
        "List the routes: one of them matches every host"
    };
    Err(Judgement::fail(format!(
        "request for an unknown host through the gateway: {}, expected 404",
        answer.status
    ))
    .expected("404")
    .observed(format!("{}{}", format_answer(answer), location.unwrap_or_default()))
    .object(gateway_object(evidence))
    .step(istio::list_routes(evidence, text)))
}

/// Whether the API server cannot take the objects of a route, because their kinds are not defined.
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

/// Whether istiod is down, so that it neither validates the route nor sends it to the gateway.
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

/// Whether the gateway answers 502 to 504 and the backend's service does not select the backend.
fn backend_has_no_endpoint(effect: &Effect<'_, Evidence>) -> bool {
    leads_to_the_backend(effect.evidence) == Some(false)
        && routed_answer(effect).is_some_and(|answer| (502..=504).contains(&answer.status))
}

/// Whether another service has the gateway's address and port, and the answer is not from Envoy.
fn another_service_answers(effect: &Effect<'_, Evidence>) -> bool {
    let route = effect.evidence.ingress.route.value();
    let answers = route.into_iter().flat_map(|it| [it.routed.value(), it.unknown_host.value()]);
    let is_envoy = |answer: &HttpAnswer| {
        answer.headers.get("server").is_some_and(|server| server.ends_with("envoy"))
    };
    find_address_sharers(effect.evidence).iter().any(|(_, ports)| ports.contains(&80))
        && answers.flatten().any(|answer| !is_envoy(answer))
}

/// Whether the gateway has no address to which a request could be sent.
fn has_no_address_to_ask(effect: &Effect<'_, Evidence>) -> bool {
    effect.evidence.ingress.route.value().is_none() && lacks_address(effect.evidence)
}

/// Whether neither the health check nor a request through the gateway got an answer. Where the request for the test host
/// was given up, the request for the unknown host decides.
fn nothing_answers(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let is_silent = |route: &Route| {
        let is_given_up = route.routed.value().is_none() && route.unknown_host.is_absent();
        route.routed.is_absent() || is_given_up
    };
    has_address(evidence)
        && evidence.ingress.health.is_absent()
        && (evidence.ingress.route.is_absent()
            || evidence.ingress.route.value().is_some_and(is_silent))
}

/// Whether another server answers at the gateway's address.
fn another_answers_there(effect: &Effect<'_, Evidence>) -> bool {
    is_answered_by_another(effect.evidence)
}

/// Returns the gateway's answer for the test host.
fn routed_answer<'e>(effect: &Effect<'e, Evidence>) -> Option<&'e HttpAnswer> {
    effect.evidence.ingress.route.value()?.routed.value()
}

/// Whether the backend replies with the other text that its deployment sets.
fn backend_gives_other_reply(effect: &Effect<'_, Evidence>) -> bool {
    other_reply_text(effect.evidence).is_some_and(|other| {
        routed_answer(effect)
            .is_some_and(|answer| answer.status == 200 && text_of(&answer.body) == other)
    })
}

/// Whether the client's requests fail with the same answer or for the same reason as the gateway's. The gateway itself
/// works where it answers 404 for an unknown host.
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

/// Returns the failure that a policy denies requests at the gateway: it also denies an unknown host.
fn denied_by_gateway(evidence: &Evidence, route: &Route) -> Option<Judgement> {
    let denied = |answer: &&HttpAnswer| answer.status == 403 && is_policy_denial(&answer.body);
    let answer = route.routed.value().filter(denied)?;
    route.unknown_host.value().filter(denied)?;
    let observed = format_answer(answer);
    let summary = format!("an AuthorizationPolicy denies requests at the gateway: {observed}");
    Some(
        Judgement::fail(summary)
            .expected(expected_reply(evidence))
            .observed(observed)
            .object(gateway_object(evidence))
            .step(istio::list_policies(evidence)),
    )
}

/// Whether the gateway rejects the backend's certificate: an earlier CA of istiod signed it.
fn gateway_does_not_trust_backend(effect: &Effect<'_, Evidence>) -> bool {
    routed_answer(effect).is_some_and(|answer| answer.body.contains("CERTIFICATE_VERIFY_FAILED"))
}

/// Whether the backend's reply reached the gateway without decryption, because of the cause: a failure of the redirection.
fn reply_is_not_decrypted(effect: &Effect<'_, Evidence>) -> bool {
    let body = routed_answer(effect).map(|answer| answer.body.as_str());
    bypasses_decryption(effect, body)
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
    fn another_server(e: &mut Evidence) {
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
        namespace_maybe_not_watched(|e| { label_demo(e); routed(e).status = 404; }, Unjudged);
        namespace_labelled_like_the_demo(|e| {
            label_demo(e);
            route(e).namespace_labels = Some([("istio-discovery".into(), "enabled".into())].into());
            routed(e).status = 404;
        }, Fail);
        web_filter_on_the_path(|e| { another_server(e); gateway(e).load_balancer_addresses = vec!["203.0.113.9".into()]; e.ingress.asked.clear(); }, Unjudged);
        another_machine(another_server, Fail);
        no_connection(|e| {
            route(e).routed = Observation::failed("not asked");
            route(e).unknown_host = Observation::absent("nothing answers: no answer within 2 s");
            e.ingress.way = Observation::absent("no node answers");
        }, Unjudged);
        another_text(|e| routed(e).body = "Hello from backend service v2\n".into(), Fail);
        two_newlines(|e| routed(e).body.push('\n'), Fail);
        nothing_answers(|e| route(e).routed = Observation::absent("nothing answers: refused"), Fail);
        every_host_answered(|e| of(&mut route(e).unknown_host).status = 200, Fail);
        namespace_left(|e| route(e).removed = Observation::seen(false), Unjudged);
        namespace_perhaps_left(|e| route(e).removed = Observation::failed("no answer"), Unjudged);
        refused_by_the_server(|e| e.ingress.route = Observation::failed("cannot create resource namespaces"), Unjudged);
        no_address(|e| e.ingress.route = Observation::absent("the service has no address"), Fail);
        not_asked(|e| e.ingress.route = Observation::not_asked("--active allows them"), Skipped);
        wrong_answer_and_one_unknown(|e| { route(e).unknown_host = Observation::failed("no answer"); routed(e).status = 503; }, Fail);
        unknown_host_without_answer(|e| route(e).unknown_host = Observation::failed("no answer"), Unjudged);
        test_host_without_answer(|e| route(e).routed = Observation::failed("no answer"), Unjudged);
    }
}
