//! The sizes of tests that `cargo xtask class` runs again with a whole class, and the figures that it gets from them.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

/// Names the file that figures are added to. Where it is set, sizes are those of a class.
pub(crate) const FIGURES: &str = "MESHCHECK_CLASS_FIGURES";

/// Names the program that is measured, where it is not the one that was built with the tests.
const PROGRAM: &str = "MESHCHECK_CLASS_PROGRAM";

/// Returns the size of a test: a small one in `cargo test`, that of a class in `cargo xtask class`.
pub(crate) fn size(small: usize, class: usize) -> usize {
    if std::env::var_os(FIGURES).is_some() { class } else { small }
}

/// Returns the program.
pub(crate) fn program() -> PathBuf {
    std::env::var_os(PROGRAM)
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_meshcheck")), Into::into)
}

/// Hands a figure to `cargo xtask class`, which knows its limit. Figures of the same bar add up. A test does so at
/// its end: a figure also says that the test holds.
pub(crate) fn figure(bar: &str, value: f64) {
    let Some(file) = std::env::var_os(FIGURES) else { return };
    let mut file = File::options().create(true).append(true).open(file).unwrap();
    let line = format!("{}\n", json!({ "bar": bar, "value": value }));
    file.write_all(line.as_bytes()).unwrap();
}

/// Returns a number of things as a figure.
pub(crate) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}

/// Returns the value in the middle of some.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
