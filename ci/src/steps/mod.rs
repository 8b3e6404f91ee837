//! What people and CI run: the main job, all tests, the matrix of the lab, the static program, the renewal of generated files.

mod bless;
mod conformance;
mod matrix;
mod portable;
mod test;

pub(crate) use bless::{Options as BlessOptions, run as bless};
pub(crate) use conformance::run as conformance;
pub(crate) use matrix::{Options as MatrixOptions, run as matrix};
pub(crate) use portable::{Options as StaticOptions, run as portable};
pub(crate) use test::{Options as TestOptions, run as test};
