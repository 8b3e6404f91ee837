//! Looks at a machine of a class, in its own way: with a kubeconfig from here, over `ssh`, or at its record.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;

use meshcheck_suites::evidence::Observation;
use meshcheck_suites::preflight::evidence::PreflightEvidence;
use meshcheck_suites::{Evidence, Pattern, Subject};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::arguments::{Namespaces, Target};
use super::class::Class;
use super::class_job;
use super::elsewhere::{self, Elsewhere};
use super::failure::Failure;
use super::observe::{CollectOptions, collect_evidence};
use super::preflight;
use super::send::Destination;
use crate::class::live::Judge;
use crate::class::remote::{Program, Remote};
use crate::class::{Board, Machine, State, Way};
use crate::evidence_file::{self, Record};
use crate::settings::Settings;
use crate::text::io_reason;

/// How a machine is checked.
pub(super) struct Look<'a> {
    pub(super) arguments: &'a Class,
    pub(super) settings: &'a Settings,
    pub(super) remote: Option<Remote>,
    /// Where records go.
    destination: Option<Destination>,
    pub(super) cancel: &'a CancellationToken,
    /// How evidence is judged.
    pub(super) judge: Judge,
    /// Whether it is the preflight's.
    is_preflight: bool,
    /// How many records are read and judged at a time.
    cores: Arc<Semaphore>,
}

impl<'a> Look<'a> {
    /// Prepares the look at these machines, and contacts none.
    pub(super) fn new(
        arguments: &'a Class,
        settings: &'a Settings,
        machines: &[Machine],
        cancel: &'a CancellationToken,
    ) -> Result<Self, Failure> {
        let is_preflight = arguments.preflight || is_record_of_preflight(machines.first());
        if is_preflight {
            check::<PreflightEvidence>(arguments)
        } else {
            check::<Evidence>(arguments)
        }?;
        let host = machines.iter().find(|machine| matches!(machine.way, Way::Ssh { .. }));
        let remote = host.map(|host| remote(arguments, settings, host)).transpose()?;
        let judge = judge(arguments, settings, is_preflight);
        let cores = available_parallelism().map_or(1, usize::from);
        let cores = Arc::new(Semaphore::new(cores));
        let destination = class_job::destination(arguments)?;
        Ok(Self { arguments, settings, remote, destination, cancel, judge, is_preflight, cores })
    }

    /// Returns a board for this look, on which every machine waits.
    pub(super) fn board<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Board {
        if self.is_preflight { Board::of_preflight(names) } else { Board::new(names) }
    }

    /// Checks a machine. `progress` gets each state on the way.
    pub(super) async fn at(&self, machine: &Machine, progress: impl Fn(State) + Sync) -> State {
        let record = match self.evidence(machine, progress).await {
            Ok(record) => record,
            Err(reason) => return State::NotReached(reason),
        };
        if let Some(board) = &self.destination
            && let Err(reason) = class_job::send(board, machine, &record).await
        {
            return State::NotReached(reason);
        }
        let judge = Arc::clone(&self.judge);
        match self.on_a_core(move || judge(&record)).await {
            Ok(report) => State::Judged(Box::new(report)),
            Err(reason) => State::NotReached(reason),
        }
    }

    /// Runs work that needs a processor and no network.
    pub(super) async fn on_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let core = core.map_err(|error| error.to_string())?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(core);
            done
        });
        done.await.map_err(|_| "the evidence cannot be judged: a bug of meshcheck".to_owned())?
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
    ) -> Result<Record, String> {
        progress(State::Connecting);
        let directory = self.arguments.records.as_ref();
        let file = directory.map(|it| it.join(format!("{}.json.gz", machine.name)));
        let keep = move |record: Record| {
            let written = file.map_or(Ok(()), |file| evidence_file::write(&file, &record));
            written.map_err(|error| error.to_string()).map(|()| record)
        };
        match &machine.way {
            Way::Record(file) => {
                let file = file.clone();
                let read = move || evidence_file::read_record(&file).map_err(|it| it.to_string());
                self.on_a_core(move || read().and_then(keep)).await
            }
            Way::Kubeconfig { file, context } => {
                progress(State::Checking);
                let record = self.look_from_here(file, context).await?;
                self.on_a_core(move || keep(record)).await
            }
            Way::Ssh { .. } => {
                let remote = self.remote.as_ref().ok_or("there is no program to copy")?;
                let bytes = remote.look(&machine.way, || progress(State::Checking)).await?;
                let name = PathBuf::from(&machine.name);
                let namespaces = self.arguments.namespaces.clone();
                let settings = self.settings.clone();
                self.on_a_core(move || {
                    let record = evidence_file::read_record_from(Cursor::new(bytes), &name);
                    let record = record.map_err(|error| error.to_string())?;
                    check_names(&record, &namespaces, &settings)?;
                    keep(record)
                })
                .await
            }
        }
    }

    /// Collects the evidence of a cluster, in a thread of its own: the answers of many clusters need all processors.
    async fn look_from_here(&self, file: &Path, context: &str) -> Result<Record, String> {
        let Class { namespaces, source, deadline, .. } = self.arguments;
        let (deadline, is_preflight) = (*deadline, self.is_preflight);
        let (settings, cancel) = (self.settings.clone(), self.cancel.clone());
        let target = Target {
            context: Some(context.to_owned()),
            kubeconfig: Some(file.to_owned()),
            active: false,
            kiali_url: None,
            timeout: settings.look,
            namespaces: namespaces.clone(),
            source: source.clone(),
        };
        let collect = async move || {
            if is_preflight {
                let target = target.for_preflight();
                let collected = preflight::collect_evidence(&target, &settings, &cancel);
                return Box::pin(collected).await.map(|(evidence, _)| Record::preflight(evidence));
            }
            let settle = deadline / 2;
            let options = CollectOptions { include_logs: false, quiet: true, settle, claims: None };
            let collected = collect_evidence(&target, &settings, options, &cancel);
            Box::pin(collected).await.map(|(evidence, _)| Record::Mesh(Box::new(evidence)))
        };
        let (sender, collected) = oneshot::channel();
        let runtime = Handle::current();
        let thread = std::thread::Builder::new().spawn(move || {
            let outcome =
                runtime.block_on(async { tokio::time::timeout(deadline, collect()).await });
            // Nobody waits any more where the program ends.
            let _ = sender.send(outcome);
        });
        thread.map_err(|error| format!("cannot start a thread: {}", io_reason(&error)))?;
        let record = match collected.await {
            Ok(Ok(Ok(record))) => record,
            Ok(Ok(Err(failure))) => {
                return Err(format!("from this machine: {}", failure.message()));
            }
            Ok(Err(_)) => {
                return Err(format!("no answer from here within {} s", deadline.as_secs()));
            }
            Err(_) => return Err("the evidence cannot be collected: a bug of meshcheck".into()),
        };
        match unreachable_server(&record) {
            Some(reason) => Err(format!("from this machine: {reason}")),
            None => Ok(record),
        }
    }
}

/// Why the server of a cluster does not answer. That is a verdict of a preflight where it runs on the machine itself,
/// and no verdict where the cluster may answer others.
fn unreachable_server(record: &Record) -> Option<&str> {
    let Record::Preflight(record) = record else { return None };
    let cluster = &record.preflight.cluster;
    match &cluster.server {
        Observation::Absent { reason } if !cluster.credentials_refused => Some(reason),
        _ => None,
    }
}

fn is_record_of_preflight(machine: Option<&Machine>) -> bool {
    let Some(Machine { way: Way::Record(file), .. }) = machine else { return false };
    // One that cannot be read is reported as such.
    matches!(evidence_file::read_record(file), Ok(Record::Preflight(_)))
}

/// Refuses patterns that select nothing of this kind of evidence.
fn check<E: Subject>(arguments: &Class) -> Result<(), Failure> {
    let selection = &arguments.judging.selection;
    let selects = |pattern: &Pattern| E::entries().iter().any(|entry| pattern.matches(entry));
    for (option, patterns) in [("--only", &selection.only), ("--skip", &selection.skip)] {
        if let Some(pattern) = patterns.iter().find(|pattern| !selects(pattern)) {
            let fix = if E::NOUN == "claim" {
                "select claims, or check before the install with --preflight"
            } else {
                "select sections (machine, software, cluster) or checks of the preflight"
            };
            let reason = format!("no {} matches `{pattern}` of {option}", E::NOUN);
            return Err(Failure::usage(reason, fix.into()));
        }
    }
    Ok(())
}

/// Returns how evidence is judged: by the options and the configuration. Evidence of the other kind is refused.
fn judge(arguments: &Class, settings: &Settings, is_preflight: bool) -> Judge {
    let selection = &arguments.judging.selection;
    let (only, skip) = (selection.only.clone(), selection.skip.clone());
    let waivers = settings.waivers.clone();
    Arc::new(move |record: &Record| {
        let mut report = match (record, &waivers) {
            (Record::Preflight(record), _) if is_preflight => {
                meshcheck_suites::judge(&record.preflight, &only)
            }
            (Record::Preflight(_), _) => {
                return Err("it is the evidence of a preflight: use --preflight".to_owned());
            }
            (Record::Mesh(_), _) if is_preflight => {
                return Err("it is the evidence of a mesh, not of a preflight".to_owned());
            }
            (Record::Mesh(evidence), Some(waivers)) => {
                let mut evidence = evidence.clone();
                evidence.expectations.waivers.clone_from(waivers);
                meshcheck_suites::judge(&*evidence, &only)
            }
            (Record::Mesh(evidence), None) => meshcheck_suites::judge(&**evidence, &only),
        };
        report.skip(&skip);
        Ok(report)
    })
}

/// Refuses evidence that was collected with other names than those of the configuration and the call.
fn check_names(
    record: &Record,
    namespaces: &Namespaces,
    settings: &Settings,
) -> Result<(), String> {
    let Some(_) = settings.file else { return Ok(()) };
    let recorded = match record {
        Record::Mesh(evidence) => &evidence.expectations,
        Record::Preflight(record) => record.preflight.expectations(),
    };
    let mut names = settings.expectations(&recorded.istio_version, "");
    namespaces.apply(&mut names).map_err(|failure| failure.message().clone())?;
    match names.differences(recorded).first() {
        Some(first) => {
            let file = settings.source();
            Err(format!("the machine used other names than those of {file}: {first}"))
        }
        None => Ok(()),
    }
}

/// Returns how machines are checked over `ssh`: with the names of the call and of the configuration. `host` is one of
/// them.
fn remote(arguments: &Class, settings: &Settings, host: &Machine) -> Result<Remote, Failure> {
    let here = std::env::current_exe();
    let path = arguments.program.clone().map_or(here, Ok);
    let program = path.and_then(|path| Program::read(&path)).map_err(|error| {
        let fix = "name the program with --program: `cargo xtask static` makes one";
        Failure::usage(format!("cannot read the program: {}", io_reason(&error)), fix.into())
    })?;
    let mut words: Vec<String> = ["record", "--out", "-", "--quiet"].map(Into::into).into();
    let why = format!("{} is checked over ssh", host.name);
    elsewhere::refuse_bundle_of_preflight(arguments, &why)?;
    let Elsewhere { options, configuration } = Elsewhere::of(arguments, settings)?;
    words.extend(options);
    if configuration.is_some() {
        words.extend(["--config".to_owned(), "-".to_owned()]);
    }
    Ok(Remote {
        program,
        arguments: words,
        input: configuration.unwrap_or_default(),
        remove: arguments.remove,
        deadline: arguments.deadline,
        connections: None,
    })
}
