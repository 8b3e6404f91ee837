//! The software of a run: from a bundle, or from the official release.

use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::Expectations;

use super::arguments::BundleOptions;
use super::failure::Failure;
use super::software_options::{InstallOptions, SourceOptions};
use crate::cluster::ClusterError;
use crate::events::{Events, Phase};
use crate::expected::{self, Software};
use crate::progress;
use crate::report::to_stdout;
use crate::settings::Settings;
use crate::source::{Origins, Pair, Platform, Recipe, Source, reachable};
use crate::state::ClusterState;

/// Chooses the software to install: the bundle or the versions that the call or the configuration names. Nothing is
/// downloaded.
pub(super) async fn choose(
    options: &InstallOptions,
    settings: &Settings,
    events: &Events,
) -> Result<Source, Failure> {
    let mut wanted = options.wanted();
    // A bundle that the call names decides its own version.
    let configured = settings.istio_version.clone().filter(|_| wanted.bundle.is_none());
    wanted.istio = wanted.istio.or(configured);
    let source = Source::choose(wanted, events).await?;
    if let Source::Release(release) = &source {
        release.notes.iter().chain(&release.recipe.notes).for_each(|note| events.note(note));
    }
    Ok(source)
}

/// Gets the software: opens and verifies the bundle, or downloads what is missing of the release.
pub(super) async fn get(source: &Source, events: &Events) -> Result<Bundle, Failure> {
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
    let work = async |events: &Events| {
        let source = choose(&options.install, settings, events).await?;
        get(&source, events).await
    };
    let bundle = progress::shown(quiet, None, work).await?;
    to_stdout(&format!("{}\n", bundle.dir().display()))?;
    Ok(0)
}

/// Checks whether the official releases can be reached from here.
pub(super) async fn releases_reachable() -> Result<u8, Failure> {
    let origins = Origins::from_environment()?;
    let recipe = Recipe::new(&Pair::choose(None, None)?, Platform::here()?);
    match reachable(&origins, &recipe).await {
        Ok(()) => Ok(0),
        Err(error) => Err(Failure::environment(format!("{error}"))),
    }
}
