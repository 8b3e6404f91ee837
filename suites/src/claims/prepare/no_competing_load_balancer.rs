//! No other service holds the only load balancer address.

use crate::entry::claim;

claim! {
    /// TODO
    "prepare::no_competing_load_balancer": "no other service holds the only load balancer address",
    needs: Reading,
    stops: [LoadBalancer],
    judge: crate::claims::prepare::no_competing_load_balancer,
}

#[cfg(test)]
use crate::claims::prepare::tests::nobody_competes as cases;
