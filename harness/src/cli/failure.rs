//! How a command fails: one error, one fix, an exit code.

use std::io::{Write as _, stderr};

use meshcheck_suites::redact::text;
use meshcheck_suites::report::PhaseTime;

use crate::atomic_file::is_wrong_path;
use crate::chain;
use crate::cluster::ClusterError;
use crate::connect::ConnectError;
use crate::events::Phase;
use crate::evidence_file::EvidenceFileError;
use crate::install::InstallError;
use crate::report::{Died, ReportError};
use crate::settings::SettingsError;
use crate::source::SourceError;
use crate::state::StateError;
use crate::text::{for_terminal, without_error_numbers};

/// Why a command ended early.
#[derive(Debug, Default)]
pub(super) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
    /// The phase, where it is known, and the duration of the phases until then.
    phase: Option<Phase>,
    phases: Vec<PhaseTime>,
    /// Whether it came after the verdicts, so that they stand in the reports.
    has_verdicts: bool,
}

/// The call, or an input file, is wrong.
const USAGE: u8 = 2;
/// The environment failed.
const ENVIRONMENT: u8 = 3;
/// Ended by a signal, as shells count.
const INTERRUPTED: u8 = 130;

impl Failure {
    /// The environment failed.
    pub(super) fn environment(message: String) -> Self {
        Self { message, code: ENVIRONMENT, ..Self::default() }
    }

    /// Adds the fix.
    #[must_use]
    pub(super) fn with_hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }

    /// The call is wrong.
    pub(super) fn usage(message: String, hint: String) -> Self {
        Self { message, hint: Some(hint), code: USAGE, ..Self::default() }
    }

    /// A bug of meshcheck: the message of the panic stands above.
    pub(super) fn bug() -> Self {
        Self::environment("a bug: the message above names its place in the code".into())
    }

    /// A signal ended it.
    pub(super) fn interrupted() -> Self {
        Self {
            message: "interrupted; nothing of this run is left".into(),
            code: INTERRUPTED,
            ..Self::default()
        }
    }

    /// A namespace of a probe may still exist, and this command deletes it.
    pub(super) fn left(reason: &str, command: &str) -> Self {
        Self {
            message: format!("meshcheck could not delete its temporary namespace: {reason}"),
            hint: Some(format!("delete it once the cluster answers again: `{command}`")),
            code: ENVIRONMENT,
            ..Self::default()
        }
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        self.code
    }

    /// That it came in this phase.
    #[must_use]
    pub(super) fn in_phase(self, phase: Option<Phase>) -> Self {
        Self { phase, ..self }
    }

    /// How long the phases took until then.
    #[must_use]
    pub(super) fn after(self, phases: Vec<PhaseTime>) -> Self {
        Self { phases, ..self }
    }

    /// Marks it as one that came after the verdicts, which have this exit code. 1 stays: a failing claim never
    /// looks like an environment that failed.
    #[must_use]
    pub(super) fn with_verdicts(self, code: u8) -> Self {
        let code = if code == 1 { code } else { self.code };
        Self { has_verdicts: true, code, ..self }
    }

    /// Whether the environment failed, which may pass.
    pub(super) fn is_environment(&self) -> bool {
        self.code == ENVIRONMENT
    }

    /// Whether it came after the verdicts, so that they stand in the reports.
    pub(super) fn has_verdicts(&self) -> bool {
        self.has_verdicts
    }

    /// The same, for reports in which there are no verdicts.
    pub(super) fn died(&self) -> Died {
        Died {
            reason: self.message.clone(),
            hint: self.hint.clone(),
            phase: self.phase,
            phases: self.phases.clone(),
        }
    }

    /// Adds another failure, unless its message is already part of this one.
    #[must_use]
    pub(super) fn and(mut self, other: &Self) -> Self {
        if !self.message.contains(&other.message) {
            self.message = format!("{}\nand then: {}", self.message, other.message);
        }
        self.hint = self.hint.or_else(|| other.hint.clone());
        self
    }

    /// Returns the error without its fix.
    pub(super) fn message(&self) -> String {
        text(&self.message)
    }

    /// Returns the error and its fix as one text.
    pub(super) fn text(&self) -> String {
        let message = text(&self.message);
        match &self.hint {
            Some(hint) => format!("{message}\nfix: {hint}"),
            None => message,
        }
    }

    /// Prints it on standard error.
    pub(super) fn print(&self) {
        let mut to = stderr().lock();
        // An answer may quote the question: a proxy's URL with a password.
        for (at, line) in text(&self.message).lines().enumerate() {
            let start = if at == 0 { "error: " } else { "  " };
            let _ = writeln!(to, "{start}{}", for_terminal(line));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(to, "fix: {}", for_terminal(hint));
        }
    }
}

/// Makes failures of errors, each with its fix and whether the call is wrong rather than the environment.
macro_rules! failures {
    ($($error:ty: |$it:ident| $hint:expr, $is_usage:expr;)+) => {$(
        impl From<$error> for Failure {
            fn from($it: $error) -> Self {
                let code = if $is_usage { USAGE } else { ENVIRONMENT };
                Self { message: without_error_numbers(&chain(&$it)), hint: $hint, code, ..Self::default() }
            }
        }
    )+};
}

failures! {
    ConnectError: |error| Some(error.hint()), error.is_usage();
    EvidenceFileError: |error| Some(error.hint()), !error.is_environment();
    SettingsError: |error| Some(error.hint()), true;
    ReportError: |error| Some(error.hint()), matches!(&error, ReportError::File { source, .. } if is_wrong_path(source));
    ClusterError: |error| error.hint(), error.is_usage();
    InstallError: |error| error.hint(), false;
    StateError: |error| error.hint(), false;
    SourceError: |error| Some(error.hint()), error.is_usage();
}
