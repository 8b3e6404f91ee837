//! Kiali's pages: the redirect, the exposed port, the console, the API.

use super::{NAME, kiali, object, same_version, show, split_image};
use crate::combine::{all_hold};
use crate::format::{excerpt};
use crate::judgement::{require};
use crate::evidence::{Evidence, HttpAnswer, KialiDetails, Observation};
use crate::hint::said;
use crate::judgement::{Judged, Judgement};

/// Kiali's web root in the addon's manifest, with a slash at both ends.
fn root(evidence: &Evidence) -> &str {
    &evidence.expectations.kiali.web_root
}

/// The body of the redirect, as Go's standard library writes it.
fn redirect_body(evidence: &Evidence) -> String {
    let escaped = root(evidence).replace('&', "&amp;");
    format!(r#"<a href="{escaped}">Found</a>."#)
}

fn answer<'e>(
    evidence: &Evidence,
    observation: &'e Observation<HttpAnswer>,
    what: &str,
) -> Result<&'e HttpAnswer, Judgement> {
    require(observation, what, &object(evidence, "deployment"), || show(evidence))
}

fn told(answer: &HttpAnswer) -> String {
    let location = answer.headers.get("location").map(|it| format!(", Location: {}", excerpt(it)));
    format!("{}{}, {}", answer.status, location.unwrap_or_default(), excerpt(&answer.body))
}

/// Whether an answer is the redirect to the web root; what is wrong where it is not.
fn is_redirect(evidence: &Evidence, answer: &HttpAnswer) -> Result<(), &'static str> {
    if answer.status != 302 {
        return Err("another status");
    }
    let location = answer.headers.get("location").map(String::as_str).unwrap_or_default();
    // Some put the host in front.
    let path = location
        .split_once("://")
        .map_or(location, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    if path != root(evidence) {
        return Err("another root");
    }
    if answer.body.trim() != redirect_body(evidence) || answer.body_cut {
        return Err("another body");
    }
    Ok(())
}

fn config(evidence: &Evidence) -> String {
    let namespace = &evidence.expectations.istio_namespace;
    let root = said(root(evidence).trim_end_matches('/'));
    let command = evidence.kubectl(&["-n", namespace, "get", "configmap", NAME, "-o", "yaml"]);
    format!("`{command}` shows its settings: server.web_root is {root} there")
}

fn wrong(evidence: &Evidence, summary: String, answer: &HttpAnswer) -> Judgement {
    Judgement::fail(summary)
        .expected(format!("302, Location: {}, {}", root(evidence), redirect_body(evidence)))
        .observed(told(answer))
        .object(object(evidence, "deployment"))
        .legacy_hint(config(evidence))
}

pub(in super::super) fn redirects_to_web_root(evidence: &Evidence) -> Judged {
    let answer = answer(evidence, &evidence.kiali.root, "Kiali's answer to /")?;
    let root = root(evidence);
    is_redirect(evidence, answer).map_err(|why| {
        wrong(evidence, format!("Kiali does not redirect / to {root}: {why}"), answer)
    })?;
    Ok(Judgement::pass(format!("302 to {root}, through {}", answer.vantage)))
}

pub(in super::super) fn reachable_on_exposed_port(evidence: &Evidence) -> Judged {
    let answer = answer(evidence, &evidence.kiali.exposed, "Kiali on its exposed port")?;
    let html = answer.headers.get("content-type").is_some_and(|it| it.starts_with("text/html"));
    // A URL that the caller named may be that of the console itself.
    let console = answer.status == 200 && html && answer.request.contains(root(evidence));
    if is_redirect(evidence, answer).is_ok() || console {
        return Ok(Judgement::pass(format!(
            "{} through {}: {}",
            answer.request, answer.vantage, answer.status
        )));
    }
    let namespace = &evidence.expectations.istio_namespace;
    let service = format!("service/{NAME}");
    let KialiDetails { port, exposed_port, .. } = evidence.expectations.kiali;
    let ports = format!("{port}:{port}");
    let command = evidence.kubectl(&["-n", namespace, "port-forward", &service, &ports]);
    Err(wrong(evidence, "Kiali does not answer as it should on the exposed port".into(), answer)
        .legacy_hint(format!(
            "`{command}` leads to Kiali; in another terminal, `socat TCP-LISTEN:{exposed_port},fork TCP:127.0.0.1:{port}` exposes it"
        )))
}

pub(in super::super) fn console_served(evidence: &Evidence) -> Judged {
    let words = all_hold([console(evidence), api(evidence), image_seen(evidence)])?;
    let words: Vec<_> = words.into_iter().filter(|part| !part.is_empty()).collect();
    Ok(Judgement::pass(words.join(", ")))
}

fn console(evidence: &Evidence) -> Judged {
    let answer = answer(evidence, &evidence.kiali.console, "Kiali's console")?;
    let kind = answer.headers.get("content-type").map(String::as_str).unwrap_or_default();
    // An empty page, or one of words only, is none that a browser shows a console from.
    let page = answer.body.to_ascii_lowercase();
    let html = page.contains("<html") || page.contains("<!doctype html");
    if answer.status == 200 && kind.starts_with("text/html") && html {
        return Ok(Judgement::pass(format!("{}: 200 HTML", root(evidence))));
    }
    Err(Judgement::fail(format!("Kiali does not serve its console: {}", answer.status))
        .expected("200 text/html, with a page")
        .observed(if answer.body.trim().is_empty() {
            format!("{} {}, an empty body", answer.status, excerpt(kind))
        } else {
            format!("{} {} {}", answer.status, excerpt(kind), excerpt(&answer.body))
        })
        .object(object(evidence, "deployment"))
        .legacy_hint(show(evidence)))
}

fn api(evidence: &Evidence) -> Judged {
    let answer = answer(evidence, &evidence.kiali.api, "Kiali's API")?;
    let fail = |summary: String| {
        Judgement::fail(summary)
            .expected("200, JSON with the version of Kiali")
            .observed(format!("{} {}", answer.status, excerpt(&answer.body)))
            .object(object(evidence, "deployment"))
            .legacy_hint(show(evidence))
    };
    if answer.status != 200 {
        return Err(fail(format!("Kiali's API answers {}", answer.status)));
    }
    let Some(version) = version(answer) else {
        return Err(fail("Kiali's API does not report a version".into()));
    };
    // The image says what the version must be, where it says one.
    let image = kiali(evidence)
        .and_then(|kiali| kiali.containers.first())
        .map(|container| split_image(&container.image).1)
        .filter(|tag| tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()));
    if let Some(tag) = image
        && !same_version(tag, &version)
    {
        return Err(fail(format!(
            "Kiali's API reports {}, and its image is {tag}",
            excerpt(&version)
        )));
    }
    Ok(Judgement::pass(format!("the API reports {}", excerpt(&version))))
}

/// Whether the image was looked at that says which version must answer.
fn image_seen(evidence: &Evidence) -> Judged {
    let what = "the image of Kiali";
    require(&evidence.install.deployments, what, &object(evidence, "deployment"), || show(evidence))?;
    Ok(Judgement::pass(String::new()))
}

/// The version in the API's answer. Of a long answer only the beginning is kept, which holds the
/// status.
fn version(answer: &HttpAnswer) -> Option<String> {
    let body = &answer.body;
    let found = if answer.body_cut {
        let (_, rest) = body.split_once("\"Kiali version\"")?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        rest.split_once('"').map(|(version, _)| version.to_owned())
    } else {
        let value: serde_json::Value = serde_json::from_str(body).ok()?;
        value["status"]["Kiali version"].as_str().map(str::to_owned)
    };
    found.filter(|version| {
        version
            .trim_start_matches('v')
            .split('.')
            .filter(|part| part.parse::<u64>().is_ok())
            .count()
            >= 2
    })
}
