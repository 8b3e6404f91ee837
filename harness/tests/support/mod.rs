//! What the tests with servers and directories of their own share.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod certificates;
pub(crate) mod class;
pub(crate) mod sandbox;
pub(crate) mod scale;
pub(crate) mod server;
