//! Bundles that were cut, changed, or lead out of their directory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use meshcheck_bundle::MANIFEST_FILE;
use meshcheck_bundle::testing::write_small;

use crate::case::{Case, Place};
use crate::program::{Ended, arguments};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("bundle::good", "a bundle that is whole", |place| {
            let bundle = written(place);
            let ended = place.meshcheck(&arguments(&[&"bundle", &"--bundle", &bundle])).run();
            assert_eq!(ended.exit, Some(0), "{ended}");
            ended.told("its directory")
        }),
        Case::new("bundle::none", "a directory without a manifest", |place| {
            get(place, &place.at("")).error(2, &["not a bundle"])
        }),
        Case::new("bundle::cut", "a manifest, cut at 16 places", |place| {
            let bundle = written(place);
            let text = fs::read(bundle.join(MANIFEST_FILE)).unwrap();
            let mut last = None;
            for end in (0..16).map(|part| text.len() * part / 16) {
                fs::write(bundle.join(MANIFEST_FILE), &text[..end]).unwrap();
                last = Some(get(place, &bundle).error(2, &["bundle.json"]));
            }
            last.unwrap()
        }),
        Case::new("bundle::climbing", "a part at `../../etc/passwd`", |place| {
            manifest(place, "node.tar", "../../etc/passwd")
                .error(2, &["bundle.json", "leaves the bundle"])
        }),
        Case::new("bundle::absolute", "a part at `/etc/passwd`", |place| {
            manifest(place, "node.tar", "/etc/passwd")
                .error(2, &["bundle.json", "leaves the bundle"])
        }),
        Case::new("bundle::link_out", "a part that is a link to a file outside", |place| {
            let bundle = written(place);
            let outside = place.file("outside", "a node");
            fs::remove_file(bundle.join("node.tar")).unwrap();
            symlink(outside, bundle.join("node.tar")).unwrap();
            get(place, &bundle).error(2, &["node.tar", "leaves the bundle"])
        }),
        Case::new(
            "bundle::directory_link_out",
            "a directory of parts that is a link to one outside",
            |place| {
                let bundle = written(place);
                let outside = place.at("outside");
                fs::create_dir(&outside).unwrap();
                fs::write(outside.join("node.tar"), "a node").unwrap();
                symlink(outside, bundle.join("parts")).unwrap();
                replaced(&bundle, "node.tar", "parts/node.tar");
                get(place, &bundle).error(2, &["node.tar", "leaves the bundle"])
            },
        ),
        Case::new("bundle::changed", "a part with another content of the same length", |place| {
            let bundle = written(place);
            fs::write(bundle.join("kind.yaml"), "kind: Clutter").unwrap();
            get(place, &bundle).error(2, &["kind-config", "SHA-256"])
        }),
        Case::new("bundle::missing_part", "a part that is not there", |place| {
            let bundle = written(place);
            fs::remove_file(bundle.join("kind.yaml")).unwrap();
            get(place, &bundle).error(2, &["kind-config", "is not there"])
        }),
        Case::new("bundle::directory_for_a_part", "a part that is a directory", |place| {
            let bundle = written(place);
            fs::remove_file(bundle.join("kind.yaml")).unwrap();
            fs::create_dir(bundle.join("kind.yaml")).unwrap();
            get(place, &bundle).error(2, &["kind.yaml", "regular file"])
        }),
        Case::new(
            "bundle::pipe_for_a_part",
            "a part of no bytes that is a pipe nobody writes to",
            |place| {
                let bundle = written(place);
                fs::remove_file(bundle.join("kind.yaml")).unwrap();
                nix::unistd::mkfifo(&bundle.join("kind.yaml"), nix::sys::stat::Mode::S_IRWXU)
                    .unwrap();
                replaced(&bundle, "\"size\": 13", "\"size\": 0");
                get(place, &bundle).error(2, &["kind.yaml", "regular file"])
            },
        ),
        Case::new(
            "bundle::endless_part",
            "a part of no bytes that is a link to `/dev/zero`",
            |place| {
                let bundle = written(place);
                fs::remove_file(bundle.join("kind.yaml")).unwrap();
                symlink("/dev/zero", bundle.join("kind.yaml")).unwrap();
                replaced(&bundle, "\"size\": 13", "\"size\": 0");
                get(place, &bundle).error(2, &["kind.yaml", "regular file"])
            },
        ),
        Case::new("bundle::future", "schema 9", |place| {
            manifest(place, "\"schema\": 1", "\"schema\": 9").error(2, &["schema 9"])
        }),
        Case::new("bundle::unknown_field", "a field that nobody knows", |place| {
            manifest(place, "\"key\":", "\"lock\": 1, \"key\":").error(2, &["bundle.json", "lock"])
        }),
        Case::new(
            "bundle::dangling",
            "a manifest that refers to a part it does not list",
            |place| {
                manifest(place, "\"archive\": \"node-image\"", "\"archive\": \"other\"")
                    .error(2, &["`other`"])
            },
        ),
        Case::new("bundle::deep", "a manifest that is a million lists deep", |place| {
            let bundle = written(place);
            fs::write(bundle.join(MANIFEST_FILE), "[".repeat(1_000_000)).unwrap();
            get(place, &bundle).error(2, &["bundle.json"])
        }),
        Case::new("bundle::huge", "a manifest of 10 GB (with holes)", |place| {
            let bundle = written(place);
            let file = fs::File::create(bundle.join(MANIFEST_FILE)).unwrap();
            file.set_len(10_000_000_000).unwrap();
            get(place, &bundle).error(2, &["bundle.json", "longer than"])
        }),
        Case::new("bundle::pipe", "a manifest that is a pipe nobody writes to", |place| {
            let bundle = written(place);
            fs::remove_file(bundle.join(MANIFEST_FILE)).unwrap();
            nix::unistd::mkfifo(&bundle.join(MANIFEST_FILE), nix::sys::stat::Mode::S_IRWXU)
                .unwrap();
            get(place, &bundle).error(2, &["bundle.json", "regular file"])
        }),
        Case::new("bundle::text", "escape sequences in a manifest", |place| {
            manifest(place, "node.tar", "../\\u001b[31mRED\\u001b]0;x\\u0007")
                .error(2, &["leaves the bundle"])
        }),
    ]
}

/// A bundle of two small parts.
pub(crate) fn written(place: &Place) -> PathBuf {
    let directory = place.at("bundle");
    fs::create_dir(&directory).unwrap();
    write_small(&directory, |_| ()).unwrap();
    directory
}

fn replaced(bundle: &std::path::Path, from: &str, to: &str) {
    let path = bundle.join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// A bundle whose manifest has something else.
fn manifest(place: &Place, from: &str, to: &str) -> Ended {
    let bundle = written(place);
    replaced(&bundle, from, to);
    get(place, &bundle)
}

fn get(place: &Place, bundle: &std::path::Path) -> Ended {
    place.meshcheck(&arguments(&[&"bundle", &"--bundle", &bundle])).run()
}
