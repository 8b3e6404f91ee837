//! What ends in reports: verdicts, or in each report why there are none.
//!
//! Each way by which a command can end before it has judged leads through [`Reported::tell`]: a wrong
//! configuration, a cluster that does not answer, Ctrl-C, a bug.

use std::path::Path;

use meshcheck_suites::{Evidence, Report};

use super::arguments::{Check, Command, Judge, Preflight, Run};
use super::failure::Failure;
use crate::events::Phase;
use crate::evidence_file;
use crate::failpoint::failpoint;
use crate::report::{Asked, OutputOptions, emit, emit_died};

/// The reports that a command was asked for, and what they are about.
pub(super) struct Reported {
    asked: Asked,
    output: OutputOptions,
}

impl Reported {
    /// Those of this command; none where it judges nothing.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let (asked, output) = match command {
            Command::Run(Run { selection, output, .. })
            | Command::Check(Check { selection, output, .. })
            | Command::Judge(Judge { selection, output, .. }) => {
                (Asked::Claims(selection.only.clone()), output)
            }
            Command::Preflight(Preflight { only, output, .. }) => {
                (Asked::Checks(only.clone()), output)
            }
            _ => return None,
        };
        Some(Self { asked, output: output.clone() })
    }

    /// Writes why nothing was judged into every report, unless verdicts stand there; the failure, and what
    /// came of telling it.
    pub(super) fn tell(&self, failure: Failure) -> Failure {
        if failure.has_verdicts() {
            return failure;
        }
        let told = emit_died(&failure.died(), &self.asked, &self.output);
        match told {
            Ok(()) => failure,
            Err(error) => failure.and(&error.into()),
        }
    }
}

/// Writes the evidence where that was asked for, and prints and writes the verdicts on it; the exit code.
///
/// # Errors
///
/// What could not be written. Evidence that cannot be keeps no report from being written.
pub(super) fn kept_and_judged(
    evidence: &Evidence,
    report: &Report,
    file: Option<&Path>,
    output: &OutputOptions,
) -> Result<u8, Failure> {
    let kept = file.map_or(Ok(()), |file| evidence_file::write(file, evidence));
    let code = verdicts(report, Some(evidence), output)?;
    kept.map_err(|error| Failure::from(error).with_verdicts())?;
    Ok(code)
}

/// Prints and writes verdicts; the exit code.
///
/// # Errors
///
/// What could not be written. It is no reason to say in the others that nothing was judged.
pub(super) fn verdicts(
    report: &Report,
    evidence: Option<&Evidence>,
    output: &OutputOptions,
) -> Result<u8, Failure> {
    failpoint(Phase::Judge.word());
    emit(report, evidence, output).map_err(|error| Failure::from(error).with_verdicts())?;
    Ok(report.exit_code())
}
