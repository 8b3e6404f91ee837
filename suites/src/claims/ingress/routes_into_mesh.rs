//! The gateway directs external traffic into the mesh.

mod denial;

use denial::{denied_by_backend, denied_by_gateway};

use super::answers::{
    another_answers, find_other_mesh, port_is_silent, require_answer, test_host_is_silent,
    unwatched_namespace,
};
use super::{bring_back_gateway, expect, gateway_object};
use crate::claims::by_name::backend_deployment::other_reply_text;
use crate::claims::by_name::backend_service::breaks_requests;
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::claims::mesh::bypass::bypasses_decryption;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, HttpAnswer, Observation, Route, text_of};
use crate::facts::demo::find_wrong_reply;
use crate::facts::gateway::{
    find_address_sharers, has_address, has_counted_requests, is_backends_reply, is_unrouted,
    lacks_address, names_another_server,
};
use crate::facts::gateway_address::is_answered_by_another;
use crate::facts::injection::is_webhook_failure;
use crate::facts::istiod::{find_other_domain, is_istiod_down};
use crate::facts::proxy_replies::{is_connect_error, is_expired_certificate, is_timeout};
use crate::format::{excerpt, format_answer};
use crate::judgement::{Judged, Judgement, Look as _, require};
use crate::steps::vantage::is_helper_too_slow;
use crate::steps::{istio, namespaces};

claim! {
    /// The tutorial says: the ingress gateway directs external traffic into the mesh.
    ///
    /// ## Why it matters
    /// A gateway that answers its health check can still have no routes, or route every host to one service.
    ///
    /// ## How it is checked
    /// Creates a Gateway and a VirtualService for a test host in a temporary namespace. A request for that host to the
    /// gateway's address must get the backend's reply. A request for an unknown host must get 404, or a redirect or denial
    /// of the gateway itself. Then it deletes the namespace.
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
    /// - An `AuthorizationPolicy` denies the request at the gateway or at the backend, or the gateway does not trust the
    ///   backend's certificate (`proxies_in_sync`).
    /// - A network policy keeps the gateway from the backend.
    /// - Port 80 does not answer although port 15021 does: a firewall, or a load balancer whose probe of / gets 404.
    /// - At `localhost`, another program has port 80.
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
        address_answers if health_fails_in_the_same_way,
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
    let unknown = unknown(evidence, &route.unknown_host);
    let parts = all_hold([routed(evidence, route), unknown, removed])?;
    let (host, unknown) = (&route.host, &parts[1]);
    Ok(Judgement::pass(format!("host {host}: 200 from the backend; unknown host: {unknown}")))
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
    let health = evidence.ingress.health.value();
    let is_silent = |it: &Route| it.routed.is_absent() && it.unknown_host.is_absent();
    if let Observation::Absent { reason } = observation
        && evidence.ingress.route.value().is_some_and(is_silent)
        && has_address(evidence)
        && !is_helper_too_slow(reason)
        && let Some(health) = health.filter(|it| it.status == 200)
    {
        return Err(port_is_silent(evidence, expected, reason, health));
    }
    let health = health.map(|it| format!("; {}: {}", it.request, it.status)).unwrap_or_default();
    require_answer(evidence, observation, expected, &health)?;
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
    if let (Observation::Absent { reason }, Some(other)) =
        (&route.routed, route.unknown_host.value())
        && !is_helper_too_slow(reason)
    {
        return Err(test_host_is_silent(evidence, route, reason, other));
    }
    let answer = answer(evidence, &route.routed, "the test host", &expected)?;
    let host = &route.host;
    if is_backends_reply(answer, evidence) {
        return Ok(Judgement::pass(String::new()));
    }
    if names_another_server(answer) {
        return Err(another_answers(evidence, answer));
    }
    if let Some(judgement) =
        unwatched_namespace(evidence, route, answer).or_else(|| denied_by_backend(evidence, answer))
    {
        return Err(judgement);
    }
    if answer.status == 404 {
        let what = format!("whether istiod watches namespace {}", route.namespace);
        evidence.install.namespaces.known(&what)?;
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
    if is_connect_error(&answer.body) {
        judgement = judgement.step(istio::list_obstacles(evidence));
    }
    let text = "Check that the gateway is SYNCED: if not, it lacks the route";
    Err(judgement.step(istio::proxy_status(evidence, text)))
}

/// Judges the gateway's answer for a host that no route matches. The pass says what the answer was.
fn unknown(evidence: &Evidence, observation: &Observation<HttpAnswer>) -> Judged {
    let answer = answer(evidence, observation, "an unknown host", "404")?;
    if is_unrouted(answer) {
        return Ok(Judgement::pass(match answer.status {
            404 => "404".to_owned(),
            status => format!("{status} from the gateway itself"),
        }));
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

/// Whether the gateway answers 502 to 504 and the backend's service does not forward requests to the backend.
fn backend_has_no_endpoint(effect: &Effect<'_, Evidence>) -> bool {
    breaks_requests(effect.evidence)
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

/// Whether the gateway answers the health check with the same wrong status.
fn health_fails_in_the_same_way(effect: &Effect<'_, Evidence>) -> bool {
    let health = effect.evidence.ingress.health.value().filter(|it| it.status != 200);
    let routed = routed_answer(effect);
    health.zip(routed).is_some_and(|(health, routed)| health.status == routed.status)
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
    let is_gateway_well = route.unknown_host.value().is_some_and(is_unrouted);
    let Some(reply) = find_wrong_reply(evidence) else { return false };
    if route.routed.is_absent() {
        return is_gateway_well && is_timeout(reply);
    }
    let Some(routed) = route.routed.value() else { return false };
    let is_same = reply.status == routed.status
        && text_of(&reply.body) == text_of(&routed.body)
        && !routed.body.is_empty();
    let are_expired = [&reply.body, &routed.body].into_iter().all(|it| is_expired_certificate(it));
    let is_unknown =
        reply.status == 0 && routed.status == 503 && find_other_domain(evidence).is_some();
    is_gateway_well && (is_same || are_expired || is_unknown)
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
mod cases;
