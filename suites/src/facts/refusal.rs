//! Classifies why the API server creates no pod: a webhook that it cannot call, or a rule that refuses the pod.

use crate::evidence::{Condition, Deployment, DryRun, Observation, Webhook};
use crate::facts::sidecar::names_injected_container;

/// Why a pod is refused, with the name that its fix needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal<'t> {
    /// A webhook was not called, or did not answer with an admission review.
    Call(&'t str, CallFailure),
    /// An admission webhook answered, and denied the pod.
    Denied(&'t str),
    /// Istio's injection webhook answered that it cannot change the pod, with its error.
    Injection(&'t str),
    /// The pod is invalid as the webhooks have changed it: the API server's first error.
    Invalid(&'t str),
    /// A resource quota of this name.
    Quota(&'t str),
    /// A limit range.
    LimitRange,
    /// Pod security, at this level.
    PodSecurity(&'t str),
    /// No security context constraint of `OpenShift` that the pod's account may use.
    SecurityContext,
    /// A validating admission policy of this name.
    Policy(&'t str),
    /// The namespace is being deleted.
    Deletion,
    /// A service account of this name is missing.
    ServiceAccount(&'t str),
    /// Another reason.
    Other,
}

/// How the call of a webhook failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallFailure {
    /// The API server uses an HTTP proxy to call the webhook.
    Proxy,
    /// The certificate is not valid yet, by the API server's clock.
    Clock,
    /// The API server does not trust the certificate, or TLS fails.
    Tls,
    /// The service has no ready endpoint.
    NoEndpoint,
    /// The service does not exist.
    NoService,
    /// The API server does not resolve the name of the service.
    Name,
    /// The connection is refused.
    Refused,
    /// There is no route to the address.
    Unreachable,
    /// No answer came in time.
    Timeout,
    /// An answer with a 4xx status.
    ClientError,
    /// An answer with a 5xx status.
    ServerError,
    /// Another failure.
    Other,
}

/// The messages of the API server where it gets no admission review, the deepest reason first. Those of a status come from
/// `apimachinery/pkg/api/errors` (`NewGenericServerResponse`).
const CALLS: [(CallFailure, &[&str]); 10] = [
    (CallFailure::Proxy, &["proxyconnect", "Proxy Authentication Required"]),
    (CallFailure::Tls, &["x509: ", "tls: ", "TLS handshake", "HTTP response to HTTPS client"]),
    (CallFailure::NoEndpoint, &["no endpoints available", "no service port"]),
    (CallFailure::NoService, &["service \""]),
    (CallFailure::Name, &["no such host", "server misbehaving"]),
    (CallFailure::Refused, &["connection refused"]),
    (
        CallFailure::Unreachable,
        &["no route to host", "network is unreachable", "No agent available"],
    ),
    (
        CallFailure::Timeout,
        &[
            "context deadline exceeded",
            "i/o timeout",
            "Client.Timeout",
            "request canceled",
            "connection timed out",
        ],
    ),
    (
        CallFailure::ServerError,
        &[
            "an error on the server",
            "currently unable to handle the request",
            "unable to return a response in the time allotted",
            "unexpected response code: 5",
        ],
    ),
    (
        CallFailure::ClientError,
        &[
            "could not find the requested resource",
            "rejected our request",
            "does not allow this method",
            "provide credentials",
            "too many requests",
            "orbidden",
            "unexpected response code: 4",
        ],
    ),
];

/// Classifies the API server's message on a pod that it does not create.
pub(crate) fn classify_refusal(text: &str) -> Refusal<'_> {
    if let Some(name) = between(text, "failed calling webhook \"", "\"") {
        let words = text.split_once(name).map_or(text, |(_, rest)| rest);
        let contains = |(_, texts): &&(_, &[&str])| texts.iter().any(|it| words.contains(it));
        let known = CALLS.iter().find(contains).map_or(CallFailure::Other, |it| it.0);
        let failure = if is_not_yet_valid(words) { CallFailure::Clock } else { known };
        return Refusal::Call(name, failure);
    }
    if let Some(name) = between(text, "admission webhook \"", "\" denied") {
        let error = text.split_once("denied the request: ").map(|(_, error)| error);
        let injects = name.ends_with("sidecar-injector.istio.io");
        return error.filter(|_| injects).map_or(Refusal::Denied(name), Refusal::Injection);
    }
    if let Some((_, errors)) = text.split_once("\" is invalid: ") {
        let errors = errors.trim_start_matches('[').trim_end_matches(']');
        return Refusal::Invalid(errors.split(", spec.").next().unwrap_or(errors));
    }
    if text.contains("because it is being terminated") {
        return Refusal::Deletion;
    }
    let quota = ["exceeded quota: ", "failed quota: "];
    if let Some(rest) = quota.iter().find_map(|it| text.split_once(it)).map(|(_, rest)| rest) {
        return Refusal::Quota(rest.split([',', ':', ' ']).next().unwrap_or_default());
    }
    if let Some(level) = between(text, "violates PodSecurity \"", "\"") {
        return Refusal::PodSecurity(level.split(':').next().unwrap_or(level));
    }
    if text.contains("validate against any security context constraint") {
        return Refusal::SecurityContext;
    }
    if let Some(name) = between(text, "ValidatingAdmissionPolicy '", "'") {
        return Refusal::Policy(name);
    }
    if let Some(name) = between(text, "error looking up service account ", ":") {
        return Refusal::ServiceAccount(name.rsplit('/').next().unwrap_or(name));
    }
    let limits = ["usage per Container", "usage per Pod", "limit to request ratio per"];
    if limits.iter().any(|it| text.contains(it)) {
        return Refusal::LimitRange;
    }
    Refusal::Other
}

/// Whether the certificate in an error of Go's `crypto/x509` begins after the time of the clock that checks it.
fn is_not_yet_valid(text: &str) -> bool {
    between(text, "has expired or is not yet valid: current time ", " is before ").is_some()
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(name, _)| name)
}

impl Refusal<'_> {
    /// Whether Istio's injection webhook was not called, or did not answer as it must.
    pub(crate) fn injection_failure(self) -> Option<CallFailure> {
        match self {
            Self::Call(name, failure) if name.contains("istio") => Some(failure),
            _ => None,
        }
    }
}

/// Returns the message of a deployment's replica set where its last pod was refused.
pub(crate) fn find_refusal(deployment: &Deployment) -> Option<&str> {
    let failure = |it: &&Condition| it.kind == "ReplicaFailure" && it.status == "True";
    let failure = deployment.conditions.iter().find(failure).filter(|_| deployment.replicas > 0);
    failure.map(|condition| condition.message.as_str())
}

/// Returns the API server's message on a failed call of Istio's injection webhook, for a dry run or a deployment's pods. A
/// successful dry run is newer than the message of a replica set.
pub(crate) fn failed_injection<'e>(
    dry_run: &'e Observation<DryRun>,
    deployments: impl IntoIterator<Item = &'e Deployment>,
) -> Option<(&'e str, CallFailure)> {
    let failure = |text: &'e str| Some((text, classify_refusal(text).injection_failure()?));
    match dry_run {
        Observation::Seen { .. } => None,
        Observation::Failed { reason } if failure(reason).is_some() => failure(reason),
        _ => deployments.into_iter().filter_map(find_refusal).find_map(failure),
    }
}

/// Returns the API server's message and the error of Istio's webhook, where it cannot inject a sidecar into a dry run's pod.
pub(crate) fn injection_error(dry_run: &Observation<DryRun>) -> Option<(&str, &str)> {
    let Observation::Failed { reason } = dry_run else { return None };
    let Refusal::Injection(error) = classify_refusal(reason) else { return None };
    Some((reason, error))
}

/// Whether a dry run shows that the API server called Istio's injection webhook. Validation, quotas, limit ranges, pod
/// security, admission policies and validating webhooks refuse a pod after the mutating webhooks have changed it. A security context
/// constraint can refuse it before, too. Without a namespace there is no call.
pub(crate) fn is_injection_answered(dry_run: &Observation<DryRun>, mutating: &[Webhook]) -> bool {
    match dry_run {
        Observation::Seen { .. } | Observation::Absent { .. } => true,
        Observation::Failed { reason } => match classify_refusal(reason) {
            Refusal::LimitRange
            | Refusal::Invalid(_)
            | Refusal::PodSecurity(_)
            | Refusal::Quota(_)
            | Refusal::Policy(_) => true,
            Refusal::SecurityContext => names_injected_container(reason),
            Refusal::Denied(name) | Refusal::Call(name, _) => {
                mutating.iter().all(|webhook| webhook.name != name)
            }
            _ => false,
        },
        Observation::NotAsked { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CallFailure as Call;
    use rstest::rstest;

    const ISTIO: &str = "namespace.sidecar-injector.istio.io";

    #[rstest]
    #[case::timeout(
        "Post \"https://istiod.istio-system.svc:443/inject?timeout=10s\": context deadline exceeded",
        Call::Timeout
    )]
    #[case::dial_timeout(
        "Post \"https://istiod…\": dial tcp 10.96.0.9:443: i/o timeout",
        Call::Timeout
    )]
    #[case::client_timeout(
        "Post \"…\": net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
        Call::Timeout
    )]
    #[case::refused(
        "Post \"…\": dial tcp 10.96.0.9:443: connect: connection refused",
        Call::Refused
    )]
    #[case::no_route(
        "Post \"…\": dial tcp 10.96.0.9:443: connect: no route to host",
        Call::Unreachable
    )]
    #[case::no_tunnel("Post \"…\": No agent available", Call::Unreachable)]
    #[case::proxy("Post \"…\": proxyconnect tcp: dial tcp 10.0.0.5:3128: i/o timeout", Call::Proxy)]
    #[case::proxy_login("Post \"…\": Proxy Authentication Required", Call::Proxy)]
    #[case::unknown_authority(
        "Post \"…\": x509: certificate signed by unknown authority",
        Call::Tls
    )]
    #[case::plain_text("Post \"…\": http: server gave HTTP response to HTTPS client", Call::Tls)]
    #[case::no_endpoint(
        "Post \"…\": no endpoints available for service \"istiod\"",
        Call::NoEndpoint
    )]
    #[case::tls(
        "Post \"…\": tls: failed to verify certificate: x509: certificate has expired",
        Call::Tls
    )]
    #[case::no_service("Post \"…\": service \"istiod\" not found", Call::NoService)]
    #[case::name("Post \"…\": dial tcp: lookup istiod.istio-system.svc: no such host", Call::Name)]
    #[case::clock(
        "x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is before 2026-01-02T00:00:00Z",
        Call::Clock
    )]
    #[case::expired(
        "x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after 2025-01-02T00:00:00Z",
        Call::Tls
    )]
    #[case::not_found("the server could not find the requested resource", Call::ClientError)]
    #[case::forbidden("Forbidden", Call::ClientError)]
    #[case::bad_request("the server rejected our request for an unknown reason", Call::ClientError)]
    #[case::internal(
        "an error on the server (\"upstream\") has prevented the request from succeeding",
        Call::ServerError
    )]
    #[case::unavailable("the server is currently unable to handle the request", Call::ServerError)]
    #[case::unknown("EOF", Call::Other)]
    fn failed_call_of_a_webhook_has_a_kind(#[case] words: &str, #[case] failure: CallFailure) {
        let text = format!(
            "Internal error occurred: failed calling webhook \"{ISTIO}\": failed to call webhook: {words}"
        );
        assert_eq!(classify_refusal(&text), Refusal::Call(ISTIO, failure));
        assert_eq!(classify_refusal(&text).injection_failure(), Some(failure));
        let another = text.replace("istio.io", "example.com");
        assert_eq!(classify_refusal(&another).injection_failure(), None);
    }

    #[rstest]
    #[case(
        "pods \"a\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2",
        Refusal::Quota("team")
    )]
    #[case(
        "pods \"a\" is forbidden: failed quota: team-quota: must specify limits.cpu for: istio-init",
        Refusal::Quota("team-quota")
    )]
    #[case(
        "pods \"a\" is forbidden: maximum cpu usage per Container is 1, but limit is 2",
        Refusal::LimitRange
    )]
    #[case(
        "pods \"a\" is forbidden: violates PodSecurity \"baseline:latest\": non-default capabilities",
        Refusal::PodSecurity("baseline")
    )]
    #[case(
        "admission webhook \"validate.kyverno.svc-fail\" denied the request: blocked",
        Refusal::Denied("validate.kyverno.svc-fail")
    )]
    #[case(
        "pods \"a\" is forbidden: unable to create new content in namespace client because it is being terminated",
        Refusal::Deletion
    )]
    #[case(
        "pods \"a\" is forbidden: error looking up service account client/echo: serviceaccount \"echo\" not found",
        Refusal::ServiceAccount("echo")
    )]
    #[case("pods \"a\" is forbidden: minimum memory usage per Pod is 1Gi", Refusal::LimitRange)]
    #[case(
        "pods \"a\" is forbidden: unable to validate against any security context constraint: [provider \"anyuid\": Forbidden]",
        Refusal::SecurityContext
    )]
    #[case(
        "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'strict' with binding 'all' denied request: no",
        Refusal::Policy("strict")
    )]
    #[case(
        "admission webhook \"namespace.sidecar-injector.istio.io\" denied the request: failed to run injection template: no",
        Refusal::Injection("failed to run injection template: no")
    )]
    #[case(
        "Pod \"a\" is invalid: [spec.containers[1].resources.requests: Invalid value: \"1\": no, spec.volumes: Required]",
        Refusal::Invalid("spec.containers[1].resources.requests: Invalid value: \"1\": no")
    )]
    #[case("pods \"a\" is forbidden: User \"u\" cannot create resource \"pods\"", Refusal::Other)]
    fn rule_that_refuses_a_pod_is_named(#[case] text: &str, #[case] refusal: Refusal<'_>) {
        assert_eq!(classify_refusal(text), refusal);
        assert_eq!(refusal.injection_failure(), None);
    }

    #[rstest]
    #[case::limit_range("minimum memory usage per Pod is 1Gi", true)]
    #[case::pod_security("violates PodSecurity \"baseline:latest\": capabilities", true)]
    #[case::invalid("Pod \"a\" is invalid: spec.volumes: Required", true)]
    #[case::quota("exceeded quota: team, requested: pods=1", true)]
    #[case::policy("ValidatingAdmissionPolicy 'a' with binding 'b' denied request: no", true)]
    #[case::context_of_istio_init(
        "unable to validate against any security context constraint: [restricted: .initContainers[0].runAsUser]",
        true
    )]
    #[case::context_of_the_pod(
        "unable to validate against any security context constraint: [restricted: .containers[0].runAsUser]",
        false
    )]
    #[case::validating("admission webhook \"validate.example.com\" denied the request", true)]
    #[case::mutating("admission webhook \"mutate.example.com\" denied the request", false)]
    #[case::call_of_a_validating_one("failed calling webhook \"policy.example.com\": EOF", true)]
    #[case::call_of_a_mutating_one("failed calling webhook \"mutate.example.com\": EOF", false)]
    #[case::right("forbidden: needs `create` on `pods`", false)]
    #[case::deletion("unable to create new content because it is being terminated", false)]
    fn refusal_after_the_webhooks_shows_their_answer(#[case] text: &str, #[case] answered: bool) {
        let mutating = Webhook { name: "mutate.example.com".into(), ..Webhook::default() };
        let dry_run = Observation::failed(text);
        assert_eq!(is_injection_answered(&dry_run, &[mutating]), answered);
    }

    #[test]
    fn dry_run_that_was_answered_outranks_an_older_refusal() {
        let text = format!("failed calling webhook \"{ISTIO}\": EOF");
        let refused = |status: &str, replicas| Deployment {
            replicas,
            conditions: vec![Condition {
                kind: "ReplicaFailure".into(),
                status: status.into(),
                message: text.clone(),
                ..Condition::default()
            }],
            ..Deployment::default()
        };
        let found = Some((text.as_str(), Call::Other));
        let failed = Observation::failed(text.clone());
        let forbidden = Observation::failed("forbidden: needs `create` on `pods`");
        let (containers, init_containers) = (Vec::new(), Vec::new());
        let run = DryRun { namespace: "client".into(), containers, init_containers };
        let run = Observation::seen(run);
        assert_eq!(failed_injection(&failed, []), found);
        assert_eq!(failed_injection(&forbidden, [&refused("True", 1)]), found);
        assert_eq!(failed_injection(&forbidden, [&refused("False", 1)]), None);
        assert_eq!(failed_injection(&forbidden, [&refused("True", 0)]), None);
        assert_eq!(failed_injection(&run, [&refused("True", 1)]), None);
    }
}
