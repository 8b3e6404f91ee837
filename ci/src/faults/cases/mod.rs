//! The cases, by section: what is broken, and which claims must be red.

mod benign;
mod demo;
mod ingress;
mod install;
mod kiali;
mod mesh;
mod prepare;

use super::case::{Benign, Fault};

/// Every fault, in the tutorial's order.
pub(crate) fn faults() -> impl Iterator<Item = &'static Fault> {
    [prepare::CASES, install::CASES, demo::CASES, mesh::CASES, ingress::CASES, kiali::CASES]
        .into_iter()
        .flatten()
}

/// Every benign variation.
pub(crate) fn benign() -> impl Iterator<Item = &'static Benign> {
    benign::CASES.iter()
}
