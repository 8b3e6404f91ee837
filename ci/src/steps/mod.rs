//! What people and CI run: the main job, and all tests.

mod conformance;
mod portable;
mod software;
mod test;

pub(crate) use conformance::run as conformance;
pub(crate) use portable::{Options as StaticOptions, run as portable};
pub(crate) use software::{Software, meshcheck};
pub(crate) use test::{Options as TestOptions, run as test};

use std::path::{Path, PathBuf};

use crate::command::Program;

/// The top of the repository.
pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where the steps leave what they found.
pub(crate) fn results() -> PathBuf {
    repository().join("target").join("xtask")
}

/// `cargo …` in the repository, with the toolchain that runs this.
pub(crate) fn cargo(arguments: &[&str]) -> Program {
    let cargo = option_env!("CARGO").filter(|path| Path::new(path).exists()).unwrap_or("cargo");
    Program::new(cargo).args(arguments).dir(repository())
}
