//! The gateway directs external traffic into the mesh.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "ingress::routes_into_mesh": "the gateway directs external traffic into the mesh",
    needs: Objects,
    stops: [Route],
    caused_by: [
        crate::claims::install::default_profile if causes::outside::routes_are_not_defined,
        crate::claims::install::control_plane_running if causes::outside::nobody_takes_the_route,
        crate::claims::demo::backend_deployment if causes::demo::backend_replies_as_told,
        crate::claims::demo::backend_service if causes::outside::route_leads_nowhere,
        crate::claims::demo::backend_replies if causes::demo::the_backends_proxy_forbids,
        crate::claims::mesh::inbound_redirected if causes::mesh::rules_lead_past_the_proxy,
        crate::claims::mesh::live_rules if causes::mesh::live_rules_lead_past_the_proxy,
        crate::claims::ingress::external_address if causes::outside::gateway_has_no_address,
        crate::claims::ingress::address_answers if causes::outside::nothing_answers,
    ],
    judge: crate::claims::ingress::routes_into_mesh,
}

#[cfg(test)]
use crate::claims::ingress::tests::routes as cases;
