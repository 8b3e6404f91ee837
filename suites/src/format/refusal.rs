//! The text of a refused pod: the reason, and the error of a webhook's call.

use crate::facts::refusal::{CallFailure, Refusal, classify_refusal};
use crate::format::excerpt;
use crate::hint::escape_backquotes;

/// Formats the error of a webhook's call, to follow "the API server cannot call the webhook: ".
pub(crate) fn format_call_failure(failure: CallFailure) -> &'static str {
    match failure {
        CallFailure::Proxy => "it uses an HTTP proxy that does not reach the service",
        CallFailure::Clock => "the certificate is not valid yet, a clock is wrong",
        CallFailure::Tls => "the TLS handshake fails",
        CallFailure::NoEndpoint => "the service has no ready endpoint",
        CallFailure::NoService => "the service does not exist",
        CallFailure::Name => "it cannot resolve the name of the service",
        CallFailure::Refused => "the connection is refused",
        CallFailure::Unreachable => "no route to the service's pods",
        CallFailure::Timeout => "no answer within the time limit",
        CallFailure::ClientError => "the answer has HTTP status 4xx",
        CallFailure::ServerError => "the answer has HTTP status 5xx",
        CallFailure::Other => "the call fails",
    }
}

/// Formats the reason for which a pod is refused, to follow "no pod can be created: ".
pub(crate) fn format_refusal(refusal: Refusal<'_>) -> String {
    match refusal {
        Refusal::Call(name, failure) => {
            format!("the API server cannot call webhook {name}: {}", format_call_failure(failure))
        }
        Refusal::Denied(name) => format!("admission webhook {name} denies it"),
        Refusal::Injection(error) => format_injection_error(error),
        Refusal::Invalid(error) => format!("it is invalid: {}", excerpt(error)),
        Refusal::Quota(name) => format!("resource quota {name} refuses it"),
        Refusal::LimitRange => "a limit range of the namespace refuses it".to_owned(),
        Refusal::PodSecurity(level) => {
            let level = escape_backquotes(level);
            format!("the namespace enforces Pod Security level `{level}`")
        }
        Refusal::SecurityContext => {
            "no security context constraint that its service account may use admits it".to_owned()
        }
        Refusal::Policy(name) => format!("validating admission policy {name} denies it"),
        Refusal::Deletion => "the namespace is being deleted".to_owned(),
        Refusal::ServiceAccount(name) => format!("service account {name} does not exist"),
        Refusal::Other => "the API server refuses it".to_owned(),
    }
}

/// Formats the error of Istio's injection webhook. Go's errors have the deepest reason at their end.
pub(crate) fn format_injection_error(error: &str) -> String {
    let reason = error.rsplit(": ").next().unwrap_or(error);
    format!("Istio's webhook cannot inject the sidecar: {}", excerpt(reason))
}

/// Quotes the API server's message on a refused pod. That of `OpenShift` names each constraint that the account may not use,
/// before and after the one that tells the reason: those are left out.
pub(crate) fn excerpt_refusal(message: &str) -> String {
    const UNUSABLE: &str = "Forbidden: not usable by user or serviceaccount";
    const NEXT: &str = ", provider ";
    let constraints = message.split_once("constraint: [");
    let Some((head, all)) =
        constraints.filter(|_| classify_refusal(message) == Refusal::SecurityContext)
    else {
        return excerpt(message);
    };
    let all = all.strip_suffix(']').unwrap_or(all).split(NEXT);
    let parts: Vec<_> = all.filter(|part| !part.ends_with(UNUSABLE)).collect();
    excerpt(&format!("{head}constraint: [{}]", parts.join(NEXT)))
}
