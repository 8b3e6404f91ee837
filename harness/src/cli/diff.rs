//! `diff`: compares two files of evidence by their meaning.

use std::path::Path;

use meshcheck_suites::diff::diff as compare;

use super::diff_arguments::Diff;
use super::failure::Failure;
use super::observe::read;
use crate::report::{emit_diff, without_records, writable, write_diff};
use crate::settings::Settings;

/// `meshcheck diff`
pub(super) fn diff(
    arguments: &Diff,
    settings: &Settings,
    file_was_named: bool,
) -> Result<u8, Failure> {
    let output = arguments.options();
    if [&arguments.old, &arguments.new].iter().all(|file| file.as_path() == Path::new("-")) {
        return Err(Failure::usage(
            "both files are standard input".into(),
            "name a file for one of them".into(),
        ));
    }
    writable(output)?;
    let read = |file| read(file, settings, file_was_named);
    let view = arguments.view.into();
    let records = read(&arguments.old).and_then(|old| Ok((old, read(&arguments.new)?)));
    let (old, new) = records.map_err(|failure| {
        // A report of an earlier call, maybe one without a difference, does not stay.
        match write_diff(&without_records(&failure.message(), view), output) {
            Ok(()) => failure,
            Err(error) => failure.and(&error.into()),
        }
    })?;
    let diff = compare(&old, &new, view);
    let code = diff.exit_code();
    emit_diff(&diff, output).map_err(|error| Failure::from(error).with_verdicts(code))?;
    Ok(code)
}
