//! The table of versions that can be installed together.

use std::fmt::Write as _;

use meshcheck_suites::preflight::needs_cgroup_v2;
use meshcheck_suites::profile::{self, Profile};
use serde::Serialize;

use super::Format;
use crate::source::{
    DEFAULT_ISTIO, Kind, Node, Platform, default_node_of, node_image, nodes, supports,
    tutorial_node,
};

/// The whole list.
#[derive(Serialize)]
struct Versions {
    /// The number of this layout.
    schema: u32,
    /// What is installed where nothing is named.
    default: DefaultPair,
    /// The minor versions of Istio, oldest first.
    istio: Vec<Istio>,
    /// The node images, oldest Kubernetes first.
    kubernetes: Vec<Kubernetes>,
}

#[derive(Serialize)]
struct DefaultPair {
    istio: &'static str,
    kubernetes: String,
    kind: &'static str,
}

#[derive(Serialize)]
struct Istio {
    /// The minor version: `1.20`. All its releases can be installed.
    version: String,
    /// The minor versions of Kubernetes that it supports.
    oldest_kubernetes: String,
    newest_kubernetes: String,
    /// The version of Kubernetes where the call names none.
    default_kubernetes: String,
    /// The registry and repository of its images.
    registry: &'static str,
    /// The versions in the list of Kubernetes that it supports.
    kubernetes: Vec<String>,
    is_default: bool,
}

#[derive(Serialize)]
struct Kubernetes {
    version: String,
    node_image: String,
    /// The digest of the node image.
    digest: &'static str,
    /// Whether the digest is known beforehand.
    pinned: bool,
    /// The kind that built the node image.
    kind: &'static str,
    /// Whether the checksum of kind's program for this machine is known beforehand.
    kind_pinned: bool,
    /// The release notes that list the node image.
    source: &'static str,
    /// The versions of cgroups with which its kubelet runs: `v1 or v2`, `v2`.
    cgroups: &'static str,
    is_default: bool,
}

/// Returns the list of versions, as text or JSON.
pub fn versions(format: Format) -> String {
    let list = Versions::known();
    match format {
        // Strings and booleans: there is nothing here that cannot be written.
        Format::Json => serde_json::to_string_pretty(&list).unwrap_or_default() + "\n",
        Format::Human | Format::Short | Format::Commands => list.text(),
    }
}

impl Versions {
    fn known() -> Self {
        let node = tutorial_node();
        Self {
            schema: 1,
            default: DefaultPair {
                istio: DEFAULT_ISTIO,
                kubernetes: name(node),
                kind: &node.kind.version,
            },
            istio: profile::all().iter().map(Istio::new).collect(),
            kubernetes: nodes().iter().map(Kubernetes::new).collect(),
        }
    }

    fn text(&self) -> String {
        let mark = |is_default: bool| if is_default { '*' } else { ' ' };
        let mut text =
            format!("  {:<7}{:<15}{:<12}{}\n", "Istio", "Kubernetes", "default", "images from");
        for istio in &self.istio {
            let window = format!("{} to {}", istio.oldest_kubernetes, istio.newest_kubernetes);
            let _ = writeln!(
                text,
                "{} {:<7}{window:<15}{:<12}{}",
                mark(istio.is_default),
                istio.version,
                istio.default_kubernetes,
                istio.registry,
            );
        }
        let _ = writeln!(
            text,
            "\n  {:<12}{:<10}{:<12}{:<12}cgroups",
            "Kubernetes", "kind", "node image", "program"
        );
        let pinned = |pinned: bool| if pinned { "pinned" } else { "not pinned" };
        for it in &self.kubernetes {
            let line = format!(
                "{} {:<12}{:<10}{:<12}{:<12}{}",
                mark(it.is_default),
                it.version,
                it.kind,
                pinned(it.pinned),
                pinned(it.kind_pinned),
                it.cgroups,
            );
            let _ = writeln!(text, "{line}");
        }
        let DefaultPair { istio, kubernetes, kind } = &self.default;
        let _ = writeln!(
            text,
            "\ndefault: the Kubernetes for this Istio where the call names none\n\
             *: Istio {istio} on Kubernetes {kubernetes}, with kind {kind}, where the call names nothing"
        );
        text
    }
}

impl Istio {
    fn new(profile: &'static Profile) -> Self {
        let (oldest, newest) = profile.kubernetes;
        let version = profile.name();
        let of_default = DEFAULT_ISTIO.starts_with(&format!("{version}."));
        let supported = nodes().iter().filter(|node| supports(profile, node.kubernetes.minor));
        Self {
            oldest_kubernetes: format!("1.{oldest}"),
            newest_kubernetes: format!("1.{newest}"),
            default_kubernetes: name(default_node_of(profile)),
            registry: &profile.registry,
            kubernetes: supported.map(name).collect(),
            is_default: of_default,
            version,
        }
    }
}

impl Kubernetes {
    fn new(node: &'static Node) -> Self {
        let version = name(node);
        Self {
            node_image: node_image(&node.kubernetes),
            digest: node.digest,
            pinned: true,
            kind: &node.kind.version,
            kind_pinned: is_pinned(node.kind),
            source: &node.kind.notes,
            cgroups: if needs_cgroup_v2(&version) { "v2" } else { "v1 or v2" },
            is_default: node == tutorial_node(),
            version,
        }
    }
}

/// Writes the version as its node image has it: `v1.29.2`.
fn name(node: &Node) -> String {
    format!("v{}", node.kubernetes)
}

/// Whether the checksum of kind's program for this machine is known.
fn is_pinned(kind: &Kind) -> bool {
    Platform::here().is_ok_and(|platform| kind.sha256.contains_key(platform.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lists_every_pair() {
        insta::assert_snapshot!(versions(Format::Human));
    }

    #[test]
    fn json_has_every_istio_with_the_kubernetes_that_it_supports() {
        let json: serde_json::Value = serde_json::from_str(&versions(Format::Json)).unwrap();
        let istio = json["istio"].as_array().unwrap();
        assert_eq!(istio.len(), profile::all().len());
        let of = |version: &str| istio.iter().find(|it| it["version"] == version).unwrap();
        assert_eq!(of("1.20")["is_default"], true);
        assert_eq!(of("1.20")["default_kubernetes"], "v1.29.2");
        assert_eq!(of("1.31")["registry"], "registry.istio.io/release");
        assert_eq!(of("1.31")["default_kubernetes"], "v1.36.4");
        assert_eq!(json["default"]["kind"], "v0.22.0");
        let kubernetes = json["kubernetes"].as_array().unwrap();
        let default: Vec<_> = kubernetes.iter().filter(|it| it["is_default"] == true).collect();
        assert_eq!(default.len(), 1);
        assert_eq!(default[0]["version"], "v1.29.2");
    }
}
