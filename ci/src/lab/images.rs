//! The images of the lab: a Dockerfile each in `ci/lab/images`, built by the engine from the parts.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err::{self as fs, File};
use tar::{Builder, EntryType, Header};

use super::plan::{Parts, image_sources};
use super::programs::{HTTP_ECHO, HUB, METALLB, REGISTRY};
use super::recipe::{Kubernetes, Software};
use crate::command::Program;
use crate::workspace::lab_sources;

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
pub(crate) fn kubernetes_images(kubernetes: &Kubernetes) -> Vec<Image> {
    let Kubernetes { build, coredns, etcd_tag, pause_tags, .. } = kubernetes;
    let programs = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"];
    let versioned = |name| image(name, format!("registry.k8s.io/{name}:{}", build.version));
    let mut images = programs.map(versioned).to_vec();
    let pause = pause_tags.iter().map(|tag| format!("registry.k8s.io/pause:{tag}")).collect();
    images.extend([
        image("coredns", format!("registry.k8s.io/coredns/coredns:{}", coredns.version)),
        image("etcd", format!("registry.k8s.io/etcd:{etcd_tag}")),
        Image { name: "pause", references: pause },
    ]);
    images
}

/// The images that run in the tutorial's cluster. The tutorial names two of them without a tag.
pub(crate) fn workload_images(software: &Software, curl: &str) -> Vec<Image> {
    let both = |name, repository: &str, tag: &str| Image {
        name,
        references: [tag, "latest"].map(|tag| format!("{repository}:{tag}")).to_vec(),
    };
    let istio = ["pilot", "proxyv2"].iter().chain(software.istio_images);
    let istio = istio.map(|name| image(name, format!("{HUB}/{name}:{}", software.istio.version)));
    let others = [
        image("kiali", software.istio.kiali_image.to_owned()),
        image("metallb-controller", format!("quay.io/metallb/controller:{}", METALLB.version)),
        image("metallb-speaker", format!("quay.io/metallb/speaker:{}", METALLB.version)),
        both(
            "http-echo",
            "docker.io/hashicorp/http-echo",
            HTTP_ECHO.version.trim_start_matches('v'),
        ),
        both("curl", "docker.io/curlimages/curl", curl),
    ];
    istio.chain(others).collect()
}

/// The name of the registry for tests. Not that of the official image: loading it must not replace one
/// that the user has.
pub(crate) fn registry_reference() -> String {
    format!("meshcheck/registry:{}", REGISTRY.version.trim_start_matches('v'))
}

/// The Dockerfile of an image: the software's own where it has one.
fn dockerfile(software: &Software, name: &str) -> PathBuf {
    let file = format!("{name}.dockerfile");
    let own = software.images.map(|directory| lab_sources().join(directory).join(&file));
    own.filter(|path| path.is_file()).unwrap_or_else(|| image_sources().join(file))
}

/// Builds the image of the Dockerfile `name`. `tools` is the image that some stand on.
pub(crate) fn build(parts: &Parts, name: &str, tools: &str, reference: &str) -> Result<()> {
    let dockerfile = fs::read_to_string(dockerfile(parts.software, name))?;
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
                let file = File::open(source(name))?;
                // Wheels do not keep which of their files are programs.
                let mut header = header(EntryType::Regular, 0o755, file.metadata()?.len());
                context.append_data(&mut header, name, file)?;
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::lab::recipe::MESHES;

    /// The names of the Dockerfiles in a directory below `ci/lab`.
    fn dockerfiles(directory: &str) -> BTreeSet<String> {
        let paths =
            fs::read_dir(lab_sources().join(directory)).unwrap().map(|it| it.unwrap().path());
        let dockerfiles =
            paths.filter(|path| path.extension().is_some_and(|it| it == "dockerfile"));
        dockerfiles.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn every_image_has_a_dockerfile_and_every_dockerfile_copies_known_files() {
        for software in MESHES.iter().map(|mesh| mesh.software) {
            let system = kubernetes_images(&software.kubernetes);
            let all = system.into_iter().chain(workload_images(software, "8"));
            let wanted: BTreeSet<_> = all
                .map(|image| image.name)
                .chain(["node", "registry", "tools"])
                .map(str::to_owned)
                .collect();
            for name in &wanted {
                let path = dockerfile(software, name);
                let text = fs::read_to_string(&path).unwrap();
                for copied in copied(&text).filter(|name| *name != ROOT) {
                    let part = copied.split_once('/').map(|(part, _)| part);
                    assert!(
                        part.map_or_else(|| image_sources().join(copied).is_file(), Parts::is_part),
                        "`{}` copies `{copied}`",
                        path.display()
                    );
                }
            }
            let found: BTreeSet<_> =
                ["images"].into_iter().chain(software.images).flat_map(dockerfiles).collect();
            assert_eq!(found, wanted);
        }
    }
}
