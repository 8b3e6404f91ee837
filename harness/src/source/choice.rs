//! Which source a run has, as the command line says it.

use std::path::PathBuf;

use meshcheck_bundle::Bundle;

use super::release::verify_in_background;
use super::{Release, SourceError};
use crate::events::Events;

/// The version that stands for the newest release.
pub const LATEST: &str = "latest";

/// The software that a call or its configuration asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requested {
    /// The directory of a bundle.
    pub bundle: Option<PathBuf>,
    /// The version of Istio, or [`LATEST`].
    pub istio: Option<String>,
    /// The version of Kubernetes: `1.34`, `1.34.0`, or with a `v`.
    pub kubernetes: Option<String>,
}

/// Where the software of a run comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A bundle that is there, and what the call asks of it.
    Bundle {
        /// Its directory.
        directory: PathBuf,
        /// The Istio that it has to hold, where one was asked for.
        istio: Option<String>,
        /// The Kubernetes that it has to hold, where one was asked for.
        kubernetes: Option<String>,
    },
    /// The official releases.
    Release(Box<Release>),
}

impl Source {
    /// Returns the source of the software that is wanted. Nothing is downloaded.
    ///
    /// # Errors
    /// When a version is unknown, this machine has no release, or the environment names a wrong
    /// origin or no cache.
    pub async fn choose(wanted: Requested, events: &Events) -> Result<Self, SourceError> {
        let Requested { bundle, istio, kubernetes } = wanted;
        if let Some(directory) = bundle {
            return Ok(Self::Bundle { directory, istio, kubernetes });
        }
        let release =
            Release::from_environment(istio.as_deref(), kubernetes.as_deref(), events).await?;
        Ok(Self::Release(Box::new(release)))
    }

    /// Returns the versions of Istio and of Kubernetes that it has.
    ///
    /// # Errors
    /// When the bundle cannot be read.
    pub fn versions(&self) -> Result<(String, String), SourceError> {
        match self {
            Self::Bundle { directory, .. } => {
                let bundle = Bundle::open(directory)?;
                let manifest = bundle.manifest();
                Ok((manifest.istio.version.clone(), manifest.kubernetes.clone()))
            }
            Self::Release(release) => {
                Ok((release.recipe.istio.clone(), release.recipe.kubernetes.clone()))
            }
        }
    }

    /// Returns what a reader of a report must know of how the versions were chosen.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Bundle { .. } => &[],
            Self::Release(release) => &release.notes,
        }
    }

    /// The bundle; a release that is not in the cache yet is downloaded. Of a bundle that was
    /// named the image archives are verified as they are used: a gigabyte of node image that the engine
    /// has already is not read for nothing. Everything else is verified here, before anything is made.
    ///
    /// # Errors
    /// Whatever keeps it from being complete.
    pub async fn resolve(&self, events: &Events) -> Result<Bundle, SourceError> {
        match self {
            Self::Bundle { directory, istio, kubernetes } => {
                let bundle = Bundle::open(directory)?;
                let holds = &bundle.manifest().istio.version;
                if let Some(asked) = istio.as_ref().filter(|asked| *asked != holds) {
                    return Err(SourceError::OtherIstio {
                        bundle: directory.clone(),
                        asked: asked.clone(),
                        holds: holds.clone(),
                    });
                }
                let holds = &bundle.manifest().kubernetes;
                if let Some(asked) =
                    kubernetes.as_ref().filter(|asked| !is_kubernetes(holds, asked))
                {
                    return Err(SourceError::OtherKubernetes {
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

/// Whether a version of Kubernetes is the one that was asked for: `v1.29.15` is `1.29`, `1.29.15` and `v1.29.15`.
fn is_kubernetes(version: &str, asked: &str) -> bool {
    let numbers = |text: &str| -> Vec<String> {
        text.trim_start_matches('v').split('.').map(str::to_owned).collect()
    };
    numbers(version).starts_with(&numbers(asked))
}

#[cfg(test)]
mod tests {
    use super::is_kubernetes;
    use rstest::rstest;

    #[rstest]
    #[case("1.29", true)]
    #[case("v1.29.15", true)]
    #[case("1.29.1", false)]
    #[case("1.2", false)]
    #[case("1.30", false)]
    fn asked_version_is_compared_number_by_number(#[case] asked: &str, #[case] is_it: bool) {
        assert_eq!(is_kubernetes("v1.29.15", asked), is_it);
    }
}
