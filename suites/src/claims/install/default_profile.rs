//! The default profile is installed: istiod, one ingress gateway, no egress gateway.

use crate::entry::claim;

claim! {
    /// TODO
    "install::default_profile": "the default profile is installed: istiod, one ingress gateway, no egress gateway",
    needs: Reading,
    judge: crate::claims::install::default_profile,
}

#[cfg(test)]
use crate::claims::install::tests::it_is_the_default_profile as cases;
