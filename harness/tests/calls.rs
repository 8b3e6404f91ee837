//! Calls as people make them, wrong ones above all: for each the exit code and the whole message. No cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::run::{Run, compressed, recorded};

/// The calls, by topic. `NAME=VALUE` before a call is a variable, `<FILE` behind it is its standard input.
const CALLS: &str = include_str!("calls.txt");

fn pretty(evidence: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(evidence).unwrap()
}

/// The recorded evidence with another value at a place.
fn changed(place: &str, value: Value) -> Vec<u8> {
    let mut evidence = recorded();
    *evidence.pointer_mut(place).unwrap() = value;
    pretty(&evidence)
}

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: vm1
contexts:
  - { name: vm1, context: { cluster: one, user: one } }
  - { name: vm2, context: { cluster: two, user: one } }
clusters: [{ name: one, cluster: { server: 'https://127.0.0.1:1' } }]
users: [{ name: one, user: {} }]
";

/// A kind configuration with a patch for an older Kubernetes.
const BETA3: &str = "
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    apiVersion: kubeadm.k8s.io/v1beta3
    clusterName: class
";

/// The files that the calls name.
fn write_files(directory: &Path) {
    let good = pretty(&recorded());
    let report = meshcheck_suites::judge(
        &serde_json::from_slice::<meshcheck_suites::Evidence>(&good).unwrap(),
        &[],
    );
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let page = b"<!DOCTYPE html>\n<html><body>report</body></html>\n".to_vec();
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(String::from_utf8(good.clone()).unwrap().encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut logs = recorded();
    logs["logs"] = json!([{
        "namespace": "istio-system", "pod": "istiod-1", "container": "discovery",
        "text": { "state": "seen", "value": "a\n" }
    }]);
    let mut field = recorded();
    field.as_object_mut().unwrap().remove("took_ms");
    let failed = json!({ "state": "failed", "reason": "pods/exec is forbidden" });
    let pod = json!({ "apiVersion": "v1", "kind": "List", "items": [] });
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("failing.json", changed("/demo/asked/value/replies/0/status", 503.into())),
        ("changed.json", changed("/kiali/root/value/status", 301.into())),
        ("unjudged.json", changed("/demo/asked", failed)),
        ("schema2.json", changed("/schema", 2.into())),
        ("schema-text.json", changed("/schema", "one".into())),
        ("type.json", changed("/took_ms", "long".into())),
        ("logs.json", pretty(&logs)),
        ("field.json", pretty(&field)),
        ("report.json", serde_json::to_vec(&report).unwrap()),
        ("junit.xml", b"<?xml version=\"1.0\"?>\n<testsuites name=\"meshcheck\"/>\n".into()),
        ("other.xml", b"<?xml version=\"1.0\"?>\n<project/>\n".into()),
        ("kubectl.json", serde_json::to_vec_pretty(&pod).unwrap()),
        ("pod.yaml", b"# a pod\napiVersion: v1\nkind: Pod\nmetadata:\n  name: echo\n".into()),
        ("values.yaml", b"replicas: 2\n".into()),
        ("other.json", b"{\"name\": \"left-pad\"}\n".into()),
        ("list.json", b"[1, 2]\n".into()),
        ("text.txt", b"hello world\n".into()),
        ("lab.tar.gz", compressed(&tar)),
        ("lab.tar", tar),
        ("z.zip", b"PK\x03\x04 and more".into()),
        ("page.html.gz", compressed(&page)),
        ("page.html", page),
        ("twice.json.gz", compressed(&compressed(&good))),
        ("empty.json", Vec::new()),
        ("spaces.json", b" \n \n".into()),
        ("random.bin", vec![0x80, 0x91, 0xfe, 0x03, 0xd8, 0x00, 0xc3]),
        ("cut.json", good[..good.len() / 2].to_vec()),
        ("cut.json.gz", compressed(&good)[..4000].to_vec()),
        (
            "damaged.json",
            String::from_utf8(good.clone()).unwrap().replacen("true", "truth", 1).into(),
        ),
        ("bom.json", [b"\xef\xbb\xbf".as_slice(), &good].concat()),
        ("utf16.json.gz", compressed(&utf16)),
        ("utf16.json", utf16),
        ("good.json", good),
        ("kc.yaml", KUBECONFIG.into()),
        ("no-current.yaml", KUBECONFIG.replace("current-context: vm1\n", "").into()),
        (
            "no-cluster.yaml",
            KUBECONFIG.replace("current-context: vm1", "current-context: vm2").into(),
        ),
        ("remote.yaml", KUBECONFIG.replace("127.0.0.1:1", "192.0.2.1:6443").into()),
        (
            "plugin.yaml",
            KUBECONFIG
                .replace("127.0.0.1:1", "192.0.2.1:6443")
                .replace("user: {}", "user: { exec: { apiVersion: v1, command: gke-plugin } }")
                .into(),
        ),
        (
            "preflight.json",
            br#"{"schema": 1, "recorder": "meshcheck 0.1.0", "preflight": {}}"#.into(),
        ),
        ("bad.toml", b"[demo]\nnamespce = \"shop\"\n".into()),
        ("beta3.yaml", BETA3.into()),
        ("rename.toml", b"[demo]\nnamespace = \"shop\"\n".into()),
        ("skip.toml", b"[claims.skip]\n\"kiali::*\" = \"no console\"\n".into()),
        ("directory/vm1.json.gz", Vec::new()),
        ("directory/vm2.json.gz", Vec::new()),
    ];
    for name in ["directory", "empty-directory", "home"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    for (name, content) in files {
        fs::write(directory.join(name), content).unwrap();
    }
}

/// Makes a call, and writes what came of it.
fn made(directory: &Path, call: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshcheck"));
    command
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory.join("home"))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .stdin(Stdio::null());
    for word in call.split(' ').filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            Some((name, value)) if name.chars().all(|it| it.is_ascii_uppercase() || it == '_') => {
                command.env(name, value);
            }
            _ if word.starts_with('<') => {
                command.stdin(fs::File::open(directory.join(&word[1..])).unwrap());
            }
            _ => {
                command.arg(word.trim_matches('\''));
            }
        }
    }
    let Run { code, stdout, stderr } = Run::of(&mut command);
    let (variables, call) = match call.split_once(' ') {
        Some((first, rest)) if first.contains('=') && !first.starts_with('-') => {
            (format!("{first} "), rest)
        }
        _ => (String::new(), call),
    };
    let mut text = format!("$ {variables}meshcheck {call}\n");
    // Reports have tests of their own.
    let kind = match stdout.get(..1) {
        Some("{") => "JSON",
        Some("<") => "XML",
        _ => "text",
    };
    match stdout.lines().count() {
        0..=3 if kind == "text" => text.push_str(&stdout),
        lines if kind == "JSON" && lines <= 3 => {
            let _ = writeln!(text, "({lines} lines of JSON)");
        }
        _ => {
            let _ = writeln!(text, "({kind})");
        }
    }
    let _ = write!(text, "{stderr}=> {}\n\n", code.unwrap());
    text.replace(&directory.display().to_string(), "DIRECTORY")
}

#[test]
fn every_call_has_its_exit_code_and_message() {
    let directory = tempfile::tempdir().unwrap();
    write_files(directory.path());
    let mut text = String::new();
    for line in CALLS.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix('$') {
            Some(call) => text.push_str(&made(directory.path(), call.trim())),
            None => {
                let _ = write!(text, "{line}\n\n");
            }
        }
    }
    insta::assert_snapshot!(text);
    for word in ["u64", "struct ", "line 1 column", "(os error", "panicked", "hint:"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    let left: Vec<PathBuf> = ["r.json", "r.xml", "-"].map(PathBuf::from).into();
    assert!(left.iter().all(|name| !directory.path().join(name).exists()));
}
