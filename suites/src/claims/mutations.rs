//! Changes to evidence, as the tests of causes use them.

use crate::evidence::Evidence;
pub(super) use crate::testing::{
    backend, client, demo_pod, gateway, installed, istiod, of, scale_to_zero,
};

/// A change to healthy evidence.
pub(super) type Mutation = fn(&mut Evidence);
