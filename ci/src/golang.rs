//! Go: the one on `PATH` where it is new enough, else one that an older Go fetches as a module.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use meshcheck_bundle::cache_dir;
use serde::Deserialize;

use crate::command::Program;
use crate::lab::ARCHITECTURE;
use crate::out::say;

/// What the lab's modules need.
const NEEDED: (u32, u32) = (1, 26);
/// What is fetched where there is only an older one.
const FETCHED: &str = "go1.26.8";

/// A Go that is new enough.
#[derive(Debug, Clone)]
pub(crate) struct Go {
    program: PathBuf,
    version: String,
}

impl Go {
    /// Finds one.
    ///
    /// # Errors
    /// When there is none, or only older ones.
    pub(crate) fn find() -> Result<Self> {
        let on_path = Self::ask("go".into());
        if on_path.as_ref().is_ok_and(Self::is_new_enough) {
            return on_path;
        }
        let fetched = fetched_dir()?.join("bin").join("go");
        if fetched.is_file() {
            return Self::ask(fetched);
        }
        let (major, minor) = NEEDED;
        match on_path {
            Ok(old) => bail!(
                "Go {major}.{minor} or newer is needed for the lab bundle, found {}: type `cargo xtask setup`",
                old.version
            ),
            Err(error) => Err(error.context(format!(
                "Go {major}.{minor} or newer is needed for the lab bundle: type `cargo xtask setup`"
            ))),
        }
    }

    /// Finds one, or lets an older Go fetch one into the cache. Hands out a line on it.
    ///
    /// # Errors
    /// When there is no Go at all, or fetching fails.
    pub(crate) fn ensure() -> Result<String> {
        let go = if let Ok(go) = Self::find() { go } else { Self::fetch()? };
        Ok(format!("Go: {}", go.version))
    }

    /// A call of it.
    pub(crate) fn call(&self, arguments: &[&str]) -> Program {
        Program::new(&self.program).args(arguments)
    }

    /// Its version, such as `go1.26.8`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    #[cfg(test)]
    pub(crate) fn called(version: &str) -> Self {
        Self { program: "go".into(), version: version.to_owned() }
    }

    fn ask(program: PathBuf) -> Result<Self> {
        // Inside a module, Go itself takes a newer one where it may.
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/go/kind");
        let version = Program::new(&program).args(["env", "GOVERSION"]).dir(&module).read()?;
        Ok(Self { program, version })
    }

    fn is_new_enough(&self) -> bool {
        release(&self.version).is_some_and(|release| release >= NEEDED)
    }

    /// Go's releases are modules too, so any Go can fetch and verify them.
    fn fetch() -> Result<Self> {
        say(format_args!("Go: fetching {FETCHED}, as a Go module"));
        let module = format!("golang.org/toolchain@v0.0.1-{FETCHED}.linux-{ARCHITECTURE}");
        let answer = Program::new("go")
            .args(["mod", "download", "-json", &module])
            .env("GOFLAGS", "")
            .env("GOWORK", "off")
            .read()
            .with_context(|| format!("fetching {FETCHED}"))?;
        let Downloaded { dir } = serde_json::from_str(&answer).context("reading Go's answer")?;
        let place = fetched_dir()?;
        let parent = place.parent().unwrap_or(&place).to_owned();
        fs::create_dir_all(&parent).with_context(|| format!("making `{}`", parent.display()))?;
        let scratch = tempfile::tempdir_in(&parent)?;
        crate::lab::copy(&dir, scratch.path())?;
        // Modules do not keep permissions.
        for below in ["bin", "pkg/tool"] {
            make_executable(&scratch.path().join(below))?;
        }
        let made = scratch.keep();
        if let Err(error) = fs::rename(&made, &place) {
            // Another set-up may have been faster.
            drop(fs::remove_dir_all(&made));
            if !place.is_dir() {
                return Err(error).with_context(|| format!("making `{}`", place.display()));
            }
        }
        Self::ask(place.join("bin").join("go"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    dir: PathBuf,
}

fn fetched_dir() -> Result<PathBuf> {
    let cache = cache_dir().context("set MESHCHECK_CACHE (or HOME) to a directory")?;
    Ok(cache.join("setup").join(FETCHED))
}

fn make_executable(dir: &Path) -> Result<()> {
    let making = || format!("making the programs in `{}` executable", dir.display());
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).with_context(making)? {
        let path = entry.with_context(making)?.path();
        if path.is_dir() {
            make_executable(&path)?;
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).with_context(making)?;
        }
    }
    Ok(())
}

/// The release that a version belongs to: `go1.26.8` to 1.26.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix("go")?.split(['.', 'r', 'b', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("go1.26.8", Some((1, 26)))]
    #[case("go1.27rc1", Some((1, 27)))]
    #[case("go1.19", Some((1, 19)))]
    #[case("devel", None)]
    fn releases(#[case] version: &str, #[case] expected: Option<(u32, u32)>) {
        assert_eq!(release(version), expected);
    }
}
