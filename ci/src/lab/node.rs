//! Putting the images into the node image, with the node's own containerd.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use meshcheck_bundle::sha256_hex;

use super::images::{self, Image, kubernetes_images, registry_reference};
use super::key::Key;
use super::plan::Parts;
use crate::cleanup::Cleanup;
use crate::command::Program;
use crate::out::{elapsed, say};
use crate::wait;

const PAUSE: Duration = Duration::from_millis(100);
const CEILING: Duration = Duration::from_mins(1);

fn docker(arguments: &[&str]) -> Program {
    Program::new("docker").args(arguments)
}

/// The container in which the node image of one cache is put together.
///
/// It is found by its name alone. A label would not do: an engine copies a container's labels into the
/// image that it commits, from where every node of a cluster gets them.
struct BuildContainer {
    name: String,
    _remove: Cleanup,
}

impl BuildContainer {
    /// The name of the one container that builds in the cache at `root`.
    fn name(root: &Path) -> String {
        let digest = sha256_hex(root.as_os_str().as_encoded_bytes());
        format!("meshcheck-lab-build-{}", &digest[..12])
    }

    /// Starts it from the image `base`.
    fn start(root: &Path, base: &str) -> Result<Self> {
        let name = Self::name(root);
        let removed = name.clone();
        // Registered first: a signal may come while it is being started.
        let remove = Cleanup::new(move || drop(remove_container(&removed)));
        docker(&["run", "--detach", "--privileged", "--network=none", "--name", &name])
            .args(["--entrypoint=sleep", base, "infinity"])
            .run()
            .context("starting the container that images are put into")?;
        Ok(Self { name, _remove: remove })
    }

    /// Makes the image `reference` of it.
    fn commit(&self, reference: &str) -> Result<()> {
        docker(&["commit", "--change", r#"ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]"#])
            .args(["--change", "CMD []", &self.name, reference])
            .run()
            .context("committing the node image")
    }
}

/// Removes the container that an earlier build in the cache at `root` left behind, on a kill for
/// example. The caller holds the lock, so no other build of this cache is using it.
pub(crate) fn remove_leftovers(root: &Path) -> Result<()> {
    if remove_container(&BuildContainer::name(root))? {
        say("node image: the container of an earlier build was removed");
    }
    Ok(())
}

/// Removes the container with exactly this name. Hands out whether there was one.
fn remove_container(name: &str) -> Result<bool> {
    let filter = format!("name=^/{name}$");
    let found = docker(&["ps", "--all", "--quiet", "--filter", &filter]).read()?;
    for container in found.lines() {
        docker(&["rm", "--force", "--volumes", container]).run()?;
    }
    Ok(!found.is_empty())
}

/// The images of one build, made by the engine under names of its own: an official image that the user
/// has keeps its name.
pub(crate) struct Images<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) key: &'a Key,
    pub(crate) scratch: &'a Path,
}

impl Images<'_> {
    fn reference(&self, name: &str) -> String {
        format!("meshcheck/lab-{}:{name}", self.key.short())
    }

    fn build(&self, name: &str) -> Result<()> {
        images::build(self.parts, name, &self.reference("tools"), &self.reference(name))
    }

    /// Makes the image of the registry for tests, and saves it to `archive`.
    pub(crate) fn save_registry(&self, archive: &Path) -> Result<()> {
        let reference = registry_reference();
        images::build(self.parts, "registry", "", &reference)?;
        save(&[reference], archive)
    }

    /// Makes the node image `reference` with `workload` and what kubeadm needs inside, and saves it to
    /// `archive`.
    pub(crate) fn save_node(
        &self,
        root: &Path,
        workload: &[Image],
        reference: &str,
        archive: &Path,
    ) -> Result<()> {
        let kubernetes = &self.parts.software.kubernetes;
        let system = kubernetes_images(kubernetes);
        let images: Vec<_> = system.iter().chain(workload).collect();
        let built = ["tools", "node"].into_iter().chain(images.iter().map(|image| image.name));
        let references: Vec<_> = built.clone().map(|name| self.reference(name)).collect();
        let _untag = Cleanup::new(move || {
            // The node image stays, and with it the layers of its base.
            for reference in &references {
                drop(docker(&["rmi", reference]).run());
            }
        });
        let start = Instant::now();
        built.into_iter().try_for_each(|name| self.build(name))?;
        say(format_args!("node image: images built in {}", elapsed(start.elapsed())));

        let container = BuildContainer::start(root, &self.reference("node"))?;
        let containerd = Containerd { container: &container.name };
        containerd.start()?;
        let start = Instant::now();
        self.import(&containerd, &images)?;
        say(format_args!("node image: images imported in {}", elapsed(start.elapsed())));
        containerd.check(&images)?;
        containerd.stop()?;
        let version = format!("echo {} >/kind/version", kubernetes.build.version);
        containerd.exec(&["sh", "-c", &version]).run()?;

        let start = Instant::now();
        container.commit(reference)?;
        save(&[reference.to_owned()], archive)?;
        say(format_args!("node image: committed and saved in {}", elapsed(start.elapsed())));
        Ok(())
    }

    /// Imports all images at once, so that they share their layers, and gives them their names.
    fn import(&self, containerd: &Containerd, images: &[&Image]) -> Result<()> {
        let archive = self.scratch.join("images.tar");
        let references: Vec<_> = images.iter().map(|image| self.reference(image.name)).collect();
        save(&references, &archive)?;
        docker(&["exec", "--interactive", containerd.container])
            .args(CTR_IMAGES)
            .args(["import", "--no-unpack", "-"])
            .feed(|stdin| {
                io::copy(&mut File::open(&archive)?, stdin)?;
                Ok(())
            })
            .context("importing the images into the node image")?;
        for (image, reference) in images.iter().zip(references) {
            let imported = format!("docker.io/{reference}");
            containerd.exec(&CTR_IMAGES).args(["tag", &imported]).args(&image.references).run()?;
            containerd.exec(&CTR_IMAGES).args(["rm", &imported]).run()?;
        }
        Ok(())
    }
}

/// Saves images of the engine to an archive.
fn save(references: &[String], archive: &Path) -> Result<()> {
    docker(&["save", "--output"]).arg(archive).args(references).run().context("saving images")
}

/// The image's ID: the digest of its configuration, as its archive names it.
pub(crate) fn image_id(archive: &Path) -> Result<String> {
    let reading = || format!("reading `{}`", archive.display());
    let mut tar = tar::Archive::new(File::open(archive).with_context(reading)?);
    for entry in tar.entries_with_seek().with_context(reading)? {
        let entry = entry.with_context(reading)?;
        if entry.path().with_context(reading)?.as_ref() != Path::new("manifest.json") {
            continue;
        }
        let manifest: serde_json::Value = serde_json::from_reader(entry).with_context(reading)?;
        let config = manifest[0]["Config"].as_str().unwrap_or_default();
        // `<digest>.json`, or `blobs/sha256/<digest>` from newer engines.
        let digest = config.trim_start_matches("blobs/sha256/").trim_end_matches(".json");
        if digest.len() == 64 {
            return Ok(format!("sha256:{digest}"));
        }
        bail!("`{}` names its configuration `{config}`, which is no digest", archive.display());
    }
    bail!("`{}` has no manifest.json: it is no image archive", archive.display())
}

const CTR_IMAGES: [&str; 3] = ["ctr", "--namespace=k8s.io", "images"];

/// The containerd that runs in the container for as long as images are imported.
struct Containerd<'a> {
    container: &'a str,
}

impl Containerd<'_> {
    fn exec(&self, arguments: &[&str]) -> Program {
        docker(&["exec", self.container]).args(arguments)
    }

    fn start(&self) -> Result<()> {
        docker(&["exec", "--detach", self.container, "containerd", "--log-level=warn"]).run()?;
        wait::until("containerd in the node image answers", PAUSE, CEILING, || {
            self.exec(&["ctr", "version"]).run().map_err(|error| format!("{error:#}"))
        })
    }

    /// All names have to be there: importing a broken archive can succeed without any.
    fn check(&self, images: &[&Image]) -> Result<()> {
        let listed = self.exec(&CTR_IMAGES).args(["list", "--quiet"]).read()?;
        for reference in images.iter().flat_map(|image| &image.references) {
            if !listed.lines().any(|line| line == reference) {
                bail!(
                    "{reference} is not in the node image after its import; there are:\n{listed}"
                );
            }
        }
        Ok(())
    }

    fn stop(&self) -> Result<()> {
        self.exec(&["pkill", "--exact", "containerd"]).run()?;
        wait::until("containerd in the node image ends", PAUSE, CEILING, || {
            if self.exec(&["pgrep", "--exact", "containerd"]).succeeds() {
                Err("it still runs".to_owned())
            } else {
                Ok(())
            }
        })?;
        self.exec(&["rm", "-rf", "/run/containerd"]).run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const PAUSE_SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/pause.c");

    const BASE: &str = "meshcheck/test-node-base:1";
    const NODE: &str = "meshcheck/test-node:1";

    /// An image with a `sleep` that needs nothing else.
    fn build_small_base(dir: &Path) {
        let sleep = dir.join("sleep");
        Program::new("gcc").args(["-static", "-o"]).arg(&sleep).arg(PAUSE_SOURCE).run().unwrap();
        let dockerfile = "FROM scratch\nCOPY root /\nCOPY sleep /bin/\n";
        images::build_from(dockerfile, |name| dir.join(name), "", BASE).unwrap();
    }

    /// A container that runs until the test ends.
    fn run_container(arguments: &[&str]) -> (String, Cleanup) {
        let id = docker(&["run", "--detach", "--network=none", "--entrypoint=sleep"])
            .args(arguments)
            .arg("infinity")
            .read()
            .unwrap();
        let removed = id.clone();
        (id, Cleanup::new(move || drop(docker(&["rm", "--force", &removed]).run())))
    }

    fn is_running(container: &str) -> bool {
        let state = docker(&["inspect", "--format", "{{.State.Running}}", container]).read();
        state.is_ok_and(|state| state == "true")
    }

    #[test]
    #[ignore = "needs docker"]
    fn needs_docker_building_a_node_image_keeps_containers_that_carry_the_old_label() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let images = Cleanup::new(|| drop(docker(&["rmi", NODE, BASE]).run()));
        build_small_base(root);
        // What nodes carry whose image an earlier version of the lab has committed.
        let label = format!("meshcheck.lab={}", root.display());
        let (old_node, remove_old_node) = run_container(&["--label", &label, BASE]);

        let killed = BuildContainer::start(root, BASE).unwrap();
        remove_leftovers(root).unwrap();
        assert!(!is_running(&killed.name), "the container of a killed build stays");
        drop(killed);

        let build = BuildContainer::start(root, BASE).unwrap();
        assert!(is_running(&build.name));
        build.commit(NODE).unwrap();
        let (new_node, remove_new_node) = run_container(&[NODE]);
        let name = build.name.clone();
        drop(build);
        remove_leftovers(root).unwrap();
        assert!(!is_running(&name), "the container of the build stays");
        assert!(is_running(&old_node), "a node with the old label was removed");
        assert!(is_running(&new_node), "a node of the new image was removed");

        let image = docker(&["inspect", NODE]).read().unwrap();
        let config: serde_json::Value = serde_json::from_str(&image).unwrap();
        let labels = &config[0]["Config"]["Labels"];
        assert!(labels.as_object().is_none_or(serde_json::Map::is_empty), "{labels}");
        assert!(!image.contains(&*root.to_string_lossy()), "{image}");
        drop((remove_old_node, remove_new_node, images));
    }
}
