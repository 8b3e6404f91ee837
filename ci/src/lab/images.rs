//! The images of the lab: a Dockerfile each in `ci/lab/images`, built by the engine from the parts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tar::{Builder, EntryType, Header};

use super::plan::{Parts, image_sources};
use super::recipe::{
    COREDNS, ETCD_TAG, HTTP_ECHO, HUB, Istio, KUBERNETES, METALLB, PAUSE_TAG, REGISTRY,
};
use crate::command::Program;

/// An image that clusters of the lab use.
#[derive(Clone)]
pub(crate) struct Image {
    /// The name of its Dockerfile.
    pub(crate) name: &'static str,
    /// All names that it has on the nodes.
    pub(crate) references: Vec<String>,
}

fn image(name: &'static str, reference: String) -> Image {
    Image { name, references: vec![reference] }
}

/// The images that kubeadm needs.
pub(crate) fn kubernetes_images() -> Vec<Image> {
    let programs = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"];
    let versioned = |name| image(name, format!("registry.k8s.io/{name}:{}", KUBERNETES.version));
    let mut images = programs.map(versioned).to_vec();
    images.extend([
        image("coredns", format!("registry.k8s.io/coredns/coredns:{}", COREDNS.version)),
        image("etcd", format!("registry.k8s.io/etcd:{ETCD_TAG}")),
        image("pause", format!("registry.k8s.io/pause:{PAUSE_TAG}")),
    ]);
    images
}

/// The images that run in the tutorial's cluster. The tutorial names two of them without a tag.
pub(crate) fn workload_images(istio: &Istio, curl: &str) -> Vec<Image> {
    let both = |name, repository: &str, tag: &str| Image {
        name,
        references: [tag, "latest"].map(|tag| format!("{repository}:{tag}")).to_vec(),
    };
    vec![
        image("pilot", format!("{HUB}/pilot:{}", istio.version)),
        image("proxyv2", format!("{HUB}/proxyv2:{}", istio.version)),
        image("kiali", istio.kiali_image.to_owned()),
        image("metallb-controller", format!("quay.io/metallb/controller:{}", METALLB.version)),
        image("metallb-speaker", format!("quay.io/metallb/speaker:{}", METALLB.version)),
        both(
            "http-echo",
            "docker.io/hashicorp/http-echo",
            HTTP_ECHO.version.trim_start_matches('v'),
        ),
        both("curl", "docker.io/curlimages/curl", curl),
    ]
}

/// The name of the registry for tests. Not that of the official image: loading it must not replace one
/// that the user has.
pub(crate) fn registry_reference() -> String {
    format!("meshcheck/registry:{}", REGISTRY.version.trim_start_matches('v'))
}

/// Builds the image of the Dockerfile `name`. `tools` is the image that some stand on.
pub(crate) fn build(parts: &Parts, name: &str, tools: &str, reference: &str) -> Result<()> {
    let path = image_sources().join(format!("{name}.dockerfile"));
    let dockerfile =
        fs::read_to_string(&path).with_context(|| format!("reading `{}`", path.display()))?;
    let source = |name: &str| parts.path(name).unwrap_or_else(|| image_sources().join(name));
    build_from(&dockerfile, source, tools, reference)
        .with_context(|| format!("building the image `{name}`"))
}

/// Builds an image of a Dockerfile, with the files that it copies and nothing else as its context.
pub(crate) fn build_from(
    dockerfile: &str,
    source: impl Fn(&str) -> PathBuf,
    tools: &str,
    reference: &str,
) -> Result<()> {
    let mut build = Program::new("docker").args(["build", "--quiet", "--network=none"]);
    if dockerfile.starts_with("ARG tools") {
        build = build.args(["--build-arg", &format!("tools={tools}")]);
    }
    build.args(["--tag", reference, "-"]).feed(|stdin| {
        let mut context = Builder::new(stdin);
        let mut head = header(EntryType::Regular, 0o644, dockerfile.len() as u64);
        context.append_data(&mut head, "Dockerfile", dockerfile.as_bytes())?;
        for name in copied(dockerfile) {
            if name == ROOT {
                let mut directory = header(EntryType::Directory, 0o777, 0);
                context.append_data(&mut directory, Path::new(ROOT).join("tmp"), io::empty())?;
            } else {
                let path = source(name);
                let reading = || format!("reading `{}`", path.display());
                let file = File::open(&path).with_context(reading)?;
                let size = file.metadata().with_context(reading)?.len();
                // Wheels do not keep which of their files are programs.
                let mut header = header(EntryType::Regular, 0o755, size);
                context.append_data(&mut header, name, file).with_context(reading)?;
            }
        }
        context.finish()?;
        Ok(())
    })
}

/// A header without owner and time: the same files give the same context, so that the engine's cache fits.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

/// What images without a file tree begin with: `/tmp`, where everybody may write.
const ROOT: &str = "root";

/// The files that a Dockerfile copies.
fn copied(dockerfile: &str) -> impl Iterator<Item = &str> {
    dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").or_else(|| line.strip_prefix("ADD ")))
        .filter_map(|line| line.rsplit_once(' '))
        .flat_map(|(sources, _)| sources.split(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::recipe::ISTIO;
    use std::collections::BTreeSet;

    #[test]
    fn every_image_has_a_dockerfile_and_every_dockerfile_copies_known_files() {
        let all = kubernetes_images().into_iter().chain(workload_images(&ISTIO[0], "8"));
        let wanted: BTreeSet<_> =
            all.map(|image| image.name).chain(["node", "registry", "tools"]).collect();
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(image_sources()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "dockerfile") {
                continue;
            }
            for name in copied(&fs::read_to_string(&path).unwrap()).filter(|name| *name != ROOT) {
                let part = name.split_once('/').map(|(part, _)| part);
                assert!(
                    part.map_or_else(|| image_sources().join(name).is_file(), Parts::is_part),
                    "`{}` copies `{name}`",
                    path.display()
                );
            }
            found.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
        }
        assert_eq!(found, wanted.into_iter().map(str::to_owned).collect());
    }
}
