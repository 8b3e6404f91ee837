//! Files that are replaced, links that stay, devices that are written to.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.json");
    fs::write(&path, "old").unwrap();
    let outcome = atomically(&path, |to| {
        to.write_all(b"half")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// As root, renaming over a device would take it from the whole machine.
#[test]
fn a_device_is_written_to_and_not_replaced() {
    let before = fs::symlink_metadata("/dev/full").unwrap().file_type();
    let error = atomically(Path::new("/dev/full"), |to| to.write_all(b"report")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::symlink_metadata("/dev/full").unwrap().file_type(), before);
    atomically(Path::new("/dev/null"), |to| to.write_all(b"report")).unwrap();
}

#[test]
fn a_link_stays_a_link_and_permissions_stay() {
    let directory = tempfile::tempdir().unwrap();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();
    atomically(&link, |to| to.write_all(b"new")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_check_leaves_nothing_and_a_directory_is_no_file() {
    let directory = tempfile::tempdir().unwrap();
    check_writable(&directory.path().join("report.xml")).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let error = check_writable(directory.path()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    let error = check_writable(&directory.path().join("missing/report.xml")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}
