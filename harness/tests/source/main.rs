//! The release source against local stand-ins for its publishers: everything that can go wrong on
//! a real line goes wrong here, on the loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod downloads;
mod full_disk;
mod images;
mod lab;
mod proxy;
mod publisher;
mod releases;
#[path = "../support/mod.rs"]
mod support;

use support::server;
