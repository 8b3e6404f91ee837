//! The software of a run: from a bundle, or from the official release.

use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::Expectations;

use super::arguments::{BundleOptions, SourceOptions};
use super::failure::Failure;
use crate::cluster::ClusterError;
use crate::events::{Events, Phase};
use crate::expected::{self, Software};
use crate::report::to_stdout;
use crate::settings::Settings;
use crate::source::{DEFAULT_ISTIO, Origins, Platform, Recipe, Source, reachable};
use crate::state::ClusterState;

/// Gets the software: opens and verifies the bundle, or downloads what is missing of the release.
pub(super) async fn get(
    options: &SourceOptions,
    settings: &Settings,
    events: &Events,
) -> Result<Bundle, Failure> {
    // A bundle that the call names decides its own version.
    let configured = settings.istio_version.clone().filter(|_| options.bundle.is_none());
    let istio = options.istio.clone().or(configured);
    let source = Source::from_options(options.bundle.clone(), istio)?;
    events.phase(Phase::Source, async { source.resolve(events).await.map_err(Failure::from) }).await
}

/// Returns what is expected of a cluster: one of meshcheck, or any other.
pub(super) fn expectations(
    options: &SourceOptions,
    settings: &Settings,
    cluster: Option<&ClusterState>,
) -> Result<Expectations, Failure> {
    let bundle = options.bundle.as_deref().map(Bundle::open).transpose();
    let bundle = bundle.map_err(ClusterError::from)?;
    let software = Software {
        istio: options.istio.as_deref(),
        bundle: bundle.as_ref().map(Bundle::manifest),
        cluster,
    };
    let (expectations, note) = expected::resolve(settings, software);
    if let Some(note) = note {
        super::say(&note);
    }
    Ok(expectations)
}

/// `meshcheck bundle`: gets the software, and prints where it is.
pub(super) async fn bundle(
    options: BundleOptions,
    settings: &Settings,
    quiet: bool,
) -> Result<u8, Failure> {
    let (events, receiver) = Events::channel();
    let shown = crate::progress::show(receiver, quiet);
    let outcome = get(&options.source, settings, &events).await;
    drop(events);
    // The last lines of progress come before the result or the error.
    let _ = shown.await;
    to_stdout(&format!("{}\n", outcome?.dir().display()))?;
    Ok(0)
}

/// Checks whether the official releases can be reached from here.
pub(super) async fn releases_reachable() -> Result<u8, Failure> {
    let origins = Origins::from_environment()?;
    let recipe = Recipe::new(DEFAULT_ISTIO, Platform::here()?)?;
    match reachable(&origins, &recipe).await {
        Ok(()) => Ok(0),
        Err(error) => Err(Failure::environment(format!("{error}"))),
    }
}
