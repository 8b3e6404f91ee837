//! A comparison of two records for readers: people, scripts, browsers, CI summaries.

mod human;
mod markdown;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;

use meshcheck_suites::diff::{Class, Compared, DIFF_SCHEMA, Diff, NotCompared, Side, View};
use meshcheck_suites::redact;

use super::{
    Format, Kind, OutputOptions, ReportError, STDOUT, Style, json, to_stdout, write_files,
};
pub(super) use text::{below, compared, heading, not_compared, outcome, side, unofficial, verdict};

pub use human::human as diff_human;
pub use markdown::markdown as diff_markdown;

/// Prints a comparison, and writes every file that was asked for.
///
/// # Errors
///
/// The first thing that could not be written. A reader that has gone away is no error.
pub fn emit_diff(diff: &Diff, options: &OutputOptions) -> Result<(), ReportError> {
    let is_taken = options.reports.iter().any(|report| report.path == Path::new(STDOUT));
    let printed = match options.output {
        _ if is_taken => Ok(()),
        Format::Json => json(diff).and_then(|text| to_stdout(&text)),
        Format::Human | Format::Short | Format::Commands => {
            to_stdout(&diff_human(diff, Style::for_stdout(options)))
        }
    };
    printed.and(write_diff(diff, options))
}

/// Writes a comparison into every file that was asked for.
///
/// # Errors
///
/// The first file that could not be written; the others are.
pub fn write_diff(diff: &Diff, options: &OutputOptions) -> Result<(), ReportError> {
    write_files(options, |kind| match kind {
        Kind::Json => json(diff),
        Kind::Html => super::html::diff_page(diff),
        Kind::Markdown => Ok(diff_markdown(diff)),
        Kind::Junit | Kind::Prom => {
            Err(ReportError::Format("a comparison has no such report".into()))
        }
    })
}

/// Returns the comparison of a call that could not read its files: the report of an earlier call does not stay in its place.
pub(crate) fn without_records(reason: &str, view: View) -> Diff {
    let unknown = || Side {
        context: "no record".into(),
        istio_version: "unknown".into(),
        kubernetes_version: None,
        recorded_at: String::new(),
        recorder: String::new(),
        is_unofficial: false,
    };
    let reason = redact::text(reason);
    let what = "both records".to_owned();
    Diff {
        schema: DIFF_SCHEMA,
        view,
        old: unknown(),
        new: unknown(),
        compared: Compared { claims: 0, observations: 0, not_compared: 1 },
        differences: Vec::new(),
        not_compared: vec![NotCompared { what, old: Some(reason.clone()), new: Some(reason) }],
        noise: Vec::new(),
    }
}

/// The classes that a comparison counts, the worst first.
pub(super) fn counted_classes(diff: &Diff) -> Vec<(Class, usize)> {
    let counts = Class::ALL.map(|class| (class, diff.count(class)));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}
