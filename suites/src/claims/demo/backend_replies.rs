//! Asked now, from the client, the backend replies.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "demo::backend_replies": "asked now, from the client, the backend replies",
    beyond: true,
    needs: Exec,
    stops: [BackendPort],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::no_node_answers,
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::prepare::dns_on_pod_network if causes::demo::names_are_not_resolved,
        crate::claims::demo::client_deployment if causes::demo::there_is_no_client,
        crate::claims::demo::client_deployment if causes::sidecar::no_client_proxy_runs,
        crate::claims::demo::client_deployment if causes::demo::client_cannot_ask,
        crate::claims::demo::backend_deployment if causes::demo::backend_replies_as_told,
        crate::claims::demo::backend_service if causes::demo::service_leads_nowhere,
        crate::claims::mesh::inbound_redirected if causes::mesh::rules_lead_past_the_proxy,
        crate::claims::mesh::live_rules if causes::mesh::live_rules_lead_past_the_proxy,
    ],
    judge: crate::claims::demo::backend_replies,
}

#[cfg(test)]
use crate::claims::demo::tests::the_backend_replies as cases;
