//! What the tests with servers and directories of their own share.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod sandbox;
pub(crate) mod server;
