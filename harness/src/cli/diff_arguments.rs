//! The options of `diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use meshcheck_suites::diff::View;

use crate::report::{Format, OutputOptions, ReportFile, parse_diff_report};

/// `meshcheck diff`
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The evidence of before; `-` for standard input
    #[arg(value_name = "OLD", value_hint = ValueHint::FilePath)]
    pub(crate) old: PathBuf,
    /// The evidence of now
    #[arg(value_name = "NEW", value_hint = ValueHint::FilePath)]
    pub(crate) new: PathBuf,
    /// What to compare
    #[arg(long, value_name = "VIEW", value_enum, default_value_t, ignore_case = true)]
    pub(crate) view: DiffView,
    /// The format of standard output
    #[arg(long = "output", value_name = "FORMAT", value_enum, default_value_t, ignore_case = true)]
    format: DiffFormat,
    /// Also write a report: html=FILE, markdown=FILE or json=FILE, `-` for standard output; can be repeated
    #[arg(long = "report", value_name = "KIND=FILE", value_parser = parse_diff_report)]
    reports: Vec<ReportFile>,
    /// Both of them, with the global options.
    #[arg(skip)]
    output: OutputOptions,
}

impl Diff {
    /// Returns how the comparison is printed.
    pub(super) fn output(&mut self) -> &mut OutputOptions {
        self.output.output = match self.format {
            DiffFormat::Human => Format::Human,
            DiffFormat::Json => Format::Json,
        };
        self.output.reports.clone_from(&self.reports);
        &mut self.output
    }

    /// Returns the same for reading.
    pub(super) fn options(&self) -> &OutputOptions {
        &self.output
    }
}

/// What a comparison shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffView {
    /// The verdicts, and the outputs that a reader of the tutorial sees.
    #[default]
    Tutorial,
    /// Only the verdicts of the claims.
    Verdicts,
    /// All observations, and the noise that is left out, counted by rule.
    All,
}

impl From<DiffView> for View {
    fn from(view: DiffView) -> Self {
        match view {
            DiffView::Tutorial => Self::Tutorial,
            DiffView::Verdicts => Self::Verdicts,
            DiffView::All => Self::All,
        }
    }
}

/// What standard output gets of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// Text for people.
    #[default]
    Human,
    /// JSON for scripts; its fields are stable.
    Json,
}
