//! The program on recorded evidence and on wrong calls: what scripts rely on. No cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;
use serde_json::Value;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/evidence/lab.json")
}

fn meshcheck(arguments: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_meshcheck"))
        .args(arguments)
        .env("MESHCHECK_STATE", state.path())
        .env_remove("KUBECONFIG")
        .env_remove("MESHCHECK_BUNDLE")
        .env("HOME", state.path())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The recorded evidence, changed, in a file.
fn changed(directory: &Path, change: impl FnOnce(&mut Value)) -> String {
    let mut evidence: Value =
        serde_json::from_str(&fs::read_to_string(recorded()).unwrap()).unwrap();
    change(&mut evidence);
    let file = directory.join("changed.json");
    fs::write(&file, evidence.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn recorded_evidence_is_judged_without_a_cluster() {
    let output = meshcheck(&["judge", recorded().to_str().unwrap(), "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
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
#[case("/demo/asked", serde_json::json!({ "state": "failed", "reason": "pods/exec is forbidden" }), 3)]
// One that was not asked for takes no part.
#[case("/ingress/route", serde_json::json!({ "state": "not_asked", "reason": "--active" }), 0)]
fn exit_code_follows_the_verdicts(#[case] place: &str, #[case] value: Value, #[case] code: i32) {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), |evidence| {
        *evidence.pointer_mut(place).unwrap() = value;
    });
    let output = meshcheck(&["judge", &file]);
    assert_eq!(output.status.code(), Some(code), "{}", stdout(&output));
}

/// A user of check tools asks for the most significant cause first.
#[test]
fn cause_stands_before_its_consequences() {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), |evidence| {
        let absent = serde_json::json!({ "state": "absent", "reason": "no Kiali pod is ready" });
        for page in ["root", "exposed", "console", "api"] {
            evidence["kiali"][page] = absent.clone();
        }
        let deployments = evidence["install"]["deployments"]["value"].as_array_mut().unwrap();
        deployments.retain(|deployment| deployment["name"] != "kiali");
        let pods = evidence["install"]["pods"]["value"].as_array_mut().unwrap();
        pods.retain(|pod| pod["labels"]["app"] != "kiali");
    });
    let text = stdout(&meshcheck(&["judge", &file, "--quiet"]));
    assert!(text.contains("\nFix first\n 1 ✗ kiali::running"), "{text}");
    let (_, consequences) = text.split_once("     Also failing because of this\n").unwrap();
    assert_eq!(consequences.matches("       ✗ kiali::").count(), 3, "{text}");
    assert!(text.contains("4 fail (1 cause)"), "{text}");
    // Also where the cause is none of the claims that were asked for.
    let only = ["--only", "kiali::console_served", "--output", "json"];
    let output = meshcheck(&[&["judge", file.as_str()], &only[..]].concat());
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["claims"].as_array().unwrap().len(), 1);
    assert_eq!(report["claims"][0]["because"], "kiali::running");
    assert_eq!(report["causes"][0]["claim"], "kiali::running");
    assert_eq!(report["causes"][0]["explains"], serde_json::json!(["kiali::console_served"]));
}

#[test]
fn same_evidence_gives_the_same_report() {
    let file = recorded();
    let one = meshcheck(&["judge", file.to_str().unwrap()]);
    let other = meshcheck(&["judge", file.to_str().unwrap()]);
    assert_eq!(stdout(&one), stdout(&other));
    assert!(!stdout(&one).contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn requested_reports_are_written_completely() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let report = |kind: &str, name: &str| format!("{kind}={}", at(name).display());
    let reports = [report("junit", "r.xml"), report("html", "r.html"), report("json", "r.json")];
    let file = recorded();
    let judge = ["judge", file.to_str().unwrap(), "--quiet"];
    let options = reports.iter().flat_map(|it| ["--report", it.as_str()]);
    let output = meshcheck(&judge.into_iter().chain(options).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let junit = fs::read_to_string(at("r.xml")).unwrap();
    assert_eq!(junit.matches("<testcase").count(), meshcheck_suites::CLAIMS.len());
    assert!(fs::read_to_string(at("r.html")).unwrap().ends_with("</html>\n"));
    let json: Value = serde_json::from_str(&fs::read_to_string(at("r.json")).unwrap()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "no temporary file is left");
}

#[test]
fn unwritable_report_is_an_error_with_its_path() {
    let file = recorded();
    let report = ["--report", "junit=/nowhere/at/all/r.xml"];
    let output = meshcheck(&[&["judge", file.to_str().unwrap()], &report[..]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nowhere/at/all/r.xml"), "{}", stderr(&output));
    assert!(stderr(&output).contains("mkdir -p"), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "nothing is judged");
}

#[rstest]
#[case::cut(|text: &str| text[..text.len() / 2].to_owned(), "cut off")]
#[case::empty(|_: &str| String::new(), "it is empty")]
#[case::garbage(|_: &str| "hello".to_owned(), "it is text, not JSON")]
#[case::html(|_: &str| "<html></html>".to_owned(), "it is an HTML page")]
#[case::other_json(|_: &str| "{\"kind\":\"Pod\"}".to_owned(), "the field `schema` is missing")]
#[case::future(|text: &str| text.replacen("\"schema\": 1", "\"schema\": 99", 1), "schema 99")]
fn file_without_evidence_is_one_error(#[case] change: fn(&str) -> String, #[case] words: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("evidence.json");
    fs::write(&file, change(&fs::read_to_string(recorded()).unwrap())).unwrap();
    let output = meshcheck(&["judge", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = stderr(&output);
    assert!(text.contains(words) && text.contains("evidence.json"), "{text}");
    assert!(text.contains("fix: ") && stdout(&output).is_empty(), "{text}");
}

#[rstest]
#[case(&["judge", "/nowhere/at/all.json"], 2, "/nowhere/at/all.json")]
#[case(&["judge", "/"], 2, "it is a directory")]
#[case(&["judge", "x.json", "--only", "mesh::no_such_claim"], 2, "no claim matches")]
#[case(&["judge", "x.json", "--report", "pdf=x"], 2, "`pdf` is not a kind of report")]
#[case(&["frobnicate"], 2, "frobnicate")]
#[case(&["check", "--kubeconfig", "/nowhere/at/all"], 2, "/nowhere/at/all")]
#[case(&["check", "--bundle", "/nowhere/at/all"], 2, "/nowhere/at/all")]
#[case(&["check", "--timeout", "0"], 2, "a duration from")]
#[case(&["record", "--out", "/nowhere/at/all/e.json"], 2, "/nowhere/at/all/e.json")]
#[case(&["run", "--bundle", "/nowhere/at/all"], 2, "not a bundle")]
#[case(&["preflight", "--only", "mesh::pods_ready"], 2, "it selects claims")]
#[case(&["preflight", "--kubeconfig", "/nowhere/at/all"], 2, "/nowhere/at/all")]
#[case(&["preflight", "--bundle", "/nowhere/at/all"], 2, "not a bundle")]
#[case(&["preflight", "--active"], 2, "the call names none")]
#[case(&["preflight", "--report", "html=/nowhere/at/all/r.html"], 2, "/nowhere/at/all/r.html")]
// Told before anything is done.
#[case(&["check", "--kubeconfig", "/none", "--report", "html=/nowhere/r.html"], 2, "/nowhere/r.html")]
#[case(&["run", "--bundle", "/none", "--report", "html=/nowhere/r.html"], 2, "/nowhere/r.html")]
fn wrong_call_names_the_error(#[case] arguments: &[&str], #[case] code: i32, #[case] words: &str) {
    let output = meshcheck(arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(stderr(&output).contains(words), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

/// Whether a cluster of that name is meshcheck's cannot be known then.
#[test]
fn stopped_engine_is_reported_with_a_fix() {
    let output = Command::new(env!("CARGO_BIN_EXE_meshcheck"))
        .args(["down", "--name", "kind"])
        .env("MESHCHECK_STATE", tempfile::tempdir().unwrap().path())
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = stderr(&output);
    assert!(text.contains("/nowhere/docker.sock") && text.contains("fix: "), "{text}");
}

#[test]
fn claims_are_listed_as_text_and_as_json() {
    let text = stdout(&meshcheck(&["claims"]));
    assert!(text.contains("mesh::init_arguments"), "{text}");
    let json: Value =
        serde_json::from_str(&stdout(&meshcheck(&["claims", "--output", "json"]))).unwrap();
    assert_eq!(json["claims"].as_array().unwrap().len(), meshcheck_suites::CLAIMS.len());
}

/// Evidence travels: no home directory, no certificate, no token is in it.
#[test]
fn recorded_evidence_names_no_machine() {
    let text = fs::read_to_string(recorded()).unwrap();
    for word in ["/root/", "/home/", "BEGIN CERTIFICATE", "BEGIN PRIVATE", "eyJhbGciOi"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn full_disk_is_reported_and_other_reports_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r.json");
    let (evidence, json) = (recorded(), format!("json={}", file.display()));
    let judge = ["judge", evidence.to_str().unwrap(), "--report", "junit=/dev/full"];
    let output = meshcheck(&[&judge[..], &["--report", &json]].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("/dev/full") && stderr(&output).contains("disk is full"));
    // One that cannot be written keeps no other from being written, nor from having verdicts.
    let report: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(report["totals"]["pass"], meshcheck_suites::CLAIMS.len());
}

#[test]
fn closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshcheck"))
        .args(["judge", recorded().to_str().unwrap(), "--output", "json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stderr.is_empty());
}

/// What a support file holds is reported on standard output, and its logs are shown without what a terminal
/// would obey.
#[test]
fn support_file_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), |evidence| {
        evidence["logs"] = serde_json::json!([{
            "namespace": "istio-system", "pod": "istiod-1", "container": "discovery",
            "text": { "state": "seen", "value": "a\u{1b}[31mb\npassword=hunter2\n" }
        }]);
        evidence["demo"]["asked"] = serde_json::json!({ "state": "failed", "reason": "forbidden" });
    });
    let output = meshcheck(&["show", &file]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = stdout(&output);
    for words in [
        "cannot read /demo/asked: forbidden",
        "password: 1, in /logs/0/text/value",
        "istio-system/istiod-1/discovery: 2 lines",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let logs = stdout(&meshcheck(&["show", &file, "--logs", "istiod"]));
    assert!(logs.ends_with("discovery\nab\npassword=[redacted:password:1]\n"), "{logs}");
    assert!(stdout(&meshcheck(&["show", &file, "--logs"])).contains("istiod-1"));
    let none = meshcheck(&["show", &file, "--logs", "kiali"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    assert!(
        stderr(&none).contains("no log whose name contains `kiali`")
            && stderr(&none).contains("fix:")
    );
}

/// Evidence is redacted where it is read: no report of it shows a secret.
#[test]
fn no_report_shows_a_secret() {
    let directory = tempfile::tempdir().unwrap();
    let file = changed(directory.path(), |evidence| {
        let lines = evidence["demo"]["client_logs"]["value"][0]["lines"].as_array_mut().unwrap();
        for line in lines.iter_mut() {
            line["text"] = Value::from("Authorization: Bearer planted-s3cret");
        }
        evidence["demo"]["asked"]["value"]["replies"][0]["body"] = "token=planted-s3cret".into();
        evidence["cluster"]["nodes"] =
            serde_json::json!({ "state": "failed", "reason": "https://u:planted-s3cret@proxy" });
    });
    let report = |kind: &str| format!("{kind}={}", directory.path().join(kind).display());
    let reports = [report("html"), report("junit"), report("json")];
    let options = reports.iter().flat_map(|it| ["--report", it.as_str()]);
    let output =
        meshcheck(&["judge", &file, "--verbose"].into_iter().chain(options).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut texts = vec![stdout(&output), stderr(&output)];
    for kind in ["html", "junit", "json"] {
        texts.push(fs::read_to_string(directory.path().join(kind)).unwrap());
    }
    for text in texts {
        assert!(!text.contains("planted-s3cret"), "{text}");
    }
    assert!(stdout(&output).contains("[redacted:"), "{}", stdout(&output));
}

/// A preflight that asks an engine that is not there, and nothing of the network.
fn preflight(arguments: &[&str], kubeconfig: Option<&str>) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshcheck"));
    if let Some(text) = kubeconfig {
        let file = home.path().join("kubeconfig");
        fs::write(&file, text).unwrap();
        command.arg("preflight").arg("--kubeconfig").arg(file);
    } else {
        command.arg("preflight");
    }
    command
        .args(arguments)
        .env("HOME", home.path())
        .env("MESHCHECK_STATE", home.path().join("state"))
        .env("MESHCHECK_CACHE", home.path().join("cache"))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env("http_proxy", "http://user:secret@192.0.2.1:3128")
        .env("NO_PROXY", "localhost")
        .env_remove("no_proxy")
        .env_remove("KUBECONFIG")
        .env_remove("MESHCHECK_BUNDLE")
        .output()
        .unwrap()
}

fn verdict<'r>(report: &'r Value, id: &str) -> &'r Value {
    let claims = report["claims"].as_array().unwrap();
    claims.iter().find(|claim| claim["id"] == id).unwrap()
}

#[test]
fn missing_engine_is_the_first_fix_of_preflight() {
    let output = preflight(&["--only", "machine", "--output", "json"], None);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
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
    let output = preflight(&["--only", "machine::no_proxy", "--output", "json"], None);
    let text = stdout(&output);
    let report: Value = serde_json::from_str(&text).unwrap();
    let proxy = verdict(&report, "machine::no_proxy");
    assert_eq!(proxy["verdict"], "fail", "{proxy}");
    assert!(proxy["hint"].as_str().unwrap().contains("export NO_PROXY="), "{proxy}");
    assert!(!text.contains("secret") && !text.contains("192.0.2.1"), "{text}");
}

const SILENT: &str = "
apiVersion: v1
kind: Config
current-context: vm7
contexts: [{ name: vm7, context: { cluster: one, user: one } }]
clusters: [{ name: one, cluster: { server: 'https://127.0.0.1:1' } }]
users: [{ name: one, user: {} }]
";

/// The cluster's state is what was asked for: that it does not answer is a verdict, not an error.
#[test]
fn unreachable_cluster_is_a_verdict_of_preflight() {
    let directory = tempfile::tempdir().unwrap();
    let junit = directory.path().join("r.xml");
    let html = directory.path().join("r.html");
    let reports = [format!("junit={}", junit.display()), format!("html={}", html.display())];
    let arguments = ["--quiet", "--ascii", "--report", &reports[0], "--report", &reports[1]];
    let output = preflight(&arguments, Some(SILENT));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    assert!(text.is_ascii() && text.contains("\nFix first\n"), "{text}");
    assert!(text.contains(" 1 x cluster::server_answers  "), "{text}");
    assert!(text.contains("https://127.0.0.1:1"), "{text}");
    assert!(text.contains("alias kubectl='kubectl --context vm7'\n"), "{text}");
    assert!(text.contains("       kubectl cluster-info\n"), "{text}");
    // Where the nodes are is not known: this machine is not blamed for what a far one has.
    assert!(!text.contains("docker_usable"), "{text}");
    assert!(text.contains(" checks: "), "{text}");
    let junit = fs::read_to_string(junit).unwrap();
    assert_eq!(junit.matches("<testcase").count(), meshcheck_suites::preflight::CHECKS.len());
    assert!(junit.contains("name=\"meshcheck.cluster\""), "{junit}");
    let html = fs::read_to_string(html).unwrap();
    assert!(html.contains("cluster::server_answers") && !html.contains("<svg"), "{html}");
}
