//! `class`: checks all machines of an inventory, and reports them together.

use std::io::{Cursor, IsTerminal as _, stderr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use futures::stream::{self, StreamExt as _};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use meshcheck_suites::{Evidence, matches_text};
use tokio_util::sync::CancellationToken;

use super::arguments::{Judging, Namespaces, Target};
use super::class_job::{self, JobOptions};
use super::class_watch::{BoardOptions, watch};
use super::cleanup::listen;
use super::failure::Failure;
use super::observe::{CollectOptions, collect_evidence, judged};
use super::send::Destination;
use super::software_options::SourceOptions;
use crate::class::inventory;
use crate::class::remote::{Program, Remote};
use crate::class::{Board, Machine, Row, State, Way};
use crate::evidence_file;
use crate::report::{
    Format, Kind, ReportError, Style, class_commands, class_html, class_human, class_markdown,
    json, junit_of_outcomes, metrics, to_stdout, writable, write_files,
};
use crate::settings::{Settings, parse_wait};
use crate::text::{for_terminal, io_reason};

/// How many machines are checked together: most of the time, each waits for its network.
const JOBS: u16 = 32;

/// `meshcheck class`
#[derive(Debug, Args)]
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
    let board = class_job::destination(&arguments)?;
    if let Some(directory) = &arguments.records {
        super::create_records(directory)?;
    }
    let is_remote = machines.iter().any(|machine| matches!(machine.way, Way::Ssh { .. }));
    let remote = if is_remote { Some(remote(&arguments)?) } else { None };
    let cancel = listen()?;
    let look = Look { arguments: &arguments, settings, remote, board, cancel: &cancel };
    if arguments.board.is_live() {
        return Box::pin(watch(look, &machines)).await;
    }
    let board = look.at_all(&machines).await?;
    finish(&board, &machines, &arguments)
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

/// How machines are checked over `ssh`: with the names of the call.
fn remote(arguments: &Class) -> Result<Remote, Failure> {
    let here = std::env::current_exe();
    let path = arguments.program.clone().map_or(here, Ok);
    let program = path.and_then(|path| Program::read(&path)).map_err(|error| {
        let fix = "name the program with --program: `cargo xtask static` makes one";
        Failure::usage(format!("cannot read the program: {}", io_reason(&error)), fix.into())
    })?;
    let mut words: Vec<String> = ["record", "--out", "-", "--quiet"].map(Into::into).into();
    let Namespaces { namespace, istio_namespace } = &arguments.namespaces;
    for (option, value) in [
        ("--namespace", namespace),
        ("--istio-namespace", istio_namespace),
        ("--istio", &arguments.source.istio),
    ] {
        if let Some(value) = value {
            words.extend([option.to_owned(), value.clone()]);
        }
    }
    Ok(Remote {
        program,
        arguments: words,
        remove: arguments.remove,
        deadline: arguments.deadline,
        connections: None,
    })
}

/// How a machine is checked.
pub(super) struct Look<'a> {
    pub(super) arguments: &'a Class,
    pub(super) settings: &'a Settings,
    pub(super) remote: Option<Remote>,
    /// Where records go.
    pub(super) board: Option<Destination>,
    pub(super) cancel: &'a CancellationToken,
}

impl Look<'_> {
    /// Checks all machines, each within its own time.
    async fn at_all(&self, machines: &[Machine]) -> Result<Board, Failure> {
        let mut board = Board::new(machines.iter().map(|machine| machine.name.as_str()));
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

    /// Checks a machine. `progress` gets each state on the way.
    async fn at(&self, machine: &Machine, progress: impl Fn(State) + Sync) -> State {
        let mut evidence = self.evidence(machine, progress).await;
        if let (Ok(found), Some(board)) = (&evidence, &self.board)
            && let Err(reason) = class_job::send(board, machine, found).await
        {
            evidence = Err(reason);
        }
        match evidence {
            Ok(mut evidence) => {
                if let Some(waivers) = &self.settings.waivers {
                    evidence.expectations.waivers.clone_from(waivers);
                }
                State::Judged(Box::new(judged(&evidence, &self.arguments.judging)))
            }
            Err(reason) => State::NotReached(reason),
        }
    }

    /// Collects the evidence of a machine. `progress` gets each state on the way.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) async fn evidence(
        &self,
        machine: &Machine,
        progress: impl Fn(State) + Sync,
    ) -> Result<Evidence, String> {
        progress(State::Connecting);
        let evidence = match &machine.way {
            Way::Record(file) => evidence_file::read(file).map_err(|error| error.to_string()),
            Way::Kubeconfig { file, context } => {
                progress(State::Checking);
                self.look_from_here(file, context).await
            }
            Way::Ssh { .. } => match &self.remote {
                Some(remote) => self.there(remote, machine, || progress(State::Checking)).await,
                None => Err("there is no program to copy".to_owned()),
            },
        };
        self.keep(machine, evidence?)
    }

    async fn look_from_here(&self, file: &Path, context: &str) -> Result<Evidence, String> {
        let Class { namespaces, source, deadline, .. } = self.arguments;
        let target = Target {
            context: Some(context.to_owned()),
            kubeconfig: Some(file.to_owned()),
            active: false,
            kiali_url: None,
            timeout: None,
            namespaces: namespaces.clone(),
            source: source.clone(),
        };
        let options = CollectOptions {
            include_logs: false,
            quiet: true,
            settle: *deadline / 2,
            claims: None,
        };
        let collected = Box::pin(collect_evidence(&target, self.settings, options, self.cancel));
        match tokio::time::timeout(*deadline, collected).await {
            Ok(Ok((evidence, _))) => Ok(evidence),
            Ok(Err(failure)) => Err(format!("from this machine: {}", failure.message())),
            Err(_) => Err(format!("no answer from here within {} s", deadline.as_secs())),
        }
    }

    async fn there(
        &self,
        remote: &Remote,
        machine: &Machine,
        connected: impl FnOnce() + Send,
    ) -> Result<Evidence, String> {
        let bytes = remote.look(&machine.way, connected).await?;
        let name = PathBuf::from(&machine.name);
        let read = move || evidence_file::read_from(Cursor::new(bytes), &name);
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        read.map_err(|error| error.to_string())
    }

    /// Writes the evidence where that was asked for.
    fn keep(&self, machine: &Machine, evidence: Evidence) -> Result<Evidence, String> {
        if let Some(directory) = &self.arguments.records {
            let file = directory.join(format!("{}.json.gz", machine.name));
            evidence_file::write(&file, &evidence).map_err(|error| error.to_string())?;
        }
        Ok(evidence)
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
            junit_of_outcomes(outcomes, &arguments.judging.selection.only)
        }
        Kind::Markdown => Ok(class_markdown(board)),
        Kind::Prom => {
            Ok(metrics(board.machines.iter().map(|row| (row.name.as_str(), row.report()))))
        }
        Kind::Html => class_html(board, &arguments.inventory),
    })
}
