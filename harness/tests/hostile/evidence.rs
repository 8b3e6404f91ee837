//! Files that are no evidence, or more of it than anybody has.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::case::{Case, Place};
use crate::mesh::recorded;
use crate::program::{Ended, arguments};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("evidence::missing", "a file that is not there", |place| {
            judge(place, &place.at("none.json")).error(2, &["none.json", "No such file"])
        }),
        Case::new("evidence::empty", "an empty file", |place| {
            of(place, "").error(2, &["e.json", "cut off"])
        }),
        Case::new("evidence::cut", "JSON, cut at 16 places", |place| {
            cut(place, recorded().to_string().as_bytes())
        }),
        Case::new("evidence::cut_gzip", "compressed JSON, cut at 16 places", |place| {
            cut(place, &compressed(recorded().to_string().as_bytes()))
        }),
        Case::new("evidence::damaged_gzip", "compressed JSON with one byte changed", |place| {
            let mut bytes = compressed(recorded().to_string().as_bytes());
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            of(place, bytes).error(2, &["e.json"])
        }),
        Case::new("evidence::bomb", "20 MB that expand to 4 GiB", |place| {
            let member = compressed(&vec![b' '; 16 << 20]);
            let bytes = member.repeat(256);
            assert!(bytes.len() < 20 << 20, "{}", bytes.len());
            of(place, bytes).error(2, &["e.json", "longer than 64 MiB"])
        }),
        Case::new("evidence::nested_bomb", "a compressed file in a compressed file", |place| {
            of(place, compressed(&compressed(recorded().to_string().as_bytes())))
                .error(2, &["e.json"])
        }),
        Case::new("evidence::huge", "a file of 100 GB (with holes)", |place| {
            let file = place.at("e.json");
            File::create(&file).unwrap().set_len(100_000_000_000).unwrap();
            judge(place, &file).error(2, &["e.json", "longer than 64 MiB"])
        }),
        Case::new("evidence::huge_and_good", "evidence with 40 MB of pods", |place| {
            let mut evidence = recorded();
            let pods = evidence["demo"]["pods"]["value"].as_array_mut().unwrap();
            let pod = pods[0].clone();
            let many = 40_000_000 / pod.to_string().len();
            pods.extend((0..many).map(|number| {
                let mut pod = pod.clone();
                pod["name"] = format!("pod-{number}").into();
                pod
            }));
            let file = place.file("e.json", evidence.to_string());
            drop(evidence);
            let ended = place
                .meshcheck(&arguments(&[&"judge", &file, &"--output", &"json"]))
                .mib(512)
                .within(60)
                .run();
            let code = ended.exit.unwrap();
            ended.report(code)
        }),
        Case::new("evidence::deep", "JSON that is a million lists deep", |place| {
            of(place, "[".repeat(1_000_000)).error(2, &["e.json"])
        }),
        Case::new("evidence::deep_in_a_field", "the same in a field that nobody knows", |place| {
            let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            of(place, recorded().to_string().replacen('{', &format!("{{\"x\":{deep},"), 1))
                .report(0)
        }),
        Case::new("evidence::twice", "a field that comes twice", |place| {
            of(place, recorded().to_string().replacen('{', "{\"demo\":null,", 1))
                .error(2, &["e.json"])
        }),
        Case::new("evidence::schema_twice", "a schema that comes twice", |place| {
            of(place, recorded().to_string().replacen('{', "{\"schema\":1,", 1))
                .error(2, &["e.json", "schema"])
        }),
        Case::new("evidence::numbers", "numbers out of range", |place| {
            changed(place, "/took_ms", Value::from(-1)).error(2, &["e.json", "line"])
        }),
        Case::new("evidence::large_numbers", "a number of 400 digits", |place| {
            let text = recorded()
                .to_string()
                .replace("\"took_ms\":", &format!("\"took_ms\":{}", "9".repeat(400)));
            of(place, text).error(2, &["e.json"])
        }),
        Case::new("evidence::future", "schema 2", |place| {
            changed(place, "/schema", 2.into()).error(2, &["schema 2"])
        }),
        Case::new("evidence::no_schema", "JSON of something else", |place| {
            of(place, r#"{"kind":"Pod","apiVersion":"v1"}"#).error(2, &["e.json", "schema"])
        }),
        Case::new("evidence::schema_zero", "schema 0, and nothing else", |place| {
            of(place, r#"{"schema":0}"#).error(2, &["e.json"])
        }),
        Case::new("evidence::types", "a number where pods are expected", |place| {
            changed(place, "/demo/pods/value", 7.into()).error(2, &["e.json", "line"])
        }),
        Case::new("evidence::states", "a state that there is not", |place| {
            changed(place, "/demo/pods/state", "guessed".into()).error(2, &["e.json", "guessed"])
        }),
        Case::new("evidence::more", "evidence, and something behind it", |place| {
            of(place, recorded().to_string() + "{}").error(2, &["e.json"])
        }),
        Case::new("evidence::not_text", "bytes that are no UTF-8 in a text", |place| {
            let mut bytes = recorded().to_string().into_bytes();
            let at = bytes.windows(5).position(|it| it == b"Hello").unwrap();
            bytes[at] = 0xff;
            of(place, bytes).error(2, &["e.json"])
        }),
        Case::new("evidence::garbage", "64 KiB of random bytes", |place| {
            let mut random = fastrand::Rng::with_seed(3);
            let bytes: Vec<u8> = (0..65536).map(|_| random.u8(..)).collect();
            of(place, bytes).error(2, &["e.json"])
        }),
        Case::new("evidence::pipe", "a pipe that nobody writes to", |place| {
            let pipe = place.at("pipe.json");
            nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
            judge(place, &pipe).error(2, &["pipe.json", "regular file"])
        }),
        Case::new("evidence::directory", "a directory", |place| {
            judge(place, &place.at("")).error(2, &["regular file"])
        }),
        Case::new("evidence::endless", "`/dev/zero`", |place| {
            judge(place, Path::new("/dev/zero")).error(2, &["/dev/zero", "regular file"])
        }),
        Case::new("evidence::circle", "a link to itself", |place| {
            let link = place.at("link.json");
            std::os::unix::fs::symlink(&link, &link).unwrap();
            judge(place, &link).error(2, &["link.json"])
        }),
        Case::new("evidence::unreadable", "a file that the user may not read", |place| {
            use std::os::unix::fs::PermissionsExt as _;
            let file = place.file("e.json", recorded().to_string());
            fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
            let call = place.meshcheck(&arguments(&[&"judge", &file])).without_rights();
            call.run().error(2, &["e.json", "Permission denied"])
        }),
    ]
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn judge(place: &Place, file: &Path) -> Ended {
    place.meshcheck(&arguments(&[&"judge", &file])).run()
}

/// A file of this content, judged.
fn of(place: &Place, content: impl AsRef<[u8]>) -> Ended {
    let file = place.file("e.json", content);
    judge(place, &file)
}

/// The recorded evidence with another value at a place.
fn changed(place: &Place, pointer: &str, value: Value) -> Ended {
    let mut evidence = recorded();
    *evidence.pointer_mut(pointer).unwrap() = value;
    of(place, serde_json::to_string_pretty(&evidence).unwrap())
}

/// The same, cut at many places.
fn cut(place: &Place, bytes: &[u8]) -> Ended {
    let ends = (0..16).map(|part| bytes.len() * part / 16).chain([bytes.len() - 1]);
    let mut last = None;
    for end in ends {
        last = Some(of(place, &bytes[..end]).error(2, &["e.json", "cut off"]));
    }
    last.unwrap()
}
