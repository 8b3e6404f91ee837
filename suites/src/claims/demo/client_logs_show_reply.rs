//! The client's log shows the backend's reply.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "demo::client_logs_show_reply": "the client's log shows the backend's reply",
    needs: Reading,
    stops: [Client],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::no_node_answers,
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::prepare::dns_on_pod_network if causes::demo::names_are_not_resolved,
        crate::claims::demo::client_deployment if causes::demo::there_is_no_client,
        crate::claims::demo::client_deployment if causes::sidecar::no_client_proxy_runs,
        crate::claims::demo::client_deployment if causes::demo::client_cannot_ask,
        crate::claims::demo::backend_deployment if causes::demo::backend_replies_as_told,
        crate::claims::demo::backend_service if causes::demo::service_leads_nowhere,
        crate::claims::demo::backend_replies if causes::demo::a_proxy_answers_instead,
        crate::claims::demo::backend_replies if causes::demo::the_log_says_the_same,
        crate::claims::mesh::inbound_redirected if causes::mesh::rules_lead_past_the_proxy,
        crate::claims::mesh::live_rules if causes::mesh::live_rules_lead_past_the_proxy,
    ],
    judge: crate::claims::demo::client_logs_show_reply,
}

#[cfg(test)]
use crate::claims::demo::log_tests::the_log_shows_the_reply as cases;
