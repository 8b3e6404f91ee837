//! Asks how much room is left on a disk.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Returns how many bytes are free for this user where `path` is or will be.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let data = statvfs(there)?;
    // The types of both differ between systems.
    #[allow(clippy::useless_conversion, reason = "u32 on macOS, u64 on Linux")]
    let (blocks, size) = (u64::from(data.blocks_available()), u64::from(data.fragment_size()));
    Ok(blocks.saturating_mul(size))
}
