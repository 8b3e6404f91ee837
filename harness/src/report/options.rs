//! How verdicts are printed: the options that every judging command shares.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use meshcheck_suites::Verdict;

/// How verdicts are printed, and which of them count.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputOptions {
    /// The format of standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, ignore_case = true)]
    pub output: Format,
    /// Also write a report: junit=FILE, html=FILE, json=FILE, markdown=FILE or prom=FILE (for Prometheus),
    /// `-` for standard output; can be repeated
    #[arg(long = "report", value_name = "KIND=FILE", value_parser = parse_report)]
    pub reports: Vec<ReportFile>,
    /// The verdicts that count for the exit code: fail and changed end with 1, unjudged with 3
    #[arg(
        long,
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        ignore_case = true,
        default_value = "fail,changed,unjudged"
    )]
    pub fail_on: Vec<FailOn>,
    /// Whether to use colour.
    #[arg(skip)]
    pub color: ColorChoice,
    /// Whether to print only ASCII.
    #[arg(skip)]
    pub ascii: bool,
    /// Whether to print only what does not hold.
    #[arg(skip)]
    pub quiet: bool,
    /// Whether to print details of what holds.
    #[arg(skip)]
    pub verbose: bool,
}

impl OutputOptions {
    /// Lists the verdicts that count for the exit code.
    pub fn counted(&self) -> Vec<Verdict> {
        let verdict = |it: &FailOn| match it {
            FailOn::Fail => Verdict::Fail,
            FailOn::Changed => Verdict::Changed,
            FailOn::Unjudged => Verdict::Unjudged,
        };
        self.fail_on.iter().map(verdict).collect()
    }
}

/// What standard output gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    #[default]
    Human,
    /// JSON for scripts; its fields are stable.
    Json,
    /// About ten lines: the outcome, one line for each cause, and the sections.
    Short,
    /// The fixes as lines for a shell, the rest as comments.
    Commands,
}

/// A verdict that counts for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A claim that does not hold.
    Fail,
    /// A claim that holds, but differs from the tutorial's text.
    Changed,
    /// A claim that could not be checked.
    Unjudged,
}

/// Whether to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A report to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// What kind.
    pub kind: Kind,
    /// Where to.
    pub path: PathBuf,
}

/// A kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// For CI servers.
    Junit,
    /// One page for a browser.
    Html,
    /// JSON for scripts.
    Json,
    /// Text for job summaries and comments.
    Markdown,
    /// Prometheus' text.
    Prom,
}

/// The path that `-` stands for where a file is written.
pub(crate) const STDOUT: &str = "/dev/stdout";

/// Returns the path of a file to write; `-` is standard output.
pub(crate) fn output_path(text: &str) -> PathBuf {
    Path::new(if text == "-" { STDOUT } else { text }).to_owned()
}

/// Reads `KIND=FILE` for a report on verdicts. The second line of an error is its fix.
fn parse_report(text: &str) -> Result<ReportFile, String> {
    parse_kind(
        text,
        &[
            ("junit", Kind::Junit),
            ("html", Kind::Html),
            ("json", Kind::Json),
            ("markdown", Kind::Markdown),
            ("prom", Kind::Prom),
        ],
        "write --report junit=FILE, html=FILE, json=FILE, markdown=FILE or prom=FILE",
    )
}

/// Reads `KIND=FILE` for a report on a comparison. The second line of an error is its fix.
pub(crate) fn parse_diff_report(text: &str) -> Result<ReportFile, String> {
    parse_kind(
        text,
        &[("html", Kind::Html), ("markdown", Kind::Markdown), ("json", Kind::Json)],
        "write --report html=FILE, markdown=FILE or json=FILE",
    )
}

fn parse_kind(text: &str, kinds: &[(&str, Kind)], fix: &str) -> Result<ReportFile, String> {
    let (kind, path) = text.split_once('=').unwrap_or((text, ""));
    let kind = kind.to_lowercase();
    let kind = match kinds.iter().find(|(name, _)| *name == kind) {
        Some((_, kind)) => *kind,
        _ if !text.contains('=') => {
            return Err(format!("the kind of the report is missing\n{fix}"));
        }
        None => return Err(format!("`{kind}` is not a kind of report\n{fix}")),
    };
    if path.is_empty() {
        return Err(format!("the file is missing\n{fix}"));
    }
    Ok(ReportFile { kind, path: output_path(path) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("junit=out/a=b.xml", Kind::Junit, "out/a=b.xml")]
    #[case("HTML=r.html", Kind::Html, "r.html")]
    #[case("json=-", Kind::Json, STDOUT)]
    fn report_has_a_kind_and_a_file(#[case] text: &str, #[case] kind: Kind, #[case] path: &str) {
        assert_eq!(parse_report(text).unwrap(), ReportFile { kind, path: path.into() });
    }

    #[rstest]
    #[case("report.xml", "the kind of the report is missing\n")]
    #[case("pdf=x", "`pdf` is not a kind of report\n")]
    #[case("json=", "the file is missing\n")]
    #[case("json", "the file is missing\n")]
    fn wrong_report_is_named(#[case] text: &str, #[case] words: &str) {
        assert!(parse_report(text).unwrap_err().starts_with(words));
    }
}
