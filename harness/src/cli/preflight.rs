//! `preflight`: is this machine, and a cluster that is there, ready for the tutorial?

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

use meshcheck_suites::evidence::Expectations;

use super::arguments::Preflight;
use super::failure::Failure;
use super::reported::verdicts;
use super::{cluster, observe, software};
use crate::connect::Choice;
use crate::preflight::{Cluster, Options, Places, look};
use crate::report::writable;
use crate::settings::Settings;
use crate::source::Source;
use crate::state::State;

/// `meshcheck preflight`
pub(super) async fn preflight(arguments: Preflight, settings: &Settings) -> Result<u8, Failure> {
    writable(&arguments.output)?;
    let (evidence, timings) = seen(&arguments, settings).await?;
    let report = meshcheck_suites::judge(&evidence, &arguments.only);
    if arguments.output.verbose {
        observe::tell_timings(&timings);
    }
    verdicts(&report, None, &arguments.output)
}

type Seen = (meshcheck_suites::preflight::evidence::PreflightEvidence, crate::collect::Timings);

async fn seen(arguments: &Preflight, settings: &Settings) -> Result<Seen, Failure> {
    let cancel = cluster::listen()?;
    let options = Options {
        expectations: expectations(arguments, settings)?,
        source: Source::from_options(
            arguments.source.bundle.clone(),
            arguments.source.istio.clone(),
        )?,
        software_named: arguments.source.bundle.is_some(),
        limit: arguments.timeout,
        places: Places::default(),
    };
    let named = arguments.context.is_some() || arguments.kubeconfig.is_some();
    if arguments.active && !named {
        return Err(Failure::usage(
            "--active is for a cluster, and none is named".into(),
            "name one with --context NAME or --kubeconfig FILE".into(),
        ));
    }
    let work = async {
        let cluster =
            if named { Cluster::reach(&choice(arguments)).await? } else { Cluster::NotNamed };
        Ok::<_, Failure>(cluster)
    };
    let cluster = tokio::select! {
        cluster = Box::pin(work) => cluster?,
        () = cancel.cancelled() => return Err(Failure::interrupted()),
    };
    let looking = AssertUnwindSafe(Box::pin(look(&cluster, &options))).catch_unwind();
    let outcome = tokio::select! {
        seen = looking => seen.map_err(|_| Failure::bug()),
        () = cancel.cancelled() => Err(Failure::interrupted()),
    };
    match (outcome, cluster.connection()) {
        (Ok(seen), Some(connection)) => {
            observe::after_the_look(connection).await;
            Ok(seen)
        }
        (Err(failure), Some(connection)) => Err(observe::after_the_end(connection, failure).await),
        (outcome, None) => outcome,
    }
}

/// What is to be installed: what the caller says, else what is on a cluster of ours.
fn expectations(arguments: &Preflight, settings: &Settings) -> Result<Expectations, Failure> {
    let ours = ours(arguments).and_then(|(state, name)| state.read(&name).ok());
    match (ours, &arguments.source.istio, &arguments.source.bundle) {
        (Some(state), None, None) => Ok(cluster::expectations(settings, &state)),
        _ => software::expectations(&arguments.source, settings),
    }
}

/// The cluster of ours whose context is named, where it is one.
fn ours(arguments: &Preflight) -> Option<(State, String)> {
    if arguments.kubeconfig.is_some() {
        return None;
    }
    let name = arguments.context.as_ref()?.strip_prefix("kind-")?;
    // Without a place for state there is none of ours.
    let state = State::from_environment().ok()?;
    state.names().ok()?.iter().any(|known| known == name).then(|| (state, name.to_owned()))
}

/// The cluster that is meant: one of ours, by its context, or any other.
fn choice(arguments: &Preflight) -> Choice {
    let named = Choice {
        kubeconfig: arguments.kubeconfig.clone(),
        context: arguments.context.clone(),
        bundle: None,
        ours: false,
        active: arguments.active,
        patience: arguments.timeout,
    };
    match ours(arguments) {
        Some((state, name)) => Choice {
            kubeconfig: Some(state.kubeconfig(&name)),
            bundle: state.read(&name).ok().map(|cluster| cluster.bundle),
            ours: true,
            ..named
        },
        None => named,
    }
}
