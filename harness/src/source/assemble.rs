//! Puts a bundle together from what was downloaded.

use std::fs;
use std::path::{Path, PathBuf};

use meshcheck_bundle::{
    Image, Install, IstioBuild, KialiBuild, Manifest, NodeImage, Origin, Role, SCHEMA, Writer,
};

use super::registry::Resolved;
use super::{Pin, Recipe, SourceError, image_archive, manifests};

/// The Kiali addon inside Istio's archive.
pub(super) const KIALI: &str = "samples/addons/kiali.yaml";

/// A file that was downloaded, and how it is known to be right.
#[derive(Debug, Clone)]
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    pub(super) version: String,
    pub(super) source: String,
}

/// Everything that a bundle is made of, in the cache's downloads.
#[derive(Debug)]
pub(super) struct Downloads {
    pub(super) archive: Fetched,
    pub(super) kind: Fetched,
    pub(super) metallb: Fetched,
    pub(super) istioctl: PathBuf,
    pub(super) kiali: PathBuf,
    pub(super) node: Resolved,
    pub(super) workloads: Vec<Resolved>,
    pub(super) blobs: PathBuf,
    pub(super) notes: Vec<String>,
}

/// Makes the bundle in `directory` and removes the downloads that are in it now. Where it fails,
/// nothing is left in `directory`, and the downloads stay.
pub(super) fn assemble(
    recipe: &Recipe,
    downloads: &Downloads,
    directory: &Path,
) -> Result<(), SourceError> {
    let made = write(recipe, downloads, directory);
    if made.is_err() {
        // The next attempt begins here, too; and the user may need the room.
        let _ = fs::remove_dir_all(directory);
        return made;
    }
    // What is left behind in the cache costs room, nothing else.
    for path in [&downloads.archive.path, &downloads.kind.path, &downloads.metallb.path] {
        let _ = fs::remove_file(path);
    }
    for path in [&downloads.istioctl, &downloads.kiali] {
        let _ = fs::remove_file(path);
    }
    for image in downloads.workloads.iter().chain([&downloads.node]) {
        for blob in image.blobs() {
            let _ = fs::remove_file(downloads.blobs.join(blob.hex()));
        }
    }
    Ok(())
}

fn write(recipe: &Recipe, downloads: &Downloads, directory: &Path) -> Result<(), SourceError> {
    let mut writer = Writer::new(directory)?;
    for below in ["bin", "images", "manifests"] {
        let path = directory.join(below);
        fs::create_dir_all(&path).map_err(|source| SourceError::io("making", &path, source))?;
    }
    let istio = &downloads.archive;
    let inside = |path: &str| format!("{path} in {}", istio.source);
    let istioctl = Fetched {
        path: downloads.istioctl.clone(),
        version: recipe.istio.clone(),
        source: inside("bin/istioctl"),
    };
    let kiali = kiali(downloads, inside(KIALI))?;
    program(&mut writer, "kind", "bin/kind", &downloads.kind)?;
    program(&mut writer, "istioctl", "bin/istioctl", &istioctl)?;
    for (name, file, part) in [
        ("metallb-manifest", "manifests/metallb.yaml", &downloads.metallb),
        ("kiali-manifest", "manifests/kiali.yaml", &kiali.part),
    ] {
        copy(&part.path, &directory.join(file))?;
        writer.add(name, Role::Manifest, file, &part.version, &part.source)?;
    }
    let config = directory.join("kind.yaml");
    fs::write(&config, &recipe.kind_config)
        .map_err(|source| SourceError::io("writing", &config, source))?;
    let source = "this repository, kind-config/release.yaml";
    writer.add("kind-config", Role::Config, "kind.yaml", &downloads.kind.version, source)?;
    image(&mut writer, downloads, &downloads.node, "node-image")?;
    let mut images = Vec::new();
    for workload in &downloads.workloads {
        let part = part_name(&workload.pin.reference);
        image(&mut writer, downloads, workload, &part)?;
        for reference in [&workload.pin.reference].into_iter().chain(&workload.pin.aliases) {
            images.push(Image { reference: reference.clone(), archive: Some(part.clone()) });
        }
    }
    writer.finish(Manifest {
        schema: SCHEMA,
        origin: Origin::Release,
        key: recipe.key()?,
        istio: IstioBuild {
            version: recipe.istio.clone(),
            hub: recipe.hub.clone(),
            tag: recipe.istio.clone(),
        },
        kubernetes: recipe.kubernetes.clone(),
        kiali: kiali.build,
        node: NodeImage {
            reference: recipe.node.reference.clone(),
            id: Some(downloads.node.config.digest.clone()),
            archive: "node-image".to_owned(),
            kind_config: "kind-config".to_owned(),
        },
        images,
        install: Install { profile: "default".to_owned(), set: Vec::new() },
        notes: downloads.notes.clone(),
        parts: Vec::new(),
    })?;
    Ok(())
}

/// The addon as a part, and what it installs.
struct Kiali {
    part: Fetched,
    build: KialiBuild,
}

fn kiali(downloads: &Downloads, source: String) -> Result<Kiali, SourceError> {
    let path = &downloads.kiali;
    let text = fs::read_to_string(path).map_err(|error| SourceError::io("reading", path, error))?;
    let wrong = |reason: &str| SourceError::content(KIALI, reason);
    let images = manifests::images(&text).map_err(|reason| wrong(&reason))?;
    let image = images
        .into_iter()
        .find(|image| image.contains("kiali"))
        .ok_or_else(|| wrong("it names no image of Kiali"))?;
    let tag = image.rsplit(':').next().unwrap_or_default().to_owned();
    let version = manifests::version(&text).unwrap_or(tag);
    Ok(Kiali {
        part: Fetched { path: path.clone(), version: version.clone(), source },
        build: KialiBuild { version, image },
    })
}

fn program(writer: &mut Writer, name: &str, file: &str, part: &Fetched) -> Result<(), SourceError> {
    use std::os::unix::fs::PermissionsExt as _;

    let path = writer.dir().join(file);
    copy(&part.path, &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
        .map_err(|source| SourceError::io("making executable", &path, source))?;
    Ok(writer.add(name, Role::Program, file, &part.version, &part.source)?)
}

fn image(
    writer: &mut Writer,
    downloads: &Downloads,
    image: &Resolved,
    part: &str,
) -> Result<(), SourceError> {
    let file = format!("images/{}.tar", part.trim_start_matches("image-"));
    let blobs = &downloads.blobs;
    image_archive::write(image, |hex| blobs.join(hex), &writer.dir().join(&file))?;
    let reference = &image.pin.reference;
    let version = reference.rsplit(':').next().unwrap_or_default();
    let how = match image.pin.digest {
        Pin::Digest(_) => "digest pinned",
        Pin::Tag => "by tag, digest recorded when it was downloaded",
    };
    let source = format!("{reference}@{} ({how})", image.digest);
    Ok(writer.add(part, Role::Image, &file, version, &source)?)
}

fn copy(from: &Path, to: &Path) -> Result<(), SourceError> {
    fs::copy(from, to).map(drop).map_err(|source| SourceError::io("writing", to, source))
}

/// `docker.io/istio/pilot:1.20.3` as `image-istio-pilot`.
fn part_name(reference: &str) -> String {
    let path = reference.split_once('/').map_or(reference, |(_, path)| path);
    let name = path.rsplit_once(':').map_or(path, |(name, _)| name);
    format!("image-{}", name.replace('/', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parts_name_says_which_image_it_is() {
        assert_eq!(part_name("docker.io/istio/pilot:1.20.3"), "image-istio-pilot");
        assert_eq!(part_name("quay.io/metallb/speaker:v0.15.2"), "image-metallb-speaker");
    }
}
