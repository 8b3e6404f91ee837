//! `check`, `judge`: looking at a cluster that is there, and judging what was seen.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use meshcheck_suites::evidence::{Evidence, Observation, Provider};
use meshcheck_suites::hint;

use super::arguments::{Check, Judge, Target};
use super::failure::Failure;
use super::{cluster, software};
use crate::collect::{self, Options, Timings, collect};
use crate::connect::{Choice, Connection, connect};
use crate::events::Phase;
use crate::evidence_file;
use crate::report::{emit, emit_died, writable};
use crate::state::{ClusterState, State};

/// How long rollouts may take to come to an end before the look.
const SETTLE: Duration = Duration::from_secs(30);

/// `meshcheck check`
pub(super) async fn check(arguments: Check) -> Result<u8, Failure> {
    writable(&arguments.output)?;
    let (evidence, timings) = match look(&arguments.target, false).await {
        Ok(seen) => seen,
        Err(failure) => {
            let only = &arguments.selection.only;
            let phase = Some(Phase::Collect);
            let told = emit_died(phase, &failure.text(), only, &arguments.output);
            return Err(failure.and_then(told));
        }
    };
    let report = meshcheck_suites::judge(&evidence, &arguments.selection.only);
    if arguments.output.verbose {
        tell_timings(&timings);
    }
    emit(&report, Some(&evidence), &arguments.output)?;
    Ok(report.exit_code())
}

/// `meshcheck judge`
pub(super) fn judge(arguments: &Judge) -> Result<u8, Failure> {
    let evidence = evidence_file::read(&arguments.file)?;
    let report = meshcheck_suites::judge(&evidence, &arguments.selection.only);
    emit(&report, Some(&evidence), &arguments.output)?;
    Ok(report.exit_code())
}

/// Looks at the cluster that the options name.
pub(super) async fn look(
    target: &Target,
    include_logs: bool,
) -> Result<(Evidence, Timings), Failure> {
    let cancel = cluster::listen()?;
    let ours = ours(target)?;
    let mut expectations = match (&ours, &target.source.istio, &target.source.bundle) {
        (Some(state), None, None) => {
            let mut expectations = meshcheck_suites::evidence::Expectations::of_the_tutorial(
                &state.istio_version,
                "the bundle that was installed",
            );
            expectations.kiali_image = Some(state.kiali_image.clone());
            expectations
        }
        _ => software::expectations(&target.source)?,
    };
    if let Some(state) = &ours
        && expectations.kiali_image.is_none()
        && expectations.istio_version == state.istio_version
    {
        expectations.kiali_image = Some(state.kiali_image.clone());
    }
    let choice = match &ours {
        Some(state) => Choice {
            kubeconfig: Some(State::from_environment()?.kubeconfig(&state.name)),
            context: Some(format!("kind-{}", state.name)),
            bundle: Some(state.bundle.clone()),
            ours: true,
            active: true,
        },
        None => Choice {
            kubeconfig: target.kubeconfig.clone(),
            context: target.context.clone(),
            bundle: None,
            ours: false,
            active: target.active,
        },
    };
    let connection = connect(&choice).await?;
    let options = Options {
        expectations,
        kiali_url: target.kiali_url.clone(),
        limit: target.timeout,
        settle: SETTLE,
        load_balancer_probe: Observation::not_asked(
            "a service of ours asks for an address before the install only",
        ),
        istioctl_version: match ours.and_then(|state| state.istioctl_version) {
            Some(version) => Observation::seen(version),
            None => Observation::not_asked("this run used no istioctl"),
        },
        include_logs,
    };
    let looking = AssertUnwindSafe(Box::pin(collect(&connection, &options))).catch_unwind();
    let outcome = tokio::select! {
        seen = looking => seen.map_err(|_| {
            Failure::environment("a bug: the message above says where".into())
        }),
        () = cancel.cancelled() => Err(Failure::interrupted()),
    };
    match outcome {
        Ok(seen) => {
            after_the_look(&connection).await;
            Ok(seen)
        }
        Err(failure) => Err(after_the_end(&connection, failure).await),
    }
}

/// Probes remove what they made. Where the cluster did not answer just then, it is asked once more: what
/// was seen is kept, whatever comes of it.
pub(super) async fn after_the_look(connection: &Connection) {
    let subject = &connection.subject;
    if !subject.active || subject.provider == Provider::Kind {
        return;
    }
    if let Err(reason) = collect::remove_own(&connection.client).await {
        let context = hint::quote(&subject.context);
        Failure::left(&reason, &format!("meshcheck down --leftovers --context {context}")).tell();
    }
}

/// Removes what probes of ours may have left, after they were cancelled or came to an end by a bug.
pub(super) async fn after_the_end(connection: &Connection, mut failure: Failure) -> Failure {
    // Where there is no engine on this machine there is no container of ours.
    let _ = crate::cluster::remove_own_helpers().await;
    if connection.subject.active
        && let Err(reason) = collect::remove_own(&connection.client).await
    {
        let context = hint::quote(&connection.subject.context);
        let command = format!("meshcheck down --leftovers --context {context}");
        failure = failure.and(&Failure::left(&reason, &command));
    }
    failure
}

/// The cluster of ours that is meant: the one whose context is named, or the one that `up` left where
/// nothing is named.
fn ours(target: &Target) -> Result<Option<ClusterState>, Failure> {
    if target.kubeconfig.is_some() {
        return Ok(None);
    }
    let state = State::from_environment()?;
    let mut kept: Vec<_> = state
        .names()?
        .iter()
        .filter_map(|name| state.read(name).ok())
        .filter(|cluster| cluster.keep)
        .collect();
    if let Some(context) = &target.context {
        return Ok(kept.into_iter().find(|it| format!("kind-{}", it.name) == *context));
    }
    if kept.len() > 1 {
        let names: Vec<_> = kept.iter().map(|it| format!("kind-{}", it.name)).collect();
        return Err(Failure::usage(
            format!("there are {} clusters of ours: {}", names.len(), names.join(", ")),
            "name one of them with --context NAME".into(),
        ));
    }
    Ok(kept.pop())
}

pub(super) fn tell_timings(timings: &Timings) {
    use std::io::Write as _;
    let mut timings = timings.clone();
    timings.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    let mut to = std::io::stderr().lock();
    for (name, took) in timings {
        let _ = writeln!(to, "{:6} ms  {name}", took.as_millis());
    }
}
