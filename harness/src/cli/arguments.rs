//! The options of the commands, and the words of `--help`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use meshcheck_suites::{Pattern, preflight};

use super::candidates;
use crate::report::{Format, OutputOptions};
use crate::settings::parse_seconds;

/// Where the software comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceOptions {
    /// Use the bundle in this directory instead of the official release
    #[arg(long, value_name = "DIR", env = "MESHCHECK_BUNDLE", value_hint = ValueHint::DirPath)]
    pub(crate) bundle: Option<PathBuf>,
    /// The version of Istio: what is installed, and what must be found [default: 1.20.3, or the
    /// bundle's]
    #[arg(long, value_name = "VERSION")]
    pub(crate) istio: Option<String>,
}

/// What a cluster of ours is made of.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterOptions {
    #[command(flatten)]
    pub(crate) source: SourceOptions,
    /// Make the cluster by this kind configuration: other subnets, ports, more nodes [default: the
    /// bundle's]
    #[arg(long, value_name = "FILE", env = "MESHCHECK_KIND_CONFIG", value_hint = ValueHint::FilePath)]
    pub(crate) kind_config: Option<PathBuf>,
}

/// Which claims.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only these claims: an id, a section, or either with `*`; can be repeated
    #[arg(long, value_name = "PATTERN", value_parser = parse_pattern, add = ArgValueCandidates::new(candidates::claims))]
    pub(crate) only: Vec<Pattern>,
}

/// Which claims are judged, and where their verdicts go.
#[derive(Debug, Args)]
pub(crate) struct Judging {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// `meshcheck run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
    /// Leave the cluster there; `meshcheck down` removes it
    #[arg(long)]
    pub(crate) keep: bool,
    /// Also write the evidence to this file; compressed, unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) evidence: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// `meshcheck up`
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
}

/// `meshcheck down`
#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Only the cluster of this name [default: all that are ours and not in use]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::clusters))]
    pub(crate) name: Option<String>,
    /// Only what runs left that were killed: clusters, containers, and with --context or
    /// --kubeconfig the namespaces of their probes on that cluster
    #[arg(long, conflicts_with = "name")]
    pub(crate) leftovers: bool,
    /// The context of the cluster whose probes are looked for
    #[arg(long, value_name = "NAME", requires = "leftovers", add = ArgValueCandidates::new(candidates::contexts))]
    pub(crate) context: Option<String>,
    /// Its kubeconfig file [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "leftovers")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// Which cluster, and what may be done to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The context of the kubeconfig [default: the cluster that `up` left, if there is one, else
    /// the current context]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::contexts))]
    pub(crate) context: Option<String>,
    /// The kubeconfig file [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Allow probes that create objects: in a namespace of our own, labelled, removed afterwards
    #[arg(long)]
    pub(crate) active: bool,
    /// Where Kiali is exposed, as a participant would open it [default: a port-forward with a
    /// second hop in front]
    #[arg(long, value_name = "URL")]
    pub(crate) kiali_url: Option<String>,
    /// The longest that any one look may take [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) source: SourceOptions,
}

/// `meshcheck check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Also write the evidence to this file; compressed, unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) evidence: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// `meshcheck record`
#[derive(Debug, Args)]
pub(crate) struct Record {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The file to write; compressed, unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
    /// Also the ends of the logs of the mesh and of the demo, for who mends: secrets are redacted
    /// there too
    #[arg(long)]
    pub(crate) include_logs: bool,
}

/// `meshcheck show`
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The evidence, as `record` or `run --evidence` wrote it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the logs whose name, NAMESPACE/POD/CONTAINER, holds this [default: all]
    #[arg(long, value_name = "PART", num_args = 0..=1, default_missing_value = "")]
    pub(crate) logs: Option<String>,
}

/// `meshcheck rbac`
#[derive(Debug, Args)]
pub(crate) struct Rbac {
    /// Also what `check --active` needs
    #[arg(long)]
    pub(crate) active: bool,
    /// Also what `record --include-logs` needs
    #[arg(long)]
    pub(crate) include_logs: bool,
    /// The namespace of the demo
    #[arg(long, value_name = "NAME", default_value = "client", value_parser = parse_namespace)]
    pub(crate) namespace: String,
    /// The namespace of the control plane
    #[arg(long, value_name = "NAME", default_value = "istio-system", value_parser = parse_namespace)]
    pub(crate) istio_namespace: String,
}

/// `meshcheck judge`
#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// The evidence, as `record` or `run --evidence` wrote it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// `meshcheck preflight`
#[derive(Debug, Args)]
pub(crate) struct Preflight {
    /// The context of a cluster that is there [default: none, or the current one of --kubeconfig]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig file of a cluster that is there [default for --context: $KUBECONFIG, or
    /// ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Allow probes that create objects, in a namespace of our own, labelled, removed afterwards: a
    /// service that asks for an address, a pod that pulls an image
    #[arg(long)]
    pub(crate) active: bool,
    /// The longest that any one look may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) source: SourceOptions,
    /// Only these checks: an id, a section, or either with `*`; can be repeated
    #[arg(long, value_name = "PATTERN", value_parser = parse_check)]
    pub(crate) only: Vec<Pattern>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// `meshcheck claims`
#[derive(Debug, Args)]
pub(crate) struct Claims {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// What standard output gets
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// `meshcheck explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An id, a section, or either with `*` for any run of characters
    #[arg(value_name = "CLAIM", required = true, add = ArgValueCandidates::new(candidates::entries))]
    pub(crate) patterns: Vec<String>,
}

/// `meshcheck bundle`
#[derive(Debug, Args)]
pub(crate) struct BundleOptions {
    #[command(flatten)]
    pub(crate) source: SourceOptions,
    /// No progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// `meshcheck config`
#[derive(Debug, Args)]
pub(crate) struct Config {
    /// Read the configuration that would be used, and tell what it says otherwise than the tutorial
    #[arg(long)]
    pub(crate) check: bool,
}

/// `meshcheck completions`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}

/// The shells that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// Elvish.
    Elvish,
    /// `PowerShell`.
    #[value(name = "powershell")]
    Power,
}

/// `meshcheck man`
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write the pages of all commands into this directory, which is made where it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// `meshcheck nextest-setup`
#[derive(Debug, Args)]
pub(crate) struct NextestSetup {
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
}

fn parse_pattern(text: &str) -> Result<Pattern, String> {
    text.parse::<Pattern>().map_err(|error| {
        format!("{error}; `meshcheck claims` lists the claims, and `mesh`, `mesh::*` or `*redirected` would match some")
    })
}

/// A namespace's name, as Kubernetes allows it: it stands in a manifest.
fn parse_namespace(text: &str) -> Result<String, String> {
    let inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    let fits = (1..=63).contains(&text.len()) && text.bytes().all(inner);
    if fits && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("a namespace has a name of small letters, digits and hyphens".into())
    }
}

fn parse_check(text: &str) -> Result<Pattern, String> {
    Pattern::parse::<preflight::evidence::PreflightEvidence>(text).map_err(|error| {
        format!("{error}; `meshcheck preflight --output json` lists the checks, and `machine`, `cluster::*` or `*inotify` would match some")
    })
}
