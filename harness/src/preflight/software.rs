//! The software: whether it is here and whole, whether its programs run, or whether it can be downloaded.

use std::path::{Path, PathBuf};
use std::time::Duration;

use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::{Expectations, Observation};
use meshcheck_suites::hint::escape_backquotes;
use meshcheck_suites::preflight::evidence::{
    CachedBundle, ChosenKubernetes, Facts, Program, SoftwareEvidence, Supply,
};

use crate::connect::from_home;
use crate::events::Events;
use crate::process::{Call, ProcessError};
use crate::source::{Release, Source, reachable, runs_with_cgroup_v1};

/// How long the programs' checksums may take. Seen: below a second for 150 MB.
const SUMS: Duration = Duration::from_secs(30);

/// Looks at it.
pub(super) async fn collect(source: &Source, limit: Duration) -> SoftwareEvidence {
    let (supply, bundle) = match source {
        Source::Bundle { .. } => here("the bundle", source).await,
        Source::Release(release) => of_release(release).await,
    };
    let programs = match bundle {
        Some(bundle) => Observation::seen(programs(&bundle, limit).await),
        None => Observation::absent("its programs come with it, and it is not here yet"),
    };
    let kubernetes = kubernetes(source);
    SoftwareEvidence { source: supply, programs, images: Vec::new(), kubernetes }
}

/// Returns the Kubernetes that the software has. None where its bundle cannot be read.
fn kubernetes(source: &Source) -> Option<ChosenKubernetes> {
    let (istio, version) = source.versions().ok()?;
    // A bundle has one version; of a release there are others to choose.
    let older = matches!(source, Source::Release(_)).then(|| runs_with_cgroup_v1(&istio)).flatten();
    Some(ChosenKubernetes { version, newest_for_cgroup_v1: older })
}

async fn here(what: &str, source: &Source) -> (Observation<Supply>, Option<Bundle>) {
    match tokio::time::timeout(SUMS, source.resolve(&Events::silent())).await {
        Ok(Ok(bundle)) => (Observation::seen(Supply::Here(facts(what, &bundle))), Some(bundle)),
        Ok(Err(error)) => {
            let words = crate::chain(&error);
            (Observation::seen(Supply::Unusable { words, hint: error.hint() }), None)
        }
        Err(_) => {
            let reason = format!("comparing its checksums took more than {} s", SUMS.as_secs());
            (Observation::failed(reason), None)
        }
    }
}

/// A release in the cache, or the places that have it.
async fn of_release(release: &Release) -> (Observation<Supply>, Option<Bundle>) {
    if let Some(directory) = cached(release) {
        let bundle = Source::Bundle { directory, istio: None, kubernetes: None };
        return here("the cached release", &bundle).await;
    }
    let supply = match reachable(&release.origins, &release.recipe).await {
        Ok(()) => Supply::WithinReach { places: "the places that have it".into() },
        Err(error) => {
            let bundles = release.directory().ok();
            let bundle = bundles.as_deref().and_then(Path::parent).and_then(in_cache);
            let cached = bundle.map(|bundle| CachedBundle {
                istio: escape_backquotes(&bundle.manifest().istio.version),
                directory: escape_backquotes(&from_home(bundle.dir())),
            });
            Supply::OutOfReach { words: error.to_string(), hint: error.hint().to_owned(), cached }
        }
    };
    (Observation::seen(supply), None)
}

/// The bundle in this directory of the cache that was finished last.
fn in_cache(bundles: &Path) -> Option<Bundle> {
    let entries = std::fs::read_dir(bundles).ok()?;
    let finished = entries.filter_map(|entry| {
        let bundle = Bundle::open(&entry.ok()?.path()).ok()?;
        let manifest = bundle.dir().join(meshcheck_bundle::MANIFEST_FILE);
        Some((std::fs::metadata(manifest).ok()?.modified().ok()?, bundle))
    });
    finished.max_by_key(|(at, _)| *at).map(|(_, bundle)| bundle)
}

/// The directory of the cached release, where it was finished.
fn cached(release: &Release) -> Option<PathBuf> {
    let directory = release.directory().ok()?;
    directory.join(meshcheck_bundle::MANIFEST_FILE).is_file().then_some(directory)
}

fn facts(what: &str, bundle: &Bundle) -> Facts {
    let manifest = bundle.manifest();
    Facts {
        what: what.to_owned(),
        istio: manifest.istio.version.clone(),
        kubernetes: manifest.kubernetes.clone(),
        kind: manifest.part("kind").map(|part| part.version.clone()).unwrap_or_default(),
        node_image: manifest.node.reference.clone(),
    }
}

/// Starts the programs of the bundle that are needed here.
async fn programs(bundle: &Bundle, limit: Duration) -> Vec<Program> {
    let called: [(&str, &[&str]); 2] =
        [("kind", &["version"]), ("istioctl", &["version", "--remote=false"])];
    let runs = called.into_iter().filter_map(|(name, arguments)| {
        let part = bundle.manifest().part(name)?;
        let path = bundle.dir().join(&part.path);
        Some(async move { program(name, &path, arguments, limit).await })
    });
    futures::future::join_all(runs).await
}

async fn program(name: &str, path: &Path, arguments: &[&str], limit: Duration) -> Program {
    // The first start of a program of 90 MB from a slow disk takes its time.
    let output = Call::new(path).args(arguments).within(limit.max(Duration::from_secs(10)));
    let (runs, words) = match output.output().await {
        Ok(output) => (true, version(&output)),
        Err(error @ ProcessError::Start { .. }) => (false, crate::chain(&error)),
        Err(error) => (false, error.to_string()),
    };
    Program { name: name.to_owned(), runs, words }
}

/// The version in `kind v0.29.0 go1.24.2 linux/amd64`, `client version: 1.22.0` or `1.20.3`.
fn version(output: &str) -> String {
    let words = output.split_whitespace();
    let mut numbers = words
        .filter(|word| word.trim_start_matches('v').starts_with(|it: char| it.is_ascii_digit()));
    numbers.next().unwrap_or("of no version").to_owned()
}

/// The images that nodes need: those of the bundle, else those of the release. MetalLB's are left out: who has
/// a load balancer does not need them.
pub(super) fn images(source: &Source, expectations: &Expectations) -> Vec<String> {
    let bundle = match source {
        Source::Bundle { directory, .. } => Bundle::open(directory).ok(),
        Source::Release(release) => cached(release).and_then(|it| Bundle::open(&it).ok()),
    };
    if let Some(bundle) = bundle {
        let images = bundle.manifest().images.iter().map(|image| image.reference.clone());
        return images.filter(|image| !image.contains("metallb")).collect();
    }
    let version = &expectations.istio_version;
    let kiali = meshcheck_suites::profile::kiali_images(version);
    let hub = meshcheck_suites::profile::nearest(version).map(|it| it.profile.registry.as_str());
    let hub = hub.unwrap_or("docker.io/istio");
    ["pilot", "proxyv2"]
        .map(|name| format!("{hub}/{name}:{version}"))
        .into_iter()
        .chain(
            ["docker.io/hashicorp/http-echo:latest", "docker.io/curlimages/curl:latest"]
                .map(str::to_owned),
        )
        .chain(kiali)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{in_cache, version};
    use meshcheck_bundle::testing::write_small;
    use meshcheck_bundle::{MANIFEST_FILE, Manifest};
    use rstest::rstest;
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    fn finish(bundles: &Path, name: &str, version: &str, age: Duration) {
        let directory = bundles.join(name);
        fs::create_dir(&directory).unwrap();
        let its = |manifest: &mut Manifest| manifest.istio.version = version.into();
        write_small(&directory, its).unwrap();
        let manifest = File::options().append(true).open(directory.join(MANIFEST_FILE)).unwrap();
        manifest.set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn last_finished_bundle_is_found() {
        let bundles = tempfile::tempdir().unwrap();
        let version = || Some(in_cache(bundles.path())?.manifest().istio.version.clone());
        fs::create_dir(bundles.path().join("release-1.21.0-unfinished")).unwrap();
        fs::write(bundles.path().join("zzz"), "no bundle").unwrap();
        assert_eq!(version(), None);
        finish(bundles.path(), "release-1.9.0", "1.9.0", Duration::from_hours(2));
        finish(bundles.path(), "release-1.20.3", "1.20.3", Duration::from_hours(1));
        assert_eq!(version().as_deref(), Some("1.20.3"));
        assert!(in_cache(&bundles.path().join("none")).is_none());
    }

    #[rstest]
    #[case("kind v0.29.0 go1.24.2 linux/amd64\n", "v0.29.0")]
    #[case("client version: 1.22.0\n", "1.22.0")]
    #[case("1.20.3\n", "1.20.3")]
    #[case("no idea\n", "of no version")]
    fn version_in_output_is_found(#[case] output: &str, #[case] found: &str) {
        assert_eq!(version(output), found);
    }
}
