//! What the demo's own objects explain, and the cluster's DNS.

use super::super::demo::{
    asks_the_backend, backend_as_told, client_as_told, deployment, first_trouble, is_pod_of,
    leads_to_the_backend, service_as_told, told_text, trouble_in_log,
};
use super::super::mesh::{answered_itself, is_policys_word};
use super::Case;
use crate::evidence::{Deployment, Evidence, Observation, Pod, Reply, text_of};
use crate::format::rollout::format_rollout_trouble;
use crate::judgement::Verdict;

/// What curl says where a name has no address.
const NOT_RESOLVED: [&str; 3] = ["Could not resolve", "Couldn't resolve", "Resolving timed out"];

/// What curl and Envoy say where nobody takes a request.
const NOBODY_THERE: [&str; 9] = [
    "no healthy upstream",
    "upstream connect error",
    "upstream request timeout",
    "Failed to connect",
    "Could not connect",
    "Couldn't connect",
    "Connection refused",
    "Connection reset",
    "timed out",
];

fn says(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// The name of the deployment that a claim is about.
fn name_of<'e>(case: &Case<'e>) -> Option<&'e str> {
    let expectations = &case.evidence.expectations;
    match case.id {
        "demo::backend_deployment" => Some(&expectations.backend_deployment),
        "demo::client_deployment" => Some(&expectations.client_deployment),
        _ => None,
    }
}

/// The deployment that a claim is about.
pub(crate) fn deployment_of<'e>(case: &Case<'e>) -> Option<&'e Deployment> {
    deployment(case.evidence, name_of(case)?)
}

/// Whether nothing is wrong with a deployment but that its pods are not available.
pub(crate) fn is_only_unavailable(case: &Case<'_>) -> bool {
    match case.id {
        "demo::backend_deployment" => backend_as_told(case.evidence).is_ok(),
        "demo::client_deployment" => client_as_told(case.evidence).is_ok(),
        _ => false,
    }
}

/// The pods of a deployment of the demo that run.
pub(crate) fn running<'e>(
    evidence: &'e Evidence,
    name: &'e str,
) -> Option<impl Iterator<Item = &'e Pod>> {
    let pods = evidence.demo.pods.value()?;
    Some(pods.iter().filter(move |pod| pod.is_running() && is_pod_of(evidence, pod, name)))
}

/// Whether a deployment of the demo has no pod that runs.
fn none_runs(evidence: &Evidence, name: &str) -> bool {
    running(evidence, name).is_some_and(|mut pods| pods.next().is_none())
}

/// What a claim found in the reply's place.
pub(crate) enum Found<'e> {
    /// An answer, or none.
    Reply(&'e Reply),
    /// Words in the client's log.
    Words(String),
    /// A log in which nothing but the reply is missing.
    Nothing,
}

impl Found<'_> {
    /// Whether any of these words stand in it.
    pub(crate) fn says(&self, words: &[&str]) -> bool {
        match self {
            Self::Reply(reply) => reply.status == 0 && says(&reply.error, words),
            Self::Words(text) => says(text, words),
            Self::Nothing => false,
        }
    }
}

/// What stands in the reply's place, in the log or in an answer.
pub(crate) fn found<'e>(case: &Case<'e>) -> Option<Found<'e>> {
    if case.judgement.verdict != Verdict::Fail {
        return None;
    }
    if case.id == "demo::backend_replies" {
        return first_trouble(case.evidence).map(Found::Reply);
    }
    // A verdict on a log names its pod.
    let pod = case.judgement.object.as_deref()?.strip_prefix("pod ")?.rsplit('/').next()?;
    let runs = running(case.evidence, &case.evidence.expectations.client_deployment)?
        .any(|one| one.name == pod);
    runs.then(|| trouble_in_log(case.evidence, pod).map_or(Found::Nothing, Found::Words))
}

pub(crate) fn names_are_not_resolved(case: &Case<'_>) -> bool {
    let dns = case.evidence.cluster.dns.value();
    let down = dns.is_some_and(|dns| !dns.pods.iter().any(|pod| pod.is_running_and_ready()));
    // The name of a service that is not there has no address either.
    let services = case.evidence.demo.services.value();
    let service = &case.evidence.expectations.backend_service;
    let is_there = services.is_some_and(|all| all.iter().any(|one| one.name == *service));
    (down || is_there) && found(case).is_some_and(|found| found.says(&NOT_RESOLVED))
}

/// Whether in every client pod the application does not run.
fn container_is_down(evidence: &Evidence) -> bool {
    let container = &evidence.expectations.client.container;
    running(evidence, &evidence.expectations.client_deployment).is_some_and(|mut pods| {
        pods.all(|pod| pod.containers.iter().any(|it| it.name == *container && !it.ready))
    })
}

/// No client pod runs, or its container does not: nobody can ask, and there is no log.
pub(crate) fn there_is_no_client(case: &Case<'_>) -> bool {
    let client = &case.evidence.expectations.client_deployment;
    if none_runs(case.evidence, client) {
        return true;
    }
    // A command in a container that does not run fails; its log can still be read.
    container_is_down(case.evidence)
        && case.id != "demo::client_logs_show_reply"
        && !matches!(case.evidence.demo.asked, Observation::Seen { .. })
}

/// The client that is deployed is not the tutorial's: it has no curl, or does not ask.
pub(crate) fn client_cannot_ask(case: &Case<'_>) -> bool {
    if client_as_told(case.evidence).is_ok() || case.judgement.verdict != Verdict::Fail {
        return false;
    }
    if case.id == "demo::backend_replies" {
        let asked = case.evidence.demo.asked.value();
        return asked.is_some_and(|asked| [126, 127].contains(&asked.exec.exit_code));
    }
    // What never ran has asked nothing.
    let silent = container_is_down(case.evidence);
    !asks_the_backend(case.evidence)
        || found(case).is_some_and(|found| match found {
            Found::Nothing => silent,
            found => found.says(&["curl: not found", "curl: command not found"]),
        })
}

/// The service is as it should be, and no echo pod is ready behind it.
pub(crate) fn nobody_is_behind_the_service(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let Expected { backend, service } = Expected::of(evidence);
    let pods = evidence.demo.pods.value();
    let nobody = pods.is_some_and(|pods| {
        !pods.iter().any(|pod| is_pod_of(evidence, pod, backend) && pod.is_running_and_ready())
    });
    let endpoints = evidence.demo.endpoints.value();
    let leads_nowhere = endpoints.is_some_and(|endpoints| {
        !endpoints.iter().any(|it| it.service == *service && it.ready && !it.addresses.is_empty())
    });
    service_as_told(evidence) && leads_nowhere && nobody
}

/// The names that the tutorial gives the backend.
struct Expected<'e> {
    backend: &'e str,
    service: &'e str,
}

impl<'e> Expected<'e> {
    fn of(evidence: &'e Evidence) -> Self {
        let expectations = &evidence.expectations;
        Self { backend: &expectations.backend_deployment, service: &expectations.backend_service }
    }
}

/// The backend replies, with the other text that it is told.
pub(crate) fn backend_replies_as_told(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let Some(told) = told_text(evidence).filter(|told| *told != evidence.expectations.reply) else {
        return false;
    };
    if case.id == "ingress::routes_into_mesh" {
        let routed = evidence.ingress.route.value().and_then(|route| route.routed.value());
        return routed.is_some_and(|answer| answer.status == 200 && text_of(&answer.body) == told);
    }
    match found(case) {
        Some(Found::Reply(reply)) => reply.says(told),
        Some(Found::Words(text)) => text == told,
        Some(Found::Nothing) | None => false,
    }
}

/// Nobody takes a request to the service, and that is what is seen in the reply's place.
pub(crate) fn service_leads_nowhere(case: &Case<'_>) -> bool {
    if leads_to_the_backend(case.evidence) != Some(false) {
        return false;
    }
    let Expected { service, .. } = Expected::of(case.evidence);
    let services = case.evidence.demo.services.value();
    let missing = services.is_some_and(|all| !all.iter().any(|one| one.name == *service));
    found(case).is_some_and(|found| match &found {
        _ if missing && found.says(&NOT_RESOLVED) => true,
        // Whoever answers to the name of a service that is not there, the backend it is not.
        Found::Reply(reply) if reply.status != 0 => missing || (502..=504).contains(&reply.status),
        Found::Nothing => true,
        _ => found.says(&NOBODY_THERE),
    })
}

/// The backend was asked, and never answered: nothing can be seen in its answers.
pub(crate) fn nothing_was_answered(case: &Case<'_>) -> bool {
    let asked = case.evidence.demo.asked.value();
    asked.is_some_and(|asked| asked.replies.iter().all(|reply| reply.status == 0))
}

/// The client's requests cannot arrive at the backend's proxy.
pub(crate) fn requests_do_not_arrive(case: &Case<'_>) -> bool {
    case.judgement.verdict == Verdict::Fail
        && leads_to_the_backend(case.evidence) == Some(false)
        && case.evidence.mesh.traffic.value().is_some_and(|traffic| {
            let (before, after) = (&traffic.inbound.before, &traffic.inbound.after);
            match (before, after) {
                (Observation::Seen { value: before }, Observation::Seen { value: after }) => {
                    before == after
                }
                (Observation::Absent { .. }, _) | (_, Observation::Absent { .. }) => true,
                _ => false,
            }
        })
}

/// Whether a deployment of the demo is in trouble by its pods.
pub(crate) fn is_in_trouble(evidence: &Evidence, name: &str) -> bool {
    deployment(evidence, name).is_none_or(|deployment| format_rollout_trouble(deployment).is_some())
}

/// A proxy answers in the backend's place, whoever of the client's pod asks.
pub(crate) fn a_proxy_answers_instead(case: &Case<'_>) -> bool {
    case.judgement.verdict == Verdict::Fail
        && answered_itself(case.evidence).is_some()
        && (case.id != "demo::client_logs_show_reply" || found(case).is_some())
}

/// The client, asked to ask, hears what its log says as well.
pub(crate) fn the_log_says_the_same(case: &Case<'_>) -> bool {
    let error = first_trouble(case.evidence).map(|reply| reply.error.as_str());
    let error = error.filter(|error| !error.is_empty());
    match (found(case), error) {
        (Some(Found::Words(text)), Some(error)) => text.contains(error),
        _ => false,
    }
}

/// The backend's proxy forbids the client's requests, and those that the gateway leads to it: the gateway
/// itself forbids nothing, or it would a host that nobody routes.
pub(crate) fn the_backends_proxy_forbids(case: &Case<'_>) -> bool {
    let forbidden = |status: u16, body: &str| status == 403 && is_policys_word(body);
    let Some(route) = case.evidence.ingress.route.value() else { return false };
    let led = route.routed.value().is_some_and(|routed| forbidden(routed.status, &routed.body));
    let gateway = route.unknown_host.value().is_some_and(|answer| answer.status == 404);
    let reply = first_trouble(case.evidence);
    led && gateway && reply.is_some_and(|reply| forbidden(reply.status, &reply.body))
}
