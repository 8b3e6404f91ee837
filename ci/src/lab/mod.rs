//! `cargo xtask lab`: the bundles of the lab's meshes, built from package registries alone.
//!
//! Intermediate parts are made in two lanes, Go programs in one and everything else in the other,
//! and kept in the cache under keys of their inputs; the engine builds the images from them, which
//! are put into the node image; the finished bundle stands under the key of all inputs. Meshes that
//! differ by their install options alone share the files of one bundle.

mod assemble;
mod images;
mod key;
pub(crate) mod list;
mod node;
mod pieces;
mod plan;
mod programs;
mod recipe;
mod store;
mod variant;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use fs_err::{self as fs, File};
use meshcheck_bundle::{Bundle, BundleError, cache_dir};

use crate::golang::Go;
use crate::out::{elapsed, result, say};
use crate::setup;
use key::Key;
use plan::Plan;
use recipe::{MESHES, Mesh};
use store::Store;

/// Which bundles of the lab.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Options {
    /// The mesh, by its name in the list or by its Istio version; can be repeated [default: the first of the list]
    #[arg(long, value_name = "NAME")]
    istio: Vec<String>,
    /// All meshes of the list
    #[arg(long, conflicts_with = "istio")]
    all: bool,
    /// The table of meshes, with the directories of their bundles; builds nothing
    #[arg(long, conflicts_with_all = ["istio", "all"])]
    list: bool,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t, requires = "list")]
    output: list::Output,
}

/// Builds the bundles that are not in the cache, and prints the directory of each; or prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.list {
        return list::print(options.output);
    }
    let meshes = match options.istio.as_slice() {
        _ if options.all => MESHES.iter().collect(),
        [] => vec![&MESHES[0]],
        names => names.iter().map(|name| choose(name)).collect::<Result<_>>()?,
    };
    setup::ensure(&[setup::Scope::Lab])?;
    for mesh in meshes {
        result(ensure(mesh.name)?.display())?;
    }
    Ok(())
}

/// The name of the default mesh.
pub(crate) const DEFAULT: &str = MESHES[0].name;

/// The names of all meshes.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    MESHES.iter().map(|mesh| mesh.name).collect()
}

/// The directory of the default mesh's bundle, as [`ensure`] has it.
pub(crate) fn ensure_default() -> Result<PathBuf> {
    ensure(MESHES[0].name)
}

/// The directory of the bundle of a mesh, by its name or version: from the cache where it is there and intact, else built.
/// What is needed for that has to be installed (`setup`, scope lab).
pub(crate) fn ensure(name: &str) -> Result<PathBuf> {
    let start = Instant::now();
    let mesh = choose(name)?;
    let (place, go) = (Place::find()?, Go::find()?);
    let plan = Plan::new(mesh.software, &go)?;
    let software = plan.key()?;
    // The first mesh with this software has no options of its own.
    let first = place.bundle(&Mesh { set: &[], ..*mesh }, &software);
    let bundle = place.bundle(mesh, &software);
    if check(&bundle.directory).is_ok() {
        return Ok(bundle.directory);
    }
    let _lock = lock(&place.lab)?;
    let store = Store::open(&place.lab)?;
    // Another build may have made them while we waited.
    if !is_intact(&first.directory)? {
        say(format_args!("lab bundle: building `{}`", first.directory.display()));
        node::remove_leftovers(&place.lab)?;
        assemble::build(&store, &plan, &first.key, &place.lab, &first.directory)?;
    }
    if !is_intact(&bundle.directory)? {
        variant::build(&store, mesh, &bundle.key, &first.directory, &bundle.directory)?;
    }
    say(format_args!(
        "lab bundle: `{}` built in {}",
        bundle.directory.display(),
        elapsed(start.elapsed())
    ));
    Ok(bundle.directory)
}

/// Where the cache keeps bundles and what they are built from.
struct Place {
    bundles: PathBuf,
    lab: PathBuf,
}

/// A bundle, built or not.
struct Planned {
    key: Key,
    directory: PathBuf,
}

impl Place {
    fn find() -> Result<Self> {
        let cache = cache_dir().context(
            "there is no directory for the cache: set MESHCHECK_CACHE (or HOME) to a directory",
        )?;
        Ok(Self { bundles: cache.join("bundles"), lab: cache.join("lab") })
    }

    /// The bundle of a mesh whose software has this key.
    fn bundle(&self, mesh: &Mesh, software: &Key) -> Planned {
        let key = variant::key(mesh, software);
        let name = if mesh.set.is_empty() { mesh.software.istio.version } else { mesh.name };
        let directory = self.bundles.join(format!("lab-{name}-{}", key.short()));
        Planned { key, directory }
    }
}

/// Whether a bundle is there and complete. One that is damaged is removed.
fn is_intact(bundle: &Path) -> Result<bool> {
    if !bundle.exists() {
        return Ok(false);
    }
    let Err(error) = check(bundle) else {
        return Ok(true);
    };
    say(format_args!("lab bundle: the cached one is damaged: {error:#}"));
    fs::remove_dir_all(bundle)?;
    Ok(false)
}

/// Whether the bundle is complete. Image archives are compared by size alone: those that are used are
/// verified then.
fn check(bundle: &Path) -> Result<(), BundleError> {
    Bundle::open(bundle)?.verify_programs()
}

/// The mesh of that name, or the first with that version of Istio.
fn choose(name: &str) -> Result<&'static Mesh> {
    let known = MESHES.iter().map(|mesh| mesh.name).collect::<Vec<_>>().join(", ");
    let named = MESHES.iter().find(|mesh| mesh.name == name);
    let versioned = || MESHES.iter().find(|mesh| mesh.software.istio.version == name);
    match named.or_else(versioned) {
        Some(mesh) => Ok(mesh),
        None => {
            bail!("the lab cannot build the mesh `{name}`: it has {known} (ci/src/lab/recipe.rs)")
        }
    }
}

/// One build at a time in one cache. The lock ends with the process, however that ends.
fn lock(root: &Path) -> Result<File> {
    fs::create_dir_all(root)?;
    let path = root.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    if file.try_lock().is_err() {
        say(format_args!("lab bundle: waiting for another build (lock `{}`)", path.display()));
        file.lock()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::name("1.22-alpha-native-sidecars", "1.22-alpha-native-sidecars")]
    #[case::version("1.22.0-alpha.55f12a68b4f9", "1.22-alpha")]
    fn mesh_is_chosen_by_name_or_version(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(choose(name).unwrap().name, expected);
    }

    #[test]
    fn unknown_mesh_names_the_known_ones() {
        let error = choose("1.20.3").unwrap_err().to_string();
        assert!(error.contains("`1.20.3`"), "{error}");
        assert!(MESHES.iter().all(|mesh| error.contains(mesh.name)), "{error}");
    }
}
