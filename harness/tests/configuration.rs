//! `meshcheck.toml` as its user meets it: what is found, what is reported, what is refused. No cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;
use serde_json::Value;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/evidence/lab.json")
}

struct Place(tempfile::TempDir);

impl Place {
    fn with(configuration: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.0.path().join("meshcheck.toml"), configuration).unwrap();
        place
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshcheck"));
        command
            .current_dir(self.0.path())
            .env("MESHCHECK_STATE", self.0.path().join("state"))
            .env("HOME", self.0.path())
            .env_remove("MESHCHECK_CONFIG")
            .env_remove("MESHCHECK_BUNDLE")
            .env_remove("KUBECONFIG");
        command
    }

    fn meshcheck(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    fn judge(&self, arguments: &[&str]) -> Output {
        let file = recorded();
        self.meshcheck(&[&["judge", file.to_str().unwrap()], arguments].concat())
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const SKIP: &str = "[claims.skip]\n\"kiali::*\" = \"this class has no console\"\n";

#[test]
fn file_in_the_directory_is_used_and_named() {
    let place = Place::with(SKIP);
    let output = place.judge(&["--output", "json"]);
    assert_eq!(err(&output), "configuration: meshcheck.toml (in this directory)\n");
    let report: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(report["totals"]["skipped"], 4);
    let claims = report["claims"].as_array().unwrap();
    let kiali = claims.iter().find(|claim| claim["id"] == "kiali::running").unwrap();
    assert_eq!(kiali["verdict"], "skipped");
    assert_eq!(kiali["summary"], "skipped by meshcheck.toml: this class has no console");
    // For people as well.
    let text = out(&place.judge(&["--verbose"]));
    assert!(text.contains("skipped by meshcheck.toml: this class has no console"), "{text}");
}

#[test]
fn option_wins_over_variable_and_variable_over_directory() {
    let place = Place::with("broken");
    let other = place.0.path().join("other.toml");
    fs::write(&other, SKIP).unwrap();
    let mut command = place.command();
    command.arg("judge").arg(recorded()).arg("--quiet").env("MESHCHECK_CONFIG", &other);
    let output = command.output().unwrap();
    let told = format!("configuration: {} (MESHCHECK_CONFIG)\n", other.display());
    assert_eq!((output.status.code(), err(&output)), (Some(0), told));
    let output = command.args(["--config", "/dev/null"]).output().unwrap();
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
    let number = meshcheck_suites::CLAIMS.len();
    let all_pass = format!("\n{number} claims: {number} pass");
    assert!(out(&output).contains(&all_pass), "{}", out(&output));
    // An empty variable names nothing.
    let output = place.command().env("MESHCHECK_CONFIG", "").arg("bundle").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[test]
fn wrong_file_is_one_error_with_its_place() {
    let place = Place::with("[demo]\nnamespce = \"shop\"\n[limits]\nlook = \"5\"\n");
    let output = place.judge(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&output), "");
    insta::assert_snapshot!(err(&output), @r"
    error: meshcheck.toml:2:1: unknown key `namespce` in [demo]: did you mean `namespace`?
    fix: see `meshcheck config`: it prints every key with its purpose and default
    ");
    // Neither clearing up nor help is held up by it.
    for arguments in [&["claims"][..], &["config"], &["completions", "bash"], &["man"]] {
        let output = place.meshcheck(arguments);
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "{arguments:?}");
    }
}

#[rstest]
#[case(&["check"])]
#[case(&["record", "--out", "x.json"])]
#[case(&["run"])]
#[case(&["up"])]
#[case(&["bundle"])]
fn each_affected_command_reads_the_file(#[case] arguments: &[&str]) {
    let place = Place::with("[demo]\nnamespace = \"Shop\"\n");
    let output = place.meshcheck(arguments);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("meshcheck.toml:2:13: demo.namespace"), "{}", err(&output));
    // Also where it is named and not there.
    let output = place.meshcheck(&[&["--config", "none.toml"], arguments].concat());
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).starts_with("error: cannot read the configuration none.toml: "));
    assert!(err(&output).contains("`meshcheck config > none.toml`\n"));
}

/// What it names and what it is given are two things; the evidence's own names count.
#[test]
fn evidence_is_judged_by_its_own_names() {
    let place = Place::with("[demo]\nnamespace = \"shop\"\n");
    let output = place.judge(&["--quiet"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("note: the evidence was recorded with other names than those of meshcheck.toml: demo.namespace: shop, not client; the names of the evidence apply"), "{}", err(&output));
    let output = place.judge(&["--config", "meshcheck.toml"]);
    assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()));
    assert!(err(&output).contains("demo.namespace: shop, not client"), "{}", err(&output));
}

#[test]
fn claim_that_may_fail_keeps_its_verdict_and_exit_code_0() {
    let place =
        Place::with("[claims.may-fail]\n\"demo::backend_replies\" = \"the room is slow\"\n");
    let mut evidence: Value =
        serde_json::from_str(&fs::read_to_string(recorded()).unwrap()).unwrap();
    evidence["demo"]["asked"]["value"]["replies"][0]["status"] = 503.into();
    fs::write(place.0.path().join("e.json"), evidence.to_string()).unwrap();
    let output = place.meshcheck(&["judge", "e.json", "--report", "junit=j.xml"]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let text = out(&output);
    assert!(text.contains("may fail by meshcheck.toml (the room is slow): "), "{text}");
    assert!(text.contains("1 fail"), "{text}");
    assert!(text.contains("Allowed to fail\n") && !text.contains("Fix first"), "{text}");
    let junit = fs::read_to_string(place.0.path().join("j.xml")).unwrap();
    // Green it is not; and a server that fails a build by any failure must not fail it by this one.
    assert!(!junit.contains("<failure"), "{junit}");
    assert!(
        junit.contains("<skipped message=\"fail, may fail by meshcheck.toml (the room is slow)"),
        "{junit}"
    );
    // Without the file it counts.
    assert_eq!(
        place.meshcheck(&["--config", "/dev/null", "judge", "e.json"]).status.code(),
        Some(1)
    );
}

#[test]
fn name_fixed_by_the_release_is_refused_before_anything_is_created() {
    let place = Place::with("[istio]\nnamespace = \"mesh\"\n[demo]\nnamespace = \"shop\"\n");
    for command in ["run", "up"] {
        let output = place.meshcheck(&[command]);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        let told = err(&output);
        assert!(told.contains("\n  istio.namespace: mesh, not istio-system\n"), "{told}");
        assert!(!told.contains("shop"), "the demo can be called so: {told}");
        assert!(told.contains("fix: leave these keys out"), "{told}");
        assert!(!place.0.path().join("state/clusters").exists());
    }
}

#[test]
fn printed_default_file_is_read() {
    let place = Place::with("");
    let printed = out(&place.meshcheck(&["config"]));
    fs::write(place.0.path().join("meshcheck.toml"), &printed).unwrap();
    let checked = out(&place.meshcheck(&["config", "--check"]));
    assert_eq!(checked, "meshcheck.toml:\n  no difference from the tutorial\n");
    let varied = printed.replace("namespace = \"client\"", "namespace = \"shop\"");
    fs::write(place.0.path().join("meshcheck.toml"), varied + "\"kiali\" = \"none\"\n").unwrap();
    let checked = out(&place.meshcheck(&["config", "--check"]));
    assert_eq!(
        checked,
        "meshcheck.toml:\n  demo.namespace: shop, not client\n  may fail: kiali: none\n"
    );
    fs::remove_file(place.0.path().join("meshcheck.toml")).unwrap();
    assert_eq!(place.meshcheck(&["config", "--check"]).status.code(), Some(2));
}

/// A context that a file names is looked for, and the error says which.
#[test]
fn cluster_named_in_the_file_is_checked() {
    let place = Place::with("[cluster]\ncontext = \"vm7\"\nkubeconfig = \"class.yaml\"\n");
    let kubeconfig = "apiVersion: v1\nkind: Config\ncontexts: []\nclusters: []\nusers: []\n";
    fs::write(place.0.path().join("class.yaml"), kubeconfig).unwrap();
    let told = err(&place.meshcheck(&["check"]));
    assert!(told.contains("vm7") && told.contains("class.yaml"), "{told}");
    let told = err(&place.meshcheck(&["check", "--context", "vm8"]));
    assert!(told.contains("vm8") && told.contains("class.yaml") && !told.contains("vm7"), "{told}");
}
