//! Baking: putting the images into the node image, with the node's own containerd.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::image::Image;
use crate::cleanup::Cleanup;
use crate::command::Program;
use crate::out::{elapsed, say};
use crate::wait;

/// The label of our containers, so that leftovers are found and nothing else is touched.
const LABEL: &str = "meshcheck.lab";
const PAUSE: Duration = Duration::from_millis(100);
const CEILING: Duration = Duration::from_mins(1);

fn docker(arguments: &[&str]) -> Program {
    Program::new("docker").args(arguments)
}

/// Removes containers that an earlier build left behind, on a kill for example. The caller holds
/// the lock, so no other build of this cache is using them.
///
/// # Errors
/// When the engine does not answer.
pub(crate) fn remove_leftovers(owner: &str) -> Result<()> {
    let removed = remove_containers(owner)?;
    if removed > 0 {
        say(format_args!("containers of an earlier build: {removed} removed"));
    }
    Ok(())
}

fn remove_containers(owner: &str) -> Result<usize> {
    let filter = format!("label={LABEL}={owner}");
    let found = docker(&["ps", "--all", "--quiet", "--filter", &filter]).read()?;
    for container in found.lines() {
        docker(&["rm", "--force", "--volumes", container]).run()?;
    }
    Ok(found.lines().count())
}

/// Loads an image into the engine.
///
/// # Errors
/// When the engine refuses it.
pub(crate) fn load(image: &Image, scratch: &Path) -> Result<()> {
    docker(&["load", "--quiet"]).feed(|stdin| image.write(scratch, stdin))
}

/// Makes the node image `reference` from `base` and `images`, and saves it to `archive`. Hands out
/// the image's ID.
///
/// # Errors
/// When the engine or the containerd inside fails; the container is removed in any case.
pub(crate) fn bake(
    owner: &str,
    base: &Image,
    images: &[Image],
    reference: &str,
    scratch: &Path,
    archive: &Path,
) -> Result<()> {
    let Some(base_reference) = base.references.first() else {
        bail!("the base of the node image has no name");
    };
    load(base, scratch).context("loading the base of the node image")?;
    let base_name = base_reference.clone();
    let _untag = Cleanup::new(move || drop(docker(&["rmi", &base_name]).run()));
    let label = format!("{LABEL}={owner}");
    // By its label: a signal may come before its name is known.
    let whose = owner.to_owned();
    let _remove = Cleanup::new(move || drop(remove_containers(&whose)));
    let container =
        docker(&["run", "--detach", "--privileged", "--network=none", "--label", &label])
            .args(["--entrypoint=sleep", base_reference, "infinity"])
            .read()
            .context("starting the container that images are put into")?;

    let containerd = Containerd { container: &container };
    containerd.start()?;
    for image in images {
        containerd.import(image, scratch)?;
    }
    containerd.check(images)?;
    containerd.stop()?;

    let start = Instant::now();
    docker(&["commit", "--change", r#"ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]"#])
        .args(["--change", "CMD []", &container, reference])
        .run()
        .context("committing the node image")?;
    say(format_args!("node image: committed in {}", elapsed(start.elapsed())));
    let start = Instant::now();
    docker(&["save", "--output"])
        .arg(archive)
        .arg(reference)
        .run()
        .context("saving the node image")?;
    say(format_args!("node image: saved in {}", elapsed(start.elapsed())));
    Ok(())
}

/// The image's ID: the digest of its configuration, as its archive names it.
///
/// # Errors
/// When the archive is not in `docker save` form.
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

    fn import(&self, image: &Image, scratch: &Path) -> Result<()> {
        let start = Instant::now();
        let name = image.references.first().map_or("", String::as_str);
        docker(&["exec", "--interactive", self.container])
            .args(["ctr", "--namespace=k8s.io", "images", "import", "--no-unpack", "-"])
            .feed(|stdin| image.write(scratch, stdin))
            .with_context(|| format!("importing {name} into the node image"))?;
        say(format_args!("node image: imported {name} in {}", elapsed(start.elapsed())));
        Ok(())
    }

    /// All names have to be there: importing a broken archive can succeed without any.
    fn check(&self, images: &[Image]) -> Result<()> {
        let listed =
            self.exec(&["ctr", "--namespace=k8s.io", "images", "list", "--quiet"]).read()?;
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
