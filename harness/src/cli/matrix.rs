//! `matrix`: provisions and records several meshes, and reports them side by side.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use futures::stream::{self, StreamExt as _};
use meshcheck_bundle::Bundle;
use meshcheck_suites::hint::quote;

use super::arguments::Selection;
use super::cleanup::listen;
use super::failure::Failure;
use super::github;
use super::software_options::parse_release;
use crate::evidence_file;
use crate::matrix::{
    Column, ColumnError, Matrix, Software, Tried, github, jobs, name_of, of_file, of_versions,
    record,
};
use crate::report::{
    Format, Kind, OutputOptions, Selected, Style, json, junit_of_outcomes, matrix_html,
    matrix_human, matrix_markdown, metrics, to_stdout, writable, write_files,
};
use crate::settings::parse_kubernetes;
use crate::source::SourceError;
use crate::text::{for_terminal, io_reason};

/// The file that names the columns, where the call names none.
const FILE: &str = "matrix.toml";

/// `meshcheck matrix`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct MatrixArguments {
    #[command(subcommand)]
    pub(crate) command: Option<MatrixCommand>,
    #[command(flatten)]
    pub(crate) try_all: TryAll,
}

/// The parts of `meshcheck matrix`.
#[derive(Debug, Subcommand)]
pub(crate) enum MatrixCommand {
    /// Print the columns as the job matrix of a CI server
    Plan(Plan),
    /// Report recorded meshes side by side, without a cluster
    Report(MatrixReport),
}

/// Which meshes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Columns {
    /// The versions of Istio, separated by commas
    #[arg(long, value_name = "VERSIONS", value_delimiter = ',', value_parser = parse_release)]
    pub(crate) istio: Vec<String>,
    /// The versions of Kubernetes, separated by commas: every pair that Istio supports is a column [default: the one
    /// that fits each Istio]
    #[arg(long, value_name = "VERSIONS", value_delimiter = ',', requires = "istio", value_parser = parse_kubernetes)]
    pub(crate) kubernetes: Vec<String>,
    /// The file with the columns [default: matrix.toml, where the call names no version and no bundle]
    #[arg(long = "columns", value_name = "FILE", conflicts_with_all = ["istio", "kubernetes"], value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
}

impl Columns {
    /// Whether the call names any.
    fn are_named(&self) -> bool {
        !self.istio.is_empty() || self.file.is_some()
    }
}

/// `meshcheck matrix` without a further command
#[derive(Debug, Args)]
pub(crate) struct TryAll {
    #[command(flatten)]
    pub(crate) columns: Columns,
    /// A directory with a bundle, which is a column; can be repeated
    #[arg(long, value_name = "DIR", conflicts_with = "file", value_hint = ValueHint::DirPath)]
    pub(crate) bundle: Vec<PathBuf>,
    /// The directory of the records; a column that has one there is not provisioned again
    #[arg(long, value_name = "DIR", default_value = "matrix-records", value_hint = ValueHint::DirPath)]
    pub(crate) records: PathBuf,
    /// How many columns are provisioned at the same time [default: as many as this machine has room for]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: Option<u8>,
    #[command(flatten)]
    pub(crate) judging: MatrixJudging,
}

/// `meshcheck matrix plan`
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) columns: Columns,
    /// The CI server
    #[arg(long, value_name = "SERVER", value_enum)]
    pub(crate) output: Server,
}

/// A CI server with job matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Server {
    /// GitHub Actions: a value for `fromJSON`.
    Github,
}

/// `meshcheck matrix report`
#[derive(Debug, Args)]
pub(crate) struct MatrixReport {
    /// The records: evidence files, and directories of them
    #[arg(value_name = "RECORD", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) records: Vec<PathBuf>,
    /// With --istio or --columns: the columns that must have a record
    #[command(flatten)]
    pub(crate) columns: Columns,
    #[command(flatten)]
    pub(crate) judging: MatrixJudging,
}

/// Which claims are judged, what counts, and where it goes.
#[derive(Debug, Args)]
pub(crate) struct MatrixJudging {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The JSON report of an earlier matrix: what it has with the same verdict and cause does not count
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) baseline: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// `meshcheck matrix`
pub(super) async fn matrix(
    arguments: MatrixArguments,
    config: Option<&Path>,
) -> Result<u8, Failure> {
    match arguments.command {
        Some(MatrixCommand::Plan(plan)) => {
            let columns = columns(&plan.columns, &[])?;
            to_stdout(&format!("{}\n", github(&columns)))?;
            Ok(0)
        }
        Some(MatrixCommand::Report(report)) => {
            let judging = report.judging;
            check(&judging)?;
            let baseline = baseline(&judging)?;
            let mut tried = read_records(&report.records, &judging)?;
            if report.columns.are_named() {
                let columns = columns(&report.columns, &[])?;
                let is_there = |column: &&Column| tried.iter().any(|it| it.name == column.name);
                let missing: Vec<_> = columns.iter().filter(|it| !is_there(it)).collect();
                let reason = || "no record has this name".to_owned();
                tried.extend(missing.into_iter().map(|it| Tried::failed(&it.name, reason())));
            }
            let mut matrix = Matrix::new(tried);
            matrix.sort();
            finish(matrix, baseline.as_ref(), &judging)
        }
        None => try_all(arguments.try_all, config).await,
    }
}

/// Provisions every column that has no record yet, then reports all.
async fn try_all(arguments: TryAll, config: Option<&Path>) -> Result<u8, Failure> {
    let TryAll { judging, records, .. } = &arguments;
    check(judging)?;
    let baseline = baseline(judging)?;
    let columns = columns(&arguments.columns, &arguments.bundle)?;
    for column in &columns {
        if let Software::Bundle(directory) = &column.software {
            Bundle::open(directory).map_err(SourceError::from)?;
        }
    }
    super::create_records(records)?;
    let cancel = listen()?;
    let quiet = judging.output.quiet;
    let progress = |name: &str, line: &str| {
        // A job's log needs no line for each state that is waited for.
        if !quiet && !line.contains(": waiting for ") {
            super::say(&format!("{name}: {line}"));
        }
    };
    let jobs = arguments.jobs.map_or_else(jobs, usize::from);
    let tried = stream::iter(&columns).map(|column| {
        let (cancel, progress) = (&cancel, &progress);
        async move {
            let file = records.join(format!("{}.json.gz", column.name));
            if is_recorded(column, &file) {
                progress(&column.name, "recorded before; delete the record to provision it again");
            } else if cancel.is_cancelled() {
                return Err(Failure::interrupted());
            } else if let Err(reason) = record(column, &file, config, cancel, progress).await {
                return Ok(Tried::failed(&column.name, reason));
            }
            judge(&column.name, &file, judging)
        }
    });
    let tried: Vec<_> = tried.buffered(jobs).collect().await;
    if cancel.is_cancelled() {
        return Err(Failure::interrupted());
    }
    let tried = tried.into_iter().collect::<Result<Vec<_>, _>>()?;
    finish(Matrix::new(tried), baseline.as_ref(), judging)
}

/// Whether a file is the record of what a column installs now.
fn is_recorded(column: &Column, file: &Path) -> bool {
    let Ok(evidence) = evidence_file::read(file) else { return false };
    let Some(bundle) = &evidence.subject.bundle else { return false };
    let kubernetes = evidence.cluster.server_version.value();
    let kubernetes = kubernetes.map(|it| it.trim_start_matches('v'));
    match &column.software {
        Software::Bundle(directory) => {
            Bundle::open(directory).is_ok_and(|it| it.manifest().key == bundle.key)
        }
        Software::Release { istio, kubernetes: wanted } => {
            evidence.expectations.istio_version == *istio
                && bundle.origin == "release"
                && wanted.as_deref().is_none_or(|it| {
                    let it = it.trim_start_matches('v');
                    kubernetes.is_some_and(|seen| seen == it || seen.starts_with(&format!("{it}.")))
                })
        }
    }
}

/// Returns the columns that a call names.
fn columns(arguments: &Columns, bundles: &[PathBuf]) -> Result<Vec<Column>, Failure> {
    let wrong = |error: ColumnError| Failure::usage(error.to_string(), error.hint().into());
    if !arguments.istio.is_empty() || !bundles.is_empty() {
        let named = of_versions(&arguments.istio, &arguments.kubernetes, bundles);
        let (columns, left_out) = named.map_err(wrong)?;
        for reason in left_out {
            super::say(&format!("left out: {reason}"));
        }
        return Ok(columns);
    }
    let file = arguments.file.as_deref().unwrap_or(Path::new(FILE));
    if arguments.file.is_none() && !file.exists() {
        let fix = format!("name versions with --istio, or write {FILE} in this directory");
        return Err(Failure::usage("the call names no mesh".into(), fix));
    }
    of_file(file).map_err(wrong)
}

/// Checks what a call asks for before anything is provisioned.
fn check(judging: &MatrixJudging) -> Result<(), Failure> {
    let output = &judging.output;
    if output.output == Format::Commands {
        return Err(Failure::usage(
            "a matrix has no commands: its clusters are gone".into(),
            "write --output human, short or json".into(),
        ));
    }
    Ok(writable(output)?)
}

fn baseline(judging: &MatrixJudging) -> Result<Option<Matrix>, Failure> {
    let Some(file) = &judging.baseline else { return Ok(None) };
    let fix = "name the JSON report of a matrix: `meshcheck matrix … --report json=FILE` writes it";
    let wrong = |reason: String| {
        Failure::usage(format!("cannot read {}: {reason}", file.display()), fix.into())
    };
    let text = fs::read_to_string(file).map_err(|error| wrong(io_reason(&error)))?;
    let matrix = serde_json::from_str(&text);
    matrix.map(Some).map_err(|_| wrong("it is not the report of a matrix".into()))
}

/// Judges the record of a column.
fn judge(name: &str, file: &Path, judging: &MatrixJudging) -> Result<Tried, Failure> {
    let evidence = evidence_file::read(file)?;
    let mut report = meshcheck_suites::judge(&evidence, &judging.selection.only);
    report.skip(&judging.selection.skip);
    Ok(Tried::recorded(name, evidence, report))
}

/// Judges all records in these places.
fn read_records(places: &[PathBuf], judging: &MatrixJudging) -> Result<Vec<Tried>, Failure> {
    let mut files = Vec::new();
    for place in places {
        if !place.is_dir() {
            files.push(place.clone());
            continue;
        }
        let before = files.len();
        let entries = fs::read_dir(place).into_iter().flatten().flatten();
        let is_record = |path: &PathBuf| {
            let name = path.to_string_lossy();
            name.ends_with(".json.gz") || name.ends_with(".json")
        };
        files.extend(entries.map(|entry| entry.path()).filter(is_record));
        if files.len() == before {
            return Err(Failure::usage(
                format!("{} has no records", place.display()),
                "name a directory with files that end in .json.gz or .json".into(),
            ));
        }
        files[before..].sort();
    }
    let tried = files.iter().map(|file| judge(&name_of(file), file, judging));
    let tried = tried.collect::<Result<Vec<_>, _>>()?;
    for (at, column) in tried.iter().enumerate() {
        if tried[..at].iter().any(|other| other.name == column.name) {
            return Err(Failure::usage(
                format!("two records are called {}", column.name),
                format!("rename one of them, for example `mv {0} new-{0}`", quote(&column.name)),
            ));
        }
    }
    Ok(tried)
}

/// Compares with the baseline, prints and writes the reports. Returns the exit code.
fn finish(
    mut matrix: Matrix,
    baseline: Option<&Matrix>,
    judging: &MatrixJudging,
) -> Result<u8, Failure> {
    if let Some(baseline) = baseline {
        matrix.compare_with(baseline);
    }
    matrix.compare_columns();
    let output = &judging.output;
    let code = matrix.exit_code(&output.counted());
    let text = match output.output {
        Format::Json => json(&matrix)?,
        _ => matrix_human(&matrix, Style::for_stdout(output)),
    };
    let written = to_stdout(&text).and(write_files(output, |kind| match kind {
        Kind::Json => json(&matrix),
        Kind::Html => matrix_html(&matrix),
        Kind::Markdown => Ok(matrix_markdown(&matrix)),
        Kind::Prom => {
            Ok(metrics(matrix.columns.iter().map(|it| (it.name.as_str(), it.report.as_ref()))))
        }
        Kind::Junit => {
            let outcomes = matrix.columns.iter().map(|it| (it.name.as_str(), it.outcome()));
            junit_of_outcomes(outcomes, &Selected::Claims(judging.selection.only.clone()))
        }
    }));
    written.map_err(|error| Failure::from(error).with_verdicts(code))?;
    if github::is_job() {
        github::add_to_summary(&matrix_markdown(&matrix));
    }
    // The lines of a run told it before.
    for column in matrix.columns.iter().filter(|_| output.quiet) {
        for line in column.failed.iter().flat_map(|reason| reason.lines()) {
            super::say(&format!("{}: {}", column.name, for_terminal(line)));
        }
    }
    Ok(code)
}
