//! The ingress gateway is a LoadBalancer service with ports 15021, 80 and 443.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "ingress::service_is_load_balancer": "the ingress gateway is a LoadBalancer service with ports 15021, 80 and 443",
    needs: Reading,
    stops: [Gateway],
    caused_by: [
        crate::claims::install::default_profile if causes::outside::gateway_is_not_installed,
    ],
    judge: crate::claims::ingress::service_is_load_balancer,
}

#[cfg(test)]
use crate::claims::ingress::tests::service as cases;
