//! The outcome of a request to the backend, and the failure that it shows.

use crate::claims::by_name::backend_deployment::{listens_on_loopback, other_reply_text};
use crate::claims::by_name::backend_service::breaks_requests;
use crate::entry::Stop;
use crate::evidence::{Asked, Evidence, Reply};
use crate::facts::demo::{find_proxy_variables, find_wrong_reply, running_pods};
use crate::facts::dns::is_dns_down;
use crate::facts::istiod::find_other_domain;
use crate::facts::proxy_replies::{
    is_connect_error, is_expired_certificate, is_policy_denial, is_proxys_own_reply, is_tls_error,
};
use crate::facts::sidecar::{is_cut_off, redirects_to_stopped_sidecar};

/// curl's messages on a name without an address.
const NOT_RESOLVED: [&str; 3] = ["Could not resolve", "Couldn't resolve", "Resolving timed out"];

/// curl's messages on an address where nothing listens.
const NOT_CONNECTED: [&str; 4] =
    ["Failed to connect", "Could not connect", "Couldn't connect", "Connection refused"];

/// Messages of curl and Envoy on a request that no backend takes.
const NOT_TAKEN: [&str; 5] = [
    "no healthy upstream",
    "upstream connect error",
    "upstream request timeout",
    "Connection reset",
    "timed out",
];

/// The outcome of a request whose expected outcome is the backend's reply.
pub(super) enum Outcome<'e> {
    /// An answer, or curl's error.
    Reply(&'e Reply),
    /// A text in the client's log.
    Text(String),
    /// No text: only the reply is missing in the log.
    Nothing,
}

impl Outcome<'_> {
    /// Whether it is a message that contains one of these texts.
    pub(super) fn contains(&self, texts: &[&str]) -> bool {
        let message = match self {
            // With an answer, curl has a message only where the body was cut off.
            Self::Reply(reply) => &reply.error,
            Self::Text(text) => text,
            Self::Nothing => return false,
        };
        texts.iter().any(|text| message.contains(text))
    }

    /// Whether cluster DNS is down, or does not resolve the name of an existing service.
    pub(super) fn is_unresolved(&self, evidence: &Evidence) -> bool {
        // The name of a missing service has no address either.
        let exists = backend_service_exists(evidence) == Some(true);
        (is_dns_down(evidence) || exists) && self.contains(&NOT_RESOLVED)
    }

    /// Whether a service's name does not resolve because the cluster has another domain.
    pub(super) fn names_another_domain(&self, evidence: &Evidence) -> bool {
        find_other_domain(evidence).is_some() && self.contains(&NOT_RESOLVED)
    }

    /// Whether the backend replies with the other text of its deployment.
    pub(super) fn is_other_reply(&self, evidence: &Evidence) -> bool {
        other_reply_text(evidence).is_some_and(|other| match self {
            Self::Reply(reply) => reply.says(other),
            Self::Text(text) => text == other,
            Self::Nothing => false,
        })
    }

    /// Whether the backend's proxy cannot connect, because the backend listens on its pod's loopback only.
    pub(super) fn is_refused_behind_proxy(&self, evidence: &Evidence) -> bool {
        listens_on_loopback(evidence)
            && matches!(self, Self::Reply(reply) if is_connect_error(&reply.body))
    }

    /// Whether the name does not resolve in a pod whose sidecar does not reach istiod either.
    pub(super) fn is_cut_off(&self, evidence: &Evidence) -> bool {
        self.contains(&NOT_RESOLVED)
            && is_cut_off(evidence, &evidence.expectations.client_deployment)
    }

    /// Whether it is the outcome of a service that does not forward to the backend, or not as HTTP/1.1.
    pub(super) fn misses_the_backend(&self, evidence: &Evidence) -> bool {
        let missing = backend_service_exists(evidence) == Some(false);
        breaks_requests(evidence)
            && match self {
                _ if missing && self.contains(&NOT_RESOLVED) => true,
                // An answer for a missing service is not the backend's.
                Self::Reply(reply) if reply.status != 0 => {
                    missing || (502..=504).contains(&reply.status)
                }
                Self::Nothing => true,
                _ => self.contains(&NOT_TAKEN) || self.contains(&NOT_CONNECTED),
            }
    }

    /// Whether all client pods redirect their requests to a stopped proxy.
    pub(super) fn ends_at_stopped_proxy(&self, evidence: &Evidence) -> bool {
        let client = &evidence.expectations.client_deployment;
        let pods = running_pods(evidence, client).unwrap_or_default();
        self.contains(&NOT_CONNECTED)
            && !pods.is_empty()
            && pods.iter().all(|pod| redirects_to_stopped_sidecar(pod, evidence.moment()))
    }
}

/// Returns the stop where the requests to the backend break, if the most frequent wrong reply shows it.
pub fn find_break(evidence: &Evidence) -> Option<Stop> {
    let asked = evidence.demo.asked.value()?;
    let reply = find_wrong_reply(evidence);
    let body = reply.map_or("", |it| it.body.as_str());
    let outcome = reply.map_or_else(|| Outcome::Text(asked.exec.stderr.clone()), Outcome::Reply);
    let by_client_proxy = ["fault filter abort", "no healthy upstream"];
    let stops = [
        (is_policy_denial(body), Stop::BackendSidecar),
        (by_client_proxy.iter().any(|it| body.contains(it)), Stop::ClientSidecar),
        (body.is_empty() && reply.is_some_and(is_proxys_own_reply), Stop::ClientSidecar),
        (!find_proxy_variables(evidence, &asked.exec.pod).is_empty(), Stop::Client),
        (outcome.contains(&NOT_RESOLVED), Stop::Network),
        // The connection between the two sidecars: the packets arrive, the handshake fails.
        (is_tls_error(body) || is_expired_certificate(body), Stop::InboundRules),
        (reply.is_some_and(|it| is_plain_text_reset(evidence, asked, it)), Stop::BackendSidecar),
    ];
    stops.into_iter().find(|(is_here, _)| *is_here).map(|(_, stop)| stop)
}

/// Whether a connection is reset for a client without a sidecar: a backend that accepts mutual TLS only does so.
pub(super) fn is_plain_text_reset(evidence: &Evidence, asked: &Asked, reply: &Reply) -> bool {
    let pods = running_pods(evidence, &evidence.expectations.client_deployment).unwrap_or_default();
    let client = pods.into_iter().find(|pod| pod.name == asked.exec.pod);
    client.is_some_and(|pod| pod.sidecar().is_none())
        && reply.status == 0
        && reply.error.contains("reset by peer")
}

/// Whether the backend's service exists; nothing where services could not be read.
fn backend_service_exists(evidence: &Evidence) -> Option<bool> {
    let services = evidence.demo.services.value()?;
    Some(services.iter().any(|one| one.name == evidence.expectations.backend_service))
}
