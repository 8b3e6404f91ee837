//! What a control plane explains that is not installed, or down.

pub(crate) use crate::claims::install::default_profile::istiod_is_not_installed;
pub(crate) use crate::facts::injection::is_webhook_failure as says_that_the_webhook_fails;
pub(crate) use crate::facts::istiod::is_istiod_down as istiod_is_down;
