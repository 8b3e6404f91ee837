//! Go: the one on `PATH` where it is new enough, else one that an older Go fetches as a module.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use meshcheck_bundle::cache_dir;
use serde_json::Value;

use crate::command::{Program, copy};
use crate::out::say;
use crate::workspace::{ARCHITECTURE, lab_sources};

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
        let module = lab_sources().join("go").join("kind");
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
        let answer: Value = serde_json::from_str(&answer).context("reading Go's answer")?;
        let dir = Path::new(answer["Dir"].as_str().context("Go names no directory")?);
        let place = fetched_dir()?;
        let parent = place.parent().unwrap_or(&place).to_owned();
        fs::create_dir_all(&parent)?;
        let scratch = tempfile::tempdir_in(&parent)?;
        copy(dir, scratch.path())?;
        // Modules do not keep permissions.
        let programs = ["bin", "pkg"].map(|below| scratch.path().join(below));
        Program::new("chmod").args(["--recursive", "a+rx"]).args(programs).run()?;
        let made = scratch.keep();
        if let Err(error) = fs::rename(&made, &place) {
            // Another set-up may have been faster.
            drop(fs::remove_dir_all(&made));
            if !place.is_dir() {
                return Err(error.into());
            }
        }
        Self::ask(place.join("bin").join("go"))
    }
}

fn fetched_dir() -> Result<PathBuf> {
    let cache = cache_dir().context("set MESHCHECK_CACHE (or HOME) to a directory")?;
    Ok(cache.join("setup").join(FETCHED))
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
