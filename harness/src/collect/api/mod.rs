//! How the API server, pods and addresses are asked: nothing here knows what is looked for.

pub(super) mod certificates;
pub(super) mod clock;
pub(super) mod container;
pub(super) mod curl;
pub(super) mod exec;
pub(super) mod forward;
pub(super) mod kubelet;
pub(super) mod list;
pub(super) mod logs;
pub(super) mod objects;
pub(super) mod observe;
pub(super) mod resources;
pub(super) mod vantage;
