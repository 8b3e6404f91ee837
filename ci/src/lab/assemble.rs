//! From parts to the bundle: what is made in which order, and what the manifest says of it.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use fs_err as fs;
use meshcheck_bundle::{
    Image as ImageName, Install, IstioBuild, KialiBuild, Manifest, NodeImage, Origin, Role, SCHEMA,
    Writer,
};
use tempfile::TempDir;

use super::images::{Image, workload_images};
use super::key::Key;
use super::node;
use super::plan::{Parts, Plan};
use super::programs::{
    GoBuild, HTTP_ECHO, HUB, KIND, KIND_CONFIG, METALLB, NODE, REGISTRY, TOOLS, Tree,
};
use super::recipe::Software;
use super::store::Store;
use crate::out::{elapsed, say, size};
use crate::workspace::repository;

const MANIFEST_METALLB: &str = "metallb/files/config/manifests/metallb-native.yaml";
const MANIFEST_KIALI: &str = "istio/files/samples/addons/kiali.yaml";

/// Builds everything that is not in the cache, then the bundle.
pub(crate) fn build(
    store: &Store,
    plan: &Plan,
    key: &Key,
    root: &Path,
    bundle: &Path,
) -> Result<()> {
    let parts = plan.make(store)?;
    let start = Instant::now();
    let curl = package_version(&parts, &TOOLS, "curl")?;
    let workload = workload_images(plan.software, upstream(&curl));
    let kubernetes = plan.software.kubernetes.build.version;
    let reference = format!("meshcheck/node:{kubernetes}-{}", key.short());
    let scratch = store.scratch()?;
    let made = store.scratch()?;
    for dir in ["bin", "images", "manifests"] {
        fs::create_dir(made.path().join(dir))?;
    }
    let images = node::Images { parts: &parts, key, scratch: scratch.path() };
    images.save_registry(&made.path().join("images/registry.tar"))?;
    images.save_node(root, &workload, &reference, &made.path().join("images/node.tar"))?;
    say(format_args!("node image: done in {}", elapsed(start.elapsed())));
    write(&parts, plan, key, &reference, &workload, made.path())?;
    publish(made, bundle)
}

/// Gives a finished bundle its place.
pub(super) fn publish(made: TempDir, bundle: &Path) -> Result<()> {
    if let Some(parent) = bundle.parent() {
        fs::create_dir_all(parent)?;
    }
    let made = made.keep();
    // Work in progress is private to its user; a bundle is for all to read.
    fs::set_permissions(&made, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(fs::rename(&made, bundle)?)
}

/// Copies the files into the bundle and writes its manifest.
fn write(
    parts: &Parts,
    plan: &Plan,
    key: &Key,
    reference: &str,
    workload: &[Image],
    dir: &Path,
) -> Result<()> {
    let (software, go) = (plan.software, plan.go.version());
    let Software { istio, kubernetes, .. } = software;
    let kubernetes = kubernetes.build;
    let copies = [
        ("kind/bin/kind", "bin/kind"),
        ("istio/bin/istioctl", "bin/istioctl"),
        ("kubernetes/bin/kubectl", "bin/kubectl"),
        (MANIFEST_METALLB, "manifests/metallb-native.yaml"),
        (MANIFEST_KIALI, "manifests/kiali.yaml"),
        (KIND_CONFIG, "kind.yaml"),
    ];
    for (from, to) in copies {
        let from = parts.path(from).unwrap_or_else(|| repository().join(from));
        fs::copy(&from, dir.join(to))?;
    }
    let built =
        |build: &GoBuild| format!("Go module {} {}, built with {go}", build.module, build.version);
    let inside = |build: &GoBuild, file: &str| {
        format!("Go module {} {}, {file}", build.module, build.version)
    };
    let version =
        |name: &str| package_version(parts, &NODE, name).map(|version| format!("{name} {version}"));
    let node = format!(
        "Debian {} packages ({}, {}, {}), the files of kind's nodes ({} {}), Kubernetes {} and all images of this bundle",
        NODE.suite,
        version("systemd")?,
        version("containerd")?,
        version("runc")?,
        KIND.module,
        KIND.version,
        kubernetes.version
    );
    let mut writer = Writer::new(dir)?;
    let mut add = |name: &str, role, path: &str, version: &str, source: &str| {
        writer.add(name, role, path, version, source)
    };
    add("kind", Role::Program, "bin/kind", KIND.version, &built(&KIND))?;
    add("istioctl", Role::Program, "bin/istioctl", istio.version, &built(&istio.build))?;
    add("kubectl", Role::Program, "bin/kubectl", kubernetes.version, &built(&kubernetes))?;
    add("node-image", Role::Image, "images/node.tar", kubernetes.version, &node)?;
    add("registry-image", Role::Image, "images/registry.tar", REGISTRY.version, &built(&REGISTRY))?;
    add(
        "kind-config",
        Role::Config,
        "kind.yaml",
        KIND.version,
        &format!("this repository, {KIND_CONFIG}"),
    )?;
    let metallb = inside(&METALLB, MANIFEST_METALLB.trim_start_matches("metallb/files/"));
    add(
        "metallb-manifest",
        Role::Manifest,
        "manifests/metallb-native.yaml",
        METALLB.version,
        &metallb,
    )?;
    let kiali = inside(&istio.build, MANIFEST_KIALI.trim_start_matches("istio/files/"));
    add("kiali-manifest", Role::Manifest, "manifests/kiali.yaml", istio.kiali.version, &kiali)?;
    let names = workload.iter().flat_map(|image| &image.references);
    writer.finish(Manifest {
        schema: SCHEMA,
        origin: Origin::Lab,
        key: key.full().to_owned(),
        istio: IstioBuild {
            version: istio.version.to_owned(),
            hub: HUB.to_owned(),
            tag: istio.version.to_owned(),
        },
        kubernetes: kubernetes.version.to_owned(),
        kiali: KialiBuild {
            version: istio.kiali.version.to_owned(),
            image: istio.kiali_image.to_owned(),
        },
        node: NodeImage {
            reference: reference.to_owned(),
            id: Some(node::image_id(&dir.join("images/node.tar"))?),
            archive: "node-image".to_owned(),
            kind_config: "kind-config".to_owned(),
        },
        images: names.map(|name| ImageName { reference: name.clone(), archive: None }).collect(),
        install: Install {
            profile: "default".to_owned(),
            set: istio.install.iter().map(|&option| option.to_owned()).collect(),
        },
        notes: notes(parts, software)?,
        parts: Vec::new(),
    })?;
    let bytes = fs::metadata(dir.join("images/node.tar"))?.len();
    say(format_args!("lab bundle: the node image has {}", size(bytes)));
    Ok(())
}

/// What a reader of a report has to know.
fn notes(parts: &Parts, software: &Software) -> Result<Vec<String>> {
    let Software { istio, lies, replaces, envoy, kubernetes, .. } = software;
    let tools = |name| package_version(parts, &TOOLS, name);
    let replaced = if replaces.is_empty() { String::new() } else { format!(" with {replaces}") };
    let mut notes = vec![
        format!(
            "Istio is not a release: it is the commit {} of the main branch, {lies}, built from its Go module {}{replaced}",
            istio.version.rsplit('.').next().unwrap_or_default(),
            istio.build.version
        ),
        format!(
            "the proxies run upstream Envoy {} (PyPI package {}), which lacks Istio's own filters: the metadata exchange, the ALPN filter and Istio's telemetry are switched off, so there is no istio_requests_total",
            envoy.version, envoy.requirement
        ),
        format!(
            "no image is the official one: all are built here, from Go modules and Debian packages, under the names that users know (kiali {}, metallb {}, http-echo {}, etcd {}, …)",
            istio.kiali.version, METALLB.version, HTTP_ECHO.version, kubernetes.etcd.version
        ),
        "Kiali is its server alone: the console is one page of our own".to_owned(),
        "the Kiali manifest is the addon as it is, which always pulls its image: that image is on the node, so it needs imagePullPolicy IfNotPresent".to_owned(),
        format!(
            "the curl image, istio/pilot, istio/proxyv2 and kube-proxy stand on Debian {} (curl {}, iptables {})",
            TOOLS.suite,
            tools("curl")?,
            tools("iptables")?
        ),
        "the pod network is a bridge on one node: clusters of several nodes need another".to_owned(),
    ];
    notes.extend(software.addon_kiali.map(|named| {
        format!(
            "Kiali {} takes the place of Kiali {named}, which the addon manifest names: package registries do not serve that one",
            istio.kiali.version
        )
    }));
    Ok(notes)
}

/// The version of a Debian package in a file tree.
fn package_version(parts: &Parts, tree: &Tree, name: &str) -> Result<String> {
    let path = parts.path(&format!("{}/packages.txt", tree.name)).unwrap_or_default();
    let text = fs::read_to_string(&path)?;
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(package, version)| (package == name).then(|| version.to_owned()))
        .with_context(|| format!("`{}` has no package `{name}`", path.display()))
}

/// A Debian version without epoch and Debian's own revision: what the program calls itself.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("8.14.1-2+deb13u2", "8.14.1")]
    #[case("1:2.3-4", "2.3")]
    #[case("252", "252")]
    fn upstream_versions(#[case] debian: &str, #[case] expected: &str) {
        assert_eq!(upstream(debian), expected);
    }
}
