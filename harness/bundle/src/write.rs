//! Making a bundle: parts are added one by one, and the manifest, written last and by rename,
//! makes the directory a bundle.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::{BundleError, MANIFEST_FILE, Manifest, Part, Role, sha256_file};

/// A bundle that is being made in its directory. Without [`Writer::finish`] it stays one that
/// [`crate::Bundle::open`] refuses, so a broken build is never mistaken for a bundle.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    parts: Vec<Part>,
}

impl Writer {
    /// Starts in `dir`, which is made where it is missing; a manifest that is there is removed.
    ///
    /// # Errors
    /// When the directory cannot be made or the old manifest cannot be removed.
    pub fn new(dir: &Path) -> Result<Self, BundleError> {
        fs::create_dir_all(dir).map_err(io("making", dir))?;
        let manifest = dir.join(MANIFEST_FILE);
        if manifest.exists() {
            fs::remove_file(&manifest).map_err(io("removing", &manifest))?;
        }
        Ok(Self { dir: dir.to_owned(), parts: Vec::new() })
    }

    /// The directory that the bundle is made in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Records a file that stands at `path` inside the directory already.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn add(
        &mut self,
        name: &str,
        role: Role,
        path: &str,
        version: &str,
        source: &str,
    ) -> Result<(), BundleError> {
        let file = self.dir.join(path);
        let size = fs::metadata(&file).map_err(io("reading", &file))?.len();
        let sha256 = sha256_file(&file).map_err(io("reading", &file))?;
        self.parts.retain(|part| part.name != name);
        self.parts.push(Part {
            name: name.to_owned(),
            role,
            path: path.to_owned(),
            size,
            sha256,
            version: version.to_owned(),
            source: source.to_owned(),
        });
        Ok(())
    }

    /// Records a file of another bundle, as that one describes it: its checksum is not computed again.
    ///
    /// # Errors
    /// When the file cannot be read, or has another size.
    pub fn add_described(&mut self, part: Part) -> Result<(), BundleError> {
        let path = self.dir.join(&part.path);
        let size = fs::metadata(&path).map_err(io("reading", &path))?.len();
        if size != part.size {
            let (expected, found) = (format!("{} bytes", part.size), format!("{size} bytes"));
            return Err(BundleError::Mismatch { name: part.name, path, expected, found });
        }
        self.parts.push(part);
        Ok(())
    }

    /// Writes the manifest: `manifest` with its `parts` replaced by those that were added.
    ///
    /// # Errors
    /// When it cannot be written; then the directory is no bundle.
    pub fn finish(self, mut manifest: Manifest) -> Result<(), BundleError> {
        manifest.parts = self.parts;
        let path = self.dir.join(MANIFEST_FILE);
        let mut text = serde_json::to_string_pretty(&manifest).map_err(|error| {
            BundleError::Manifest { path: path.clone(), reason: error.to_string() }
        })?;
        text.push('\n');
        let mut file = readable().tempfile_in(&self.dir).map_err(io("writing", &self.dir))?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.as_file().sync_all())
            .map_err(io("writing", &path))?;
        file.persist(&path).map_err(|error| io("writing", &path)(error.error))?;
        Ok(())
    }
}

/// A new file as others get it too: the user's umask decides who reads a stick, not we.
fn readable() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BundleError {
    let path = path.to_owned();
    move |source| BundleError::Io { action, path, source }
}
