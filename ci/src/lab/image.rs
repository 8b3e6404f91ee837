//! Container images as `docker load`able archives, made without an engine.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use meshcheck_bundle::{Sha256Hex, sha256_file, sha256_hex};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// Something in a layer that is made of single files.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A directory.
    Dir {
        /// Where, without a leading `/`.
        to: String,
        /// Its permissions.
        mode: u32,
    },
    /// A copy of a file.
    File {
        /// The file to copy.
        from: PathBuf,
        /// Where, without a leading `/`.
        to: String,
        /// Its permissions.
        mode: u32,
    },
    /// A small file whose content is at hand.
    Text {
        /// The content.
        text: String,
        /// Where, without a leading `/`.
        to: String,
        /// Its permissions.
        mode: u32,
    },
}

impl Entry {
    /// A program at that place.
    pub(crate) fn program(from: PathBuf, to: &str) -> Self {
        Self::File { from, to: to.to_owned(), mode: 0o755 }
    }

    /// A file that all can read at that place.
    pub(crate) fn file(from: PathBuf, to: &str) -> Self {
        Self::File { from, to: to.to_owned(), mode: 0o644 }
    }
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    /// A whole file tree in a tar archive.
    Tar(PathBuf),
    /// Single files.
    Entries(Vec<Entry>),
}

/// What an image says about running it: the part of its configuration that we set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// The program, if one is always run.
    pub(crate) entrypoint: Vec<String>,
    /// Its default arguments, or the default program.
    pub(crate) command: Vec<String>,
    /// Environment variables, `NAME=value`.
    pub(crate) env: Vec<String>,
    /// User, by number.
    pub(crate) user: String,
    /// Working directory.
    pub(crate) dir: String,
    /// The signal that stops it, if not SIGTERM.
    pub(crate) stop_signal: Option<String>,
}

/// An image to write.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// All of its names.
    pub(crate) references: Vec<String>,
    /// How to run it.
    pub(crate) settings: Settings,
    /// Its layers, lowest first.
    pub(crate) layers: Vec<Layer>,
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Image {
    /// Writes it in `docker save` form. Layers of single files are kept in `scratch` on the way.
    ///
    /// # Errors
    /// When a layer cannot be read or the archive cannot be written.
    pub(crate) fn write(&self, scratch: &Path, out: &mut dyn Write) -> Result<()> {
        let mut layers = Vec::new();
        for layer in &self.layers {
            let (digest, file) = match layer {
                Layer::Tar(path) => {
                    let open = || format!("reading `{}`", path.display());
                    (sha256_file(path).with_context(open)?, File::open(path).with_context(open)?)
                }
                Layer::Entries(entries) => write_layer(entries, scratch)?,
            };
            layers.push((digest, file));
        }
        let config = self.config(layers.iter().map(|(digest, _)| digest.as_str())).to_string();
        let config_name = format!("{}.json", sha256_hex(config.as_bytes()));
        let names: Vec<_> =
            layers.iter().map(|(digest, _)| format!("{digest}/layer.tar")).collect();
        let manifest =
            json!([{ "Config": config_name, "RepoTags": self.references, "Layers": names }]);
        let mut archive = Builder::new(out);
        append(&mut archive, &config_name, 0o644, config.len() as u64, config.as_bytes())?;
        for ((_, file), name) in layers.iter().zip(&names) {
            append(&mut archive, name, 0o644, file.metadata()?.len(), file)?;
        }
        let manifest = manifest.to_string();
        append(&mut archive, "manifest.json", 0o644, manifest.len() as u64, manifest.as_bytes())?;
        archive.into_inner()?.flush()?;
        Ok(())
    }

    fn config<'a>(&self, diffs: impl Iterator<Item = &'a str>) -> Value {
        let settings = &self.settings;
        let mut env = vec![PATH.to_owned()];
        env.extend(settings.env.iter().cloned());
        let mut run = json!({ "Env": env });
        if !settings.entrypoint.is_empty() {
            run["Entrypoint"] = json!(settings.entrypoint);
        }
        if !settings.command.is_empty() {
            run["Cmd"] = json!(settings.command);
        }
        if !settings.user.is_empty() {
            run["User"] = json!(settings.user);
        }
        if !settings.dir.is_empty() {
            run["WorkingDir"] = json!(settings.dir);
        }
        if let Some(signal) = &settings.stop_signal {
            run["StopSignal"] = json!(signal);
        }
        let diffs: Vec<_> = diffs.map(|digest| format!("sha256:{digest}")).collect();
        json!({
            "architecture": ARCHITECTURE,
            "os": "linux",
            // The same inputs give the same image, whenever it is made.
            "created": "1970-01-01T00:00:00Z",
            "config": run,
            "rootfs": { "type": "layers", "diff_ids": diffs },
        })
    }
}

/// This machine's architecture, as images and Go call it.
pub(crate) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// Writes a layer of single files into an unnamed file; hands out its digest too.
fn write_layer(entries: &[Entry], scratch: &Path) -> Result<(String, File)> {
    let file = tempfile::tempfile_in(scratch).context("making a file for a layer")?;
    let mut archive = Builder::new(Summed { file, sum: Sha256Hex::default() });
    for entry in entries {
        match entry {
            Entry::Dir { to, mode } => {
                let mut header = header(EntryType::Directory, *mode, 0);
                archive.append_data(&mut header, to, io::empty())?;
            }
            Entry::File { from, to, mode } => {
                let reading = || format!("reading `{}`", from.display());
                let size = fs::metadata(from).with_context(reading)?.len();
                append(&mut archive, to, *mode, size, File::open(from).with_context(reading)?)?;
            }
            Entry::Text { text, to, mode } => {
                append(&mut archive, to, *mode, text.len() as u64, text.as_bytes())?;
            }
        }
    }
    let Summed { mut file, sum } = archive.into_inner()?;
    file.rewind()?;
    Ok((sum.finish(), file))
}

fn append(
    archive: &mut Builder<impl Write>,
    to: &str,
    mode: u32,
    size: u64,
    data: impl Read,
) -> Result<()> {
    archive
        .append_data(&mut header(EntryType::Regular, mode, size), to, data)
        .with_context(|| format!("writing `{to}` into an image"))
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// A file that is summed up while it is written.
struct Summed {
    file: File,
    sum: Sha256Hex,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sample(dir: &Path) -> Image {
        let program = dir.join("program");
        fs::write(&program, "binary").unwrap();
        Image {
            references: vec!["docker.io/library/sample:1".to_owned()],
            settings: Settings { entrypoint: vec!["/program".to_owned()], ..Settings::default() },
            layers: vec![Layer::Entries(vec![
                Entry::Dir { to: "tmp".to_owned(), mode: 0o1777 },
                Entry::program(program, "program"),
            ])],
        }
    }

    fn archive(image: &Image, dir: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut bytes = Vec::new();
        image.write(dir, &mut bytes).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().to_string_lossy().into_owned(), content)
            })
            .collect()
    }

    #[test]
    fn names_and_digests_fit_together() {
        let dir = tempfile::tempdir().unwrap();
        let files = archive(&sample(dir.path()), dir.path());
        let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], "docker.io/library/sample:1");
        let config_name = manifest[0]["Config"].as_str().unwrap();
        let config = &files[config_name];
        assert_eq!(config_name, format!("{}.json", sha256_hex(config)));
        let config: Value = serde_json::from_slice(config).unwrap();
        let layer = &files[manifest[0]["Layers"][0].as_str().unwrap()];
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256_hex(layer)));
        assert_eq!(config["config"]["Entrypoint"], json!(["/program"]));
    }

    #[test]
    fn the_same_inputs_give_the_same_image() {
        let dir = tempfile::tempdir().unwrap();
        let image = sample(dir.path());
        assert_eq!(archive(&image, dir.path()), archive(&image, dir.path()));
    }
}
