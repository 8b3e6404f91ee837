//! Decides what is expected of a cluster: the version of Istio, the names of the demo, Kiali's image.
//!
//! | what | from, the first that says it |
//! |---|---|
//! | version | `--istio`, the bundle of `--bundle`, the cluster's own bundle, the configuration, the tutorial |
//! | Kiali's image | the configuration; that bundle or that cluster, where its Istio has this version |
//! | names | the configuration file, the names with which `up` installed, the tutorial |
//! | waivers | the configuration file |

use meshcheck_bundle::Manifest;
use meshcheck_suites::evidence::Expectations;

use crate::settings::Settings;
use crate::source::DEFAULT_ISTIO;
use crate::state::ClusterState;

/// What says something of the software, besides the configuration.
#[derive(Clone, Copy, Default)]
pub(crate) struct Software<'a> {
    /// The version that `--istio` names.
    pub(crate) istio: Option<&'a str>,
    /// The bundle that `--bundle` names.
    pub(crate) bundle: Option<&'a Manifest>,
    /// The cluster, where meshcheck made it.
    pub(crate) cluster: Option<&'a ClusterState>,
}

/// Returns what is expected, and a note where the configuration differs from what `up` installed.
pub(crate) fn resolve(
    settings: &Settings,
    Software { istio, bundle, cluster }: Software<'_>,
) -> (Expectations, Option<String>) {
    let file = settings.source();
    let (version, source) = match (istio, bundle, cluster, &settings.istio_version) {
        (Some(version), ..) => (version, "--istio"),
        (None, Some(bundle), ..) => (bundle.istio.version.as_str(), "the bundle"),
        (None, None, Some(cluster), _) => {
            (cluster.istio_version.as_str(), "the bundle that was installed")
        }
        (None, None, None, Some(version)) => (version.as_str(), file.as_str()),
        (None, None, None, None) => (DEFAULT_ISTIO, "the tutorial"),
    };
    let mut expected = settings.expectations(version, source);
    if expected.kiali_image.is_none() {
        let of_bundle = bundle.map(|it| (&it.istio.version, &it.kiali.image));
        let of_cluster = cluster.map(|it| (&it.istio_version, &it.kiali_image));
        let known = of_bundle.into_iter().chain(of_cluster).find(|(istio, _)| *istio == version);
        expected.kiali_image = known.map(|(_, image)| image.clone());
    }
    let Some(installed) = cluster.and_then(|cluster| cluster.expectations.as_ref()) else {
        return (expected, None);
    };
    if settings.file.is_some() {
        return (expected, difference(settings, installed));
    }
    let Expectations { istio_version, istio_version_source, kiali_image, waivers, .. } = expected;
    let names = installed.clone();
    let expected =
        Expectations { istio_version, istio_version_source, kiali_image, waivers, ..names };
    (expected, None)
}

/// Describes how the configuration differs from the names with which `up` installed.
fn difference(settings: &Settings, installed: &Expectations) -> Option<String> {
    let differences = settings.differences(installed);
    let (first, others) = differences.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        number => format!(", and {number} more"),
    };
    let file = settings.source();
    Some(format!("note: `up` installed other names than those of {file}: {first}{more}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::settings::parse;

    /// A bundle with Istio 1.21.0 and its own image of Kiali.
    fn bundle() -> Manifest {
        serde_json::from_value(json!({
            "schema": 1, "origin": "release", "key": "0", "kubernetes": "v1.29.2",
            "istio": { "version": "1.21.0", "hub": "h", "tag": "t" },
            "kiali": { "version": "v1.80", "image": "kiali:bundle" },
            "node": { "reference": "n", "id": null, "archive": "a", "kind_config": "k" },
            "images": [], "install": { "profile": "default" }, "parts": []
        }))
        .unwrap()
    }

    /// A cluster with Istio 1.22.0, which `up` made with the demo in the namespace `up`.
    fn cluster() -> ClusterState {
        let mut names = Expectations::of_the_tutorial("1.22.0", "");
        names.namespace = "up".into();
        serde_json::from_value(json!({
            "name": "meshcheck-1", "created_at": "2026-01-01T00:00:00Z", "keep": true,
            "istio_version": "1.22.0", "kiali_image": "kiali:cluster", "expectations": names,
            "bundle": { "origin": "release", "key": "0", "install_set": [], "notes": [] }
        }))
        .unwrap()
    }

    const FILE: &str = "[istio]\nversion = \"1.23.0\"\n[demo]\nnamespace = \"shop\"\n";
    const IMAGE: &str = "[kiali]\nimage = \"kiali:file\"\n";

    /// `--istio`, whether a bundle is named, whether the cluster is meshcheck's, the file, and what is expected.
    #[rstest]
    #[case("", false, false, "", "1.20.3 by the tutorial; Kiali -; client")]
    #[case("", false, false, FILE, "1.23.0 by meshcheck.toml; Kiali -; shop")]
    #[case("1.24.0", true, true, FILE, "1.24.0 by --istio; Kiali -; shop")]
    #[case("", true, false, FILE, "1.21.0 by the bundle; Kiali kiali:bundle; shop")]
    #[case("", true, true, "", "1.21.0 by the bundle; Kiali kiali:bundle; up")]
    #[case("", false, true, "", "1.22.0 by the bundle that was installed; Kiali kiali:cluster; up")]
    #[case("1.21.0", true, true, "", "1.21.0 by --istio; Kiali kiali:bundle; up")]
    #[case("1.22.0", false, true, "", "1.22.0 by --istio; Kiali kiali:cluster; up")]
    #[case("1.22.0", false, true, IMAGE, "1.22.0 by --istio; Kiali kiali:file; client")]
    fn first_source_with_a_version_decides(
        #[case] istio: &str,
        #[case] named_bundle: bool,
        #[case] own_cluster: bool,
        #[case] file: &str,
        #[case] expected: &str,
    ) {
        let settings = match file {
            "" => Settings::default(),
            file => parse(Path::new("meshcheck.toml"), file).unwrap(),
        };
        let (bundle, cluster) = (bundle(), cluster());
        let software = Software {
            istio: Some(istio).filter(|it| !it.is_empty()),
            bundle: Some(&bundle).filter(|_| named_bundle),
            cluster: Some(&cluster).filter(|_| own_cluster),
        };
        let (found, _) = resolve(&settings, software);
        let (version, source) = (&found.istio_version, &found.istio_version_source);
        let image = found.kiali_image.as_deref().unwrap_or("-");
        assert_eq!(format!("{version} by {source}; Kiali {image}; {}", found.namespace), expected);
    }

    #[rstest]
    #[case::same("[demo]\nnamespace = \"up\"\n", None)]
    #[case::other(
        "[demo]\nnamespace = \"shop\"\nreply = \"Hi\"\n[kiali]\nport = 1\n",
        Some(
            "note: `up` installed other names than those of meshcheck.toml: demo.namespace: shop, not up, and 2 more"
        )
    )]
    fn file_that_differs_from_installed_names_is_noted(
        #[case] file: &str,
        #[case] note: Option<&str>,
    ) {
        let settings = parse(Path::new("meshcheck.toml"), file).unwrap();
        let cluster = cluster();
        let (_, found) =
            resolve(&settings, Software { cluster: Some(&cluster), ..Software::default() });
        assert_eq!(found.as_deref(), note);
    }

    #[test]
    fn waivers_come_from_the_file_and_not_from_the_cluster() {
        let text = "[claims.skip]\nkiali = \"no console\"\n";
        let settings = parse(Path::new("meshcheck.toml"), text).unwrap();
        let mut cluster = cluster();
        let installed = cluster.expectations.as_mut().unwrap();
        installed.waivers = settings.expectations("", "").waivers;
        let software = Software { cluster: Some(&cluster), ..Software::default() };
        assert_eq!(resolve(&settings, software).0.waivers.len(), 1);
        assert_eq!(resolve(&Settings::default(), software).0.waivers, []);
    }
}
