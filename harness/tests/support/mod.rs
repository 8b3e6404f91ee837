//! What the tests share: the program in a sandbox, and the servers and machines that it meets.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod board;
pub(crate) mod certificates;
pub(crate) mod class;
pub(crate) mod measured;
pub(crate) mod mesh;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod scale;
pub(crate) mod server;
pub(crate) mod wait;
pub(crate) mod whole_mesh;
