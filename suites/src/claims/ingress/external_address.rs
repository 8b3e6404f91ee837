//! The ingress gateway has an external address.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "ingress::external_address": "the ingress gateway has an external address",
    needs: Reading,
    stops: [LoadBalancer],
    caused_by: [
        crate::claims::ingress::service_is_load_balancer if causes::outside::service_asks_for_no_address,
        crate::claims::prepare::load_balancer_address_free if causes::outside::service_is_pending,
    ],
    judge: crate::claims::ingress::external_address,
}

#[cfg(test)]
use crate::claims::ingress::tests::external_address as cases;
