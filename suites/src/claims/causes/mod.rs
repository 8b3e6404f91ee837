//! Which of the claims that do not hold is a cause, and which only follow from it.

pub(crate) mod cluster;
pub(crate) mod demo;
pub(crate) mod install;
pub(crate) mod mesh;
pub(crate) mod sidecar;

use crate::entry::Effect;
use crate::evidence::Evidence;

/// A claim that does not hold, to be explained.
pub(crate) type Case<'a> = Effect<'a, Evidence>;
