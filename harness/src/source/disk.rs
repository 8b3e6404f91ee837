//! Room on the disk: asked for before something large is written.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::SourceError;

/// What stays free for others, so that a download does not stop the machine's other work.
const RESERVE: u64 = 1 << 20;

/// The bytes that are free for us where `path` is or will be.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let data = statvfs(there)?;
    // The types of both differ between systems.
    #[allow(clippy::useless_conversion, reason = "u32 on macOS, u64 on Linux")]
    let (blocks, size) = (u64::from(data.blocks_available()), u64::from(data.fragment_size()));
    Ok(blocks.saturating_mul(size))
}

/// Refuses to begin what will not fit.
///
/// # Errors
/// When fewer than `need` bytes are free.
pub(super) fn check(path: &Path, need: u64) -> Result<(), SourceError> {
    let free = free(path).map_err(|source| SourceError::io("asking the size of", path, source))?;
    if free < need.saturating_add(RESERVE) && need > 0 {
        return Err(SourceError::DiskFull { path: path.to_owned(), need: Some(need), free });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused_with_the_numbers() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), 1).unwrap();
        let path = dir.path().join("not/yet/there");
        let error = check(&path, u64::MAX / 2).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("not/yet/there") && text.contains("MiB are free"), "{text}");
        assert!(error.hint().contains("MESHCHECK_CACHE"));
    }
}
