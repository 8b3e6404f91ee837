//! What the kernel says of itself in files: memory, limits, control groups; and disks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use meshcheck_suites::evidence::Observation;
use meshcheck_suites::preflight::evidence::{Cgroups, Disk, Inotify, Memory, OpenFiles};

use super::KernelFiles;
use crate::source::disk::free;

/// What is reported where a look takes too long.
pub(super) fn late(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs_f64())
}

/// Reads files of the kernel, apart from everything that others wait for.
pub(super) async fn read<T: Send + 'static>(
    kernel_files: &KernelFiles,
    limit: Duration,
    read: fn(&KernelFiles) -> Result<T, String>,
) -> Observation<T> {
    let kernel_files = kernel_files.clone();
    blocking(limit, move || read(&kernel_files)).await
}

/// Does what may hang: a disk on a network that is gone, say.
async fn blocking<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Observation<T> {
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(Ok(value))) => Observation::seen(value),
        Ok(Ok(Err(reason))) => Observation::failed(reason),
        Ok(Err(error)) => Observation::failed(error.to_string()),
        Err(_) => Observation::failed(late(limit)),
    }
}

/// The disk on which a directory is or will be.
pub(super) async fn disk(path: PathBuf, limit: Duration) -> Observation<Disk> {
    blocking(limit, move || of_path(&path)).await
}

fn of_path(path: &Path) -> Result<Disk, String> {
    use std::os::unix::fs::MetadataExt as _;
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let device = std::fs::metadata(there).map_err(wrong)?.dev();
    let free = free(path).map_err(wrong)?;
    Ok(Disk { path: crate::connect::from_home(path), device, free })
}

pub(super) fn boot_id(kernel_files: &KernelFiles) -> Result<String, String> {
    kernel_files.read("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned())
}

pub(super) fn memory(kernel_files: &KernelFiles) -> Result<Memory, String> {
    let text = kernel_files.read("/proc/meminfo")?;
    let kibibytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        number.ok_or_else(|| format!("/proc/meminfo: there is no {name}"))
    };
    Ok(Memory { total: kibibytes("MemTotal")? << 10, available: kibibytes("MemAvailable")? << 10 })
}

pub(super) fn inotify(kernel_files: &KernelFiles) -> Result<Inotify, String> {
    Ok(Inotify {
        instances: number(kernel_files, "/proc/sys/fs/inotify/max_user_instances")?,
        watches: number(kernel_files, "/proc/sys/fs/inotify/max_user_watches")?,
        used: used(kernel_files),
    })
}

fn number(kernel_files: &KernelFiles, path: &str) -> Result<u64, String> {
    let text = kernel_files.read(path)?;
    text.trim().parse().map_err(|_| format!("{path}: `{}` is no number", text.trim()))
}

/// The inotify instances that root's processes have. Nothing where we may not look at all of them.
fn used(kernel_files: &KernelFiles) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let mut used = 0;
    for process in std::fs::read_dir(kernel_files.at("/proc")).ok()?.flatten() {
        let is_process =
            process.file_name().to_string_lossy().bytes().all(|it| it.is_ascii_digit());
        // One that ends in this moment is no concern of meshcheck.
        if !is_process || process.metadata().map_or(1, |it| it.uid()) != 0 {
            continue;
        }
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        used += links.filter(|link| link.as_os_str() == "anon_inode:inotify").count();
    }
    u64::try_from(used).ok()
}

pub(super) fn open_files(kernel_files: &KernelFiles) -> Result<OpenFiles, String> {
    let limits = kernel_files.read("/proc/self/limits")?;
    let ours = limits.lines().find_map(|line| {
        let soft = line.strip_prefix("Max open files")?.split_whitespace().next()?;
        if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
    });
    let text = kernel_files.read("/proc/sys/fs/file-nr")?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (ours, numbers.next(), numbers.nth(1)) {
        (Some(ours), Some(Ok(open)), Some(Ok(all))) => Ok(OpenFiles { ours, open, all }),
        _ => Err("/proc/self/limits and /proc/sys/fs/file-nr say it in no way known here".into()),
    }
}

pub(super) fn cgroups(kernel_files: &KernelFiles) -> Result<Cgroups, String> {
    if let Ok(text) = kernel_files.read("/sys/fs/cgroup/cgroup.controllers") {
        return Ok(Cgroups { controllers: text.split_whitespace().map(str::to_owned).collect() });
    }
    // Version 1: name, hierarchy, number of groups, whether it is switched on.
    let text = kernel_files.read("/proc/cgroups")?;
    let controllers = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        (words.nth(2)? == "1").then(|| name.to_owned())
    });
    Ok(Cgroups { controllers: controllers.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn kernel_files(files: &[(&str, &str)]) -> (tempfile::TempDir, KernelFiles) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let kernel_files = KernelFiles::below(root.path());
        (root, kernel_files)
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24684092 kB\nMemFree: 1 kB\nMemAvailable:   2048 kB\n";
        let (_root, kernel_files) = kernel_files(&[("proc/meminfo", text)]);
        let memory = memory(&kernel_files).unwrap();
        assert_eq!((memory.total, memory.available), (24_684_092 << 10, 2 << 20));
    }

    #[test]
    fn missing_file_is_named() {
        let (_root, kernel_files) = kernel_files(&[("proc/meminfo", "MemTotal: 1 kB\n")]);
        assert!(memory(&kernel_files).unwrap_err().contains("MemAvailable"));
        assert!(inotify(&kernel_files).unwrap_err().contains("max_user_instances"));
        assert!(boot_id(&kernel_files).unwrap_err().contains("boot_id"));
        assert!(cgroups(&kernel_files).unwrap_err().contains("/proc/cgroups"));
        assert!(open_files(&kernel_files).unwrap_err().contains("limits"));
    }

    #[test]
    fn inotify_s_limits_are_read() {
        let (_root, kernel_files) = kernel_files(&[
            ("proc/sys/fs/inotify/max_user_instances", "128\n"),
            ("proc/sys/fs/inotify/max_user_watches", "65536\n"),
        ]);
        let limits = inotify(&kernel_files).unwrap();
        assert_eq!((limits.instances, limits.watches), (128, 65_536));
    }

    #[test]
    fn inotify_instances_of_root_are_counted_if_allowed() {
        let (root, kernel_files) = kernel_files(&[("proc/1/comm", "init"), ("proc/self/x", "")]);
        let files = root.path().join("proc/1/fd");
        fs::create_dir(&files).unwrap();
        for (name, target) in [("3", "anon_inode:inotify"), ("4", "/dev/null")] {
            std::os::unix::fs::symlink(target, files.join(name)).unwrap();
        }
        let as_root = nix::unistd::geteuid().is_root();
        assert_eq!(used(&kernel_files), as_root.then_some(1));
    }

    #[test]
    fn open_files_are_read() {
        let limits = "Limit  Soft  Hard  Units\nMax open files            1024   4096   files\n";
        let (_root, kernel_files) = kernel_files(&[
            ("proc/self/limits", limits),
            ("proc/sys/fs/file-nr", "2803\t0\t99999\n"),
        ]);
        let files = open_files(&kernel_files).unwrap();
        assert_eq!((files.ours, files.open, files.all), (1024, 2803, 99_999));
    }

    #[test]
    fn control_groups_of_both_versions_are_read() {
        let (_root, two) =
            kernel_files(&[("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n")]);
        assert_eq!(cgroups(&two).unwrap().controllers, ["cpu", "memory", "pids"]);
        let text = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t9\t1\nmemory\t0\t1\t0\n";
        let (_root, one) = kernel_files(&[("proc/cgroups", text)]);
        assert_eq!(cgroups(&one).unwrap().controllers, ["cpu"]);
    }

    #[tokio::test]
    async fn missing_directory_is_on_the_disk_of_its_parent() {
        let root = tempfile::tempdir().unwrap();
        let limit = Duration::from_secs(5);
        let later = disk(root.path().join("not/yet"), limit).await;
        let now = disk(root.path().to_owned(), limit).await;
        assert_eq!(later.value().unwrap().device, now.value().unwrap().device);
        assert!(now.value().unwrap().free > 0);
    }
}
