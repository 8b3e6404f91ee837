//! A class of machines: which there are, how each is looked at, and what is known of each.

pub mod board;
mod groups;
pub mod inventory;
mod machine;
pub(crate) mod remote;

pub use board::{Board, Row, Stage, State};
pub use groups::{Group, groups, names};
pub use machine::{Machine, Way};
