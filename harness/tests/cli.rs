//! The program on recorded evidence and on wrong calls: what scripts rely on. No cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use rstest::rstest;
use serde_json::{Value, json};
use support::run::{RECORDED, Run, recorded};
use support::sandbox::{Sandbox, files};
use support::server::kubeconfig;

fn meshcheck(arguments: &[&str]) -> Run {
    Sandbox::new().run(arguments)
}

/// A sandbox with the recorded evidence, changed, in `e.json`.
fn changed(change: impl FnOnce(&mut Value)) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut evidence = recorded();
    change(&mut evidence);
    sandbox.file("e.json", evidence.to_string());
    sandbox
}

#[test]
fn recorded_evidence_is_judged_without_a_cluster() {
    let output = meshcheck(&["judge", RECORDED, "--output", "json"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let report = output.json();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["totals"]["pass"], meshcheck_suites::CLAIMS.len());
    assert_eq!(report["claims"].as_array().unwrap().len(), meshcheck_suites::CLAIMS.len());
    let notes = report["cluster"]["bundle"]["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains("not a release")), "{notes:?}");
}

#[rstest]
// A claim that fails.
#[case("/demo/asked/value/replies/0/status", Value::from(503), 1)]
// One that could not be read.
#[case("/demo/asked", json!({ "state": "failed", "reason": "pods/exec is forbidden" }), 3)]
// One that was not asked for takes no part.
#[case("/ingress/route", json!({ "state": "not_asked", "reason": "--active" }), 0)]
fn exit_code_follows_the_verdicts(#[case] place: &str, #[case] value: Value, #[case] code: i32) {
    let sandbox = changed(|evidence| {
        *evidence.pointer_mut(place).unwrap() = value;
    });
    let output = sandbox.run(&["judge", "e.json"]);
    assert_eq!(output.code, Some(code), "{}", output.stdout);
}

/// A user of check tools asks for the most significant cause first.
#[test]
fn cause_stands_before_its_consequences() {
    let sandbox = changed(|evidence| {
        let absent = json!({ "state": "absent", "reason": "no Kiali pod is ready" });
        for page in ["root", "exposed", "console", "api"] {
            evidence["kiali"][page] = absent.clone();
        }
        let deployments = evidence["install"]["deployments"]["value"].as_array_mut().unwrap();
        deployments.retain(|deployment| deployment["name"] != "kiali");
        let pods = evidence["install"]["pods"]["value"].as_array_mut().unwrap();
        pods.retain(|pod| pod["labels"]["app"] != "kiali");
    });
    let text = sandbox.run(&["judge", "e.json", "--quiet"]).stdout;
    assert!(text.contains("\nFix first\n 1 ✗ kiali::running"), "{text}");
    let (_, consequences) = text.split_once("     Also failing because of this\n").unwrap();
    assert_eq!(consequences.matches("       ✗ kiali::").count(), 3, "{text}");
    assert!(text.contains("4 fail (1 cause)"), "{text}");
    // Also where the cause is none of the claims that were asked for.
    let only = ["--only", "kiali::console_served", "--output", "json"];
    let output = sandbox.run(&[&["judge", "e.json"], &only[..]].concat());
    let report = output.json();
    assert_eq!(report["claims"].as_array().unwrap().len(), 1);
    assert_eq!(report["claims"][0]["because"], "kiali::running");
    assert_eq!(report["causes"][0]["claim"], "kiali::running");
    assert_eq!(report["causes"][0]["explains"], json!(["kiali::console_served"]));
}

#[test]
fn same_evidence_gives_the_same_report() {
    let [one, other] = [(); 2].map(|()| meshcheck(&["judge", RECORDED]).stdout);
    assert_eq!(one, other);
    assert!(!one.contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn requested_reports_are_written_completely() {
    let sandbox = Sandbox::new();
    let reports = ["--report", "junit=r.xml", "--report", "html=r.html", "--report", "json=r.json"];
    let output = sandbox.run(&[&["judge", RECORDED, "--quiet"], &reports[..]].concat());
    assert_eq!(output.code, Some(0), "{output:?}");
    let junit = sandbox.read("r.xml");
    assert_eq!(junit.matches("<testcase").count(), meshcheck_suites::CLAIMS.len());
    assert!(sandbox.read("r.html").ends_with("</html>\n"));
    let json: Value = serde_json::from_str(&sandbox.read("r.json")).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(files(&sandbox.at("")).len(), 3, "no temporary file is left");
}

/// Whether a cluster of that name is meshcheck's cannot be known then.
#[test]
fn stopped_engine_is_reported_with_a_fix() {
    let sandbox = Sandbox::new();
    let mut down = sandbox.meshcheck(&["down", "--name", "kind"]);
    let output = Run::of(down.env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    assert_eq!(output.code, Some(3), "{output:?}");
    let text = output.stderr;
    assert!(text.contains("/nowhere/docker.sock") && text.contains("fix: "), "{text}");
}

#[test]
fn claims_are_listed_as_text_and_as_json() {
    let text = meshcheck(&["claims"]).stdout;
    assert!(text.contains("mesh::init_arguments"), "{text}");
    let json = meshcheck(&["claims", "--output", "json"]).json();
    assert_eq!(json["claims"].as_array().unwrap().len(), meshcheck_suites::CLAIMS.len());
}

/// Evidence travels: no home directory, no certificate, no token is in it.
#[test]
fn recorded_evidence_names_no_machine() {
    let text = std::fs::read_to_string(RECORDED).unwrap();
    for word in ["/root/", "/home/", "BEGIN CERTIFICATE", "BEGIN PRIVATE", "eyJhbGciOi"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn full_disk_is_reported_and_other_reports_are_written() {
    let sandbox = Sandbox::new();
    let reports = ["--report", "junit=/dev/full", "--report", "json=r.json"];
    let output = sandbox.run(&[&["judge", RECORDED], &reports[..]].concat());
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(output.stderr.contains("/dev/full") && output.stderr.contains("disk is full"));
    // One that cannot be written keeps no other from being written, nor from having verdicts.
    let report: Value = serde_json::from_str(&sandbox.read("r.json")).unwrap();
    assert_eq!(report["totals"]["pass"], meshcheck_suites::CLAIMS.len());
}

/// What a support file holds is reported on standard output, and its logs are shown without what a terminal
/// would obey.
#[test]
fn support_file_is_shown() {
    let sandbox = changed(|evidence| {
        evidence["logs"] = json!([{
            "namespace": "istio-system", "pod": "istiod-1", "container": "discovery",
            "text": { "state": "seen", "value": "a\u{1b}[31mb\npassword=hunter2\n" }
        }]);
        evidence["demo"]["asked"] = json!({ "state": "failed", "reason": "forbidden" });
    });
    let output = sandbox.run(&["show", "e.json"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let told = output.stdout;
    for words in [
        "cannot read /demo/asked: forbidden",
        "password: 1, in /logs/0/text/value",
        "istio-system/istiod-1/discovery: 2 lines",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let logs = sandbox.run(&["show", "e.json", "--logs", "istiod"]).stdout;
    assert!(logs.ends_with("discovery\nab\npassword=[redacted:password:1]\n"), "{logs}");
    assert!(sandbox.run(&["show", "e.json", "--logs"]).stdout.contains("istiod-1"));
    let none = sandbox.run(&["show", "e.json", "--logs", "kiali"]);
    assert_eq!(none.code, Some(2), "{none:?}");
    for words in ["no log whose name contains `kiali`", "fix:"] {
        assert!(none.stderr.contains(words), "{none:?}");
    }
}

/// Evidence is redacted where it is read: no report of it shows a secret.
#[test]
fn no_report_shows_a_secret() {
    let sandbox = changed(|evidence| {
        let lines = evidence["demo"]["client_logs"]["value"][0]["lines"].as_array_mut().unwrap();
        for line in lines.iter_mut() {
            line["text"] = Value::from("Authorization: Bearer planted-s3cret");
        }
        evidence["demo"]["asked"]["value"]["replies"][0]["body"] = "token=planted-s3cret".into();
        evidence["cluster"]["nodes"] =
            json!({ "state": "failed", "reason": "https://u:planted-s3cret@proxy" });
    });
    let reports = ["--report", "html=html", "--report", "junit=junit", "--report", "json=json"];
    let output = sandbox.run(&[&["judge", "e.json", "--verbose"], &reports[..]].concat());
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stdout.contains("[redacted:"), "{}", output.stdout);
    let files = ["html", "junit", "json"].map(|kind| sandbox.read(kind));
    for text in files.into_iter().chain([output.stdout, output.stderr]) {
        assert!(!text.contains("planted-s3cret"), "{text}");
    }
}

/// A preflight that asks an engine that is not there, and nothing of the network.
fn preflight(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let mut command = sandbox.meshcheck(&["preflight"]);
    command
        .args(arguments)
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env("http_proxy", "http://user:secret@192.0.2.1:3128")
        .env("NO_PROXY", "localhost");
    Run::of(&mut command)
}

fn verdict<'r>(report: &'r Value, id: &str) -> &'r Value {
    let claims = report["claims"].as_array().unwrap();
    claims.iter().find(|claim| claim["id"] == id).unwrap()
}

#[test]
fn missing_engine_is_the_first_fix_of_preflight() {
    let output = preflight(&Sandbox::new(), &["--only", "machine", "--output", "json"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let report = output.json();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["cluster"]["provider"], "none");
    let engine = verdict(&report, "machine::docker_usable");
    assert_eq!(engine["verdict"], "fail");
    assert_eq!(engine["section"], "machine");
    assert!(engine["hint"].as_str().unwrap().contains('`'), "{engine}");
    assert_eq!(verdict(&report, "machine::memory")["because"], "machine::docker_usable");
    assert_eq!(report["causes"][0]["claim"], "machine::docker_usable");
    // A machine is read also where its engine does not answer.
    assert_ne!(verdict(&report, "machine::open_files")["verdict"], "unjudged");
}

/// A proxy's address may hold a password: that there is one is reported, and nothing of it.
#[test]
fn proxy_is_reported_without_its_address() {
    let only = ["--only", "machine::no_proxy", "--output", "json"];
    let output = preflight(&Sandbox::new(), &only);
    let report = output.json();
    let proxy = verdict(&report, "machine::no_proxy");
    assert_eq!(proxy["verdict"], "fail", "{proxy}");
    assert!(proxy["hint"].as_str().unwrap().contains("export NO_PROXY="), "{proxy}");
    let text = output.stdout;
    assert!(!text.contains("secret") && !text.contains("192.0.2.1"), "{text}");
}

/// The cluster's state is what was asked for: that it does not answer is a verdict, not an error.
#[test]
fn unreachable_cluster_is_a_verdict_of_preflight() {
    let sandbox = Sandbox::new();
    sandbox.file("kubeconfig", kubeconfig("https://127.0.0.1:1", "", "{}"));
    let reports = ["--report", "junit=r.xml", "--report", "html=r.html"];
    let arguments = ["--kubeconfig", "kubeconfig", "--quiet", "--ascii"];
    let output = preflight(&sandbox, &[&arguments[..], &reports].concat());
    assert_eq!(output.code, Some(1), "{output:?}");
    let text = output.stdout;
    assert!(text.is_ascii() && text.contains("\nFix first\n"), "{text}");
    assert!(text.contains(" 1 x cluster::server_answers  "), "{text}");
    assert!(text.contains("https://127.0.0.1:1"), "{text}");
    assert!(text.contains("alias kubectl='kubectl --context vm'\n"), "{text}");
    assert!(text.contains("       kubectl cluster-info\n"), "{text}");
    // Where the nodes are is not known: this machine is not blamed for what a far one has.
    assert!(!text.contains("docker_usable"), "{text}");
    assert!(text.contains(" checks: "), "{text}");
    let junit = sandbox.read("r.xml");
    assert_eq!(junit.matches("<testcase").count(), meshcheck_suites::preflight::CHECKS.len());
    assert!(junit.contains("name=\"meshcheck.cluster\""), "{junit}");
    let html = sandbox.read("r.html");
    assert!(html.contains("cluster::server_answers") && !html.contains("<svg"), "{html}");
}
