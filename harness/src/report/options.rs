//! How verdicts are printed and written: the options that every judging command shares.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How verdicts are printed.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputOptions {
    /// What standard output gets
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
    /// Also write a report: junit=FILE, html=FILE or json=FILE; can be repeated
    #[arg(long = "report", value_name = "KIND=FILE", value_parser = parse_report)]
    pub reports: Vec<ReportFile>,
    /// Whether to use colour; the variable `NO_COLOR` is respected
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorChoice,
    /// No character beyond ASCII in what we write ourselves
    #[arg(long)]
    pub ascii: bool,
    /// Only what does not hold, and the summary
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Also the statement of each claim, what was seen where it holds, and the time of each look
    #[arg(long, short)]
    pub verbose: bool,
}

/// What standard output gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    #[default]
    Human,
    /// JSON for scripts: a contract.
    Json,
    /// About ten lines: the outcome, one line for each cause, and the sections.
    Short,
    /// The fixes as lines for a shell, the rest as comments.
    Commands,
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
    /// The contract's JSON.
    Json,
}

fn parse_report(text: &str) -> Result<ReportFile, String> {
    let kinds = "junit=FILE, html=FILE or json=FILE";
    let Some((kind, path)) = text.split_once('=') else {
        return Err(format!("it has no `=`: {kinds}"));
    };
    let kind = match kind {
        "junit" => Kind::Junit,
        "html" => Kind::Html,
        "json" => Kind::Json,
        other => return Err(format!("there is no report `{other}`: {kinds}")),
    };
    if path.is_empty() {
        return Err(format!("it names no file: {kinds}"));
    }
    Ok(ReportFile { kind, path: PathBuf::from(path) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_report_has_a_kind_and_a_file() {
        let report = parse_report("junit=out/a=b.xml").unwrap();
        assert_eq!(report, ReportFile { kind: Kind::Junit, path: "out/a=b.xml".into() });
    }

    #[rstest]
    #[case("report.xml", "no `=`")]
    #[case("pdf=x", "no report `pdf`")]
    #[case("json=", "no file")]
    fn what_is_wrong_is_said(#[case] text: &str, #[case] words: &str) {
        assert!(parse_report(text).unwrap_err().contains(words));
    }
}
