//! `run`, `up`, `down`: clusters of our own, and their end, whatever happens.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::{Evidence, Expectations};
use tokio_util::sync::CancellationToken;

use super::arguments::{Down, Run, SourceOptions, Up};
use super::failure::Failure;
use super::software;
use crate::cluster::{self, Ended, Provisioned};
use crate::collect::{Options, collect};
use crate::connect::{Choice, Connection, connect};
use crate::events::{Events, Phase};
use crate::install::{self, Installed, Site};
use crate::report::{emit, emit_died, to_stdout, writable};
use crate::state::State;
use crate::{evidence_file, progress, signals};

/// How long one look may take in a run of our own: the cluster may still be busy.
const LOOK: Duration = Duration::from_secs(10);

/// How long rollouts may take to come to an end in a run of our own.
const SETTLE: Duration = Duration::from_mins(1);

/// A cluster of ours with everything on it.
pub(super) struct Running {
    cluster: Provisioned,
    connection: Connection,
    installed: Installed,
}

/// `meshcheck run`
pub(super) async fn run(arguments: Run) -> Result<u8, Failure> {
    writable(&arguments.output)?;
    let start = Instant::now();
    let (events, receiver) = Events::channel();
    let shown = progress::show(receiver, arguments.output.quiet);
    let cancel = listen()?;
    let outcome = provision_and_look(&arguments.source, arguments.keep, &events, &cancel).await;
    if outcome.is_ok() {
        events.keep("total", start.elapsed());
    }
    let (phases, failed) = (events.times(), events.failed());
    drop(events);
    // Its last lines come before the report.
    let _ = shown.await;
    let evidence = match outcome {
        Ok(evidence) => evidence,
        Err(failure) => {
            let only = &arguments.selection.only;
            let told = emit_died(failed, &failure.text(), only, &arguments.output);
            return Err(failure.and_then(told));
        }
    };
    // Evidence that cannot be written keeps no report from being written.
    let kept = arguments.evidence.iter().try_for_each(|it| evidence_file::write(it, &evidence));
    let mut report = meshcheck_suites::judge(&evidence, &arguments.selection.only);
    report.phases = phases;
    emit(&report, Some(&evidence), &arguments.output)?;
    kept?;
    Ok(report.exit_code())
}

/// Provisions a cluster, looks at it, and removes it again unless it is to be kept.
pub(super) async fn provision_and_look(
    source: &SourceOptions,
    keep: bool,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Evidence, Failure> {
    provisioned(source, keep, events, cancel, |up| async move {
        let expectations = expectations(&up.cluster);
        let options = Options {
            expectations,
            kiali_url: None,
            limit: LOOK,
            settle: SETTLE,
            load_balancer_probe: up.installed.load_balancer_probe.clone(),
            istioctl_version: up.installed.istioctl_version.clone(),
        };
        let look = async { Ok::<_, Failure>(Box::pin(collect(&up.connection, &options)).await.0) };
        events.phase(Phase::Collect, look).await
    })
    .await
}

/// What is expected of a cluster of ours.
pub(super) fn expectations(cluster: &Provisioned) -> Expectations {
    let mut expectations = Expectations::of_the_tutorial(
        &cluster.state.istio_version,
        "the bundle that was installed",
    );
    expectations.kiali_image = Some(cluster.state.kiali_image.clone());
    expectations
}

/// `meshcheck up`
pub(super) async fn up(arguments: Up) -> Result<u8, Failure> {
    let (events, receiver) = Events::channel();
    let shown = progress::show(receiver, false);
    let cancel = listen()?;
    let outcome = provisioned(&arguments.source, true, &events, &cancel, |up| async move {
        Ok((up.cluster.state.name.clone(), up.cluster.kubeconfig()))
    })
    .await;
    drop(events);
    let _ = shown.await;
    let (name, kubeconfig) = outcome?;
    let kubeconfig = meshcheck_suites::hint::quote(&kubeconfig.to_string_lossy());
    to_stdout(&format!(
        "{name} is there.\n\n  meshcheck check\n  kubectl --kubeconfig {kubeconfig} get pods --all-namespaces\n  meshcheck down\n"
    ))?;
    Ok(0)
}

/// `meshcheck down`
pub(super) async fn down(arguments: Down) -> Result<u8, Failure> {
    let state = State::from_environment()?;
    let removed = cluster::down(&state, arguments.name.as_deref()).await?;
    let text = if removed.is_empty() {
        "there was no cluster of ours to remove\n".to_owned()
    } else {
        format!("removed: {}\n", removed.join(", "))
    };
    to_stdout(&text)?;
    Ok(0)
}

/// Listens for Ctrl-C and its kin.
pub(super) fn listen() -> Result<CancellationToken, Failure> {
    signals::listen()
        .map_err(|error| Failure::environment(format!("listening for signals: {error}")))
}

/// Provisions a cluster and does `work` with it. The cluster is removed afterwards, unless all went
/// well and it is to be kept: also when the work fails, panics, or is cancelled.
async fn provisioned<T, F>(
    source: &SourceOptions,
    keep: bool,
    events: &Events,
    cancel: &CancellationToken,
    work: impl FnOnce(std::sync::Arc<Running>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let state = State::from_environment()?;
    let bundle = tokio::select! {
        bundle = software::get(source, events) => bundle?,
        () = cancel.cancelled() => return Err(Failure::interrupted()),
    };
    let swept = events.phase(Phase::Sweep, cluster::sweep(&state)).await?;
    if !swept.is_empty() {
        events.note(format!("removed what a run that was killed had left: {}", swept.join(", ")));
    }
    let cluster = cluster::begin(&state, &bundle)?;
    // Another handle on the place: the work owns the cluster, and may be dropped at any point.
    let place = cluster.directory.reopened()?;
    let mut created = Ended::BrokenOff;
    let outcome = {
        let created = &mut created;
        let all = async {
            let up = Box::pin(bring_up(&state, cluster, &bundle, events, created)).await?;
            Box::pin(work(up.into())).await
        };
        tokio::select! {
            outcome = AssertUnwindSafe(all).catch_unwind() => outcome.unwrap_or_else(|_| {
                Err(Failure::environment("a bug: the message above says where".into()))
            }),
            () = cancel.cancelled() => Err(Failure::interrupted()),
        }
    };
    if keep && outcome.is_ok() {
        let mut known = place.read()?;
        known.keep = true;
        place.write(&known)?;
        return outcome;
    }
    let removed = events
        .phase(Phase::Remove, async { cluster::remove(&state, place, created).await })
        .await
        .map_err(Failure::from);
    match (outcome, removed) {
        (Ok(value), Ok(())) => Ok(value),
        (Err(failure), Ok(())) | (Ok(_), Err(failure)) => Err(failure),
        (Err(failure), Err(other)) => Err(failure.and(&other)),
    }
}

async fn bring_up(
    state: &State,
    mut cluster: Provisioned,
    bundle: &Bundle,
    events: &Events,
    created: &mut Ended,
) -> Result<Running, Failure> {
    cluster::create(state, &cluster, bundle, events).await?;
    *created = Ended::Well;
    let choice = Choice {
        kubeconfig: Some(cluster.kubeconfig()),
        context: Some(cluster.context()),
        bundle: Some(cluster.state.bundle.clone()),
        ours: true,
        active: true,
        patience: LOOK,
    };
    let connection = connect(&choice).await?;
    let (kubeconfig, control_plane) = (cluster.kubeconfig(), cluster.control_plane());
    let site =
        Site { client: &connection.client, kubeconfig: &kubeconfig, control_plane: &control_plane };
    let installed = Box::pin(install::install(bundle, site, events)).await?;
    cluster.state.istioctl_version = installed.istioctl_version.value().cloned();
    cluster.directory.write(&cluster.state)?;
    Ok(Running { cluster, connection, installed })
}
