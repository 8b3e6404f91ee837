//! `run`, `up`, `down`: creates clusters, and deletes them whatever happens.

use std::time::{Duration, Instant};

use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::{Evidence, Expectations};
use tokio_util::sync::CancellationToken;

use super::arguments::{Down, Run, Up};
use super::cleanup::{listen, until_cancelled};
use super::failure::Failure;
use super::observe::{early_claims, judged};
use super::reports::{Judged, write_evidence_and_verdicts};
use super::software;
use super::software_options::ClusterOptions;
use super::target::own_choice;
use crate::cluster::{self, Ended, Provisioned, Template};
use crate::collect::{Options, collect};
use crate::connect::{Choice, Connection, connect};
use crate::events::{Events, Phase};
use crate::expected::{self, Software};
use crate::install::{self, Installed, Site};
use crate::report::{to_stdout, writable};
use crate::settings::Settings;
use crate::state::{ClusterState, State};
use crate::{evidence_file, progress};

/// The time limit of each request on a new cluster, which may still be busy.
const LOOK: Duration = Duration::from_secs(10);

/// How long rollouts are waited for on a new cluster.
const SETTLE: Duration = Duration::from_mins(1);

/// A cluster of meshcheck with Istio and the demo.
pub(super) struct Running {
    cluster: Provisioned,
    connection: Connection,
    installed: Installed,
}

/// `meshcheck run`
pub(super) async fn run(arguments: Run, mut settings: Settings) -> Result<u8, Failure> {
    arguments.namespaces.apply(settings.names_mut())?;
    let settings = &settings;
    installable(settings)?;
    writable(&arguments.judging.output)?;
    arguments.evidence.iter().try_for_each(|path| evidence_file::check_writable(path))?;
    let start = Instant::now();
    let claims = Some(early_claims(&arguments.judging));
    let cancel = listen()?;
    let work = async |events: &Events| {
        let (cluster, keep) = (&arguments.cluster, arguments.keep);
        let outcome = provision_and_collect(cluster, settings, keep, events, &cancel).await;
        events.keep("total", start.elapsed());
        (outcome, events.times(), events.failed())
    };
    let (outcome, phases, failed) =
        progress::shown(arguments.judging.output.quiet, claims, work).await;
    let evidence = match outcome {
        Ok(evidence) => evidence,
        Err(failure) => return Err(failure.in_phase(failed).after(phases)),
    };
    let mut report = judged(&evidence, &arguments.judging);
    report.phases = phases;
    write_evidence_and_verdicts(
        &evidence,
        &Judged::alone(&report, Some(&evidence)),
        arguments.evidence.as_deref(),
        &arguments.judging.output,
    )
}

/// Creates a cluster, collects evidence, and deletes the cluster unless it is to be kept.
pub(super) async fn provision_and_collect(
    options: &ClusterOptions,
    settings: &Settings,
    keep: bool,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Evidence, Failure> {
    provisioned((options, settings), keep, events, cancel, |up| async move {
        let options = Options {
            expectations: expected(settings, &up.cluster.state),
            kiali_url: None,
            limit: settings.look.unwrap_or(LOOK),
            settle: settings.settle.unwrap_or(SETTLE),
            load_balancer_probe: up.installed.load_balancer_probe.clone(),
            istioctl_version: up.installed.istioctl_version.clone(),
            include_logs: false,
            events: events.clone(),
        };
        let collected = async {
            events.doing(Phase::Collect, "collecting evidence");
            Ok::<_, Failure>(Box::pin(collect(&up.connection, &options)).await.0)
        };
        events.phase(Phase::Collect, collected).await
    })
    .await
}

/// Checks whether meshcheck can install with the names of the configuration.
pub(super) fn installable(settings: &Settings) -> Result<(), Failure> {
    let foreign = install::foreign(&settings.expectations("", ""));
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(
        format!(
            "`run` and `up` install Istio and Kiali with the names of the release, and {} differs:\n{}",
            settings.source(),
            foreign.join("\n")
        ),
        "leave these keys out, or install your own way and use `meshcheck check`".into(),
    ))
}

/// Returns what is expected of a cluster of meshcheck.
fn expected(settings: &Settings, cluster: &ClusterState) -> Expectations {
    let software = Software { cluster: Some(cluster), ..Software::default() };
    // No note: these settings are those with which it is made.
    expected::resolve(settings, software).0
}

/// `meshcheck up`
pub(super) async fn up(arguments: Up, settings: &Settings, quiet: bool) -> Result<u8, Failure> {
    installable(settings)?;
    let cancel = listen()?;
    let options = (&arguments.cluster, settings);
    let work = async |events: &Events| {
        provisioned(options, true, events, &cancel, |up| async move {
            Ok((up.cluster.state.name.clone(), up.cluster.kubeconfig()))
        })
        .await
    };
    let (name, kubeconfig) = progress::shown(quiet, None, work).await?;
    let kubeconfig = meshcheck_suites::hint::quote(&kubeconfig.to_string_lossy());
    to_stdout(&format!(
        "created {name}\n\n  meshcheck check\n  kubectl --kubeconfig {kubeconfig} get pods --all-namespaces\n  meshcheck down\n"
    ))?;
    Ok(0)
}

/// `meshcheck down`
pub(super) async fn down(arguments: Down) -> Result<u8, Failure> {
    let state = State::from_environment()?;
    let removed = if arguments.leftovers {
        leftovers(&state, &arguments).await?
    } else {
        cluster::down(&state, arguments.name.as_deref()).await?
    };
    let text = match (removed.is_empty(), arguments.leftovers) {
        (false, _) => format!("deleted: {}\n", removed.join(", ")),
        (true, false) => "meshcheck has no cluster to delete\n".to_owned(),
        (true, true) => "no leftovers to delete\n".to_owned(),
    };
    to_stdout(&text)?;
    Ok(0)
}

/// Deletes the leftovers of killed runs: here, and on the cluster that is named.
async fn leftovers(state: &State, arguments: &Down) -> Result<Vec<String>, Failure> {
    let Down { context, kubeconfig, .. } = arguments;
    let mut removed = Vec::new();
    let named = context.is_some() || kubeconfig.is_some();
    if named {
        let choice = Choice {
            kubeconfig: kubeconfig.clone(),
            context: context.clone(),
            active: true,
            ..Choice::default()
        };
        let connection = connect(&choice).await?;
        let found = crate::collect::remove_left(&connection.client).await;
        let found = found.map_err(|reason| {
            Failure::environment(format!("cannot delete the namespaces of killed probes: {reason}"))
        })?;
        removed.extend(found.into_iter().map(|name| format!("namespace {name}")));
    }
    match cluster::sweep(state).await {
        Ok(swept) => removed.extend(swept),
        // With a cluster elsewhere there may be no engine here, and then nothing of meshcheck in it.
        Err(_) if named && state.names().is_ok_and(|names| names.is_empty()) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(removed)
}

/// Creates a cluster and does `work` with it. The cluster is deleted afterwards, unless all went
/// well and it is to be kept: also when the work fails, panics, or is cancelled.
async fn provisioned<T, F>(
    (options, settings): (&ClusterOptions, &Settings),
    keep: bool,
    events: &Events,
    cancel: &CancellationToken,
    work: impl FnOnce(std::sync::Arc<Running>) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let own = options.kind_config.as_deref().map(Template::of_user).transpose()?;
    let state = State::from_environment()?;
    let choose = async {
        let source = software::choose(&options.install, settings, events).await?;
        let (istio, kubernetes) = source.versions()?;
        own.as_ref().map_or(Ok(()), |template| template.check_patches(&kubernetes))?;
        cluster::check_cgroups(&istio, &kubernetes).await?;
        Ok::<_, Failure>(source)
    };
    let source = until_cancelled(cancel, Box::pin(choose)).await??;
    let bundle = until_cancelled(cancel, Box::pin(software::get(&source, events))).await??;
    let template = own.map_or_else(|| Template::of_bundle(&bundle), Ok)?;
    let sweep = Box::pin(events.phase(Phase::Sweep, cluster::sweep(&state)));
    let swept = until_cancelled(cancel, sweep).await??;
    if !swept.is_empty() {
        events.note(format!("deleted the leftovers of a killed run: {}", swept.join(", ")));
    }
    let mut cluster = cluster::begin(&state, &bundle, source.notes())?;
    let names = expected(settings, &cluster.state);
    // Each check reads the waivers from its own configuration.
    cluster.state.expectations = Some(Expectations { waivers: Vec::new(), ..names });
    cluster.directory.write(&cluster.state)?;
    // Another handle on the place: the work owns the cluster, and may be dropped at any point.
    let place = cluster.directory.reopened()?;
    let name = cluster.state.name.clone();
    let mut created = Ended::BrokenOff;
    let outcome = {
        let created = &mut created;
        let all = async {
            let up =
                Box::pin(bring_up(&state, cluster, (&bundle, &template), events, created)).await?;
            Box::pin(work(up.into())).await
        };
        until_cancelled(cancel, all).await.and_then(|outcome| outcome)
    };
    if keep && outcome.is_ok() {
        let mut known = place.read()?;
        known.keep = true;
        place.write(&known)?;
        return outcome;
    }
    let removed = events
        .phase(Phase::Remove, async {
            events.doing(Phase::Remove, format!("deleting {name}"));
            cluster::remove(&state, place, created).await
        })
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
    (bundle, template): (&Bundle, &Template),
    events: &Events,
    created: &mut Ended,
) -> Result<Running, Failure> {
    cluster::create(state, &cluster, bundle, template, events).await?;
    *created = Ended::Well;
    let connection = connect(&own_choice(&cluster.state, LOOK)?).await?;
    let (kubeconfig, control_plane) = (cluster.kubeconfig(), cluster.control_plane());
    let site =
        Site { client: &connection.client, kubeconfig: &kubeconfig, control_plane: &control_plane };
    let names = expected(&Settings::default(), &cluster.state);
    let installed = Box::pin(install::install(bundle, site, &names, events)).await?;
    cluster.state.istioctl_version = installed.istioctl_version.value().cloned();
    cluster.directory.write(&cluster.state)?;
    Ok(Running { cluster, connection, installed })
}
