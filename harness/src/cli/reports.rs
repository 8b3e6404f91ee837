//! Writes reports: verdicts, or in each report why there are none.
//!
//! Each way by which a command can end before it has judged leads through [`Reports::write_failure`]: a wrong
//! configuration, a cluster that does not answer, Ctrl-C, a bug.

use std::path::Path;

use meshcheck_suites::{Evidence, Report, worst_code};
use serde::Serialize;

use super::arguments::{Check, Judge, Judging, Preflight, Run};
use super::command::Command;
use super::failure::Failure;
use super::github;
use crate::events::Phase;
use crate::evidence_file;
use crate::failpoint::failpoint;
use crate::report::{
    Format, Kind, OutputOptions, ReportError, STDOUT, Selected, emit, emit_died, html, json, junit,
    junit_of_files, markdown, metrics, to_stdout, write_files,
};
use crate::text::for_terminal;

/// The reports that a command was asked for, and what they are about.
pub(super) struct Reports {
    selected: Selected,
    output: OutputOptions,
}

impl Reports {
    /// Returns those of this command; none where it judges nothing.
    pub(super) fn of(command: &Command, output: Option<OutputOptions>) -> Option<Self> {
        let output = output?;
        match command {
            Command::Run(Run { judging, .. })
            | Command::Check(Check { judging, .. })
            | Command::Judge(Judge { judging, .. }) => Some(Self::of_claims(judging)),
            Command::Preflight(Preflight { only, .. }) => {
                Some(Self { selected: Selected::Checks(only.clone()), output })
            }
            _ => None,
        }
    }

    /// Returns those of a command that judges claims.
    pub(super) fn of_claims(judging: &Judging) -> Self {
        let selected = Selected::Claims(judging.selection.only.clone());
        Self { selected, output: judging.output.clone() }
    }

    /// Writes into every report why nothing was judged, unless verdicts stand there. Returns the failure,
    /// and what came of writing it.
    pub(super) fn write_failure(&self, failure: Failure) -> Failure {
        if failure.has_verdicts() {
            return failure;
        }
        match emit_died(&failure.died(), &self.selected, &self.output) {
            Ok(()) => failure,
            Err(error) => failure.and(&error.into()),
        }
    }
}

/// The verdicts on one file, or on a cluster.
pub(super) struct Judged<'a> {
    pub(super) report: &'a Report,
    pub(super) evidence: Option<&'a Evidence>,
    /// The name of the file, where there are several.
    pub(super) file: Option<String>,
    /// The time, where a cluster is checked again and again.
    pub(super) time: Option<String>,
}

impl<'a> Judged<'a> {
    /// Verdicts that have standard output and the reports for themselves.
    pub(super) fn alone(report: &'a Report, evidence: Option<&'a Evidence>) -> Self {
        Self { report, evidence, file: None, time: None }
    }

    fn heading(&self) -> Option<&str> {
        self.file.as_deref().or(self.time.as_deref())
    }
}

/// Writes the evidence where that was asked for, and prints and writes the verdicts on it. Returns the exit code.
pub(super) fn write_evidence_and_verdicts(
    evidence: &Evidence,
    judged: &Judged<'_>,
    file: Option<&Path>,
    output: &OutputOptions,
) -> Result<u8, Failure> {
    let written = file.map_or(Ok(()), |file| evidence_file::write(file, evidence));
    let code = write_verdicts(std::slice::from_ref(judged), output)?;
    written.map_err(|error| Failure::from(error).with_verdicts(code))?;
    Ok(code)
}

/// Prints and writes verdicts. Returns the exit code: 1 wins over 3, and 3 over 0.
pub(super) fn write_verdicts(judged: &[Judged<'_>], output: &OutputOptions) -> Result<u8, Failure> {
    failpoint(Phase::Judge.word());
    let codes = judged.iter().map(|one| one.report.exit_code_for(&output.counted()));
    let code = worst_code(codes);
    let is_taken = output.reports.iter().any(|report| report.path == Path::new(STDOUT));
    let written = match judged {
        [one] if one.heading().is_none() && !is_taken => emit(one.report, one.evidence, output),
        _ => print(judged, output, is_taken).and(write_files(output, |kind| format(judged, kind))),
    };
    written.map_err(|error| Failure::from(error).with_verdicts(code))?;
    for one in judged {
        github::report_verdicts(one.report);
    }
    if judged.iter().any(|one| one.report.is_all_skipped()) {
        super::say("nothing was judged: every selected claim is skipped");
    }
    Ok(code)
}

/// Prints verdicts on standard output, unless a report is written there.
fn print(judged: &[Judged<'_>], output: &OutputOptions, is_taken: bool) -> Result<(), ReportError> {
    if is_taken {
        return Ok(());
    }
    if output.output == Format::Json {
        return to_stdout(&format_json(judged)?);
    }
    let output = OutputOptions { reports: Vec::new(), ..output.clone() };
    for (at, one) in judged.iter().enumerate() {
        let space = if at > 0 { "\n" } else { "" };
        let heading = for_terminal(one.heading().unwrap_or_default());
        to_stdout(&format!("{space}==> {heading} <==\n"))?;
        emit(one.report, one.evidence, &output)?;
    }
    Ok(())
}

/// Returns the text of a report of this kind on all verdicts.
fn format(judged: &[Judged<'_>], kind: Kind) -> Result<String, ReportError> {
    match (kind, judged) {
        (Kind::Json, _) => format_json(judged),
        (Kind::Junit, [Judged { report, file: None, .. }]) => junit(report),
        (Kind::Junit, _) => {
            let name = |one: &Judged<'_>| one.file.clone().unwrap_or_default();
            let named: Vec<_> = judged.iter().map(|one| (name(one), one.report)).collect();
            junit_of_files(named.iter().map(|(name, report)| (name.as_str(), *report)))
        }
        (Kind::Markdown, _) => {
            Ok(judged.iter().map(|one| markdown(one.report)).collect::<Vec<_>>().join("\n"))
        }
        (Kind::Prom, _) => {
            let name =
                |one: &Judged<'_>| one.file.clone().unwrap_or(one.report.cluster.context.clone());
            let named: Vec<_> = judged.iter().map(|one| (name(one), one.report)).collect();
            Ok(metrics(named.iter().map(|(name, report)| (name.as_str(), Some(*report)))))
        }
        (Kind::Html, _) => judged.iter().map(|one| html(one.report, one.evidence)).collect(),
    }
}

/// Verdicts with the name of their file.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(flatten)]
    report: &'a Report,
}

/// Formats verdicts as JSON: one report as it is, several of them one a line.
fn format_json(judged: &[Judged<'_>]) -> Result<String, ReportError> {
    if let [one] = judged
        && one.heading().is_none()
    {
        return json(one.report);
    }
    judged
        .iter()
        .map(|one| Line { file: one.file.as_deref(), report: one.report })
        .map(|line| serde_json::to_string(&line).map(|it| it + "\n"))
        .collect::<Result<_, _>>()
        .map_err(|error| ReportError::Format(error.to_string()))
}
