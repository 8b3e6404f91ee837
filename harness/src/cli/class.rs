//! `class`: checks all machines of an inventory, and reports them together.

use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, Args, ValueHint};
use futures::stream::{self, StreamExt as _};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use meshcheck_suites::matches_text;

use super::arguments::{Judging, Namespaces, parse_entry};
use super::class_job::{self, JobOptions};
use super::class_look::Look;
use super::class_watch::{BoardOptions, watch};
use super::cleanup::listen;
use super::failure::Failure;
use super::software_options::SourceOptions;
use crate::class::inventory;
use crate::class::{Board, Machine, Row, State, Way};
use crate::report::{
    Format, Kind, ReportError, Selected, Style, class_commands, class_html, class_human,
    class_markdown, json, junit_of_outcomes, metrics, to_stdout, writable, write_files,
};
use crate::settings::{Settings, parse_wait};
use crate::text::for_terminal;

/// How many machines are checked together: most of the time, each waits for its network.
const JOBS: u16 = 32;

/// `meshcheck class`
#[derive(Debug, Args)]
#[command(mut_args(takes_checks))]
pub(crate) struct Class {
    /// The machines: a directory of kubeconfigs or of records, a kubeconfig, an Ansible inventory (INI, YAML, or the
    /// JSON of `ansible-inventory --list`), a list of hosts, a table (CSV), a class.toml, `-` for standard input, or
    /// hosts such as `vm[01-30].example.com`
    #[arg(value_name = "INVENTORY", value_hint = ValueHint::AnyPath)]
    pub(crate) inventory: String,
    /// Print the machines, and contact none
    #[arg(long)]
    pub(crate) list: bool,
    /// Only the contexts of a kubeconfig that match, with `*` for any characters
    #[arg(long, value_name = "PATTERN")]
    pub(crate) context: Option<String>,
    /// Only these machines: names, separated by commas, `*` for any characters
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) only_machines: Vec<String>,
    /// How many machines are checked together
    #[arg(long, value_name = "NUMBER", default_value_t = JOBS, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) jobs: u16,
    /// How long one machine may take: 30s, 2m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_wait)]
    pub(crate) deadline: Duration,
    /// Run the preflight on the machines instead: before the install, is each of them ready? Over ssh it checks the
    /// machine, with a kubeconfig the cluster
    #[arg(long, conflicts_with_all = ["namespace", "istio_namespace"])]
    pub(crate) preflight: bool,
    /// Also write the evidence of each machine to this directory; `meshcheck class DIR` reports it again
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) records: Option<PathBuf>,
    /// The program that is copied to machines [default: this one]; `cargo xtask static` makes one for every Linux
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) program: Option<PathBuf>,
    /// Delete the copy of the program on each machine afterwards
    #[arg(long)]
    pub(crate) remove: bool,
    #[command(flatten)]
    pub(crate) board: BoardOptions,
    #[command(flatten)]
    pub(crate) job: JobOptions,
    #[command(flatten)]
    pub(crate) namespaces: Namespaces,
    #[command(flatten)]
    pub(crate) source: SourceOptions,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// `meshcheck class`
pub(super) async fn class(arguments: Class, settings: &Settings) -> Result<u8, Failure> {
    let machines = machines(&arguments)?;
    if arguments.list {
        return list(&machines, arguments.judging.output.output);
    }
    if let Some(directory) = &arguments.job.job_out {
        return class_job::write_job(directory, machines, &arguments, settings);
    }
    let output = &arguments.judging.output;
    writable(output)?;
    if let Some(directory) = &arguments.records {
        super::create_records(directory)?;
    }
    let cancel = listen()?;
    let look = Look::new(&arguments, settings, &machines, &cancel)?;
    if arguments.board.is_live() {
        return Box::pin(watch(look, &machines)).await;
    }
    let board = look.at_all(&machines).await?;
    finish(&board, &machines, &arguments)
}

/// Lets `--only` and `--skip` select checks, too.
fn takes_checks(argument: Arg) -> Arg {
    match argument.get_id().as_str() {
        "only" | "skip" => argument.value_parser(parse_entry),
        _ => argument,
    }
}

/// Reads the inventory, and says as what.
fn machines(arguments: &Class) -> Result<Vec<Machine>, Failure> {
    let inventory = inventory::read(&arguments.inventory, arguments.context.as_deref());
    let inventory =
        inventory.map_err(|error| Failure::usage(error.to_string(), inventory::FIX.to_owned()))?;
    let all = inventory.machines.len();
    let noun = if all == 1 { "machine" } else { "machines" };
    super::say(&format!("inventory: {}, {all} {noun}", inventory.form));
    let only = &arguments.only_machines;
    let mut machines = inventory.machines;
    if let Some(unknown) =
        only.iter().find(|pattern| !machines.iter().any(|it| matches_text(pattern, &it.name)))
    {
        let known: Vec<_> = machines.iter().take(5).map(|it| it.name.as_str()).collect();
        return Err(Failure::usage(
            format!("no machine is called {unknown}"),
            format!("list them with --list: {}, …", known.join(", ")),
        ));
    }
    if !only.is_empty() {
        machines.retain(|it| only.iter().any(|pattern| matches_text(pattern, &it.name)));
    }
    Ok(machines)
}

fn list(machines: &[Machine], format: Format) -> Result<u8, Failure> {
    let text = if format == Format::Json {
        json(&serde_json::json!({ "machines": machines }))?
    } else {
        let width = machines.iter().map(|it| it.name.len()).max().unwrap_or_default();
        let line = |machine: &Machine| {
            let way = match &machine.way {
                Way::Ssh { address, user, port, options } => {
                    let user = user.as_ref().map(|it| format!("{it}@")).unwrap_or_default();
                    let port = port.map(|it| format!(" port {it}")).unwrap_or_default();
                    let options = match options.as_slice() {
                        [] => String::new(),
                        options => format!(" ({})", options.join(" ")),
                    };
                    format!("ssh {user}{address}{port}{options}")
                }
                Way::Kubeconfig { file, context } => {
                    format!("kubeconfig {} context {context}", file.display())
                }
                Way::Record(file) => format!("record {}", file.display()),
            };
            format!("{:width$}  {}\n", machine.name, for_terminal(&way))
        };
        machines.iter().map(line).collect()
    };
    to_stdout(&text)?;
    Ok(0)
}

impl Look<'_> {
    /// Checks all machines, each within its own time.
    async fn at_all(&self, machines: &[Machine]) -> Result<Board, Failure> {
        let mut board = self.board(machines.iter().map(|machine| machine.name.as_str()));
        let progress = &Progress::new(machines, self.arguments.judging.output.quiet);
        let looks = stream::iter(machines.iter().enumerate()).map(|(at, machine)| async move {
            (at, self.at(machine, |state| progress.show(at, machine, &state)).await)
        });
        let mut looks = looks.buffer_unordered(usize::from(self.arguments.jobs));
        loop {
            tokio::select! {
                next = looks.next() => match next {
                    Some((at, state)) => {
                        progress.show(at, &machines[at], &state);
                        board.machines[at].state = state;
                    }
                    None => return Ok(board),
                },
                () = self.cancel.cancelled() => return Err(Failure::interrupted()),
            }
        }
    }
}

/// Shows the machines while they are checked: a line that stays in place for each, or a line for each verdict where
/// there is no terminal.
struct Progress {
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    width: usize,
    quiet: bool,
}

impl Progress {
    fn new(machines: &[Machine], quiet: bool) -> Self {
        let width = machines.iter().map(|it| it.name.len()).max().unwrap_or_default();
        let is_terminal = stderr().is_terminal() && !quiet;
        let bars = is_terminal.then(|| {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("{prefix}  {wide_msg}");
            let bar = |machine: &Machine| {
                let bar = all.add(ProgressBar::new_spinner());
                if let Ok(style) = &style {
                    bar.set_style(style.clone());
                }
                bar.set_prefix(format!("{:width$}", machine.name));
                bar.set_message("waiting");
                bar
            };
            let bars = machines.iter().map(bar).collect();
            (all, bars)
        });
        Self { bars, width, quiet }
    }

    fn show(&self, at: usize, machine: &Machine, state: &State) {
        let row = Row { name: machine.name.clone(), state: state.clone() };
        let words = for_terminal(&crate::report::class_state(&row));
        match &self.bars {
            Some((_, bars)) => bars[at].set_message(words),
            None if self.quiet || matches!(state, State::Connecting | State::Checking) => {}
            None => super::say(&format!("{:width$}  {words}", row.name, width = self.width)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((all, _)) = &self.bars {
            // The report has the same rows.
            let _ = all.clear();
        }
    }
}

/// Prints and writes the reports. Returns the exit code.
fn finish(board: &Board, machines: &[Machine], arguments: &Class) -> Result<u8, Failure> {
    let output = &arguments.judging.output;
    let code = match &arguments.job.send {
        // The board judges: this call is done once it has all records.
        Some(_) => board.exit_code(&[]),
        None => board.exit_code(&output.counted()),
    };
    let text = match output.output {
        Format::Json => json(board)?,
        Format::Commands => class_commands(board, machines),
        Format::Human | Format::Short => class_human(board, Style::for_stdout(output)),
    };
    let written = to_stdout(&text).and(write_reports(board, arguments));
    written.map_err(|error| Failure::from(error).with_verdicts(code))?;
    Ok(code)
}

/// Writes the files of reports.
pub(super) fn write_reports(board: &Board, arguments: &Class) -> Result<(), ReportError> {
    write_files(&arguments.judging.output, |kind| match kind {
        Kind::Json => json(board),
        Kind::Junit => {
            let outcomes = board.machines.iter().map(|row| (row.name.as_str(), row.outcome()));
            let only = arguments.judging.selection.only.clone();
            let selected =
                if board.is_preflight() { Selected::Checks(only) } else { Selected::Claims(only) };
            junit_of_outcomes(outcomes, &selected)
        }
        Kind::Markdown => Ok(class_markdown(board)),
        Kind::Prom => {
            Ok(metrics(board.machines.iter().map(|row| (row.name.as_str(), row.report()))))
        }
        Kind::Html => class_html(board, &arguments.inventory),
    })
}
