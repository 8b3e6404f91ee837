//! `meshcheck.toml`: names and values of a tutorial that differs.
//!
//! `default.toml` is what `meshcheck config` prints: every key with its purpose and its default.

mod error;
mod file;
mod find;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use meshcheck_suites::evidence::{Expectations, Waiver};

pub(crate) use error::SettingsError;
#[cfg(test)]
pub(crate) use file::parse;
pub(crate) use file::{DEFAULT, SAME_NAMESPACE};
pub(crate) use find::{FILE, Found, VARIABLE, find, load};
pub(crate) use values::{
    format_duration, parse_kubernetes, parse_limit, parse_namespace, parse_url, parse_version,
    parse_wait,
};

/// The values of a configuration file; for all others the defaults apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The file, where there is one.
    pub(crate) file: Option<PathBuf>,
    /// The version of Istio to install and to expect.
    pub(crate) istio_version: Option<String>,
    /// Names, ports and texts. The version in here has no meaning.
    names: Expectations,
    /// Claims of which less is asked; nothing where the file has no such section.
    pub(crate) waivers: Option<Vec<Waiver>>,
    /// Where Kiali is exposed.
    pub(crate) kiali_url: Option<String>,
    /// The context of the kubeconfig.
    pub(crate) context: Option<String>,
    /// The kubeconfig.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The time limit of each request.
    pub(crate) look: Option<Duration>,
    /// How long rollouts are waited for before evidence is collected.
    pub(crate) settle: Option<Duration>,
    /// The text of the file for another machine: without the cluster and the address of Kiali, which are those of one.
    pub(crate) elsewhere: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: None,
            istio_version: None,
            names: Expectations::of_the_tutorial("", ""),
            waivers: None,
            kiali_url: None,
            context: None,
            kubeconfig: None,
            look: None,
            settle: None,
            elsewhere: String::new(),
        }
    }
}

impl Settings {
    /// Returns what is expected of a cluster, for a version of Istio and the source of that version.
    pub(crate) fn expectations(&self, istio_version: &str, source: &str) -> Expectations {
        Expectations {
            istio_version: istio_version.to_owned(),
            istio_version_source: source.to_owned(),
            waivers: self.waivers.clone().unwrap_or_default(),
            ..self.names.clone()
        }
    }

    /// Returns the name of the file for messages.
    pub(crate) fn source(&self) -> String {
        let name = self.file.as_ref().and_then(|file| file.file_name());
        name.map_or_else(|| FILE.to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The names, to be changed by options.
    pub(crate) fn names_mut(&mut self) -> &mut Expectations {
        &mut self.names
    }

    /// Lists the names that differ from other expectations; the version of Istio apart.
    pub(crate) fn differences(&self, other: &Expectations) -> Vec<String> {
        self.expectations(&other.istio_version, "").differences(other)
    }
}
