//! What has side effects on a cluster: objects of our own, each in a namespace of our own that goes with them.

pub(super) mod image_pull;
pub(super) mod namespace;
pub(super) mod route_and_address;
