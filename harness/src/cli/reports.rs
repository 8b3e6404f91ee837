//! Writes reports: verdicts, or in each report why there are none.
//!
//! Each way by which a command can end before it has judged leads through [`Reports::write_failure`]: a wrong
//! configuration, a cluster that does not answer, Ctrl-C, a bug.

use std::path::Path;

use meshcheck_suites::{Evidence, Report};

use super::arguments::{Check, Judge, Preflight, Run};
use super::command::Command;
use super::failure::Failure;
use crate::events::Phase;
use crate::evidence_file;
use crate::failpoint::failpoint;
use crate::report::{Asked, OutputOptions, emit, emit_died};

/// The reports that a command was asked for, and what they are about.
pub(super) struct Reports {
    asked: Asked,
    output: OutputOptions,
}

impl Reports {
    /// Returns those of this command; none where it judges nothing.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let asked = match command {
            Command::Run(Run { judging, .. })
            | Command::Check(Check { judging, .. })
            | Command::Judge(Judge { judging, .. }) => {
                Asked::Claims(judging.selection.only.clone())
            }
            Command::Preflight(Preflight { only, .. }) => Asked::Checks(only.clone()),
            _ => return None,
        };
        Some(Self { asked, output: command.output()?.clone() })
    }

    /// Writes into every report why nothing was judged, unless verdicts stand there. Returns the failure,
    /// and what came of writing it.
    pub(super) fn write_failure(&self, failure: Failure) -> Failure {
        if failure.has_verdicts() {
            return failure;
        }
        match emit_died(&failure.died(), &self.asked, &self.output) {
            Ok(()) => failure,
            Err(error) => failure.and(&error.into()),
        }
    }
}

/// Writes the evidence where that was asked for, and prints and writes the verdicts on it; the exit code.
pub(super) fn write_evidence_and_verdicts(
    evidence: &Evidence,
    report: &Report,
    file: Option<&Path>,
    output: &OutputOptions,
) -> Result<u8, Failure> {
    let written = file.map_or(Ok(()), |file| evidence_file::write(file, evidence));
    let code = write_verdicts(report, Some(evidence), output)?;
    written.map_err(|error| Failure::from(error).with_verdicts())?;
    Ok(code)
}

/// Prints and writes verdicts; the exit code.
pub(super) fn write_verdicts(
    report: &Report,
    evidence: Option<&Evidence>,
    output: &OutputOptions,
) -> Result<u8, Failure> {
    failpoint(Phase::Judge.word());
    emit(report, evidence, output).map_err(|error| Failure::from(error).with_verdicts())?;
    Ok(report.exit_code())
}
