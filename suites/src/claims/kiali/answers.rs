//! Judgements on Kiali's answers to HTTP requests.

use super::{kiali_object, show_or_scale_up};
use crate::evidence::{Evidence, HttpAnswer, Observation};
use crate::format::{excerpt, format_silence};
use crate::judgement::{Judgement, require};
use crate::steps::kiali::show_settings;
use crate::steps::services::show_endpoints;

/// How far the redirect to the web root is the tutorial's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirect {
    /// Its status and body are the tutorial's.
    Verbatim,
    /// Its status or body differs.
    Reworded,
}

/// Returns Kiali's answer to a request; unjudged where a login is needed.
pub(super) fn answer<'e>(
    evidence: &Evidence,
    observation: &'e Observation<HttpAnswer>,
    what: &str,
    expected: &str,
) -> Result<&'e HttpAnswer, Judgement> {
    let object = kiali_object(evidence, "deployment");
    let answer = require(observation, what, object, || show_or_scale_up(evidence));
    let answer = answer.map_err(|judgement| match observation {
        Observation::Absent { reason } => Judgement {
            summary: format!("{what}: {}", format_silence(reason)),
            ..judgement.expected(expected).observed("no answer")
        },
        _ => judgement,
    })?;
    if answer.status == 401 {
        return Err(Judgement::unjudged(format!("{what}: 401, a login is needed"))
            .step(show_settings(evidence, "auth.strategy", "anonymous (no login)")));
    }
    Ok(answer)
}

/// Returns the body of the redirect, as Go's standard library writes it.
pub(super) fn redirect_body(evidence: &Evidence) -> String {
    let escaped = evidence.expectations.kiali.web_root.replace('&', "&amp;");
    format!(r#"<a href="{escaped}">Found</a>."#)
}

/// Whether the server accepts HTTPS only: Go's standard library answers a plain request with this text.
pub(super) fn needs_tls(answer: &HttpAnswer) -> bool {
    answer.status == 400 && answer.body.contains("HTTP request to an HTTPS server")
}

/// Compares an answer with the redirect to the web root. The error says how it differs, to follow a colon.
pub(super) fn check_redirect(evidence: &Evidence, answer: &HttpAnswer) -> Result<Redirect, String> {
    if needs_tls(answer) {
        return Err("it serves HTTPS only".into());
    }
    if answer.status == 200 && is_html_page(&answer.body) {
        return Err("an HTML page is at /".into());
    }
    if !matches!(answer.status, 301..=303 | 307 | 308) {
        return Err(format!("status {}", answer.status));
    }
    let location = answer.headers.get("location").map(String::as_str).unwrap_or_default();
    match path_on_same_host(evidence, answer, location) {
        Some(path) if path == evidence.expectations.kiali.web_root => {}
        Some("") => return Err("no Location".into()),
        Some(_) => return Err(format!("Location is {}", excerpt(location))),
        None => return Err(format!("Location is on another host, {}", excerpt(location))),
    }
    let is_verbatim =
        answer.status == 302 && answer.body.trim() == redirect_body(evidence) && !answer.body_cut;
    Ok(if is_verbatim { Redirect::Verbatim } else { Redirect::Reworded })
}

/// Returns the path of a Location on the requested host; none where it names another host.
fn path_on_same_host<'a>(
    evidence: &Evidence,
    answer: &HttpAnswer,
    location: &'a str,
) -> Option<&'a str> {
    let absolute = location.split_once("://").map(|(_, rest)| rest);
    let Some(rest) = absolute.or_else(|| location.strip_prefix("//")) else {
        return Some(location);
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let asked = asked_host(answer);
    let same = match asked {
        Some(asked) => host.eq_ignore_ascii_case(asked),
        None => host == format!("localhost:{}", evidence.expectations.kiali.port),
    };
    // Requests to a port-forward name `localhost`, whatever address it listens on.
    let local = asked.is_none_or(|asked| asked.starts_with("127.0.0.1:")) && host == "localhost";
    (same || local).then_some(path)
}

/// Returns host and port of the requested URL. Older evidence has the path alone.
fn asked_host(answer: &HttpAnswer) -> Option<&str> {
    let host = answer.request.split_once("://")?.1.split(['/', ' ']).next()?;
    Some(host.rsplit_once('@').map_or(host, |(_, host)| host))
}

/// Returns the port of Kiali's pod to which the port-forward went, where the evidence has it.
pub(super) fn asked_port(answer: &HttpAnswer) -> Option<u16> {
    asked_host(answer)?.rsplit_once(':')?.1.parse().ok()
}

/// Returns the failure that an answer is not the redirect.
pub(super) fn wrong_answer(evidence: &Evidence, summary: String, answer: &HttpAnswer) -> Judgement {
    let root = &evidence.expectations.kiali.web_root;
    let step = if needs_tls(answer) {
        show_settings(evidence, "identity.cert_file", "empty")
    } else if matches!(answer.headers.get("location"), Some(it) if path_on_same_host(evidence, answer, it).is_none())
    {
        show_endpoints(evidence, &evidence.expectations.istio_namespace)
    } else {
        show_settings(evidence, "server.web_root", root.trim_end_matches('/'))
    };
    Judgement::fail(summary)
        .expected(expected_redirect(evidence))
        .observed(format_redirect(answer))
        .object(kiali_object(evidence, "deployment"))
        .step(step)
}

/// Formats the redirect that the tutorial shows: `302, Location: /kiali/, <a href="/kiali/">Found</a>.`
pub(super) fn expected_redirect(evidence: &Evidence) -> String {
    format!("302, Location: {}, {}", evidence.expectations.kiali.web_root, redirect_body(evidence))
}

/// Formats an answer as a redirect; of an HTML page that is none, only the status.
pub(super) fn format_redirect(answer: &HttpAnswer) -> String {
    let location = answer.headers.get("location").map(|it| format!("Location: {}", excerpt(it)));
    let body = Some(excerpt(&answer.body)).filter(|it| !it.is_empty() && !is_html_page(it));
    let page = is_html_page(&answer.body).then(|| "an HTML page".to_owned());
    let parts = [Some(answer.status.to_string()), location, body, page];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Whether a body is an HTML page, not only a text or a part of one.
pub(super) fn is_html_page(body: &str) -> bool {
    let body = body.to_ascii_lowercase();
    body.contains("<html") || body.contains("<!doctype html")
}

/// Whether a page has the same answer as /.
pub(super) fn has_same_answer_as_root(evidence: &Evidence, page: &Observation<HttpAnswer>) -> bool {
    let (Some(root), Some(page)) = (evidence.kiali.root.value(), page.value()) else {
        return false;
    };
    page.status == root.status && page.body == root.body
}

/// Whether Kiali answers a page with the same error as /.
pub(super) fn answers_an_error(evidence: &Evidence, page: &Observation<HttpAnswer>) -> bool {
    let root = evidence.kiali.root.value();
    root.is_some_and(|root| root.status >= 400) && has_same_answer_as_root(evidence, page)
}
