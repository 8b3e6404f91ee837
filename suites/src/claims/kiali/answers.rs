//! Kiali's answers to HTTP requests, for the claims on its pages.

use super::{kiali_object, show_or_scale_up};
use crate::evidence::{Evidence, HttpAnswer, Observation};
use crate::format::excerpt;
use crate::judgement::{Judgement, require};
use crate::steps::kiali::show_settings;

/// What is wrong with an answer, as it stands behind a colon.
pub(super) struct Wrong(pub(super) &'static str);

/// Kiali's answer to a request.
pub(super) fn answer<'e>(
    evidence: &Evidence,
    observation: &'e Observation<HttpAnswer>,
    what: &str,
) -> Result<&'e HttpAnswer, Judgement> {
    let object = kiali_object(evidence, "deployment");
    require(observation, what, object, || show_or_scale_up(evidence))
}

/// The body of the redirect, as Go's standard library writes it.
fn redirect_body(evidence: &Evidence) -> String {
    let escaped = evidence.expectations.kiali.web_root.replace('&', "&amp;");
    format!(r#"<a href="{escaped}">Found</a>."#)
}

/// Whether an answer is the redirect to the web root.
pub(super) fn check_redirect(evidence: &Evidence, answer: &HttpAnswer) -> Result<(), Wrong> {
    if answer.status != 302 {
        return Err(Wrong("another status"));
    }
    let location = answer.headers.get("location").map(String::as_str).unwrap_or_default();
    // Some put the host in front.
    let path = location
        .split_once("://")
        .map_or(location, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    if path != evidence.expectations.kiali.web_root {
        return Err(Wrong("another root"));
    }
    if answer.body.trim() != redirect_body(evidence) || answer.body_cut {
        return Err(Wrong("another body"));
    }
    Ok(())
}

/// A failure by an answer that is not the redirect.
pub(super) fn wrong_answer(evidence: &Evidence, summary: String, answer: &HttpAnswer) -> Judgement {
    let root = &evidence.expectations.kiali.web_root;
    let location = answer.headers.get("location").map(|it| format!(", Location: {}", excerpt(it)));
    let location = location.unwrap_or_default();
    Judgement::fail(summary)
        .expected(format!("302, Location: {root}, {}", redirect_body(evidence)))
        .observed(format!("{}{location}, {}", answer.status, excerpt(&answer.body)))
        .object(kiali_object(evidence, "deployment"))
        .step(show_settings(evidence))
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
    root.is_some_and(|root| root.status >= 500) && has_same_answer_as_root(evidence, page)
}
