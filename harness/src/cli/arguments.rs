//! The command line: what can be asked, and the words of `--help`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use meshcheck_suites::{Pattern, preflight};

use super::candidates;
use crate::report::{Format, OutputOptions};
use crate::settings::parse_seconds;

/// Checks that a service-mesh tutorial holds: on a kind cluster of its own, or on yours.
#[derive(Debug, Parser)]
#[command(name = "meshcheck", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  meshcheck run                             # on this machine, with docker
  meshcheck check --context training-vm-7   # a cluster that is there
  meshcheck judge vm7.json.gz               # what somebody recorded
  meshcheck config > meshcheck.toml         # then say what your tutorial calls otherwise

Exit codes:
  0  every claim asked for holds
  1  at least one claim fails, or holds in other words than the tutorial's
  2  the call, or an input file, is wrong
  3  something could not be judged, or the environment failed; nothing failed
  130  ended by Ctrl-C or another signal: the first removes what was made, a second ends at once

Data goes to standard output, progress and messages to standard error.")]
pub struct Cli {
    /// The configuration [default: meshcheck.toml in this directory, or the one
    /// that the variable `MESHCHECK_CONFIG` names]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Provision a kind cluster, install the mesh and the demo, check every claim, report, remove
    #[command(after_help = "\
Examples:
  meshcheck run
  meshcheck run --bundle /media/stick/bundle --report html=report.html
  meshcheck run --keep --output json > report.json")]
    Run(Run),
    /// Provision and install only, and leave the cluster there
    #[command(after_help = "\
Examples:
  meshcheck up
  meshcheck up --kind-config wide.yaml   # a kind configuration of yours: other subnets, more nodes
  meshcheck check            # judges the cluster that `up` left
  meshcheck down")]
    Up(Up),
    /// Remove the clusters that `up` and `run --keep` left, and what killed runs left; nothing else
    #[command(after_help = "\
Examples:
  meshcheck down                                      # all clusters of ours that are not in use
  meshcheck down --leftovers                          # what killed runs left; what `up` left stays
  meshcheck down --leftovers --context training-vm-7  # and probes that a killed check left there")]
    Down(Down),
    /// Check the claims on a cluster that is there; creates nothing on it without --active
    #[command(after_help = "\
Examples:
  meshcheck check --context training-vm-7
  meshcheck check --context training-vm-7 --active --only 'ingress::*'
  meshcheck check --kubeconfig vm7.yaml --report html=vm7.html --report junit=vm7.xml

What rolls out as it begins is given half a minute (`limits.settle` of the configuration), and the
client one more turn of its loop where the backend replies and the log does not show it yet. Such
waits are told.")]
    Check(Check),
    /// Write down what `check` would look at, without judging it: one file, without secrets, to be
    /// judged elsewhere
    #[command(after_help = "\
Examples:
  meshcheck record --context training-vm-7 --out vm7.json.gz
  meshcheck record --context training-vm-7 --include-logs --out vm7.json.gz
  meshcheck judge vm7.json.gz")]
    Record(Record),
    /// Tell what a recorded file holds: looks, redactions, logs
    #[command(after_help = "\
Examples:
  meshcheck show vm7.json.gz
  meshcheck show vm7.json.gz --logs istiod")]
    Show(Show),
    /// Print the rights that `check` needs, for an account that has few
    #[command(after_help = "\
Examples:
  meshcheck rbac | kubectl apply -f -
  meshcheck rbac --active --namespace shop > rights.yaml

It makes the service account `meshcheck` in the namespace `default`; a token for it:
  kubectl --namespace default create token meshcheck --duration 24h

`preflight` is for who installs, and looks with the rights of that account: what it may not see is
unjudged, and names the verb and the resource.")]
    Rbac(Rbac),
    /// Judge recorded evidence; needs no cluster
    #[command(after_help = "\
Examples:
  meshcheck judge vm7.json.gz
  meshcheck judge vm7.json.gz --only mesh --output json")]
    Judge(Judge),
    /// Before the install: is this machine, or a cluster that is there, ready for the tutorial?
    #[command(after_help = "\
Examples:
  meshcheck preflight                              # this machine, where a cluster is to be made
  meshcheck preflight --bundle /media/stick/bundle
  meshcheck preflight --context training-vm-7      # a cluster that is there: creates nothing on it
  meshcheck preflight --context training-vm-7 --active --report html=vm7.html
  meshcheck preflight --only machine --quiet

A machine is looked at where it matters: with a cluster elsewhere it is not.")]
    Preflight(Preflight),
    /// Print the table of claims
    #[command(after_help = "\
Examples:
  meshcheck claims
  meshcheck claims --only mesh
  meshcheck claims --output json")]
    Claims(Claims),
    /// Explain a claim or a preflight check: what it means, how it is checked, how to fix it
    #[command(after_help = "\
Examples:
  meshcheck explain mesh::pods_ready
  meshcheck explain machine::docker_usable
  meshcheck explain 'kiali::*'")]
    Explain(Explain),
    /// Get the software into the cache, and print the directory of the bundle
    #[command(after_help = "\
Examples:
  meshcheck bundle                       # then copy the directory to a USB stick
  meshcheck run --bundle /media/stick/release-1.20.3-0123456789ab")]
    Bundle(BundleOptions),
    /// Print a configuration with every key and its default, or look at yours
    #[command(after_help = "\
Examples:
  meshcheck config > meshcheck.toml      # used by every command in this directory
  meshcheck config --check
  meshcheck --config meshcheck.toml config --check")]
    Config(Config),
    /// Print what makes a shell complete commands, options, contexts and claims
    #[command(after_help = "\
Examples:
  source <(meshcheck completions bash)
  meshcheck completions zsh > _meshcheck       # in a directory of your fpath
  meshcheck completions fish > meshcheck.fish  # in ~/.config/fish/completions")]
    Completions(Completions),
    /// Print the manual page, or write that of every command
    #[command(after_help = "\
Examples:
  meshcheck man > meshcheck.1
  meshcheck man --dir man1               # then `man man1/meshcheck-check.1`")]
    Man(Man),
    /// Whether the official releases can be reached from here
    #[command(hide = true)]
    ReleasesReachable,
    /// Provision and record for one nextest run: its setup script
    #[command(hide = true)]
    NextestSetup(NextestSetup),
}

/// Where the software comes from.
#[derive(Debug, Clone, Args)]
pub struct SourceOptions {
    /// Use the bundle in this directory instead of the official release
    #[arg(long, value_name = "DIR", env = "MESHCHECK_BUNDLE", value_hint = ValueHint::DirPath)]
    pub bundle: Option<PathBuf>,
    /// The version of Istio: what is installed, and what must be found [default: 1.20.3, or the
    /// bundle's]
    #[arg(long, value_name = "VERSION")]
    pub istio: Option<String>,
}

/// What a cluster of ours is made of.
#[derive(Debug, Clone, Args)]
pub struct Making {
    /// Where the software comes from.
    #[command(flatten)]
    pub source: SourceOptions,
    /// Make the cluster by this kind configuration: other subnets, ports, more nodes [default: the
    /// bundle's]
    #[arg(long, value_name = "FILE", env = "MESHCHECK_KIND_CONFIG", value_hint = ValueHint::FilePath)]
    pub kind_config: Option<PathBuf>,
}

/// Which claims.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Only these claims: an id, a section, or either with `*`; can be repeated
    #[arg(long, value_name = "PATTERN", value_parser = parse_pattern, add = ArgValueCandidates::new(candidates::claims))]
    pub only: Vec<Pattern>,
}

/// `meshcheck run`
#[derive(Debug, Args)]
pub struct Run {
    /// What the cluster is made of.
    #[command(flatten)]
    pub making: Making,
    /// Leave the cluster there; `meshcheck down` removes it
    #[arg(long)]
    pub keep: bool,
    /// Also write the evidence to this file; compressed, unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub evidence: Option<PathBuf>,
    /// Which claims.
    #[command(flatten)]
    pub selection: Selection,
    /// How verdicts are printed.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `meshcheck up`
#[derive(Debug, Args)]
pub struct Up {
    /// What the cluster is made of.
    #[command(flatten)]
    pub making: Making,
}

/// `meshcheck down`
#[derive(Debug, Args)]
pub struct Down {
    /// Only the cluster of this name [default: all that are ours and not in use]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::clusters))]
    pub name: Option<String>,
    /// Only what runs left that were killed: clusters, containers, and with --context or
    /// --kubeconfig the namespaces of their probes on that cluster
    #[arg(long, conflicts_with = "name")]
    pub leftovers: bool,
    /// The context of the cluster whose probes are looked for
    #[arg(long, value_name = "NAME", requires = "leftovers", add = ArgValueCandidates::new(candidates::contexts))]
    pub context: Option<String>,
    /// Its kubeconfig file [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "leftovers")]
    pub kubeconfig: Option<PathBuf>,
}

/// Which cluster, and what may be done to it.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The context of the kubeconfig [default: the cluster that `up` left, if there is one, else
    /// the current context]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::contexts))]
    pub context: Option<String>,
    /// The kubeconfig file [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
    /// Allow probes that create objects: in a namespace of our own, labelled, removed afterwards
    #[arg(long)]
    pub active: bool,
    /// Where Kiali is exposed, as a participant would open it [default: a port-forward with a
    /// second hop in front]
    #[arg(long, value_name = "URL")]
    pub kiali_url: Option<String>,
    /// The longest that any one look may take [default: 5]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<Duration>,
    /// What must be found there.
    #[command(flatten)]
    pub source: SourceOptions,
}

/// `meshcheck check`
#[derive(Debug, Args)]
pub struct Check {
    /// Which cluster.
    #[command(flatten)]
    pub target: Target,
    /// Also write the evidence to this file; compressed, unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub evidence: Option<PathBuf>,
    /// Which claims.
    #[command(flatten)]
    pub selection: Selection,
    /// How verdicts are printed.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `meshcheck record`
#[derive(Debug, Args)]
pub struct Record {
    /// Which cluster.
    #[command(flatten)]
    pub target: Target,
    /// The file to write; compressed, unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Also the ends of the logs of the mesh and of the demo, for who mends: secrets are redacted
    /// there too
    #[arg(long)]
    pub include_logs: bool,
}

/// `meshcheck show`
#[derive(Debug, Args)]
pub struct Show {
    /// The evidence, as `record` or `run --evidence` wrote it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print the logs whose name, NAMESPACE/POD/CONTAINER, holds this [default: all]
    #[arg(long, value_name = "PART", num_args = 0..=1, default_missing_value = "")]
    pub logs: Option<String>,
}

/// `meshcheck rbac`
#[derive(Debug, Args)]
pub struct Rbac {
    /// Also what `check --active` needs
    #[arg(long)]
    pub active: bool,
    /// Also what `record --include-logs` needs
    #[arg(long)]
    pub include_logs: bool,
    /// The namespace of the demo
    #[arg(long, value_name = "NAME", default_value = "client", value_parser = parse_namespace)]
    pub namespace: String,
    /// The namespace of the control plane
    #[arg(long, value_name = "NAME", default_value = "istio-system", value_parser = parse_namespace)]
    pub istio_namespace: String,
}

/// `meshcheck judge`
#[derive(Debug, Args)]
pub struct Judge {
    /// The evidence, as `record` or `run --evidence` wrote it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Which claims.
    #[command(flatten)]
    pub selection: Selection,
    /// How verdicts are printed.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `meshcheck preflight`
#[derive(Debug, Args)]
pub struct Preflight {
    /// The context of a cluster that is there [default: none, or the current one of --kubeconfig]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig file of a cluster that is there [default for --context: $KUBECONFIG, or
    /// ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Allow probes that create objects, in a namespace of our own, labelled, removed afterwards: a
    /// service that asks for an address, a pod that pulls an image
    #[arg(long)]
    pub active: bool,
    /// The longest that any one look may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    pub timeout: Duration,
    /// What is to be installed.
    #[command(flatten)]
    pub source: SourceOptions,
    /// Only these checks: an id, a section, or either with `*`; can be repeated
    #[arg(long, value_name = "PATTERN", value_parser = parse_check)]
    pub only: Vec<Pattern>,
    /// How verdicts are printed.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// `meshcheck claims`
#[derive(Debug, Args)]
pub struct Claims {
    /// Which claims.
    #[command(flatten)]
    pub selection: Selection,
    /// What standard output gets
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

/// `meshcheck explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// An id, a section, or either with `*` for any run of characters
    #[arg(value_name = "CLAIM", required = true, add = ArgValueCandidates::new(candidates::entries))]
    pub patterns: Vec<String>,
}

/// `meshcheck bundle`
#[derive(Debug, Args)]
pub struct BundleOptions {
    /// Where the software comes from.
    #[command(flatten)]
    pub source: SourceOptions,
    /// No progress
    #[arg(long, short)]
    pub quiet: bool,
}

/// `meshcheck config`
#[derive(Debug, Args)]
pub struct Config {
    /// Read the configuration that would be used, and tell what it says otherwise than the tutorial
    #[arg(long)]
    pub check: bool,
}

/// `meshcheck completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

/// The shells that can complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
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
pub struct Man {
    /// Write the pages of all commands into this directory, which is made where it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}

/// `meshcheck nextest-setup`
#[derive(Debug, Args)]
pub struct NextestSetup {
    /// What the cluster is made of.
    #[command(flatten)]
    pub making: Making,
}

fn parse_pattern(text: &str) -> Result<Pattern, String> {
    Pattern::parse::<preflight::evidence::PreflightEvidence>(text).map_err(|error| {
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
