//! A class of machines: which there are, how each is checked, and what is known of each.

pub mod board;
mod groups;
pub(crate) mod history;
pub mod inventory;
pub(crate) mod live;
mod machine;
pub(crate) mod remote;
pub(crate) mod serve;

pub use board::{Board, Row, Stage, State};
pub use groups::{Group, groups, names};
pub use machine::{Machine, Way};
