//! Reports to where they go: standard output and files.

use std::io::{self, Write as _};

use meshcheck_suites::{Evidence, Report};
use serde::Serialize;

use super::{Format, Kind, OutputOptions, ReportError, Style, commands, human};
use crate::atomic_file::{check_writable, write_atomically};

/// Prints the report, and writes every file that was asked for. One that cannot be written keeps no
/// other from being written.
///
/// # Errors
///
/// The first thing that could not be written. A reader that has gone away is no error.
pub fn emit(
    report: &Report,
    evidence: Option<&Evidence>,
    options: &OutputOptions,
) -> Result<(), ReportError> {
    let printed = match options.output {
        Format::Human | Format::Short => to_stdout(&human(report, Style::for_stdout(options))),
        Format::Commands => to_stdout(&commands(report)),
        Format::Json => json(report).and_then(|text| to_stdout(&text)),
    };
    printed.and(files(report, evidence, options))
}

/// Writes one report into every file that was asked for.
pub(super) fn files(
    report: &Report,
    evidence: Option<&Evidence>,
    options: &OutputOptions,
) -> Result<(), ReportError> {
    write_files(options, |kind| match kind {
        Kind::Json => json(report),
        Kind::Junit => super::junit(report),
        Kind::Html => super::html(report, evidence),
        Kind::Markdown => Ok(super::markdown(report)),
        Kind::Prom => Ok(super::metrics([(report.cluster.context.as_str(), Some(report))])),
    })
}

/// Writes every file that was asked for, with the text of its kind. One that cannot be written keeps no other from
/// being written.
pub(crate) fn write_files(
    options: &OutputOptions,
    text: impl Fn(Kind) -> Result<String, ReportError>,
) -> Result<(), ReportError> {
    let mut outcome = Ok(());
    for file in &options.reports {
        let written = text(file.kind).and_then(|text| {
            write_atomically(&file.path, |to| to.write_all(text.as_bytes()))
                .map_err(|source| ReportError::File { path: file.path.clone(), source })
        });
        outcome = outcome.and(written);
    }
    outcome
}

/// Whether every report that was asked for can be written: found out before the run, not after it.
///
/// # Errors
///
/// The first that cannot.
pub fn writable(options: &OutputOptions) -> Result<(), ReportError> {
    options.reports.iter().try_for_each(|file| {
        check_writable(&file.path)
            .map_err(|source| ReportError::File { path: file.path.clone(), source })
    })
}

/// Formats a report as JSON.
pub(crate) fn json(report: &impl Serialize) -> Result<String, ReportError> {
    serde_json::to_string_pretty(report)
        .map(|text| text + "\n")
        .map_err(|error| ReportError::Format(error.to_string()))
}

/// Writes data to standard output. A reader that has gone away is no error.
///
/// # Errors
///
/// When it cannot be written.
pub fn to_stdout(text: &str) -> Result<(), ReportError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ReportError::Stdout(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::human::tests::sample;

    /// What others script against.
    #[test]
    fn json_has_the_fields_of_the_contract() {
        let json: serde_json::Value = serde_json::from_str(&json(&sample()).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["istio_version"], "1.20.3");
        assert!(json["cluster"].is_object());
        for word in ["pass", "fail", "changed", "unjudged", "skipped"] {
            assert_eq!(json["totals"][word], 1, "{word}");
        }
        let claim = json["claims"][1].as_object().unwrap();
        for field in
            ["id", "section", "statement", "verdict", "summary", "expected", "observed", "hint"]
        {
            assert!(claim.contains_key(field), "{field}");
        }
        assert_eq!(claim["verdict"], "fail");
        assert_eq!(json["claims"][0]["hint"], serde_json::Value::Null);
        assert_eq!(json["claims"][0]["because"], serde_json::Value::Null);
        assert_eq!(json["claims"][3]["because"], claim["id"]);
        assert_eq!(json["causes"][0]["claim"], claim["id"]);
        assert_eq!(json["causes"][0]["explains"], serde_json::json!(["mesh::proxies_in_sync"]));
    }
}
