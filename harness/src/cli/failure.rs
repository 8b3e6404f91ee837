//! The end of a command that could not do what it was to do: one error, one hint, an exit code.

use std::io::{Write as _, stderr};

use meshcheck_suites::redact::text;
use meshcheck_suites::report::PhaseTime;

use crate::chain;
use crate::cluster::ClusterError;
use crate::connect::ConnectError;
use crate::events::Phase;
use crate::evidence_file::EvidenceFileError;
use crate::install::InstallError;
use crate::report::{Died, ReportError, Style, hint};
use crate::settings::SettingsError;
use crate::source::SourceError;
use crate::state::StateError;
use crate::text::for_terminal;

/// Why a command ended early.
#[derive(Debug, Default)]
pub(super) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
    /// In which phase, where that is known, and how long the phases took until then.
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

    /// What to do about it.
    #[must_use]
    pub(super) fn with_hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }

    /// The call is wrong.
    pub(super) fn usage(message: String, hint: String) -> Self {
        Self { message, hint: Some(hint), code: USAGE, ..Self::default() }
    }

    /// A bug of ours: the panic has told where.
    pub(super) fn bug() -> Self {
        Self::environment("a bug: the message above says where".into())
    }

    /// The user ended it.
    pub(super) fn interrupted() -> Self {
        Self {
            message: "interrupted; what was made has been removed".into(),
            code: INTERRUPTED,
            ..Self::default()
        }
    }

    /// Something of ours is still there, and this command takes it away.
    pub(super) fn left(reason: &str, command: &str) -> Self {
        Self {
            message: format!("a namespace of ours may be left there: {reason}"),
            hint: Some(format!("`{command}` removes it once the cluster answers again")),
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

    /// That it came after the verdicts.
    #[must_use]
    pub(super) fn with_verdicts(self) -> Self {
        Self { has_verdicts: true, ..self }
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

    /// Another failure that came on top of this one. What was said already is not said again.
    #[must_use]
    pub(super) fn and(mut self, other: &Self) -> Self {
        if !self.message.contains(&other.message) {
            self.message = format!("{}\nand then: {}", self.message, other.message);
        }
        self.hint = self.hint.or_else(|| other.hint.clone());
        self
    }

    /// The error and its hint, in one text.
    pub(super) fn text(&self) -> String {
        let message = text(&self.message);
        match &self.hint {
            Some(hint) => format!("{message}\nhint: {hint}"),
            None => message,
        }
    }

    /// Prints it on standard error.
    pub(super) fn print(&self) {
        let mut to = stderr().lock();
        // What the world answered may hold what it was asked with: a proxy's URL with a password.
        for (at, line) in text(&self.message).lines().enumerate() {
            let start = if at == 0 { "error: " } else { "  " };
            let _ = writeln!(to, "{start}{}", for_terminal(line));
        }
        if let Some(words) = &self.hint {
            let _ = write!(to, "\n{}", hint("hint", words, "", Style::for_stderr()));
        }
    }
}

/// Makes failures of errors, each with its hint and whether the call is wrong rather than the environment.
macro_rules! failures {
    ($($error:ty: |$it:ident| $hint:expr, $is_usage:expr;)+) => {$(
        impl From<$error> for Failure {
            fn from($it: $error) -> Self {
                let code = if $is_usage { USAGE } else { ENVIRONMENT };
                Self { message: chain(&$it), hint: $hint, code, ..Self::default() }
            }
        }
    )+};
}

failures! {
    ConnectError: |error| Some(error.hint()), error.is_usage();
    EvidenceFileError: |error| Some(error.hint()), !matches!(error, EvidenceFileError::Write { .. });
    SettingsError: |error| Some(error.hint()), true;
    ReportError: |error| Some(error.hint()), false;
    ClusterError: |error| error.hint(), error.is_usage();
    InstallError: |error| error.hint(), false;
    StateError: |error| error.hint(), false;
    SourceError: |error| Some(error.hint()), error.is_usage();
}
