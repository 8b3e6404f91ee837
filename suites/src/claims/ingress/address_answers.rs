//! The gateway's address answers from outside of the mesh.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "ingress::address_answers": "the gateway's address answers from outside of the mesh",
    beyond: true,
    needs: Request,
    stops: [LoadBalancer],
    caused_by: [
        crate::claims::install::default_profile if causes::outside::gateway_has_no_deployment,
        crate::claims::install::control_plane_running if causes::outside::no_gateway_pod_is_ready,
        crate::claims::ingress::external_address if causes::outside::gateway_has_no_address,
    ],
    judge: crate::claims::ingress::address_answers,
}

#[cfg(test)]
use crate::claims::ingress::tests::answers as cases;
