//! Files that are no evidence, or more of it than anybody has.

use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;

use crate::Cases;
use crate::program::{Outcome, judge, meshcheck};
use crate::sandbox::Sandbox;
use crate::support::run::{compressed, recorded};

pub(crate) const CASES: Cases = &[
    ("missing", |sandbox| {
        judge_file(sandbox, &sandbox.at("none.json")).error(2, &["none.json", "No such file"])
    }),
    ("empty", |sandbox| of(sandbox, "").error(2, &["e.json", "it is empty"])),
    ("cut", |sandbox| cut(sandbox, recorded().to_string().as_bytes())),
    ("cut_gzip", |sandbox| cut(sandbox, &compressed(recorded().to_string().as_bytes()))),
    ("damaged_gzip", |sandbox| {
        let mut bytes = compressed(recorded().to_string().as_bytes());
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        of(sandbox, bytes).error(2, &["e.json"])
    }),
    ("bomb", |sandbox| {
        let member = compressed(&vec![b' '; 16 << 20]);
        let bytes = member.repeat(256);
        assert!(bytes.len() < 20 << 20, "{}", bytes.len());
        of(sandbox, bytes).error(2, &["e.json", "longer than 64 MiB"])
    }),
    ("nested_bomb", |sandbox| {
        of(sandbox, compressed(&compressed(recorded().to_string().as_bytes())))
            .error(2, &["e.json"])
    }),
    ("huge", |sandbox| {
        let file = sandbox.at("e.json");
        File::create(&file).unwrap().set_len(100_000_000_000).unwrap();
        judge_file(sandbox, &file).error(2, &["e.json", "longer than 64 MiB"])
    }),
    ("huge_and_good", |sandbox| {
        let mut evidence = recorded();
        let pods = evidence["demo"]["pods"]["value"].as_array_mut().unwrap();
        let pod = pods[0].clone();
        let many = 40_000_000 / pod.to_string().len();
        pods.extend((0..many).map(|number| {
            let mut pod = pod.clone();
            pod["name"] = format!("pod-{number}").into();
            pod
        }));
        let call = judge(sandbox, evidence.to_string());
        drop(evidence);
        call.args(&["--output", "json"]).memory(512).within(60).run().report(1)
    }),
    ("deep", |sandbox| of(sandbox, "[".repeat(1_000_000)).error(2, &["e.json"])),
    ("deep_in_a_field", |sandbox| {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        of(sandbox, recorded().to_string().replacen('{', &format!("{{\"x\":{deep},"), 1)).report(0)
    }),
    ("twice", |sandbox| {
        of(sandbox, recorded().to_string().replacen('{', "{\"demo\":null,", 1))
            .error(2, &["e.json"])
    }),
    ("schema_twice", |sandbox| {
        of(sandbox, recorded().to_string().replacen('{', "{\"schema\":1,", 1))
            .error(2, &["e.json", "schema"])
    }),
    ("numbers", |sandbox| {
        changed(sandbox, "/took_ms", Value::from(-1)).error(2, &["e.json", "line"])
    }),
    ("large_numbers", |sandbox| {
        let text = recorded()
            .to_string()
            .replace("\"took_ms\":", &format!("\"took_ms\":{}", "9".repeat(400)));
        of(sandbox, text).error(2, &["e.json"])
    }),
    ("future", |sandbox| changed(sandbox, "/schema", 2.into()).error(2, &["schema 2"])),
    ("no_schema", |sandbox| {
        of(sandbox, r#"{"kind":"Pod","apiVersion":"v1"}"#).error(2, &["e.json", "kind: Pod"])
    }),
    ("schema_zero", |sandbox| of(sandbox, r#"{"schema":0}"#).error(2, &["e.json"])),
    ("types", |sandbox| {
        changed(sandbox, "/demo/pods/value", 7.into()).error(2, &["e.json", "line"])
    }),
    ("states", |sandbox| {
        changed(sandbox, "/demo/pods/state", "guessed".into()).error(2, &["e.json", "guessed"])
    }),
    ("more", |sandbox| of(sandbox, recorded().to_string() + "{}").error(2, &["e.json"])),
    ("not_text", |sandbox| {
        let mut bytes = recorded().to_string().into_bytes();
        let at = bytes.windows(5).position(|it| it == b"Hello").unwrap();
        bytes[at] = 0xff;
        of(sandbox, bytes).error(2, &["e.json"])
    }),
    ("garbage", |sandbox| {
        let mut random = fastrand::Rng::with_seed(3);
        let bytes: Vec<u8> = (0..65536).map(|_| random.u8(..)).collect();
        of(sandbox, bytes).error(2, &["e.json"])
    }),
    ("pipe", |sandbox| {
        let pipe = sandbox.at("pipe.json");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        judge_file(sandbox, &pipe).error(2, &["pipe.json", "regular file"])
    }),
    ("directory", |sandbox| judge_file(sandbox, &sandbox.at("")).error(2, &["it is a directory"])),
    ("endless", |sandbox| {
        judge_file(sandbox, Path::new("/dev/zero")).error(2, &["/dev/zero", "regular file"])
    }),
    ("circle", |sandbox| {
        let link = sandbox.at("link.json");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        judge_file(sandbox, &link).error(2, &["link.json"])
    }),
    ("unreadable", |sandbox| {
        use std::os::unix::fs::PermissionsExt as _;
        let call = judge(sandbox, recorded().to_string()).without_rights();
        fs::set_permissions(sandbox.at("e.json"), fs::Permissions::from_mode(0o000)).unwrap();
        call.run().error(2, &["e.json", "Permission denied"])
    }),
];

fn judge_file(sandbox: &Sandbox, file: &Path) -> Outcome {
    meshcheck(sandbox, &["judge"]).arg(file).run()
}

/// A file of this content, judged.
fn of(sandbox: &Sandbox, content: impl AsRef<[u8]>) -> Outcome {
    judge(sandbox, content).run()
}

/// The recorded evidence with another value at a sandbox.
fn changed(sandbox: &Sandbox, pointer: &str, value: Value) -> Outcome {
    let mut evidence = recorded();
    *evidence.pointer_mut(pointer).unwrap() = value;
    of(sandbox, serde_json::to_string_pretty(&evidence).unwrap())
}

/// The same, cut at many places.
fn cut(sandbox: &Sandbox, bytes: &[u8]) -> Outcome {
    let ends = (1..16).map(|part| bytes.len() * part / 16).chain([bytes.len() - 1]);
    let mut last = None;
    for end in ends {
        last = Some(of(sandbox, &bytes[..end]).error(2, &["e.json", "cut off"]));
    }
    last.unwrap()
}
