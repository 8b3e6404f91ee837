//! A load balancer address is free for the ingress gateway.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "prepare::load_balancer_address_free": "a load balancer address is free for the ingress gateway",
    needs: Reading,
    stops: [LoadBalancer],
    caused_by: [
        crate::claims::prepare::no_competing_load_balancer if causes::cluster::others_hold_the_addresses,
    ],
    judge: crate::claims::prepare::load_balancer_address_free,
}

#[cfg(test)]
use crate::claims::prepare::tests::an_address_is_free as cases;
