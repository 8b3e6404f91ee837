//! Reports to where they go: standard output and files.

use std::io::{self, Write as _};
use std::path::PathBuf;

use jiff::Timestamp;
use meshcheck_suites::evidence::{Expectations, Observation, Provider, Subject};
use meshcheck_suites::{Evidence, Pattern, Report, preflight};

use super::junit::{self, junit as junit_xml};
use super::{Format, Kind, OutputOptions, Style, human};
use crate::events::Phase;

use crate::source::DEFAULT_ISTIO;
use crate::whole_file::{atomically, check_writable};

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Standard output.
    #[error("writing the report to standard output")]
    Stdout(#[source] io::Error),
    /// A file.
    #[error("writing the report `{}`", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The report itself.
    #[error("putting the report together: {0}")]
    Format(String),
}

impl ReportError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Stdout(_) | Self::Format(_) => "write it to a file with --report".into(),
            Self::File { path, source } => match source.kind() {
                io::ErrorKind::StorageFull => "the disk is full: free some space".into(),
                io::ErrorKind::IsADirectory => "it is a directory: name a file in it".into(),
                io::ErrorKind::NotFound => format!(
                    "the directory is not there: `mkdir -p {}`",
                    path.parent().unwrap_or(path).display()
                ),
                _ => "name a file in a directory where you may write".into(),
            },
        }
    }
}

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
    let mut outcome = match options.output {
        Format::Human => to_stdout(&human(report, Style::for_stdout(options))),
        Format::Json => json(report).and_then(|text| to_stdout(&text)),
    };
    for file in &options.reports {
        let text = match file.kind {
            Kind::Json => json(report),
            Kind::Junit => Ok(junit_xml(report)),
            Kind::Html => super::html(report, evidence),
        };
        let written = text.and_then(|text| {
            atomically(&file.path, |to| to.write_all(text.as_bytes()))
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

/// Writes the reports of a run that ended before it judged: in each of them every claim asked for is
/// unjudged, and says why. The report of an earlier run, maybe a green one, does not stay in its place.
///
/// # Errors
///
/// The first file that could not be written.
pub fn emit_died(
    phase: Option<Phase>,
    reason: &str,
    only: &[Pattern],
    options: &OutputOptions,
) -> Result<(), ReportError> {
    let report = nothing_seen(&junit::ended(phase, reason), only);
    died(&junit::died(phase, reason, only), Some(&report), options)
}

/// A report of a look that saw nothing.
fn nothing_seen(why: &str, only: &[Pattern]) -> Report {
    let subject = Subject {
        provider: Provider::None,
        name: "no cluster".into(),
        context: String::new(),
        server: String::new(),
        kubeconfig: None,
        active: false,
        bundle: None,
        collected_on: String::new(),
    };
    let expectations = Expectations::of_the_tutorial(DEFAULT_ISTIO, "the tutorial");
    let why = Observation::failed(why);
    let evidence = Evidence::unseen(subject, expectations, Timestamp::now(), &why);
    let mut evidence = meshcheck_suites::redact::redact(evidence);
    evidence.recorder = concat!("meshcheck ", env!("CARGO_PKG_VERSION")).into();
    meshcheck_suites::judge(&evidence, only)
}

/// The same for a preflight: every check asked for is an error that says why.
///
/// # Errors
///
/// The first file that could not be written.
pub fn emit_preflight_died(
    reason: &str,
    only: &[preflight::Pattern],
    options: &OutputOptions,
) -> Result<(), ReportError> {
    died(&junit::died_of(None, reason, &preflight::asked(only)), None, options)
}

fn died(junit: &str, report: Option<&Report>, options: &OutputOptions) -> Result<(), ReportError> {
    let mut outcome = Ok(());
    for file in &options.reports {
        let text = match (file.kind, report) {
            (Kind::Junit, _) => Ok(junit.to_owned()),
            (Kind::Json, Some(report)) => json(report),
            (Kind::Html, Some(report)) => super::html(report, None),
            (Kind::Json | Kind::Html, None) => continue,
        };
        let written = text.and_then(|text| {
            atomically(&file.path, |to| to.write_all(text.as_bytes()))
                .map_err(|source| ReportError::File { path: file.path.clone(), source })
        });
        outcome = outcome.and(written);
    }
    outcome
}

fn json(report: &Report) -> Result<String, ReportError> {
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
    use super::super::human::tests::sample;
    use super::*;

    /// A run that died leaves no report in which anything holds, whatever stood there before.
    #[test]
    fn every_report_of_a_run_that_died_says_so() {
        let place = tempfile::tempdir().unwrap();
        let kinds = [(Kind::Html, "r.html"), (Kind::Json, "r.json"), (Kind::Junit, "r.xml")];
        let reports = kinds.map(|(kind, name)| {
            let path = place.path().join(name);
            std::fs::write(&path, "all green").unwrap();
            crate::report::ReportFile { kind, path }
        });
        let options = OutputOptions { reports: reports.to_vec(), ..OutputOptions::default() };
        let reason = "no docker; token=s3cret-s3cret";
        emit_died(Some(Phase::Cluster), reason, &[], &options).unwrap();
        for (_, name) in kinds {
            let text = std::fs::read_to_string(place.path().join(name)).unwrap();
            assert!(text.contains("no docker"), "{name}: {text}");
            assert!(!text.contains("all green"), "{name}");
        }
        let text = std::fs::read_to_string(place.path().join("r.json")).unwrap();
        assert!(!text.contains("s3cret-s3cret"), "{text}");
        let report: Report = serde_json::from_str(&text).unwrap();
        assert_eq!((report.totals.pass, report.totals.fail, report.exit_code()), (0, 0, 3));
    }

    /// What others script against.
    #[test]
    fn the_json_keeps_its_contract() {
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
