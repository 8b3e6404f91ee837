//! `cargo xtask lab`: the lab bundle, built from package registries alone.
//!
//! Intermediate parts are made in two lanes, Go programs in one and everything else in the other,
//! and kept in the cache under keys of their inputs; the engine builds the images from them, which
//! are put into the node image; the finished bundle stands under the key of all inputs.

mod assemble;
mod images;
mod key;
mod node;
mod pieces;
mod plan;
mod recipe;
mod store;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use meshcheck_bundle::{Bundle, BundleError, cache_dir};

use crate::golang::Go;
use crate::out::{elapsed, say};
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

/// The directory of the lab bundle: from the cache where it is there and intact, else built.
/// What is needed for that has to be installed (`setup`, scope lab).
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
    if check(&bundle).is_ok() {
        return Ok(bundle);
    }
    let _lock = lock(&root)?;
    // Another build may have made it while we waited.
    if bundle.exists() {
        match check(&bundle) {
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
    say(format_args!("lab bundle: built in {}", elapsed(start.elapsed())));
    Ok(bundle)
}

/// Whether the bundle is complete. Image archives are compared by size alone: those that are used are
/// verified then.
fn check(bundle: &Path) -> Result<(), BundleError> {
    Bundle::open(bundle)?.verify_programs()
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
