//! Facts about the evidence that several claims need: predicates and lookups, without any text.

pub(crate) mod client_log;
pub(crate) mod demo;
pub(crate) mod dns;
pub(crate) mod gateway;
pub(crate) mod gateway_address;
pub(crate) mod image;
pub(crate) mod injection;
pub(crate) mod installation;
pub(crate) mod istiod;
pub(crate) mod kiali;
pub(crate) mod proxy_replies;
pub(crate) mod pull;
pub(crate) mod refusal;
pub(crate) mod resources;
pub(crate) mod scheduling;
pub(crate) mod sidecar;
pub(crate) mod webhooks;
pub(crate) mod workload;

/// The labels of an object.
pub(crate) type Labels = std::collections::BTreeMap<String, String>;
