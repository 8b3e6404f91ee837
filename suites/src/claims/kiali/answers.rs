//! Kiali's answers to HTTP requests, for the claims on its pages.

use super::{kiali_object, show_or_scale_up};
use crate::evidence::{Evidence, HttpAnswer, Observation};
use crate::format::excerpt;
use crate::judgement::{Judgement, require};
use crate::steps::kiali::show_settings;
use crate::steps::services::show_endpoints;

/// How an answer is the redirect to the web root.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirect {
    /// In the tutorial's words.
    Verbatim,
    /// With another status or body.
    Reworded,
}

/// Kiali's answer to a request. Where a login is needed, what is behind it is not known.
pub(super) fn answer<'e>(
    evidence: &Evidence,
    observation: &'e Observation<HttpAnswer>,
    what: &str,
) -> Result<&'e HttpAnswer, Judgement> {
    let object = kiali_object(evidence, "deployment");
    let answer = require(observation, what, object, || show_or_scale_up(evidence))?;
    if answer.status == 401 {
        return Err(Judgement::unjudged(format!("{what}: 401, a login is needed")));
    }
    Ok(answer)
}

/// The body of the redirect, as Go's standard library writes it.
fn redirect_body(evidence: &Evidence) -> String {
    let escaped = evidence.expectations.kiali.web_root.replace('&', "&amp;");
    format!(r#"<a href="{escaped}">Found</a>."#)
}

/// Whether the server answers TLS only: what Go's standard library says to a request without it.
fn needs_tls(answer: &HttpAnswer) -> bool {
    answer.status == 400 && answer.body.contains("HTTP request to an HTTPS server")
}

/// Whether an answer is the redirect to the web root; what is wrong with it, as it stands behind a colon.
pub(super) fn check_redirect(evidence: &Evidence, answer: &HttpAnswer) -> Result<Redirect, String> {
    if needs_tls(answer) {
        return Err("it serves TLS only".into());
    }
    if !matches!(answer.status, 301..=303 | 307 | 308) {
        return Err("another status".into());
    }
    let location = answer.headers.get("location").map(String::as_str).unwrap_or_default();
    match path_on_same_host(evidence, answer, location) {
        Some(path) if path == evidence.expectations.kiali.web_root => {}
        Some(_) => return Err("another root".into()),
        None => return Err(format!("another host, {}", excerpt(location))),
    }
    let is_verbatim =
        answer.status == 302 && answer.body.trim() == redirect_body(evidence) && !answer.body_cut;
    Ok(if is_verbatim { Redirect::Verbatim } else { Redirect::Reworded })
}

/// The path of a Location that stays on the host that was asked; nothing where it names another.
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
    // A port-forward is asked as `localhost`, at whatever address of this machine it listens.
    let local = asked.is_none_or(|asked| asked.starts_with("127.0.0.1:")) && host == "localhost";
    (same || local).then_some(path)
}

/// The host, with its port, in the URL that was asked. An older record has the path alone.
fn asked_host(answer: &HttpAnswer) -> Option<&str> {
    let host = answer.request.split_once("://")?.1.split(['/', ' ']).next()?;
    Some(host.rsplit_once('@').map_or(host, |(_, host)| host))
}

/// The port of Kiali's pod that was asked through a port-forward, where the record has it.
pub(super) fn asked_port(answer: &HttpAnswer) -> Option<u16> {
    asked_host(answer)?.rsplit_once(':')?.1.parse().ok()
}

/// A failure by an answer that is not the redirect.
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
        .expected(format!("302, Location: {root}, {}", redirect_body(evidence)))
        .observed(format_redirect(answer))
        .object(kiali_object(evidence, "deployment"))
        .step(step)
}

/// `302, Location: /kiali/, <a href="/kiali/">Found</a>.`
pub(super) fn format_redirect(answer: &HttpAnswer) -> String {
    let location = answer.headers.get("location").map(|it| format!(", Location: {}", excerpt(it)));
    format!("{}{}, {}", answer.status, location.unwrap_or_default(), excerpt(&answer.body))
}

/// Whether a page has the very answer that / has.
pub(super) fn has_same_answer_as_root(evidence: &Evidence, page: &Observation<HttpAnswer>) -> bool {
    let (Some(root), Some(page)) = (evidence.kiali.root.value(), page.value()) else {
        return false;
    };
    page.status == root.status && page.body == root.body
}

/// Whether Kiali answers a page with the same error that it has for /.
pub(super) fn answers_an_error(evidence: &Evidence, page: &Observation<HttpAnswer>) -> bool {
    let root = evidence.kiali.root.value();
    root.is_some_and(|root| root.status >= 400) && has_same_answer_as_root(evidence, page)
}
