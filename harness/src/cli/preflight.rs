//! `preflight`: checks, before the install, whether this machine or an existing cluster is ready.

use meshcheck_suites::preflight::evidence::PreflightEvidence;
use tokio_util::sync::CancellationToken;

use super::arguments::{Preflight, PreflightTarget, Target};
use super::cleanup::{listen, remove_probes, until_cancelled};
use super::failure::Failure;
use super::observe::{self, LOOK};
use super::reports::{Judged, write_verdicts};
use super::software;
use super::software_options::{InstallOptions, SourceOptions};
use super::target::own_choice;
use crate::collect::Timings;
use crate::connect::Choice;
use crate::events::Events;
use crate::preflight::{Cluster, KernelFiles, Options, collect};
use crate::report::writable;
use crate::settings::Settings;
use crate::source::LATEST;
use crate::state::{ClusterState, State};

/// `meshcheck preflight`
pub(super) async fn preflight(arguments: Preflight, settings: &Settings) -> Result<u8, Failure> {
    writable(&arguments.output)?;
    let (evidence, timings) = collect_evidence(&arguments.target, settings, &listen()?).await?;
    let mut report = meshcheck_suites::judge(&evidence, &arguments.only);
    report.skip(&arguments.skip);
    if arguments.output.verbose {
        observe::print_timings(&timings);
    }
    write_verdicts(&[Judged::alone(&report, None)], &arguments.output)
}

impl Target {
    /// Returns the same for a preflight.
    pub(super) fn for_preflight(&self) -> PreflightTarget {
        let Self { context, kubeconfig, active, timeout, source, .. } = self.clone();
        let install =
            InstallOptions { bundle: source.bundle, istio: source.istio, kubernetes: None };
        PreflightTarget { context, kubeconfig, active, timeout: timeout.unwrap_or(LOOK), install }
    }
}

/// Collects the evidence of a preflight.
pub(super) async fn collect_evidence(
    arguments: &PreflightTarget,
    settings: &Settings,
    cancel: &CancellationToken,
) -> Result<(PreflightEvidence, Timings), Failure> {
    let own = find_own(arguments);
    let install = &arguments.install;
    let events = Events::silent();
    let choose = software::choose(install, settings, &events);
    let source = until_cancelled(cancel, Box::pin(choose)).await??;
    let istio = match &install.istio {
        Some(version) if version == LATEST => Some(source.versions()?.0),
        named => named.clone(),
    };
    let expected = SourceOptions { bundle: install.bundle.clone(), istio };
    let options = Options {
        expectations: software::expectations(&expected, settings, own.as_ref())?,
        source,
        software_named: install.bundle.is_some(),
        limit: arguments.timeout,
        kernel_files: KernelFiles::default(),
    };
    let named = arguments.context.is_some() || arguments.kubeconfig.is_some();
    if arguments.active && !named {
        return Err(Failure::usage(
            "--active needs a cluster, and the call names none".into(),
            "name a cluster with --context NAME or --kubeconfig FILE".into(),
        ));
    }
    let cluster = if named {
        let choice = choice(arguments, own.as_ref())?;
        until_cancelled(cancel, Box::pin(Cluster::reach(&choice))).await??
    } else {
        Cluster::NotNamed
    };
    let outcome = until_cancelled(cancel, Box::pin(collect(&cluster, &options))).await;
    match cluster.connection() {
        Some(connection) => remove_probes(connection, outcome).await,
        None => outcome,
    }
}

/// Returns the cluster of meshcheck whose context is named, where it is one.
fn find_own(arguments: &PreflightTarget) -> Option<ClusterState> {
    if arguments.kubeconfig.is_some() {
        return None;
    }
    let name = arguments.context.as_ref()?.strip_prefix("kind-")?;
    // Without a state directory meshcheck has no cluster.
    let state = State::from_environment().ok()?;
    let is_known = state.names().ok()?.iter().any(|known| known == name);
    is_known.then(|| state.read(name).ok()).flatten()
}

/// Returns how to connect to the cluster that is named: one of meshcheck, or any other.
fn choice(arguments: &PreflightTarget, own: Option<&ClusterState>) -> Result<Choice, Failure> {
    let (active, patience) = (arguments.active, arguments.timeout);
    Ok(match own {
        Some(cluster) => Choice { active, ..own_choice(cluster, patience)? },
        None => Choice {
            kubeconfig: arguments.kubeconfig.clone(),
            context: arguments.context.clone(),
            active,
            patience,
            ..Choice::default()
        },
    })
}
