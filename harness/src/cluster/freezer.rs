//! Thaws the control groups that a runtime inside a node has frozen.
//!
//! With cgroup v1 the kernel does not end a frozen process. A runtime freezes a container for a moment to set its
//! devices; where the node is killed in this moment, the node's own container never ends.

use std::fs;
use std::path::Path;

/// Where docker puts the control groups of containers, without and with systemd, before and after the container's id.
const PLACES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/freezer/docker/", ""),
    ("/sys/fs/cgroup/freezer/system.slice/docker-", ".scope"),
];

/// Thaws what is frozen in the container with this id, as far as this user may.
pub(super) fn thaw(id: &str) {
    if id.chars().all(|c| c.is_ascii_alphanumeric()) {
        for (before, after) in PLACES {
            thaw_below(format!("{before}{id}{after}").as_ref());
        }
    }
}

fn thaw_below(group: &Path) {
    let state = group.join("freezer.state");
    if fs::read_to_string(&state).is_ok_and(|state| state.trim() != "THAWED") {
        let _ = fs::write(&state, "THAWED");
    }
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            thaw_below(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_groups_at_any_depth_are_thawed() {
        let top = tempfile::tempdir().unwrap();
        let deep = top.path().join("kubelet.slice/pod.slice");
        fs::create_dir_all(&deep).unwrap();
        fs::write(top.path().join("freezer.state"), "THAWED\n").unwrap();
        fs::write(deep.join("freezer.state"), "FROZEN\n").unwrap();
        thaw_below(top.path());
        assert_eq!(fs::read_to_string(deep.join("freezer.state")).unwrap(), "THAWED");
        assert_eq!(fs::read_to_string(top.path().join("freezer.state")).unwrap(), "THAWED\n");
        assert!(!top.path().join("kubelet.slice/freezer.state").exists());
    }
}
