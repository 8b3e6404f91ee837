//! Bundles that were cut, changed, or lead out of their directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use meshcheck_bundle::MANIFEST_FILE;
use meshcheck_bundle::testing::write_small;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::Cases;
use crate::program::{Outcome, meshcheck};
use crate::sandbox::Sandbox;

pub(crate) const CASES: Cases = &[
    ("good", |sandbox| {
        written(sandbox);
        let ended = meshcheck(sandbox, &["bundle", "--bundle", "bundle"]).run();
        assert_eq!(ended.exit, Some(0), "{ended}");
        ended
    }),
    ("none", |sandbox| get(sandbox, &sandbox.at("")).error(2, &["not a bundle"])),
    ("cut", |sandbox| {
        let bundle = written(sandbox);
        let text = fs::read(bundle.join(MANIFEST_FILE)).unwrap();
        let mut last = None;
        for end in (0..16).map(|part| text.len() * part / 16) {
            fs::write(bundle.join(MANIFEST_FILE), &text[..end]).unwrap();
            last = Some(get(sandbox, &bundle).error(2, &["bundle.json"]));
        }
        last.unwrap()
    }),
    ("climbing", |sandbox| {
        manifest(sandbox, "node.tar", "../../etc/passwd")
            .error(2, &["bundle.json", "leaves the bundle"])
    }),
    ("absolute", |sandbox| {
        manifest(sandbox, "node.tar", "/etc/passwd").error(2, &["bundle.json", "leaves the bundle"])
    }),
    ("link_out", |sandbox| {
        let bundle = written(sandbox);
        let outside = sandbox.file("outside", "a node");
        fs::remove_file(bundle.join("node.tar")).unwrap();
        symlink(outside, bundle.join("node.tar")).unwrap();
        get(sandbox, &bundle).error(2, &["node.tar", "leaves the bundle"])
    }),
    ("directory_link_out", |sandbox| {
        let bundle = written(sandbox);
        let outside = sandbox.at("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("node.tar"), "a node").unwrap();
        symlink(outside, bundle.join("parts")).unwrap();
        replaced(&bundle, "node.tar", "parts/node.tar");
        get(sandbox, &bundle).error(2, &["node.tar", "leaves the bundle"])
    }),
    ("changed", |sandbox| {
        let bundle = written(sandbox);
        fs::write(bundle.join("kind.yaml"), "kind: Clutter").unwrap();
        get(sandbox, &bundle).error(2, &["kind-config", "SHA-256"])
    }),
    ("missing_part", |sandbox| {
        other_part(sandbox, |_| ()).error(2, &["kind-config", "is not there"])
    }),
    ("directory_for_a_part", |sandbox| {
        other_part(sandbox, |part| fs::create_dir(part).unwrap())
            .error(2, &["kind.yaml", "regular file"])
    }),
    ("pipe_for_a_part", |sandbox| {
        other_part(sandbox, |part| mkfifo(part, Mode::S_IRWXU).unwrap())
            .error(2, &["kind.yaml", "regular file"])
    }),
    ("endless_part", |sandbox| {
        other_part(sandbox, |part| symlink("/dev/zero", part).unwrap())
            .error(2, &["kind.yaml", "regular file"])
    }),
    ("future", |sandbox| {
        manifest(sandbox, "\"schema\": 1", "\"schema\": 9").error(2, &["schema 9"])
    }),
    ("unknown_field", |sandbox| {
        manifest(sandbox, "\"key\":", "\"lock\": 1, \"key\":").error(2, &["bundle.json", "lock"])
    }),
    ("dangling", |sandbox| {
        manifest(sandbox, "\"archive\": \"node-image\"", "\"archive\": \"other\"")
            .error(2, &["`other`"])
    }),
    ("deep", |sandbox| {
        let bundle = written(sandbox);
        fs::write(bundle.join(MANIFEST_FILE), "[".repeat(1_000_000)).unwrap();
        get(sandbox, &bundle).error(2, &["bundle.json"])
    }),
    ("huge", |sandbox| {
        let bundle = written(sandbox);
        let file = fs::File::create(bundle.join(MANIFEST_FILE)).unwrap();
        file.set_len(10_000_000_000).unwrap();
        get(sandbox, &bundle).error(2, &["bundle.json", "longer than"])
    }),
    ("pipe", |sandbox| {
        let bundle = written(sandbox);
        fs::remove_file(bundle.join(MANIFEST_FILE)).unwrap();
        mkfifo(&bundle.join(MANIFEST_FILE), Mode::S_IRWXU).unwrap();
        get(sandbox, &bundle).error(2, &["bundle.json", "regular file"])
    }),
    ("text", |sandbox| {
        manifest(sandbox, "node.tar", "../\\u001b[31mRED\\u001b]0;x\\u0007")
            .error(2, &["leaves the bundle"])
    }),
];

/// A bundle of two small parts.
pub(crate) fn written(sandbox: &Sandbox) -> PathBuf {
    let directory = sandbox.at("bundle");
    fs::create_dir(&directory).unwrap();
    write_small(&directory, |_| ()).unwrap();
    directory
}

fn replaced(bundle: &Path, from: &str, to: &str) {
    let path = bundle.join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// A bundle whose manifest has something else.
fn manifest(sandbox: &Sandbox, from: &str, to: &str) -> Outcome {
    let bundle = written(sandbox);
    replaced(&bundle, from, to);
    get(sandbox, &bundle)
}

/// A bundle with something else in the place of a part. What has no size has the one that the manifest names.
fn other_part(sandbox: &Sandbox, put: impl FnOnce(&Path)) -> Outcome {
    let bundle = written(sandbox);
    fs::remove_file(bundle.join("kind.yaml")).unwrap();
    put(&bundle.join("kind.yaml"));
    replaced(&bundle, "\"size\": 13", "\"size\": 0");
    get(sandbox, &bundle)
}

fn get(sandbox: &Sandbox, bundle: &Path) -> Outcome {
    meshcheck(sandbox, &["bundle", "--bundle"]).arg(bundle).run()
}
