//! What came where the backend's reply was expected, and which failure it shows.

use crate::claims::by_name::backend_deployment::{listens_on_loopback, other_reply_text};
use crate::claims::by_name::backend_service::leads_to_the_backend;
use crate::evidence::{Evidence, Reply};
use crate::facts::demo::running_pods;
use crate::facts::dns::is_dns_down;
use crate::facts::istiod::find_other_domain;
use crate::facts::proxy_replies::is_connect_error;
use crate::facts::sidecar::{is_cut_off, redirects_to_stopped_sidecar};

/// curl's messages where a name has no address.
const NOT_RESOLVED: [&str; 3] = ["Could not resolve", "Couldn't resolve", "Resolving timed out"];

/// curl's messages where nothing listens.
const NOT_CONNECTED: [&str; 4] =
    ["Failed to connect", "Could not connect", "Couldn't connect", "Connection refused"];

/// Messages of curl and Envoy where nothing takes a request.
const NOT_TAKEN: [&str; 5] = [
    "no healthy upstream",
    "upstream connect error",
    "upstream request timeout",
    "Connection reset",
    "timed out",
];

/// What came where the backend's reply was expected.
pub(super) enum Outcome<'e> {
    /// An answer, or curl's error.
    Reply(&'e Reply),
    /// A text in the client's log.
    Text(String),
    /// A log in which nothing but the reply is missing.
    Nothing,
}

impl Outcome<'_> {
    /// Whether it is a message that contains one of these texts.
    pub(super) fn contains(&self, texts: &[&str]) -> bool {
        let message = match self {
            Self::Reply(reply) if reply.status == 0 => &reply.error,
            Self::Text(text) => text,
            Self::Reply(_) | Self::Nothing => return false,
        };
        texts.iter().any(|text| message.contains(text))
    }

    /// Whether cluster DNS does not resolve the name of a service that exists, or does not run.
    pub(super) fn is_unresolved(&self, evidence: &Evidence) -> bool {
        // The name of a service that does not exist has no address either.
        let exists = backend_service_exists(evidence) == Some(true);
        (is_dns_down(evidence) || exists) && self.contains(&NOT_RESOLVED)
    }

    /// Whether the name of a service is not resolved because the cluster's domain is another one.
    pub(super) fn names_another_domain(&self, evidence: &Evidence) -> bool {
        find_other_domain(evidence).is_some() && self.contains(&NOT_RESOLVED)
    }

    /// Whether the backend replies, with the other text that its deployment has.
    pub(super) fn is_other_reply(&self, evidence: &Evidence) -> bool {
        other_reply_text(evidence).is_some_and(|other| match self {
            Self::Reply(reply) => reply.says(other),
            Self::Text(text) => text == other,
            Self::Nothing => false,
        })
    }

    /// Whether the backend's proxy reaches nobody, because the backend listens on its pod's loopback only.
    pub(super) fn is_refused_behind_proxy(&self, evidence: &Evidence) -> bool {
        listens_on_loopback(evidence)
            && matches!(self, Self::Reply(reply) if is_connect_error(&reply.body))
    }

    /// Whether the name is not resolved in a pod whose sidecar does not reach istiod either.
    pub(super) fn is_cut_off(&self, evidence: &Evidence) -> bool {
        self.contains(&NOT_RESOLVED)
            && is_cut_off(evidence, &evidence.expectations.client_deployment)
    }

    /// Whether it is what a service gives that does not lead to the backend.
    pub(super) fn misses_the_backend(&self, evidence: &Evidence) -> bool {
        let missing = backend_service_exists(evidence) == Some(false);
        leads_to_the_backend(evidence) == Some(false)
            && match self {
                _ if missing && self.contains(&NOT_RESOLVED) => true,
                // Whoever answers to the name of a service that does not exist, the backend it is not.
                Self::Reply(reply) if reply.status != 0 => {
                    missing || (502..=504).contains(&reply.status)
                }
                Self::Nothing => true,
                _ => self.contains(&NOT_TAKEN) || self.contains(&NOT_CONNECTED),
            }
    }

    /// Whether no client pod has a proxy that runs: what its application asks goes to that proxy.
    pub(super) fn ends_at_stopped_proxy(&self, evidence: &Evidence) -> bool {
        let client = &evidence.expectations.client_deployment;
        let pods = running_pods(evidence, client).unwrap_or_default();
        self.contains(&NOT_CONNECTED)
            && !pods.is_empty()
            && pods.iter().all(|pod| redirects_to_stopped_sidecar(pod, evidence.moment()))
    }
}

/// Whether the backend's service exists; nothing where services were not observed.
fn backend_service_exists(evidence: &Evidence) -> Option<bool> {
    let services = evidence.demo.services.value()?;
    Some(services.iter().any(|one| one.name == evidence.expectations.backend_service))
}
