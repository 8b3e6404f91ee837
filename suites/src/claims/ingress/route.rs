//! What the gateway answers from outside of the mesh.

use super::{object, show};
use crate::combine::all_hold;
use crate::evidence::{Evidence, HttpAnswer, Observation, selector, text_of};
use crate::format::excerpt;
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::steps;

fn pods(evidence: &Evidence) -> String {
    let namespace = &evidence.expectations.istio_namespace;
    let gateway = &evidence.expectations.gateway;
    let mut deployments = evidence.install.deployments.value().into_iter().flatten();
    let deployment = deployments.find(|one| one.name == *gateway);
    let mut services = evidence.install.services.value().into_iter().flatten();
    let service = services.find(|one| one.name == *gateway);
    if deployment.is_some_and(|one| one.replicas == 0) {
        let name = format!("deployment/{gateway}");
        let command = evidence.kubectl(&["-n", namespace, "scale", &name, "--replicas=1"]);
        return format!("`{command}` starts the gateway again: it is scaled to zero");
    }
    if let (Some(deployment), Some(service)) = (deployment, service) {
        let labels = &deployment.template_labels;
        if service.selector.iter().any(|(key, value)| labels.get(key) != Some(value)) {
            return steps::workloads::select_pods(evidence, deployment).to_string();
        }
    }
    let labels = selector(&evidence.expectations.gateway_labels);
    let arguments = ["-n", namespace, "get", "pods,endpoints", "-l", &labels];
    format!(
        "`{}` shows the gateway's pods; `{}` shows its address",
        evidence.kubectl(&arguments),
        show(evidence)
    )
}

pub(in super::super) fn address_answers(evidence: &Evidence) -> Judged {
    let answer =
        require(&evidence.ingress.health, "the gateway's health", &object(evidence), || {
            pods(evidence)
        })?;
    if answer.status != 200 {
        return Err(Judgement::fail(format!(
            "{} is not ready: {}",
            evidence.expectations.gateway, answer.status
        ))
        .expected(format!("{}: 200", answer.request))
        .observed(format!("{} {}", answer.status, excerpt(&answer.body)))
        .object(object(evidence))
        .legacy_hint(pods(evidence)));
    }
    Ok(Judgement::pass(format!("{} from {}: 200", answer.request, answer.vantage)))
}

pub(in super::super) fn routes_into_mesh(evidence: &Evidence) -> Judged {
    let route = require(&evidence.ingress.route, "a route of our own", &object(evidence), || {
        pods(evidence)
    })?;
    let removed = match &route.removed {
        Observation::Seen { value: true } => Ok(Judgement::pass(String::new())),
        Observation::Seen { value: false } => {
            let command = evidence.kubectl(&["delete", "namespace", &route.namespace]);
            Err(Judgement::unjudged(format!(
                "the objects of the probe in namespace {} are still there",
                route.namespace
            ))
            .legacy_hint(format!("`{command}` removes them")))
        }
        other => Err(Judgement::unjudged(format!(
            "whether the probe's objects are gone is not known: {}",
            other.reason().unwrap_or_default()
        ))),
    };
    all_hold([
        routed(evidence, &route.routed, &route.host),
        unknown(evidence, &route.unknown_host),
        removed,
    ])?;
    Ok(Judgement::pass(format!("host {}: the backend's reply; an unknown host: 404", route.host)))
}

fn answer<'e>(
    evidence: &Evidence,
    observation: &'e Observation<HttpAnswer>,
    what: &str,
) -> Result<&'e HttpAnswer, Judgement> {
    require(observation, what, &object(evidence), || pods(evidence))
}

fn routed(evidence: &Evidence, observation: &Observation<HttpAnswer>, host: &str) -> Judged {
    let answer = answer(evidence, observation, "the answer for a host that is routed")?;
    if answer.status == 200
        && text_of(&answer.body) == evidence.expectations.reply
        && !answer.body_cut
    {
        return Ok(Judgement::pass(String::new()));
    }
    let hint = evidence.istioctl(&["proxy-status"]);
    Err(Judgement::fail(format!("the gateway does not lead host {host} to the backend"))
        .expected(format!("200 `{}`", evidence.expectations.reply))
        .observed(format!("{} {}", answer.status, excerpt(&answer.body)))
        .object(object(evidence))
        .legacy_hint(format!("`{hint}` shows whether the gateway has its routes")))
}

fn unknown(evidence: &Evidence, observation: &Observation<HttpAnswer>) -> Judged {
    let answer = answer(evidence, observation, "the answer for a host that nobody routes")?;
    if answer.status == 404 {
        return Ok(Judgement::pass(String::new()));
    }
    let command = evidence.kubectl(&[
        "get",
        "gateways.networking.istio.io,virtualservices.networking.istio.io",
        "-A",
    ]);
    Err(Judgement::fail(format!(
        "the gateway answers {} for a host that nobody routes",
        answer.status
    ))
    .expected("404")
    .observed(format!("{} {}", answer.status, excerpt(&answer.body)))
    .object(object(evidence))
    .legacy_hint(format!("`{command}` shows who routes every host")))
}
