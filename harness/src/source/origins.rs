//! Where releases are published, and how a user names a mirror instead.
//!
//! | variable | instead of | layout |
//! |---|---|---|
//! | `MESHCHECK_ISTIO_RELEASES` | `https://github.com/istio/istio/releases/download` | `/1.20.3/istio-1.20.3-linux-amd64.tar.gz` |
//! | `MESHCHECK_KIND_RELEASES` | `https://github.com/kubernetes-sigs/kind/releases/download` | `/v0.22.0/kind-linux-amd64` |
//! | `MESHCHECK_METALLB_MANIFESTS` | `https://raw.githubusercontent.com/metallb/metallb` | `/v0.15.2/config/manifests/metallb-native.yaml` |
//! | `MESHCHECK_REGISTRY_MIRROR` | the registries in the images' names | see [`Mirror`] |

use std::env;

use oci_client::Reference;
use serde::{Deserialize, Serialize};

use super::error::{REGISTRY_MIRROR, SourceError};

/// A publisher of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Istio's releases.
    Istio,
    /// kind's releases.
    Kind,
    /// `MetalLB`'s repository.
    Metallb,
}

/// Where everything is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    /// The address that Istio's release files are below.
    pub istio: String,
    /// The address that kind's release files are below.
    pub kind: String,
    /// The address that `MetalLB`'s tags are below.
    pub metallb: String,
    /// Registries that stand in for those in the images' names.
    pub mirrors: Vec<Mirror>,
}

impl Default for Origins {
    fn default() -> Self {
        Self {
            istio: "https://github.com/istio/istio/releases/download".to_owned(),
            kind: "https://github.com/kubernetes-sigs/kind/releases/download".to_owned(),
            metallb: "https://raw.githubusercontent.com/metallb/metallb".to_owned(),
            mirrors: Vec::new(),
        }
    }
}

impl Origins {
    /// The official places, or those that the environment names.
    ///
    /// # Errors
    /// When a variable is no address.
    pub fn from_environment() -> Result<Self, SourceError> {
        let mut origins = Self::default();
        let files = [
            ("MESHCHECK_ISTIO_RELEASES", &mut origins.istio),
            ("MESHCHECK_KIND_RELEASES", &mut origins.kind),
            ("MESHCHECK_METALLB_MANIFESTS", &mut origins.metallb),
        ];
        for (variable, place) in files {
            if let Some(value) = set(variable) {
                *place = base(variable, &value)?;
            }
        }
        if let Some(value) = set(REGISTRY_MIRROR) {
            origins.mirrors = Mirror::list(&value)?;
        }
        Ok(origins)
    }

    /// The address of a publisher's file.
    pub fn url(&self, origin: Origin, path: &str) -> String {
        let base = match origin {
            Origin::Istio => &self.istio,
            Origin::Kind => &self.kind,
            Origin::Metallb => &self.metallb,
        };
        format!("{base}/{path}")
    }

    /// Where an image is fetched: itself, or its place at the first mirror that stands for its
    /// registry.
    pub(super) fn place(&self, image: &Reference) -> Reference {
        let Some(mirror) = self.mirrors.iter().find(|mirror| mirror.covers(image)) else {
            return image.clone();
        };
        let repository = match &mirror.prefix {
            Some(prefix) => format!("{prefix}/{}", image.repository()),
            None => image.repository().to_owned(),
        };
        match (image.digest(), image.tag()) {
            (Some(digest), _) => {
                Reference::with_digest(mirror.host.clone(), repository, digest.to_owned())
            }
            (None, tag) => Reference::with_tag(
                mirror.host.clone(),
                repository,
                tag.unwrap_or("latest").to_owned(),
            ),
        }
    }

    /// The registries that are spoken to without TLS.
    pub(super) fn plain_registries(&self) -> Vec<String> {
        self.mirrors
            .iter()
            .filter(|mirror| mirror.plain)
            .map(|mirror| mirror.host.clone())
            .collect()
    }
}

/// A registry that stands in for others. As text: `[REGISTRY=][http://]HOST[:PORT][/PREFIX]`, a
/// list of them separated by commas. Without `REGISTRY=` it stands for all; repositories keep their
/// paths below the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry that it stands for; all where there is none.
    pub registry: Option<String>,
    /// Its host, with a port where it has one.
    pub host: String,
    /// What its repositories are below.
    pub prefix: Option<String>,
    /// Whether it speaks plain HTTP.
    pub plain: bool,
}

impl Mirror {
    fn list(value: &str) -> Result<Vec<Self>, SourceError> {
        value.split(',').map(|entry| Self::parse(entry.trim())).collect()
    }

    fn parse(entry: &str) -> Result<Self, SourceError> {
        let (registry, place) = match entry.split_once('=') {
            Some((registry, place)) => (Some(registry.to_owned()), place),
            None => (None, entry),
        };
        let (plain, place) = match place.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (false, place.strip_prefix("https://").unwrap_or(place)),
        };
        let (host, prefix) = match place.trim_end_matches('/').split_once('/') {
            Some((host, prefix)) => (host, Some(prefix.to_owned())),
            None => (place.trim_end_matches('/'), None),
        };
        if host.is_empty() || host.contains(char::is_whitespace) || registry.as_deref() == Some("")
        {
            return Err(SourceError::Origin {
                variable: REGISTRY_MIRROR,
                value: entry.to_owned(),
                reason: "expected [REGISTRY=][http://]HOST[:PORT][/PREFIX]".to_owned(),
            });
        }
        Ok(Self { registry, host: host.to_owned(), prefix, plain })
    }

    fn covers(&self, image: &Reference) -> bool {
        self.registry.as_deref().is_none_or(|registry| registry == image.registry())
    }
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.trim().is_empty())
}

fn base(variable: &'static str, value: &str) -> Result<String, SourceError> {
    let wrong = |reason: String| SourceError::Origin { variable, value: value.to_owned(), reason };
    let url = reqwest::Url::parse(value.trim()).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("expected an address that starts with https:// or http://".to_owned()));
    }
    Ok(value.trim().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn place(mirrors: &str, image: &str) -> String {
        let origins = Origins { mirrors: Mirror::list(mirrors).unwrap(), ..Origins::default() };
        origins.place(&image.parse().unwrap()).whole()
    }

    #[rstest]
    #[case("localhost:5000", "docker.io/istio/pilot:1", "localhost:5000/istio/pilot:1")]
    #[case("http://m/hub", "istio/pilot:1", "m/hub/istio/pilot:1")]
    #[case("docker.io=h/hub,quay.io=h/quay", "quay.io/kiali/kiali:v1", "h/quay/kiali/kiali:v1")]
    #[case("docker.io=h/hub", "quay.io/kiali/kiali:v1", "quay.io/kiali/kiali:v1")]
    fn a_mirror_keeps_the_repository(
        #[case] mirrors: &str,
        #[case] image: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(place(mirrors, image), expected);
    }

    #[test]
    fn only_what_says_http_is_spoken_to_in_the_clear() {
        let mirrors = Mirror::list("http://a:5000, quay.io=https://b/quay").unwrap();
        let origins = Origins { mirrors, ..Origins::default() };
        assert_eq!(origins.plain_registries(), ["a:5000"]);
    }

    #[rstest]
    #[case("")]
    #[case("=host")]
    #[case("quay.io=")]
    fn a_mirror_needs_a_host(#[case] value: &str) {
        let error = Mirror::list(value).unwrap_err();
        assert!(error.to_string().contains(REGISTRY_MIRROR), "{error}");
    }

    #[rstest]
    #[case("ftp://host", "https://")]
    #[case("host/path", "relative")]
    fn a_file_origin_needs_an_address(#[case] value: &str, #[case] says: &str) {
        let error = base("MESHCHECK_KIND_RELEASES", value).unwrap_err().to_string();
        assert!(error.contains("MESHCHECK_KIND_RELEASES") && error.contains(says), "{error}");
    }
}
