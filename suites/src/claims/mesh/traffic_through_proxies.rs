//! Traffic flows through Envoy on both sides.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "mesh::traffic_through_proxies": "traffic flows through Envoy on both sides",
    needs: Exec,
    stops: [Network],
    caused_by: [
        crate::claims::prepare::nodes_ready if causes::cluster::no_node_answers,
        crate::claims::install::namespace_labelled if |case| causes::mesh::namespace_is_missing(case.evidence),
        crate::claims::demo::client_deployment if causes::demo::there_is_no_client,
        crate::claims::demo::backend_replies if causes::demo::nothing_was_answered,
        crate::claims::demo::backend_replies if causes::demo::a_proxy_answers_instead,
        crate::claims::demo::backend_service if causes::demo::requests_do_not_arrive,
        crate::claims::mesh::two_containers_per_pod if causes::mesh::traffic_meets_no_sidecar,
        crate::claims::mesh::inbound_redirected if causes::mesh::rules_lead_past_the_proxy,
        crate::claims::mesh::live_rules if causes::mesh::live_rules_lead_past_the_proxy,
        crate::claims::mesh::outbound_redirected if causes::mesh::traffic_leaves_beside_the_proxy,
        crate::claims::mesh::inbound_redirected if causes::mesh::traffic_enters_beside_the_proxy,
    ],
    judge: crate::claims::mesh::traffic_through_proxies,
}

#[cfg(test)]
use crate::claims::mesh::tests::traffic as cases;
