//! `class --send` and `class --job-out`: machines that are checked elsewhere, and records that go to a board.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use meshcheck_suites::hint::quote;

use super::class::Class;
use super::cleanup::listen;
use super::elsewhere::{self, Elsewhere};
use super::failure::Failure;
use super::send::Destination;
use crate::atomic_file;
use crate::class::job::{self, DirectoryError, Job, Plan};
use crate::class::{LONGEST_NAME, Machine, Way};
use crate::connect::embed::{self, EmbedError, Unreachable};
use crate::evidence_file::{self, Record};
use crate::report::counted;
use crate::settings::{Settings, format_duration, parse_namespace};

/// How many refused machines a message names.
const NAMED: usize = 5;

/// The options of machines that are checked elsewhere.
#[derive(Debug, Args)]
#[command(next_help_heading = "Records for a board, and Kubernetes as the engine")]
pub(crate) struct JobOptions {
    /// Send each record to the board at this address, such as `http://board:8080`, with the token of --token-file or
    /// `MESHCHECK_TOKEN`. The exit code is 0 once the board has all of them, else 3: the board judges them
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, group = "board", conflicts_with = "watch")]
    pub(crate) send: Option<String>,
    /// Contact no machine: write an Indexed Job into this directory, whose pods check the machines of kubeconfigs and
    /// send their records
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "send", conflicts_with_all = ["list", "records", "program", "remove"])]
    pub(crate) job_out: Option<PathBuf>,
    /// Only the machines without a readable record in this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "job_out")]
    pub(crate) failed: Option<PathBuf>,
    /// How many pods share the machines [default: one for each 10 machines]
    #[arg(long, value_name = "NUMBER", requires = "job_out", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) pods: Option<u16>,
    /// The image of the program, which `cargo xtask image` makes
    #[arg(long, value_name = "NAME", requires = "job_out", default_value = job::IMAGE, value_parser = parse_image)]
    pub(crate) image: String,
    /// Put the Job into this existing namespace [default: `meshcheck-class`, which is created and deleted with it]
    #[arg(long, value_name = "NAME", requires = "job_out", value_parser = parse_namespace)]
    pub(crate) job_namespace: Option<String>,
}

/// Reads the name of an image.
fn parse_image(text: &str) -> Result<String, String> {
    let is_good = |it: char| it.is_ascii_alphanumeric() || "._-:/@".contains(it);
    let begins = text.starts_with(|it: char| it.is_ascii_alphanumeric());
    if begins && text.chars().all(is_good) {
        return Ok(text.to_owned());
    }
    Err("it is no name of an image\nwrite it as in `registry.example.com/meshcheck:0.1.0`".into())
}

/// Returns the board to which records go.
pub(super) fn destination(arguments: &Class) -> Result<Option<Destination>, Failure> {
    let token_file = arguments.board.token_file.as_deref();
    let board = |url: &String| Destination::board(url, token_file);
    arguments.job.send.as_ref().map(board).transpose()
}

/// Sends the evidence of a machine.
///
/// # Errors
///
/// Why the board does not have it.
pub(super) async fn send(
    board: &Destination,
    machine: &Machine,
    record: &Record,
) -> Result<(), String> {
    let board = board.of_machine(&machine.name);
    let sent = match record {
        Record::Mesh(evidence) => {
            let mut evidence = evidence.clone();
            // The kubeconfig is a file of this machine, and its current context is nothing to the board.
            evidence.subject.kubeconfig = None;
            evidence.subject.context_is_current = false;
            board.send(&evidence).await
        }
        Record::Preflight(_) => board.send(record).await,
    };
    sent.map_err(|failure| failure.message())
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        let fix = match &error {
            DirectoryError::Io { directory, error }
                if [ErrorKind::NotFound, ErrorKind::StorageFull].contains(&error.kind()) =>
            {
                atomic_file::hint(directory, error)
            }
            _ => "name another directory with --job-out".into(),
        };
        match &error {
            DirectoryError::Io { error: reason, .. } if !atomic_file::is_wrong_path(reason) => {
                Self::environment(error.to_string()).with_hint(&fix)
            }
            _ => Self::usage(error.to_string(), fix),
        }
    }
}

/// Writes the Job of a class.
pub(super) fn write_job(
    directory: &Path,
    machines: Vec<Machine>,
    arguments: &Class,
    settings: &Settings,
) -> Result<u8, Failure> {
    let board = destination(arguments)?;
    let board = board.ok_or_else(|| Failure::usage("--send is missing".into(), SEND.into()))?;
    // `requires` has seen to it.
    let url = arguments.job.send.as_deref().unwrap_or_default();
    if let Err(Unreachable::Loopback(error)) = embed::reaches_others("host", url) {
        let message = format!("pods cannot send to {url}: {error}");
        return Err(Failure::usage(message, SEND.into()));
    }
    elsewhere::refuse_bundle_of_preflight(arguments, "pods run the preflight")?;
    let all = machines.len();
    let machines = match &arguments.job.failed {
        Some(records) => without_record(machines, records)?,
        None => machines,
    };
    if machines.is_empty() {
        super::say(&format!("each of the {all} machines has a record: no Job was written"));
        return Ok(0);
    }
    let Elsewhere { options, configuration } = Elsewhere::of(arguments, settings)?;
    let machines = embedded(&machines)?;
    let plan = Plan {
        machines: &machines,
        pods: arguments.job.pods,
        image: &arguments.job.image,
        namespace: arguments.job.job_namespace.as_deref(),
        board: url,
        token: board.token(),
        arguments: &pod_arguments(arguments, options),
        configuration: configuration.as_deref(),
    };
    let made = job::manifests(&plan).map_err(|error| {
        let fix = "write several Jobs: --only-machines selects machines";
        Failure::usage(error.to_string(), fix.into())
    })?;
    // From here on, a signal waits until all is written.
    let _cancel = listen()?;
    job::write(directory, &made.files)?;
    describe(directory, &made, machines.len(), &arguments.job);
    Ok(0)
}

/// The fix for a board that pods do not reach.
const SEND: &str =
    "name the address under which pods reach the board: --send http://192.0.2.7:8080";

/// Returns the arguments of the pods besides those that every Job has.
fn pod_arguments(arguments: &Class, options: Vec<String>) -> Vec<String> {
    let own = [
        "--jobs".to_owned(),
        arguments.jobs.to_string(),
        "--deadline".to_owned(),
        format_duration(arguments.deadline),
    ];
    own.into_iter().chain(options).collect()
}

/// Leaves out the machines with a readable record.
fn without_record(machines: Vec<Machine>, records: &Path) -> Result<Vec<Machine>, Failure> {
    if !records.is_dir() {
        let message =
            format!("cannot read the records in {}: no such directory", records.display());
        let fix = "name the directory of --records, or records/ in that of --history";
        return Err(Failure::usage(message, fix.into()));
    }
    let all = machines.len();
    let has_record = |machine: &Machine| {
        let files = ["json.gz", "json"].map(|end| records.join(format!("{}.{end}", machine.name)));
        let Some(file) = files.into_iter().find(|file| file.exists()) else { return false };
        let read = evidence_file::read_record(&file);
        if let Err(error) = &read {
            super::say(&format!("note: {error}; {} is checked again", machine.name));
        }
        read.is_ok()
    };
    let missing: Vec<_> = machines.into_iter().filter(|machine| !has_record(machine)).collect();
    super::say(&format!("machines without a record: {} of {all}", missing.len()));
    Ok(missing)
}

/// Why pods cannot check a machine.
struct Refusal {
    reason: String,
    fix: String,
}

impl From<EmbedError> for Refusal {
    fn from(error: EmbedError) -> Self {
        Self { reason: error.to_string(), fix: error.fix() }
    }
}

/// Returns each machine's name and its kubeconfig with all that it needs. If pods cannot check one, none is written.
fn embedded(machines: &[Machine]) -> Result<Vec<(String, String)>, Failure> {
    let mut all = Vec::new();
    let mut refused = Vec::new();
    for machine in machines {
        match embedded_kubeconfig(machine) {
            Ok(kubeconfig) => all.push((machine.name.clone(), kubeconfig)),
            Err(refusal) => refused.push((&machine.name, refusal)),
        }
    }
    let Some((_, Refusal { fix, .. })) = refused.first() else { return Ok(all) };
    let number = refused.len();
    let noun = if number == 1 { "machine" } else { "machines" };
    let mut message = format!("pods cannot check {number} {noun}; no Job was written");
    for (name, Refusal { reason, .. }) in refused.iter().take(NAMED) {
        let _ = write!(message, "\n{name}: {reason}");
    }
    if number > NAMED {
        let _ = write!(message, "\nand {} more", number - NAMED);
    }
    Err(Failure::usage(message, fix.clone()))
}

fn embedded_kubeconfig(machine: &Machine) -> Result<String, Refusal> {
    let length = machine.name.len();
    if length > LONGEST_NAME {
        return Err(Refusal {
            reason: format!("its name has {length} bytes, and the board takes {LONGEST_NAME}"),
            fix: "give the machine a shorter name".into(),
        });
    }
    match &machine.way {
        Way::Kubeconfig { file, context } => Ok(embed::embed(file, context)?),
        Way::Ssh { .. } => Err(Refusal {
            reason: "it is reached over ssh, for which pods have no keys".into(),
            fix:
                "name the machine's kubeconfig, or send from the machine: `meshcheck record --send`"
                    .into(),
        }),
        Way::Record(file) => Err(Refusal {
            reason: format!("it is a record, {}", file.display()),
            fix: "name the kubeconfigs of the machines; --failed takes a directory of records"
                .into(),
        }),
    }
}

/// Says what was written, and what to type.
fn describe(directory: &Path, made: &Job, machines: usize, options: &JobOptions) {
    let Job { name, namespace, pods, files } = made;
    let place = quote(&directory.to_string_lossy());
    let (files, image) = (files.len(), &options.image);
    let (machines, pods) = (counted(machines, "machine"), counted(*pods, "pod"));
    for line in [
        format!(
            "written: {place} ({files} files, which contain secrets): {machines}, {pods}, image {image}"
        ),
        format!("start:   kubectl apply -f {place}"),
        format!("follow:  kubectl -n {namespace} get job {name} --watch"),
        format!("delete:  kubectl delete -f {place}"),
    ] {
        super::say(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("")]
    #[case("-meshcheck")]
    #[case("mesh check:1")]
    #[case("meshcheck$(x)")]
    fn text_that_is_no_image_is_refused(#[case] text: &str) {
        assert!(parse_image(text).is_err());
    }
}
