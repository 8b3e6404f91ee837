//! How it is done.

pub mod source;
