//! `cargo xtask lab`: the lab bundle, built from package registries alone.
//!
//! Intermediate parts are made in two lanes, Go programs in one and everything else in the other,
//! and kept in the cache under keys of their inputs; the images are put together from them and
//! baked into the node image; the finished bundle stands under the key of all inputs.

mod assemble;
mod catalogue;
mod image;
mod key;
mod node;
mod pieces;
mod plan;
mod recipe;
mod store;
mod verify;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use meshcheck_bundle::cache_dir;

use crate::golang::Go;
use crate::out::{elapsed, say};
pub(crate) use image::ARCHITECTURE;
pub(crate) use pieces::copy;
use plan::Plan;
use recipe::{ISTIO, Istio};
use store::Store;

/// Which lab bundle.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Options {
    /// The Istio version inside [default: the newest that package registries serve].
    #[arg(long, value_name = "VERSION")]
    pub(crate) istio: Option<String>,
}

/// The kind configuration of lab clusters, in the repository.
const KIND_CONFIG: &str = "kind-config/lab.yaml";

/// Where this crate keeps what goes into builds: Go modules, scripts, configurations.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lab")
}

/// The top of the repository.
fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The directory of the lab bundle: from the cache where it is there and intact, else built.
/// What is needed for that has to be installed (`setup`, scope lab).
///
/// # Errors
/// When a part cannot be built; what is complete by then is kept.
pub(crate) fn ensure(options: &Options) -> Result<PathBuf> {
    let start = Instant::now();
    let istio = choose(options.istio.as_deref())?;
    let cache = cache_dir().context(
        "there is no directory for the cache: set MESHCHECK_CACHE (or HOME) to a directory",
    )?;
    let go = Go::find()?;
    let plan = Plan::new(istio, &go)?;
    let key = plan.key()?;
    let bundle = cache.join("bundles").join(format!("lab-{}-{}", istio.version, key.short()));
    let root = cache.join("lab");
    if verify::check(&bundle, &root).is_ok() {
        return Ok(bundle);
    }
    let _lock = lock(&root)?;
    // Another build may have made it while we waited.
    if bundle.exists() {
        match verify::check(&bundle, &root) {
            Ok(()) => return Ok(bundle),
            Err(error) => say(format_args!("lab bundle: the cached one is damaged: {error:#}")),
        }
        fs::remove_dir_all(&bundle)
            .with_context(|| format!("removing the damaged bundle `{}`", bundle.display()))?;
    }
    say(format_args!("lab bundle: building `{}`", bundle.display()));
    let store = Store::open(&root)?;
    node::remove_leftovers(&root)?;
    assemble::build(&store, &plan, &key, &root, &bundle)?;
    verify::record(&bundle, &root)?;
    say(format_args!("lab bundle: built in {}", elapsed(start.elapsed())));
    Ok(bundle)
}

fn choose(version: Option<&str>) -> Result<&'static Istio> {
    let known = || ISTIO.iter().map(|istio| istio.version).collect::<Vec<_>>().join(", ");
    let found = match version {
        None => ISTIO.first(),
        Some(version) => ISTIO.iter().find(|istio| istio.version == version),
    };
    match found {
        Some(istio) => Ok(istio),
        None => bail!(
            "the lab cannot build Istio {}: package registries serve {} (ci/src/lab/recipe.rs)",
            version.unwrap_or_default(),
            known()
        ),
    }
}

/// One build at a time in one cache. The lock ends with the process, however that ends.
fn lock(root: &Path) -> Result<File> {
    fs::create_dir_all(root).with_context(|| format!("making `{}`", root.display()))?;
    let path = root.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("opening `{}`", path.display()))?;
    if file.try_lock().is_err() {
        say(format_args!("lab bundle: waiting for another build (lock `{}`)", path.display()));
        file.lock().with_context(|| format!("locking `{}`", path.display()))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_istio_names_the_known_ones() {
        let error = choose(Some("1.20.3")).unwrap_err().to_string();
        assert!(error.contains("1.20.3") && error.contains(ISTIO[0].version), "{error}");
        assert_eq!(choose(None).unwrap().version, ISTIO[0].version);
    }
}
