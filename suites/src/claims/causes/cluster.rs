//! What nodes explain.

pub(crate) use crate::claims::prepare::nodes_ready::no_node_answers;
