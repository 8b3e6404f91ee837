//! The text of a refused pod: who refuses it, and how the call of a webhook failed.

use crate::facts::refusal::{CallFailure, Refusal};
use crate::hint::escape_backquotes;

/// How the call of a webhook failed, to follow "the API server cannot call the webhook: ".
pub(crate) fn format_call_failure(failure: CallFailure) -> &'static str {
    match failure {
        CallFailure::Proxy => {
            "it sends the request to an HTTP proxy, which does not lead to istiod"
        }
        CallFailure::Tls => "TLS between it and istiod fails",
        CallFailure::NoEndpoint => "the service has no ready endpoint",
        CallFailure::Name => "it does not resolve the name of the service",
        CallFailure::Refused => "the connection is refused",
        CallFailure::Unreachable => "no route leads to istiod",
        CallFailure::Timeout => "no answer came within the time limit",
        CallFailure::ClientError => "the answer is an HTTP error 4xx",
        CallFailure::ServerError => "the answer is an HTTP error 5xx",
        CallFailure::Other => "the call fails",
    }
}

/// Who refuses a pod, to follow "no pod can be created: ".
pub(crate) fn format_refusal(refusal: Refusal<'_>) -> String {
    match refusal {
        Refusal::Call(name, failure) => {
            format!("the API server cannot call webhook {name}: {}", format_call_failure(failure))
        }
        Refusal::Denied(name) => format!("admission webhook {name} denies it"),
        Refusal::Quota(name) => format!("resource quota {name} does not admit it"),
        Refusal::LimitRange => "a limit range of the namespace does not admit it".to_owned(),
        Refusal::PodSecurity(level) => {
            let level = escape_backquotes(level);
            format!(
                "the namespace enforces pod security `{level}` (label pod-security.kubernetes.io/enforce)"
            )
        }
        Refusal::Deletion => "the namespace is being deleted".to_owned(),
        Refusal::ServiceAccount(name) => format!("service account {name} does not exist"),
        Refusal::Other => "the API server refuses it".to_owned(),
    }
}
