//! What people and CI run: the main job, all tests, the matrix of the lab, the static program and its image, the renewal of generated files.

mod bless;
mod conformance;
mod image;
mod matrix;
mod portable;
mod test;

pub(crate) use bless::{Options as BlessOptions, run as bless};
pub(crate) use conformance::run as conformance;
pub(crate) use image::{Options as ImageOptions, build as build_image, run as image};
pub(crate) use matrix::{Options as MatrixOptions, run as matrix};
pub(crate) use portable::{Options as StaticOptions, run as portable};
pub(crate) use test::{Options as TestOptions, run as test};
