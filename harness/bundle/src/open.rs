//! Opening a bundle and handing out its parts, each compared with its checksum first.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use crate::{BundleError, MANIFEST_FILE, Manifest, Part, SCHEMA, sha256_file};

/// The longest manifest that is read, in bytes. Seen: 11 kB.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// A bundle on disk with a manifest that this program understands.
#[derive(Debug, Clone)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
}

impl Bundle {
    /// Reads and checks the manifest of the bundle in `dir`. No part is read yet.
    ///
    /// # Errors
    /// When there is no manifest, or it is damaged, of another schema, or names paths outside of
    /// the bundle.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let path = dir.join(MANIFEST_FILE);
        let reading = |source| BundleError::Io { action: "reading", path: path.clone(), source };
        let data = match fs::metadata(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BundleError::NotABundle(dir.to_owned()));
            }
            Err(source) => return Err(reading(source)),
        };
        if !data.is_file() {
            // Opening a pipe would wait for its writer.
            return Err(BundleError::NotAFile(path));
        }
        let mut text = String::new();
        let file = fs::File::open(&path).map_err(reading)?;
        file.take(MANIFEST_LIMIT + 1).read_to_string(&mut text).map_err(|source| {
            match source.kind() {
                io::ErrorKind::InvalidData => {
                    BundleError::Manifest { path: path.clone(), reason: "it is not text".into() }
                }
                _ => reading(source),
            }
        })?;
        if text.len() as u64 > MANIFEST_LIMIT {
            let reason = format!("it is longer than {} MiB", MANIFEST_LIMIT >> 20);
            return Err(BundleError::Manifest { path, reason });
        }
        let manifest = parse(&path, &text)?;
        Ok(Self { dir: dir.to_owned(), manifest })
    }

    /// The bundle's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The path of a part, after its size and checksum were compared with the manifest's.
    ///
    /// # Errors
    /// When the manifest has no such part, or its file is missing, unreadable or another one.
    pub fn verified(&self, name: &str) -> Result<PathBuf, BundleError> {
        let part = self.manifest.part(name).ok_or_else(|| BundleError::NoSuchPart {
            bundle: self.dir.clone(),
            name: name.to_owned(),
        })?;
        self.verify(part)
    }

    /// Compares every part with the manifest.
    ///
    /// # Errors
    /// The first part that is missing, unreadable or another one.
    pub fn verify_all(&self) -> Result<(), BundleError> {
        self.manifest.parts.iter().try_for_each(|part| self.verify(part).map(drop))
    }

    /// Compares every part with the manifest, but of the image archives their sizes alone: an engine
    /// that has the images already needs no archive, and those that are used are verified then.
    ///
    /// # Errors
    /// The first part that is missing, unreadable or another one.
    pub fn verify_programs(&self) -> Result<(), BundleError> {
        let manifest = &self.manifest;
        let images = manifest.images.iter().filter_map(|image| image.archive.as_deref());
        let archives: Vec<_> = images.chain([manifest.node.archive.as_str()]).collect();
        manifest.parts.iter().try_for_each(|part| {
            if archives.contains(&part.name.as_str()) {
                self.sized(part).map(drop)
            } else {
                self.verify(part).map(drop)
            }
        })
    }

    /// The path of a part, after its size was compared with the manifest's.
    fn sized(&self, part: &Part) -> Result<PathBuf, BundleError> {
        let path = self.dir.join(&part.path);
        let data = match fs::metadata(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BundleError::Missing { name: part.name.clone(), path });
            }
            Err(source) => {
                return Err(BundleError::Io { action: "reading", path, source });
            }
        };
        if !data.is_file() {
            return Err(BundleError::NotAFile(path));
        }
        // A link may lead to a place inside alone: what is used is what lies in the bundle.
        let real = |path: &Path| {
            let reading = |source| BundleError::Io { action: "reading", path: path.into(), source };
            fs::canonicalize(path).map_err(reading)
        };
        if !real(&path)?.starts_with(real(&self.dir)?) {
            let path = self.dir.join(MANIFEST_FILE);
            let reason = format!("the path `{}` leaves the bundle by a link", part.path);
            return Err(BundleError::Manifest { path, reason });
        }
        let size = data.len();
        if size != part.size {
            let (expected, found) = (format!("{} bytes", part.size), format!("{size} bytes"));
            return Err(BundleError::Mismatch { name: part.name.clone(), path, expected, found });
        }
        Ok(path)
    }

    fn verify(&self, part: &Part) -> Result<PathBuf, BundleError> {
        let path = self.sized(part)?;
        match sha256_file(&path) {
            Ok(sum) if sum == part.sha256 => Ok(path),
            Ok(found) => Err(BundleError::Mismatch {
                name: part.name.clone(),
                path,
                expected: format!("SHA-256 {}", part.sha256),
                found,
            }),
            Err(source) => Err(BundleError::Io { action: "reading", path, source }),
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<Manifest, BundleError> {
    let wrong = |reason: String| BundleError::Manifest { path: path.to_owned(), reason };
    // The schema first: another one may have other fields, and that deserves its own message.
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(found) if found == u64::from(SCHEMA) => {}
        Some(found) => {
            return Err(wrong(format!("it has schema {found}, this program reads {SCHEMA}")));
        }
        None => return Err(wrong("it has no schema number".to_owned())),
    }
    let manifest: Manifest =
        serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
    for part in &manifest.parts {
        if !is_inside(&part.path) {
            return Err(wrong(format!(
                "the part `{}` has the path `{}`, which leaves the bundle",
                part.name, part.path
            )));
        }
    }
    let named = [&manifest.node.archive, &manifest.node.kind_config];
    let archives = manifest.images.iter().filter_map(|image| image.archive.as_ref());
    for name in named.into_iter().chain(archives) {
        if manifest.part(name).is_none() {
            return Err(wrong(format!("it refers to a part `{name}` that it does not list")));
        }
    }
    Ok(manifest)
}

/// Whether a path stays below the directory that it is joined to.
fn is_inside(path: &str) -> bool {
    let mut components = Path::new(path).components().peekable();
    components.peek().is_some() && components.all(|part| matches!(part, Component::Normal(_)))
}
