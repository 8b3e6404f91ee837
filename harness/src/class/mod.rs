//! A class of machines: which there are, and what is known of each.

pub mod inventory;
mod machine;

pub use machine::{Machine, Way};
