//! A class of machines: its machines, how each is checked, and the verdicts on each.

pub mod board;
mod groups;
pub(crate) mod history;
pub mod inventory;
pub(crate) mod job;
pub(crate) mod live;
mod machine;
pub(crate) mod remote;
pub(crate) mod serve;

pub use board::{Board, Row, Stage, State};
pub use groups::{Group, groups, names};
pub(crate) use machine::LONGEST_NAME;
pub use machine::{Machine, Way};
