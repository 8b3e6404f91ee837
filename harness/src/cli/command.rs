//! The command line: what can be asked, and the words of `--help`.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};

use super::arguments::{
    BundleOptions, Check, Claims, Completions, Config, Down, Explain, Judge, Man, NextestSetup,
    Preflight, Rbac, Record, Run, Show, Up,
};
use crate::report::OutputOptions;

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
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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

impl Command {
    /// Returns where verdicts go; nothing where a command judges nothing.
    pub(super) fn output(&self) -> Option<&OutputOptions> {
        match self {
            Self::Run(Run { judging, .. })
            | Self::Check(Check { judging, .. })
            | Self::Judge(Judge { judging, .. }) => Some(&judging.output),
            Self::Preflight(preflight) => Some(&preflight.output),
            _ => None,
        }
    }
}
