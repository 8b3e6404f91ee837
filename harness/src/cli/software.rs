//! The software of a run: from a bundle, or from the official release.

use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::Expectations;

use super::arguments::{BundleOptions, SourceOptions};
use super::failure::Failure;
use crate::events::{Event, Events, Phase};
use crate::report::to_stdout;
use crate::settings::Settings;
use crate::source::{self, DEFAULT_ISTIO, Origins, Platform, Recipe, Source, reachable};

/// Gets the software: opens and verifies the bundle, or downloads what is missing of the release.
pub(super) async fn get(
    options: &SourceOptions,
    settings: &Settings,
    events: &Events,
) -> Result<Bundle, Failure> {
    // A bundle that was named holds what it holds.
    let configured = settings.istio_version.clone().filter(|_| options.bundle.is_none());
    let istio = options.istio.clone().or(configured);
    let source = Source::from_options(options.bundle.clone(), istio)?;
    let teller = events.clone();
    let listener = move |event: source::Event<'_>| tell(&teller, event);
    events
        .phase(Phase::Source, async { source.resolve(&listener).await.map_err(Failure::from) })
        .await
}

fn tell(events: &Events, event: source::Event<'_>) {
    use source::Event as Source;
    match event {
        Source::Waiting { lock } => {
            events
                .doing(Phase::Source, format!("another run downloads (lock `{}`)", lock.display()));
        }
        Source::Started { part, already, total } => events.tell(Event::Transferred {
            phase: Phase::Source,
            what: part.to_owned(),
            done: already,
            total,
        }),
        Source::Advanced { part, done, total } => events.tell(Event::Transferred {
            phase: Phase::Source,
            what: part.to_owned(),
            done,
            total,
        }),
        Source::Retrying { part, reason, after } => {
            events.note(format!("{part}: {reason}; tried again in {:.1} s", after.as_secs_f64()));
        }
        Source::Finished { part } => events.doing(Phase::Source, format!("{part} is complete")),
        Source::Reused { .. } => {}
        Source::Assembling { directory } => {
            events.doing(Phase::Source, format!("putting `{}` together", directory.display()));
        }
        Source::Note(text) => events.note(text),
    }
}

/// What is expected of a cluster, by what the caller said: a version, a bundle, a configuration, or
/// nothing.
pub(super) fn expectations(
    options: &SourceOptions,
    settings: &Settings,
) -> Result<Expectations, Failure> {
    let bundle = match &options.bundle {
        Some(directory) => {
            Some(Bundle::open(directory).map_err(crate::cluster::ClusterError::from)?)
        }
        None => None,
    };
    let manifest = bundle.as_ref().map(Bundle::manifest);
    let mut expectations = match (&options.istio, manifest) {
        (Some(version), _) => settings.expectations(version, "--istio"),
        (None, Some(manifest)) => settings.expectations(&manifest.istio.version, "the bundle"),
        (None, None) => match &settings.istio_version {
            Some(version) => settings.expectations(version, &settings.source()),
            None => settings.expectations(DEFAULT_ISTIO, "the tutorial"),
        },
    };
    let of_the_bundle = manifest
        .filter(|manifest| manifest.istio.version == expectations.istio_version)
        .map(|manifest| manifest.kiali.image.clone());
    expectations.kiali_image = expectations.kiali_image.or(of_the_bundle);
    Ok(expectations)
}

/// `meshcheck bundle`: gets the software, and prints where it is.
pub(super) async fn bundle(options: BundleOptions, settings: &Settings) -> Result<u8, Failure> {
    let (events, receiver) = Events::channel();
    let shown = crate::progress::show(receiver, options.quiet);
    let outcome = get(&options.source, settings, &events).await;
    drop(events);
    // Its last lines come before the result or the error.
    let _ = shown.await;
    to_stdout(&format!("{}\n", outcome?.dir().display()))?;
    Ok(0)
}

/// Whether the official releases can be reached from here.
pub(super) async fn releases_reachable() -> Result<u8, Failure> {
    let origins = Origins::from_environment()?;
    let recipe = Recipe::new(DEFAULT_ISTIO, Platform::here()?)?;
    match reachable(&origins, &recipe).await {
        Ok(()) => Ok(0),
        Err(error) => Err(Failure::environment(format!("{error}"))),
    }
}
