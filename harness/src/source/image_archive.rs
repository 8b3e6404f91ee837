//! An image as one file: what `docker save` of a current engine writes. It is an OCI image layout
//! (for containerd, and so for `kind load image-archive`) and has a `manifest.json` beside it (for
//! `docker load` of older engines). The blobs stay as the registry has them, compressed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write as _};
use std::path::Path;

use oci_client::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::SourceError;
use super::registry::Resolved;

/// Writes the archive of an image whose blobs are in `blobs`, each in a file with the name that
/// `blob_file` gives it.
pub(super) fn write(
    image: &Resolved,
    blob_file: impl Fn(&str) -> std::path::PathBuf,
    target: &Path,
) -> Result<(), SourceError> {
    SourceError::if_too_large(target, image.blobs().map(|blob| blob.size).sum())?;
    let written = fill(image, blob_file, target);
    if written.is_err() {
        // Half an archive is of no use, and the user may need the room.
        let _ = fs::remove_file(target);
    }
    written.map_err(|source| SourceError::io("writing", target, source))
}

fn fill(
    image: &Resolved,
    blob_file: impl Fn(&str) -> std::path::PathBuf,
    target: &Path,
) -> io::Result<()> {
    let mut tar = Builder::new(BufWriter::with_capacity(1 << 20, File::create(target)?));
    text(&mut tar, "oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
    text(&mut tar, "index.json", &index(image))?;
    text(&mut tar, "manifest.json", &docker(image))?;
    let manifest = image.manifest_digest();
    entry(&mut tar, &place(&manifest), image.manifest.len() as u64, image.manifest.as_slice())?;
    // Two layers of an image can be the same, for example empty ones.
    let mut there = BTreeSet::new();
    for blob in image.blobs() {
        if there.insert(&blob.digest) {
            let file = File::open(blob_file(blob.hex()))?;
            entry(&mut tar, &place(&blob.digest), blob.size, file)?;
        }
    }
    tar.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?.flush()
}

fn index(image: &Resolved) -> serde_json::Value {
    let manifests: Vec<_> = names(image)
        .map(|name| {
            json!({
                "mediaType": image.media_type,
                "digest": image.manifest_digest(),
                "size": image.manifest.len(),
                "annotations": {
                    // The first is what containerd reads, the second what the layout defines.
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name.rsplit(':').next(),
                },
            })
        })
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE,
        "manifests": manifests,
    })
}

fn docker(image: &Resolved) -> serde_json::Value {
    let layers: Vec<_> = image.layers.iter().map(|layer| place(&layer.digest)).collect();
    json!([{
        "Config": place(&image.config.digest),
        "RepoTags": names(image).collect::<Vec<_>>(),
        "Layers": layers,
    }])
}

fn names(image: &Resolved) -> impl Iterator<Item = &str> {
    std::iter::once(&image.pin.reference).chain(&image.pin.aliases).map(String::as_str)
}

fn place(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

fn text<W: io::Write>(
    tar: &mut Builder<W>,
    path: &str,
    value: &serde_json::Value,
) -> io::Result<()> {
    let text = value.to_string();
    entry(tar, path, text.len() as u64, text.as_bytes())
}

fn entry<W: io::Write>(
    tar: &mut Builder<W>,
    path: &str,
    size: u64,
    data: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o644);
    // The same image gives the same archive.
    header.set_mtime(0);
    tar.append_data(&mut header, path, data.take(size))
}
