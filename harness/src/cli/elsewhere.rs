//! What a call expects, for a program on another machine: options and a configuration that say the same there.

use super::arguments::Namespaces;
use super::class::Class;
use super::failure::Failure;
use super::software;
use crate::settings::Settings;

/// What a program elsewhere gets.
pub(super) struct Elsewhere {
    /// Options, each a word: the kind of evidence, the namespaces, the version of Istio.
    pub(super) options: Vec<String>,
    /// The configuration, where this call has one, or a bundle that names Kiali's image.
    pub(super) configuration: Option<String>,
}

impl Elsewhere {
    /// Returns what the machines of a class get. A bundle stays here: they get its versions.
    ///
    /// # Errors
    ///
    /// When the bundle or the configuration cannot be read.
    pub(super) fn of(arguments: &Class, settings: &Settings) -> Result<Self, Failure> {
        let expected = match &arguments.source.bundle {
            Some(_) => Some(software::expectations(&arguments.source, settings, None)?),
            None => None,
        };
        let istio = expected.as_ref().map(|it| it.istio_version.clone());
        let istio = istio.or_else(|| arguments.source.istio.clone());
        let Namespaces { namespace, istio_namespace } = &arguments.namespaces;
        let mut options = Vec::new();
        if arguments.preflight {
            options.push("--preflight".to_owned());
        }
        for (option, value) in [
            ("--namespace", namespace),
            ("--istio-namespace", istio_namespace),
            ("--istio", &istio),
        ] {
            if let Some(value) = value {
                options.extend([option.to_owned(), value.clone()]);
            }
        }
        let own = settings.file.is_some().then(|| settings.elsewhere.clone());
        let configuration = match expected.and_then(|it| it.kiali_image) {
            Some(image) => Some(
                with_kiali_image(own.as_deref().unwrap_or_default(), &image).map_err(|reason| {
                    let message =
                        format!("cannot read the configuration {}: {reason}", settings.source());
                    Failure::usage(message, "name another one with --config".into())
                })?,
            ),
            None => own,
        };
        Ok(Self { options, configuration })
    }
}

/// Refuses a bundle for a preflight elsewhere, which would look for its directory there. `why`: who runs it, as a clause.
pub(super) fn refuse_bundle_of_preflight(arguments: &Class, why: &str) -> Result<(), Failure> {
    let Some(bundle) = arguments.source.bundle.as_ref().filter(|_| arguments.preflight) else {
        return Ok(());
    };
    let fix = "leave out --bundle and MESHCHECK_BUNDLE, and name the version with --istio";
    let message = format!("the bundle {} is on this machine, and {why}", bundle.display());
    Err(Failure::usage(message, fix.into()))
}

/// Puts Kiali's image into a configuration.
fn with_kiali_image(configuration: &str, image: &str) -> Result<String, String> {
    let mut table: toml::Table =
        configuration.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let kiali = table.entry("kiali").or_insert_with(|| toml::Table::new().into());
    let kiali = kiali.as_table_mut().ok_or("`kiali` is no table")?;
    kiali.insert("image".into(), image.into());
    toml::to_string(&table).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "[kiali]\nimage = \"kiali:v1\"\n")]
    #[case("kiali.port = 80\n", "[kiali]\nimage = \"kiali:v1\"\nport = 80\n")]
    #[case("[kiali]\nimage = \"other\"\n", "[kiali]\nimage = \"kiali:v1\"\n")]
    fn image_of_a_bundle_is_in_the_configuration_elsewhere(#[case] text: &str, #[case] all: &str) {
        assert_eq!(with_kiali_image(text, "kiali:v1").as_deref(), Ok(all));
    }
}
