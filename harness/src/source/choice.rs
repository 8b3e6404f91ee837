//! Which source a run has, as the command line says it.

use std::path::PathBuf;

use meshcheck_bundle::Bundle;

use super::release::verify_in_background;
use super::{DEFAULT_ISTIO, Release, SourceError};
use crate::events::Events;

/// Where the software of a run comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A bundle that is there.
    Bundle {
        /// Its directory.
        directory: PathBuf,
        /// The Istio that it has to hold, where one was asked for.
        istio: Option<String>,
    },
    /// The official releases.
    Release(Box<Release>),
}

impl Source {
    /// What `--bundle DIR` and `--istio V` mean together.
    ///
    /// # Errors
    /// When the version is unknown, this machine has no release, or the environment names a wrong
    /// origin or no cache.
    pub fn from_options(
        bundle: Option<PathBuf>,
        istio: Option<String>,
    ) -> Result<Self, SourceError> {
        if let Some(directory) = bundle {
            return Ok(Self::Bundle { directory, istio });
        }
        let istio = istio.unwrap_or_else(|| DEFAULT_ISTIO.to_owned());
        Ok(Self::Release(Box::new(Release::from_environment(&istio)?)))
    }

    /// The bundle; a release that is not in the cache yet is downloaded. Of a bundle that was
    /// named the image archives are verified as they are used: a gigabyte of node image that the engine
    /// has already is not read for nothing. Everything else is verified here, before anything is made.
    ///
    /// # Errors
    /// Whatever keeps it from being complete.
    pub async fn resolve(&self, events: &Events) -> Result<Bundle, SourceError> {
        match self {
            Self::Bundle { directory, istio } => {
                let bundle = Bundle::open(directory)?;
                let holds = &bundle.manifest().istio.version;
                if let Some(asked) = istio.as_ref().filter(|asked| *asked != holds) {
                    return Err(SourceError::OtherIstio {
                        bundle: directory.clone(),
                        asked: asked.clone(),
                        holds: holds.clone(),
                    });
                }
                verify_in_background(bundle, Bundle::verify_programs).await
            }
            Self::Release(release) => release.resolve(events).await,
        }
    }
}
