//! Looks at a class that differ from the tutorial's: the preflight, and other names.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::run::recorded;
use crate::{Place, machines};

/// A program that runs this one, on a machine without a container engine and without a network.
const BARE: &str = "#!/bin/sh\necho \"$@\" >> \"$PLACE/arguments\"\nexport PATH=/nonexistent https_proxy=http://127.0.0.1:1\nexec \"$MESHCHECK\" \"$@\"\n";

#[test]
fn preflight_runs_on_each_machine_and_is_judged_here() {
    let place = Place::new();
    let program = place.executable("program", BARE);
    let program = program.to_str().unwrap();
    let reports = ["--report", "junit=r.xml", "--report", "html=r.html", "--report", "prom=r.prom"];
    let call = ["own[1-2],refused1", "--program", program, "--preflight", "--records", "before"];
    let output = place.class(&[&call, reports.as_slice(), &["--output", "json"]].concat());
    let rows = machines(&output);
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert_eq!(rows[0]["report"]["causes"][0]["claim"], "machine::docker_usable");
    assert_eq!((&rows[0]["section"], &rows[2]["reached"]), (&Value::Null, &Value::Bool(false)));
    let arguments = place.read("arguments");
    assert_eq!(arguments, "record --out - --quiet --preflight\n".repeat(2));
    let checks = meshcheck_suites::CHECKS.len();
    assert_eq!(place.read("r.xml").matches("<testcase").count(), 3 * checks);
    assert!(
        place.read("r.html").contains("machine · software · cluster"),
        "{}",
        place.read("r.html")
    );
    let metric = "meshcheck_claim{machine=\"own2\",claim=\"machine::docker_usable\"} 0\n";
    assert!(place.read("r.prom").contains(metric), "{}", place.read("r.prom"));
    // The records are read back as what they are.
    let again = place.class(&["before", "--output", "json"]);
    assert_eq!(machines(&again), rows[..2]);
    let words = place.class(&["before"]).stdout;
    assert!(
        words.starts_with("0 of 2 machines are ready for the tutorial; 2 are not\n"),
        "{words}"
    );
    assert!(words.contains("2 of 2: docker is not installed"), "{words}");
    assert!(words.contains(" own1  ✗"), "{words}");
    let commands = place.class(&[&call[..], &["--output", "commands"]].concat()).stdout;
    assert!(commands.contains("ssh own1 'sudo apt-get install docker.io'"), "{commands}");
}

#[test]
fn record_of_the_other_kind_is_no_verdict() {
    let place = Place::new();
    let program = place.executable("program", BARE);
    let program = program.to_str().unwrap();
    place.class(&["own1,", "--program", program, "--preflight", "--records", "mixed"]);
    place.class(&["good1,", "--records", "mixed"]);
    let reasons = |more: &[&str]| {
        let output = place.class(&[&["mixed", "--output", "json"], more].concat());
        assert_ne!(output.code, Some(0));
        let rows = machines(&output);
        [0, 1].map(|at| rows[at]["reason"].as_str().unwrap_or("judged").to_owned())
    };
    let refused = "it is the evidence of a preflight: use --preflight";
    assert_eq!(reasons(&[]), ["judged", refused]);
    let refused = "it is the evidence of a mesh, not of a preflight";
    assert_eq!(reasons(&["--preflight"]), [refused, "judged"]);
}

#[test]
fn unreachable_cluster_is_no_verdict_of_a_preflight_from_here() {
    let place = Place::new();
    fs::create_dir(place.at("kubeconfigs")).unwrap();
    let kubeconfig = "kind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a}}]\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n";
    place.file("kubeconfigs/vm1.yaml", kubeconfig);
    let output = place.class(&["kubeconfigs", "--preflight", "--output", "json"]);
    let row = &machines(&output)[0];
    let reason = row["reason"].as_str().unwrap();
    assert!(reason.starts_with("from this machine: ") && reason.contains("127.0.0.1:1"), "{row}");
    assert_eq!(output.code, Some(3));
}

/// What the tutorial is called here: quotes and dollars must arrive as they are.
const NAMES: &str = r#"
[istio]
version = "1.21.0"
[demo]
namespace = "shop"
reply = "It's $5 \\ `a`"
[kiali]
url = "http://192.0.2.7/"
[cluster]
kubeconfig = "here.yaml"
"#;

#[test]
fn names_of_the_configuration_reach_the_machines() {
    let place = Place::new();
    place.file("names.toml", NAMES);
    let answer = "#!/bin/sh\necho \"$@\" > \"$PLACE/arguments\"\ncat > \"$PLACE/input\"\ncat \"$PLACE/answer.json\"\n";
    let program = place.executable("program", answer);
    let mut evidence = recorded();
    let run = |evidence: &Value, more: &[&str]| {
        place.file("answer.json", evidence.to_string());
        let program = program.to_str().unwrap();
        let base = ["own1,", "--program", program, "--config", "names.toml", "--output", "json"];
        machines(&place.class(&[&base, more].concat())).remove(0)
    };
    // A program that knows no configuration answers for the tutorial's own names.
    let row = run(&evidence, &[]);
    let expected =
        "the machine used other names than those of names.toml: demo.namespace: shop, not client";
    assert_eq!(row["reason"], expected);
    evidence["expectations"]["namespace"] = "shop".into();
    evidence["expectations"]["reply"] = "It's $5 \\ `a`".into();
    assert_eq!(run(&evidence, &[])["reached"], true);
    let arguments = place.read("arguments");
    assert_eq!(arguments, "record --out - --quiet --config -\n");
    let input: toml::Table = toml::from_str(&place.read("input")).unwrap();
    assert_eq!(input["demo"]["reply"].as_str(), Some("It's $5 \\ `a`"));
    assert_eq!(input["istio"]["version"].as_str(), Some("1.21.0"));
    assert!(
        !input.contains_key("cluster") && !input["kiali"].as_table().unwrap().contains_key("url")
    );
    // An option of the call wins over the file.
    evidence["expectations"]["namespace"] = "class".into();
    assert_eq!(run(&evidence, &["--namespace", "class"])["reached"], true);
}

#[test]
fn program_on_a_machine_reads_the_names_from_standard_input() {
    let place = Place::new();
    place.file("names.toml", NAMES);
    let program = place.executable("program", BARE);
    let call =
        ["own1,", "--program", program.to_str().unwrap(), "--preflight", "--records", "before"];
    let output = place.class(&[&call[..], &["--config", "names.toml"]].concat());
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let record = Command::new("zcat").arg(place.at("before/own1.json.gz")).output().unwrap();
    let record: Value = serde_json::from_slice(&record.stdout).unwrap();
    let names = &record["preflight"]["cluster"]["seen"]["expectations"];
    assert_eq!((&names["namespace"], &names["istio_version"]), (&"shop".into(), &"1.21.0".into()));
    assert_eq!(names["reply"], "It's $5 \\ `a`");
}
