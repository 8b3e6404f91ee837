//! `meshcheck.toml` as its user meets it: what is found, what is reported, what is refused. No cluster.

#[path = "support/mod.rs"]
mod support;

use rstest::rstest;
use support::run::{RECORDED, Run, recorded};
use support::sandbox::Sandbox;

/// A sandbox with this configuration in its working directory.
fn place_with(configuration: &str) -> Sandbox {
    let place = Sandbox::new();
    place.file("meshcheck.toml", configuration);
    place
}

/// Judges the recorded evidence there.
fn judge(place: &Sandbox, arguments: &[&str]) -> Run {
    place.run(&[&["judge", RECORDED], arguments].concat())
}

const SKIP: &str = "[claims.skip]\n\"kiali::*\" = \"this class has no console\"\n";

#[test]
fn file_in_the_directory_is_used_and_named() {
    let place = place_with(SKIP);
    let output = judge(&place, &["--output", "json"]);
    assert_eq!(output.stderr, "configuration: meshcheck.toml (in this directory)\n");
    let report = output.json();
    assert_eq!(output.code, Some(0));
    assert_eq!(report["totals"]["skipped"], 4);
    let claims = report["claims"].as_array().unwrap();
    let kiali = claims.iter().find(|claim| claim["id"] == "kiali::running").unwrap();
    assert_eq!(kiali["verdict"], "skipped");
    assert_eq!(kiali["summary"], "skipped by meshcheck.toml: this class has no console");
    // For people as well.
    let text = judge(&place, &["--verbose"]).stdout;
    assert!(text.contains("skipped by meshcheck.toml: this class has no console"), "{text}");
}

#[test]
fn option_wins_over_variable_and_variable_over_directory() {
    let place = place_with("broken");
    let other = place.file("other.toml", SKIP);
    let mut command = place.meshcheck(&["judge", RECORDED, "--quiet"]);
    let output = Run::of(command.env("MESHCHECK_CONFIG", &other));
    let told = format!("configuration: {} (MESHCHECK_CONFIG)\n", other.display());
    assert_eq!((output.code, output.stderr), (Some(0), told));
    let output = Run::of(command.args(["--config", "/dev/null"]));
    assert_eq!((output.code, output.stderr), (Some(0), String::new()));
    let number = meshcheck_suites::CLAIMS.len();
    let all_pass = format!("\n{number} claims: {number} pass");
    assert!(output.stdout.contains(&all_pass), "{}", output.stdout);
    // An empty variable names nothing.
    let output = Run::of(place.meshcheck(&["bundle"]).env("MESHCHECK_CONFIG", ""));
    assert_eq!(output.code, Some(2), "{}", output.stderr);
}

#[test]
fn wrong_file_is_one_error_with_its_place() {
    let place = place_with("[demo]\nnamespce = \"shop\"\n[limits]\nlook = \"5\"\n");
    let output = judge(&place, &[]);
    assert_eq!(output.code, Some(2));
    assert_eq!(output.stdout, "");
    insta::assert_snapshot!(output.stderr, @r"
    error: meshcheck.toml:2:1: unknown key `namespce` in [demo]: did you mean `namespace`?
    fix: see `meshcheck config`: it prints every key with its purpose and default
    ");
    // Neither clearing up nor help is held up by it.
    for arguments in [&["claims"][..], &["config"], &["completions", "bash"], &["man"]] {
        let output = place.run(arguments);
        assert_eq!((output.code, output.stderr), (Some(0), String::new()), "{arguments:?}");
    }
}

#[rstest]
#[case(&["check"])]
#[case(&["record", "--out", "x.json"])]
#[case(&["run"])]
#[case(&["up"])]
#[case(&["bundle"])]
fn each_affected_command_reads_the_file(#[case] arguments: &[&str]) {
    let place = place_with("[demo]\nnamespace = \"Shop\"\n");
    let output = place.run(arguments);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("meshcheck.toml:2:13: demo.namespace"), "{}", output.stderr);
    // Also where it is named and not there.
    let output = place.run(&[&["--config", "none.toml"], arguments].concat());
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.starts_with("error: cannot read the configuration none.toml: "));
    assert!(output.stderr.contains("`meshcheck config > none.toml`\n"));
}

/// What it names and what it is given are two things; the evidence's own names count.
#[test]
fn evidence_is_judged_by_its_own_names() {
    let place = place_with("[demo]\nnamespace = \"shop\"\n");
    let output = judge(&place, &["--quiet"]);
    assert_eq!(output.code, Some(0));
    assert!(output.stderr.contains("note: the evidence was recorded with other names than those of meshcheck.toml: demo.namespace: shop, not client; the names of the evidence apply"), "{}", output.stderr);
    let output = judge(&place, &["--config", "meshcheck.toml"]);
    assert_eq!((output.code, output.stdout), (Some(2), String::new()));
    assert!(output.stderr.contains("demo.namespace: shop, not client"), "{}", output.stderr);
}

#[test]
fn claim_that_may_fail_keeps_its_verdict_and_exit_code_0() {
    let place = place_with("[claims.may-fail]\n\"demo::backend_replies\" = \"the room is slow\"\n");
    let mut evidence = recorded();
    evidence["demo"]["asked"]["value"]["replies"][0]["status"] = 503.into();
    place.file("e.json", evidence.to_string());
    let output = place.run(&["judge", "e.json", "--report", "junit=j.xml"]);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    let text = output.stdout;
    assert!(text.contains("may fail by meshcheck.toml (the room is slow): "), "{text}");
    assert!(text.contains("1 fail"), "{text}");
    assert!(text.contains("Allowed to fail\n") && !text.contains("Fix first"), "{text}");
    let junit = place.read("j.xml");
    // Green it is not; and a server that fails a build by any failure must not fail it by this one.
    assert!(!junit.contains("<failure"), "{junit}");
    assert!(
        junit.contains("<skipped message=\"fail, may fail by meshcheck.toml (the room is slow)"),
        "{junit}"
    );
    // Without the file it counts.
    assert_eq!(place.run(&["--config", "/dev/null", "judge", "e.json"]).code, Some(1));
}

#[test]
fn name_fixed_by_the_release_is_refused_before_anything_is_created() {
    let place = place_with("[istio]\nnamespace = \"mesh\"\n[demo]\nnamespace = \"shop\"\n");
    for command in ["run", "up"] {
        let state = place.at("state");
        let output = Run::of(place.meshcheck(&[command]).env("MESHCHECK_STATE", &state));
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        let told = output.stderr;
        assert!(told.contains("\n  istio.namespace: mesh, not istio-system\n"), "{told}");
        assert!(!told.contains("shop"), "the demo can be called so: {told}");
        assert!(told.contains("fix: leave these keys out"), "{told}");
        assert!(!state.join("clusters").exists());
    }
}

#[test]
fn printed_default_file_is_read() {
    let place = place_with("");
    let printed = place.run(&["config"]).stdout;
    place.file("meshcheck.toml", &printed);
    let checked = place.run(&["config", "--check"]).stdout;
    assert_eq!(checked, "meshcheck.toml:\n  no difference from the tutorial\n");
    let varied = printed.replace("namespace = \"client\"", "namespace = \"shop\"");
    place.file("meshcheck.toml", varied + "\"kiali\" = \"none\"\n");
    let checked = place.run(&["config", "--check"]).stdout;
    assert_eq!(
        checked,
        "meshcheck.toml:\n  demo.namespace: shop, not client\n  may fail: kiali: none\n"
    );
    std::fs::remove_file(place.at("meshcheck.toml")).unwrap();
    assert_eq!(place.run(&["config", "--check"]).code, Some(2));
}

/// A context that a file names is looked for, and the error says which.
#[test]
fn cluster_named_in_the_file_is_checked() {
    let place = place_with("[cluster]\ncontext = \"vm7\"\nkubeconfig = \"class.yaml\"\n");
    let kubeconfig = "apiVersion: v1\nkind: Config\ncontexts: []\nclusters: []\nusers: []\n";
    place.file("class.yaml", kubeconfig);
    let told = place.run(&["check"]).stderr;
    assert!(told.contains("vm7") && told.contains("class.yaml"), "{told}");
    let told = place.run(&["check", "--context", "vm8"]).stderr;
    assert!(told.contains("vm8") && told.contains("class.yaml") && !told.contains("vm7"), "{told}");
}
