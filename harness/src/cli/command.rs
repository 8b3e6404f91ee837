//! The command line: commands, global options, and the text of `--help`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

use super::arguments::{
    BundleOptions, Check, Claims, Completions, Config, Down, Explain, Judge, Man, NextestSetup,
    Preflight, Rbac, Record, Run, Schema, Show, Up, Versions,
};
use super::class::Class;
use super::diff_arguments::Diff;
use super::matrix::{MatrixArguments, MatrixCommand, MatrixReport};
use crate::report::{ColorChoice, OutputOptions};

/// Checks the claims of a service-mesh tutorial against a real cluster.
#[derive(Debug, Parser)]
#[command(name = "meshcheck", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  meshcheck run                             # create a kind cluster, check it, delete it
  meshcheck check --context training-vm-7   # check an existing cluster
  meshcheck judge vm7.json.gz               # judge recorded evidence, without a cluster
  meshcheck diff old.json.gz new.json.gz    # compare two records: does the tutorial still hold?
  meshcheck config > meshcheck.toml         # names that differ from the tutorial's

Exit codes:
  0  every selected claim holds
  1  at least one claim fails or is changed
  2  the call, or a file that it names, is wrong
  3  no claim fails, but one is unjudged, or meshcheck could not run
  130  interrupted: the first Ctrl-C removes what meshcheck created, a second one ends at once

Reports go to standard output, progress and errors to standard error.")]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options that every command takes, before and after its name.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalOptions {
    /// The configuration, `-` for standard input [default: `$MESHCHECK_CONFIG`, or meshcheck.toml in this directory]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Print only what does not hold, and the summary; no progress
    #[arg(long, short, global = true, overrides_with = "quiet")]
    pub(crate) quiet: bool,
    /// Also print the statement of each claim, what was observed where it holds, and times
    #[arg(long, short, global = true, overrides_with = "verbose")]
    pub(crate) verbose: bool,
    /// Use colour; the variable `NO_COLOR` turns it off
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: ColorChoice,
    /// Print only ASCII characters
    #[arg(long, global = true)]
    pub(crate) ascii: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a kind cluster, install Istio and the demo, check every claim, delete the cluster
    #[command(after_help = "\
Examples:
  meshcheck run
  meshcheck run --istio latest --kubernetes 1.34
  meshcheck run --bundle /media/stick/bundle --report html=report.html
  meshcheck run --keep --output json > report.json")]
    Run(Run),
    /// Create a kind cluster, install Istio and the demo, and keep the cluster
    #[command(after_help = "\
Examples:
  meshcheck up
  meshcheck up --kind-config wide.yaml   # your own kind configuration: other subnets, more nodes
  meshcheck check                        # check the cluster that `up` created
  meshcheck down")]
    Up(Up),
    /// Delete the clusters of `up` and `run --keep`, and the leftovers of killed runs
    #[command(after_help = "\
Examples:
  meshcheck down                                      # all clusters of meshcheck that are not in use
  meshcheck down --leftovers                          # only leftovers of killed runs
  meshcheck down --leftovers --context training-vm-7  # and the probes of a killed check there

It never deletes a cluster that meshcheck did not create.")]
    Down(Down),
    /// Check an existing cluster; creates nothing on it without --active
    #[command(after_help = "\
Examples:
  meshcheck check --context training-vm-7
  meshcheck check --context training-vm-7 --active --only 'ingress::*'
  meshcheck check --kubeconfig vm7.yaml --report html=vm7.html --report junit=vm7.xml
  meshcheck check --context training-vm-7 --wait 5m     # until all claims hold, 5 minutes at most
  meshcheck check --context training-vm-7 --watch 30s   # again and again, until Ctrl-C

Before it checks, it waits up to 30 seconds for rollouts (`limits.settle` in the configuration). The
demo client sends a request every 10 seconds: where its log lacks a reply, check waits for one more.")]
    Check(Check),
    /// Record the evidence of an existing cluster in one file, without secrets, to judge it elsewhere
    #[command(after_help = "\
Examples:
  meshcheck record --context training-vm-7 --out vm7.json.gz
  meshcheck record --context training-vm-7 --include-logs --out vm7.json.gz
  meshcheck judge vm7.json.gz
  meshcheck record --preflight --out vm7.json.gz                 # before the install, as `preflight` does
  meshcheck record --send http://board:8080 --token-file token   # to `class --serve`, from this machine")]
    Record(Record),
    /// Show the contents of recorded evidence: observations, redactions, logs
    #[command(after_help = "\
Examples:
  meshcheck show vm7.json.gz
  meshcheck show vm7.json.gz --logs istiod")]
    Show(Show),
    /// Print the RBAC manifest of the rights that `check` needs
    #[command(after_help = "\
Examples:
  meshcheck rbac | kubectl apply -f -
  meshcheck rbac --active --namespace shop > rights.yaml

The manifest creates the service account `meshcheck` in the namespace `default`. Create a token for it:
  kubectl --namespace default create token meshcheck --duration 24h

`preflight` needs the rights of the account that installs. Without a right, its check is unjudged,
and names the verb and the resource.")]
    Rbac(Rbac),
    /// Judge recorded evidence, one file or several, without a cluster
    #[command(after_help = "\
Examples:
  meshcheck judge vm7.json.gz
  meshcheck judge vm7.json.gz --only mesh --output json
  meshcheck judge vm*.json.gz --report junit=vms.xml    # one suite a file
  meshcheck judge - < vm7.json.gz                       # or piped from another program

The exit code of several files: 2 if a file cannot be read, else 1, else 3, else 0.")]
    Judge(Judge),
    /// Compare two files of evidence by meaning: which claims and outputs differ, and why
    #[command(after_help = "\
Examples:
  meshcheck diff istio-1.20.json.gz istio-1.31.json.gz
  meshcheck diff old.json.gz new.json.gz --view verdicts
  meshcheck diff old.json.gz new.json.gz --report markdown=diff.md --report html=diff.html

Exit codes:
  0  no difference in the view
  1  at least one difference
  2  a wrong call or file
  3  something could not be compared")]
    Diff(Diff),
    /// Check all machines of a class, over ssh or with kubeconfigs, and report them together
    #[command(after_help = "\
Examples:
  meshcheck class kubeconfigs/                     # a directory with a kubeconfig for each machine
  meshcheck class 'student@vm[01-30].example.com'  # over ssh, as your own `ssh` connects
  meshcheck class hosts.ini --list                 # print the machines, contact none
  meshcheck class hosts.ini --preflight            # before the install: which machines are ready?
  meshcheck class hosts.ini --records today/ --report json=class.json
  meshcheck class hosts.ini --only-machines vm03,vm04 --output commands
  meshcheck class today/                           # the same report again, of the records
  meshcheck class hosts.ini --watch 30s            # again and again, until Ctrl-C
  meshcheck class hosts.ini --serve 8080           # the same as a web page on this machine
  meshcheck class hosts.ini --serve 0.0.0.0:8080   # for others: it prints an address with a token
  meshcheck class kubeconfigs/ --send http://192.0.2.7:8080 --token-file token --job-out job/   # Kubernetes checks

Over ssh, the program is copied to ~/.cache/meshcheck/bin once; --remove deletes the copy. Host keys are
checked as ever: connect once by hand to a machine that you do not know yet.
Exit codes: 1 if a claim fails on a machine, else 3 if one was not reached or is unjudged, else 0. With --send:
3 if the board has not got every record, else 0.")]
    Class(Box<Class>),
    /// Provision, check and record several versions of Istio, and report them side by side
    #[command(after_help = "\
Examples:
  meshcheck matrix --istio 1.20.3,1.27.0 --report html=matrix.html
  meshcheck matrix --istio 1.20.3,1.31.1 --kubernetes 1.29.2,1.34.0   # the pairs that Istio supports
  meshcheck matrix --bundle lab --bundle lab-native-sidecars          # bundles that are on this machine
  meshcheck matrix                                                    # the columns of matrix.toml
  meshcheck matrix plan --output github                               # jobs for GitHub Actions
  meshcheck matrix report records/ --baseline last-week.json          # records from any machine

matrix.toml has a [[column]] for each mesh: `istio` and, if wanted, `kubernetes`, or `bundle`; `name` is
optional. A column whose record exists is not provisioned again. A column without a record leaves the
others alone. The exit code is that of the worst column: 1, else 3, else 0.")]
    Matrix(MatrixArguments),
    /// Check, before the install, whether this machine or an existing cluster is ready
    #[command(after_help = "\
Examples:
  meshcheck preflight                              # this machine, for a new cluster
  meshcheck preflight --bundle /media/stick/bundle
  meshcheck preflight --context training-vm-7      # an existing cluster: creates nothing on it
  meshcheck preflight --context training-vm-7 --active --report html=vm7.html
  meshcheck preflight --only machine --quiet

It checks this machine only where a cluster is to be created on it.")]
    Preflight(Preflight),
    /// List the claims
    #[command(after_help = "\
Examples:
  meshcheck claims
  meshcheck claims --only mesh
  meshcheck claims --output json")]
    Claims(Claims),
    /// Explain a claim or a preflight check: its meaning, its method, its fix
    #[command(after_help = "\
Examples:
  meshcheck explain mesh::pods_ready
  meshcheck explain machine::docker_usable
  meshcheck explain 'kiali::*'")]
    Explain(Explain),
    /// Download the software into the cache, and print the directory of the bundle
    #[command(after_help = "\
Examples:
  meshcheck bundle                       # then copy the directory to a USB stick
  meshcheck bundle --istio 1.31.1
  meshcheck run --bundle /media/stick/release-1.20.3-0123456789ab")]
    Bundle(BundleOptions),
    /// List the versions of Istio, Kubernetes and kind that can be installed together
    #[command(after_help = "\
Examples:
  meshcheck versions
  meshcheck versions --output json
  meshcheck run --istio 1.31.1 --kubernetes 1.34

A newer version than those listed is tried with the newest that is known, and the report notes it.")]
    Versions(Versions),
    /// Print the JSON Schema of a document that meshcheck writes
    #[command(after_help = "\
Examples:
  meshcheck schema report > report.schema.json
  meshcheck schema evidence")]
    Schema(Schema),
    /// Print a configuration with every key and its default, or check yours
    #[command(after_help = "\
Examples:
  meshcheck config > meshcheck.toml      # used by every command in this directory
  meshcheck config --check
  meshcheck --config meshcheck.toml config --check")]
    Config(Config),
    /// Print the completion script of a shell: commands, options, contexts, claims
    #[command(after_help = "\
Examples:
  source <(meshcheck completions bash)
  meshcheck completions zsh > _meshcheck       # in a directory of your fpath
  meshcheck completions fish > meshcheck.fish  # in ~/.config/fish/completions")]
    Completions(Completions),
    /// Print the manual page, or write the pages of all commands
    #[command(after_help = "\
Examples:
  meshcheck man > meshcheck.1
  meshcheck man --dir man1               # then `man man1/meshcheck-check.1`")]
    Man(Man),
    /// Check whether the official releases can be reached from here
    #[command(hide = true)]
    ReleasesReachable,
    /// Create a cluster and record its evidence for one run of nextest
    #[command(hide = true)]
    NextestSetup(NextestSetup),
}

impl Command {
    /// Returns how the command prints verdicts; nothing where it judges nothing.
    pub(super) fn output(&mut self) -> Option<&mut OutputOptions> {
        match self {
            Self::Run(Run { judging, .. })
            | Self::Check(Check { judging, .. })
            | Self::Judge(Judge { judging, .. }) => Some(&mut judging.output),
            Self::Preflight(preflight) => Some(&mut preflight.output),
            Self::Diff(diff) => Some(diff.output()),
            Self::Class(class) => Some(&mut class.judging.output),
            Self::Matrix(MatrixArguments { command, try_all }) => match command {
                None => Some(&mut try_all.judging.output),
                Some(MatrixCommand::Report(MatrixReport { judging, .. })) => {
                    Some(&mut judging.output)
                }
                Some(MatrixCommand::Plan(_)) => None,
            },
            _ => None,
        }
    }
}

impl Cli {
    /// Gives the global options to the command.
    #[must_use]
    pub(super) fn resolved(mut self) -> Self {
        let GlobalOptions { quiet, verbose, color, ascii, .. } = self.global;
        if let Some(output) = self.command.output() {
            output.quiet = quiet;
            output.verbose = verbose;
            output.color = color;
            output.ascii = ascii;
        }
        self
    }
}
