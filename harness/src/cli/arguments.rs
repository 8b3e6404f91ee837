//! The options of the commands, and the text of `--help`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::engine::ArgValueCandidates;
use meshcheck_suites::evidence::Expectations;
use meshcheck_suites::preflight::evidence::PreflightEvidence;
use meshcheck_suites::{CHECKS, CLAIMS, Pattern};

use super::candidates;
use super::failure::Failure;
use super::software_options::{ClusterOptions, InstallOptions, SourceOptions};
use crate::report::{Document, Format, OutputOptions, output_path};
use crate::settings::{SAME_NAMESPACE, parse_limit, parse_namespace, parse_url, parse_wait};
use crate::suggest::nearest_id;

/// The namespaces, where they differ from the configuration's.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Namespaces {
    /// The namespace of the demo [default: `demo.namespace` of the configuration, or client]
    #[arg(long, short, value_name = "NAME", value_parser = parse_namespace)]
    pub(crate) namespace: Option<String>,
    /// The namespace of the control plane [default: `istio.namespace` of the configuration, or
    /// istio-system]
    #[arg(long, value_name = "NAME", value_parser = parse_namespace)]
    pub(crate) istio_namespace: Option<String>,
}

impl Namespaces {
    /// Puts them in the place of the configuration's.
    pub(super) fn apply(&self, names: &mut Expectations) -> Result<(), Failure> {
        names.namespace = self.namespace.clone().unwrap_or_else(|| names.namespace.clone());
        let istio = self.istio_namespace.clone();
        names.istio_namespace = istio.unwrap_or_else(|| names.istio_namespace.clone());
        if names.namespace == names.istio_namespace {
            let fix = "name two namespaces with --namespace and --istio-namespace";
            return Err(Failure::usage(SAME_NAMESPACE.to_owned(), fix.to_owned()));
        }
        Ok(())
    }
}

/// Which claims.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Selection {
    /// Only these claims: ids, names or sections, separated by commas, `*` for any characters
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = parse_pattern, add = ArgValueCandidates::new(candidates::claims))]
    pub(crate) only: Vec<Pattern>,
    /// Skip these claims: patterns as for --only
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = parse_pattern, add = ArgValueCandidates::new(candidates::claims))]
    pub(crate) skip: Vec<Pattern>,
}

/// Which claims are judged, and where their verdicts go.
#[derive(Debug, Clone, Args)]
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
    /// Keep the cluster; `meshcheck down` deletes it
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) namespaces: Namespaces,
    /// Also write the evidence to this file, compressed unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = parse_evidence)]
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
    /// Only the cluster of this name [default: all clusters of meshcheck that are not in use]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::clusters))]
    pub(crate) name: Option<String>,
    /// Only leftovers of killed runs: clusters, containers, and with --context or --kubeconfig the
    /// namespaces of their probes on that cluster
    #[arg(long, conflicts_with = "name")]
    pub(crate) leftovers: bool,
    /// The context of the cluster with leftover probes
    #[arg(long, value_name = "NAME", requires = "leftovers", add = ArgValueCandidates::new(candidates::contexts))]
    pub(crate) context: Option<String>,
    /// The kubeconfig file of that cluster [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "leftovers")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// Which cluster, and what may be done to it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The context of the kubeconfig [default: the cluster that `up` created, or the current
    /// context]
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::contexts))]
    pub(crate) context: Option<String>,
    /// The kubeconfig file [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Also run probes that create objects, in a temporary namespace that is deleted afterwards
    #[arg(long)]
    pub(crate) active: bool,
    /// The address of Kiali, as a participant opens it [default: a port-forward]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub(crate) kiali_url: Option<String>,
    /// The time limit of each request: 5s, 1m30s [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = parse_limit)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) namespaces: Namespaces,
    #[command(flatten)]
    pub(crate) source: SourceOptions,
}

/// `meshcheck check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Check again until every claim holds, or until this time is over: 90s, 5m, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = parse_wait)]
    pub(crate) wait: Option<Duration>,
    /// Check again and again, with this pause, until Ctrl-C: 30s, 5m
    #[arg(long, value_name = "DURATION", value_parser = parse_wait, conflicts_with = "wait")]
    pub(crate) watch: Option<Duration>,
    /// Also write the evidence to this file, compressed unless its name ends in `.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = parse_evidence)]
    pub(crate) evidence: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// `meshcheck record`
#[derive(Debug, Args)]
pub(crate) struct Record {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The file to write, compressed unless its name ends in `.json`; `-` for standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = parse_output, required_unless_present = "send")]
    pub(crate) out: Option<PathBuf>,
    /// Also record the last lines of the logs of the mesh and of the demo, with secrets redacted
    #[arg(long)]
    pub(crate) include_logs: bool,
    /// Record the evidence of `meshcheck preflight` instead: of this machine, or of the cluster that is named
    #[arg(long, conflicts_with_all = ["include_logs", "kiali_url", "namespace", "istio_namespace"])]
    pub(crate) preflight: bool,
    /// Send the evidence to the board of a class at this address, such as `http://board:8080`, under the name of
    /// this machine; under another one with `http://board:8080/records/vm03`
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) send: Option<String>,
    /// The file with the board's token [default: the variable `MESHCHECK_TOKEN`]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "send")]
    pub(crate) token_file: Option<PathBuf>,
}

/// `meshcheck show`
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The evidence that `record` or `--evidence` wrote; `-` for standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Print the logs whose NAMESPACE/POD/CONTAINER contains this text [default: all]
    #[arg(long, value_name = "PART", num_args = 0..=1, default_missing_value = "")]
    pub(crate) logs: Option<String>,
}

/// `meshcheck rbac`
#[derive(Debug, Args)]
pub(crate) struct Rbac {
    /// Also the rights that `check --active` needs
    #[arg(long)]
    pub(crate) active: bool,
    /// Also the rights that `record --include-logs` needs
    #[arg(long)]
    pub(crate) include_logs: bool,
    /// The namespace of the demo
    #[arg(long, short, value_name = "NAME", default_value = "client", value_parser = parse_namespace)]
    pub(crate) namespace: String,
    /// The namespace of the control plane
    #[arg(long, value_name = "NAME", default_value = "istio-system", value_parser = parse_namespace)]
    pub(crate) istio_namespace: String,
}

/// `meshcheck judge`
#[derive(Debug, Args)]
pub(crate) struct Judge {
    /// The evidence that `record` or `--evidence` wrote; `-` for standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// What a preflight looks at.
#[derive(Debug, Clone, Args)]
pub(crate) struct PreflightTarget {
    /// The context of an existing cluster [default: none, or the current one of --kubeconfig]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig file of an existing cluster [default with --context: $KUBECONFIG, or
    /// ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Also run probes that create objects, in a temporary namespace that is deleted afterwards: a
    /// service of type LoadBalancer, a pod that pulls an image
    #[arg(long)]
    pub(crate) active: bool,
    /// The time limit of each request: 5s, 1m30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_limit)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) install: InstallOptions,
}

/// `meshcheck preflight`
#[derive(Debug, Args)]
pub(crate) struct Preflight {
    #[command(flatten)]
    pub(crate) target: PreflightTarget,
    /// Only these checks: ids, names or sections, separated by commas, `*` for any characters
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = parse_check)]
    pub(crate) only: Vec<Pattern>,
    /// Skip these checks: patterns as for --only
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = parse_check)]
    pub(crate) skip: Vec<Pattern>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// `meshcheck claims`
#[derive(Debug, Args)]
pub(crate) struct Claims {
    /// Only these claims: ids, names or sections, separated by commas, `*` for any characters
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', value_parser = parse_pattern, add = ArgValueCandidates::new(candidates::claims))]
    pub(crate) only: Vec<Pattern>,
    /// The format of standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, ignore_case = true)]
    pub(crate) output: Format,
}

/// `meshcheck explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An id, a name, a section, or one of these with `*` for any characters
    #[arg(value_name = "CLAIM", required = true, add = ArgValueCandidates::new(candidates::entries))]
    pub(crate) patterns: Vec<String>,
}

/// `meshcheck bundle`
#[derive(Debug, Args)]
pub(crate) struct BundleOptions {
    #[command(flatten)]
    pub(crate) install: InstallOptions,
}

/// `meshcheck versions`
#[derive(Debug, Args)]
pub(crate) struct Versions {
    /// The format of standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, ignore_case = true)]
    pub(crate) output: Format,
}

/// `meshcheck schema`
#[derive(Debug, Args)]
pub(crate) struct Schema {
    /// The document that the schema describes
    #[arg(value_name = "DOCUMENT", value_enum, ignore_case = true)]
    pub(crate) document: Document,
}

/// `meshcheck config`
#[derive(Debug, Args)]
pub(crate) struct Config {
    /// Read the configuration that is in use, and print how it differs from the tutorial
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
    /// Write the pages of all commands into this directory, which is created if it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}

/// `meshcheck nextest-setup`
#[derive(Debug, Args)]
pub(crate) struct NextestSetup {
    #[command(flatten)]
    pub(crate) cluster: ClusterOptions,
}

/// Reads a path to write to; `-` is standard output.
fn parse_output(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the file is missing\nname a file, or `-` for standard output".into());
    }
    Ok(output_path(text))
}

/// Reads a path for evidence beside a report, which has standard output.
fn parse_evidence(text: &str) -> Result<PathBuf, String> {
    let fix = "name a file, or write the evidence alone with `meshcheck record --out -`";
    match text {
        "-" => Err(format!("standard output gets the report\n{fix}")),
        "" => Err(format!("the file is missing\n{fix}")),
        file => Ok(file.into()),
    }
}

fn parse_pattern(text: &str) -> Result<Pattern, String> {
    let ids = CLAIMS.iter().map(|claim| claim.id);
    text.parse().map_err(|_| match Pattern::parse::<PreflightEvidence>(text) {
        Ok(_) => {
            format!("it selects checks of the preflight\nwrite `meshcheck preflight --only {text}`")
        }
        Err(_) => {
            unknown_pattern(text, "no claim matches it", ids, "list the claims: `meshcheck claims`")
        }
    })
}

fn parse_check(text: &str) -> Result<Pattern, String> {
    let ids = CHECKS.iter().map(|check| check.id);
    let list = "name a section (machine, software, cluster) or a check of `meshcheck preflight`";
    Pattern::parse::<PreflightEvidence>(text).map_err(|_| match text.parse::<Pattern>() {
        Ok(_) => format!("it selects claims, not checks\nwrite `meshcheck check --only {text}`"),
        Err(_) => unknown_pattern(text, "no check of the preflight matches it", ids, list),
    })
}

/// Reads a pattern that selects claims or checks. What it may select depends on the rest of the call.
pub(super) fn parse_entry(text: &str) -> Result<Pattern, String> {
    Pattern::parse::<PreflightEvidence>(text).or_else(|_| parse_pattern(text))
}

/// Describes a pattern that selects nothing, with the nearest id as fix.
fn unknown_pattern(
    text: &str,
    wrong: &str,
    ids: impl Iterator<Item = &'static str>,
    list: &str,
) -> String {
    if text.trim().is_empty() {
        return format!("the pattern is empty\n{list}");
    }
    match nearest_id(text, ids) {
        Some(id) => format!("{wrong}\ndid you mean `{id}`?"),
        None => format!("{wrong}\n{list}"),
    }
}
