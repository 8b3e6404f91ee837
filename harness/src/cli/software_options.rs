//! The options that name software: a bundle, or versions.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::settings::{parse_kubernetes, parse_version};
use crate::source::{LATEST, Requested};

/// The software that is expected on a cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct SourceOptions {
    /// The bundle in this directory, whose versions are expected
    #[arg(long, value_name = "DIR", env = "MESHCHECK_BUNDLE", value_hint = ValueHint::DirPath)]
    pub(crate) bundle: Option<PathBuf>,
    /// The version of Istio to expect [default: 1.20.3, or the bundle's]
    #[arg(long, value_name = "VERSION", value_parser = parse_version)]
    pub(crate) istio: Option<String>,
}

/// The software to install.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InstallOptions {
    /// The bundle in this directory, in place of a download
    #[arg(long, value_name = "DIR", env = "MESHCHECK_BUNDLE", value_hint = ValueHint::DirPath)]
    pub(crate) bundle: Option<PathBuf>,
    /// The version of Istio to install, or `latest` [default: 1.20.3, or the bundle's]
    #[arg(long, value_name = "VERSION", value_parser = parse_release)]
    pub(crate) istio: Option<String>,
    /// The version of Kubernetes to install Istio on: 1.34 or 1.34.0 [default: one that this Istio supports, see
    /// `meshcheck versions`]
    #[arg(long, value_name = "VERSION", value_parser = parse_kubernetes)]
    pub(crate) kubernetes: Option<String>,
}

impl InstallOptions {
    /// Returns the software that they name.
    pub(super) fn wanted(&self) -> Requested {
        let Self { bundle, istio, kubernetes } = self.clone();
        Requested { bundle, istio, kubernetes }
    }
}

/// How meshcheck creates a cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterOptions {
    #[command(flatten)]
    pub(crate) install: InstallOptions,
    /// The kind configuration of the cluster: subnets, ports, nodes [default: the bundle's]
    #[arg(long, value_name = "FILE", env = "MESHCHECK_KIND_CONFIG", value_hint = ValueHint::FilePath)]
    pub(crate) kind_config: Option<PathBuf>,
}

/// Reads the version of Istio to install: a version, or `latest`.
pub(super) fn parse_release(text: &str) -> Result<String, String> {
    if text == LATEST {
        return Ok(text.to_owned());
    }
    parse_version(text).map_err(|error| format!("{error}, or `{LATEST}`"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1.34", true)]
    #[case("v1.34.0", true)]
    #[case("1", false)]
    #[case("1.34.0.1", false)]
    #[case("1.34.0-rc.1", false)]
    #[case("latest", false)]
    fn kubernetes_has_two_or_three_numbers(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(parse_kubernetes(text).is_ok(), fits);
    }

    #[rstest]
    #[case("latest", true)]
    #[case("1.31.1", true)]
    #[case("1.31", false)]
    fn istio_is_a_version_or_the_latest(#[case] text: &str, #[case] fits: bool) {
        assert_eq!(parse_release(text).is_ok(), fits);
    }
}
