//! `check`, `record`, `judge`: looking at a cluster that is there, and judging what was seen.

use std::path::Path;
use std::time::Duration;

use meshcheck_suites::evidence::{Evidence, Observation};

use super::arguments::{Check, Judge, Record, Target};
use super::failure::Failure;
use super::{cluster, software};
use crate::collect::{self, Options, Timings, collect};
use crate::connect::{Choice, Connection, connect};
use crate::events::Phase;
use crate::evidence_file;
use crate::report::{emit, emit_died, to_stdout, writable};
use crate::state::{ClusterState, State};

/// How long rollouts may take to come to an end before the look.
const SETTLE: Duration = Duration::from_secs(30);

/// `meshcheck check`
pub(super) async fn check(arguments: Check) -> Result<u8, Failure> {
    writable(&arguments.output)?;
    let (evidence, timings) = match look(&arguments.target).await {
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

/// `meshcheck record`
pub(super) async fn record(arguments: Record) -> Result<u8, Failure> {
    // Found out before the look, not after it.
    check_writable(&arguments.out)?;
    let (evidence, _) = look(&arguments.target).await?;
    evidence_file::write(&arguments.out, &evidence)?;
    let out = meshcheck_suites::hint::quote(&arguments.out.to_string_lossy());
    to_stdout(&format!("recorded; to judge it anywhere: meshcheck judge {out}\n"))?;
    Ok(0)
}

/// `meshcheck judge`
pub(super) fn judge(arguments: &Judge) -> Result<u8, Failure> {
    let evidence = evidence_file::read(&arguments.file)?;
    let report = meshcheck_suites::judge(&evidence, &arguments.selection.only);
    emit(&report, Some(&evidence), &arguments.output)?;
    Ok(report.exit_code())
}

fn check_writable(file: &Path) -> Result<(), Failure> {
    evidence_file::check_writable(file).map_err(|source| {
        evidence_file::EvidenceFileError::Write { path: file.to_owned(), source }.into()
    })
}

/// Looks at the cluster that the options name.
async fn look(target: &Target) -> Result<(Evidence, Timings), Failure> {
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
            patience: target.timeout,
        },
        None => Choice {
            kubeconfig: target.kubeconfig.clone(),
            context: target.context.clone(),
            bundle: None,
            ours: false,
            active: target.active,
            patience: target.timeout,
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
    };
    tokio::select! {
        seen = Box::pin(collect(&connection, &options)) => Ok(seen),
        () = cancel.cancelled() => Err(interrupted(&connection).await),
    }
}

/// Removes what probes of ours may have left, after they were cancelled.
async fn interrupted(connection: &Connection) -> Failure {
    let failure = Failure::interrupted();
    if !connection.subject.active {
        return failure;
    }
    match collect::remove_all(&connection.client).await {
        Ok(_) => failure,
        Err(reason) => failure.and(&Failure::environment(format!(
            "removing the namespaces labelled meshcheck.dev/probe: {reason}"
        ))),
    }
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

fn tell_timings(timings: &Timings) {
    use std::io::Write as _;
    let mut timings = timings.clone();
    timings.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    let mut to = std::io::stderr().lock();
    for (name, took) in timings {
        let _ = writeln!(to, "{:6} ms  {name}", took.as_millis());
    }
}
