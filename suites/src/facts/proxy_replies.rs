//! Replies that come from a proxy and not from the backend.

use super::demo::{most_frequent, wrong_replies};
use crate::evidence::{Evidence, Reply};

/// The error of the caller's proxy where it encrypts and the backend does not decrypt.
const TLS_ERROR: &str = "TLS_error";

/// Returns the most frequent reply of a proxy itself: it has no endpoint, cannot connect, is configured to answer, or a
/// policy denies the request.
pub(crate) fn find_proxys_own_reply(evidence: &Evidence) -> Option<&Reply> {
    let mut replies = wrong_replies(evidence);
    replies.retain(|reply| is_proxys_own_reply(reply));
    most_frequent(&replies)
}

/// Whether a reply is a proxy's own, not the backend's.
pub(crate) fn is_proxys_own_reply(reply: &Reply) -> bool {
    // Envoy adds the header where an upstream has answered.
    let by_itself = reply.status != 0 && !reply.envoy_upstream_time;
    let denied = reply.status == 403 && is_policy_denial(&reply.body);
    reply.server == "envoy" && (by_itself || denied || is_connect_error(&reply.body))
}

/// Whether a request got no answer in time: from curl's side, or from Envoy's.
pub(crate) fn is_timeout(reply: &Reply) -> bool {
    let by_curl = reply.status == 0
        && reply.error.contains("timed out")
        && !reply.error.contains("Resolving timed out");
    by_curl || reply.status == 504 && reply.body.contains("upstream request timeout")
}

/// Whether a body is the one with which Envoy denies a request because of an `AuthorizationPolicy`.
pub(crate) fn is_policy_denial(body: &str) -> bool {
    body.starts_with("RBAC: ")
}

/// Whether a body is Envoy's error that it could not forward the request.
pub(crate) fn is_connect_error(body: &str) -> bool {
    body.starts_with("upstream connect error")
}

/// Whether a body is the error of encrypted traffic to an application.
pub(crate) fn is_tls_error(body: &str) -> bool {
    body.contains(TLS_ERROR) && !is_expired_certificate(body)
}

/// Whether a body is the error of a proxy whose certificate has expired.
pub(crate) fn is_expired_certificate(body: &str) -> bool {
    body.contains("CERTIFICATE_EXPIRED") || body.contains("certificate has expired")
}

/// Whether a body is the error of a proxy to which a certificate is not valid yet: the clocks of two nodes differ.
pub(crate) fn is_early_certificate(body: &str) -> bool {
    body.contains("certificate is not yet valid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::testing::{healthy, of};
    use rstest::rstest;

    #[rstest]
    #[case::no_endpoint(503, "no healthy upstream", "envoy", false, true)]
    #[case::denied(403, "RBAC: access denied", "envoy", true, true)]
    #[case::backend_denies(403, "go away", "envoy", true, false)]
    #[case::backends_proxy_fails(
        503,
        "upstream connect error or disconnect/reset",
        "envoy",
        true,
        true
    )]
    #[case::backend_fails(503, "broken", "envoy", true, false)]
    #[case::another_server(503, "broken", "nginx", false, false)]
    #[case::no_answer(0, "", "envoy", false, false)]
    #[case::expected(200, "Hello from backend service", "envoy", false, false)]
    fn proxy_answers_by_itself_without_an_upstream_or_by_a_policy(
        #[case] status: u16,
        #[case] body: &str,
        #[case] server: &str,
        #[case] envoy_upstream_time: bool,
        #[case] own: bool,
    ) {
        let mut evidence = healthy();
        let (body, server) = (body.to_owned(), server.to_owned());
        of(&mut evidence.demo.asked).replies =
            vec![Reply { status, server, envoy_upstream_time, body, ..Reply::default() }];
        assert_eq!(find_proxys_own_reply(&evidence).is_some(), own);
        evidence.demo.asked = Observation::failed("no answer");
        assert_eq!(find_proxys_own_reply(&evidence), None);
    }

    #[rstest]
    #[case::curl(0, "Operation timed out after 3002 milliseconds with 0 bytes received", "", true)]
    #[case::dns(0, "Resolving timed out after 3000 milliseconds", "", false)]
    #[case::refused(0, "Failed to connect: Connection refused", "", false)]
    #[case::envoy(504, "", "upstream request timeout", true)]
    #[case::backend(504, "", "too slow", false)]
    fn timeout_is_of_curl_or_of_envoy(
        #[case] status: u16,
        #[case] error: &str,
        #[case] body: &str,
        #[case] timeout: bool,
    ) {
        let (error, body) = (error.to_owned(), body.to_owned());
        assert_eq!(is_timeout(&Reply { status, body, error, ..Reply::default() }), timeout);
    }

    #[test]
    fn bodies_of_envoy_are_recognised() {
        assert!(is_policy_denial("RBAC: access denied") && !is_policy_denial("no RBAC: here"));
        assert!(is_tls_error("TLS_error:|33554536") && !is_tls_error(""));
        let expired = "TLS_error:|1:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED";
        assert!(is_expired_certificate(expired) && !is_tls_error(expired));
        assert!(!is_expired_certificate("TLS_error:|33554536"));
        let early =
            "TLS_error:|1: certificate verification error at depth 0: certificate is not yet valid";
        assert!(is_early_certificate(early) && !is_early_certificate(expired));
    }
}
