//! Where bundles are kept: outside of any repository, in the user's cache.

use std::env;
use std::path::PathBuf;

/// The cache directory: `$MESHCHECK_CACHE`, else `$XDG_CACHE_HOME/meshcheck`, else
/// `~/.cache/meshcheck`. `None` where none of these variables and no home is set.
pub fn cache_dir() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("MESHCHECK_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("meshcheck")))
        .or_else(|| set("HOME").map(|home| home.join(".cache").join("meshcheck")))
}
