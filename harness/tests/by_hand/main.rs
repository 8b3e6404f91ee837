//! A cluster made by hand, as a participant makes one: `check` judges it as it judges our own, at
//! every stage of the tutorial, creates nothing there, and tells wrong calls apart.
//!
//! Needs docker and a bundle: `MESHCHECK_BUNDLE` names it, `cargo xtask test` sets it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod job;
mod rights;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::{ByHand, difference, without_noise};
use meshcheck_bundle::Bundle;
use serde_json::Value;
use support::run::{Run, verdicts};

/// Runs `meshcheck check` on a context of a kubeconfig, and gives its exit code, report and messages.
fn check(kubeconfig: &Path, bundle: &Path, arguments: &[&str]) -> Run {
    command("check", kubeconfig, bundle, arguments)
}

/// Runs `meshcheck preflight` so.
fn preflight(kubeconfig: &Path, bundle: &Path, arguments: &[&str]) -> Run {
    command("preflight", kubeconfig, bundle, arguments)
}

fn command(command: &str, kubeconfig: &Path, bundle: &Path, arguments: &[&str]) -> Run {
    Run::of(
        Command::new(env!("CARGO_BIN_EXE_meshcheck"))
            .args([command, "--output", "json", "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--bundle")
            .arg(bundle)
            .args(arguments)
            .env_remove("KUBECONFIG"),
    )
}

fn with<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    verdicts(report).into_iter().filter(|(_, found)| *found == verdict).map(|(id, _)| id).collect()
}

/// Every claim that does not hold says why, and a failure says what to type.
fn reasons_are_given(report: &Value, stage: &str) {
    for claim in report["claims"].as_array().unwrap() {
        let id = &claim["id"];
        assert!(!claim["summary"].as_str().unwrap().is_empty(), "{stage}: {id} has no summary");
        if claim["verdict"] == "fail" {
            assert!(claim["hint"].is_string(), "{stage}: {id} fails without a hint: {claim:#}");
        }
    }
}

/// Nothing is on the cluster that was not, and nothing is missing.
fn unchanged(hand: &ByHand, before: &BTreeSet<String>, what: &str) {
    let changes = difference(before, &without_noise(&hand.objects()));
    assert_eq!(changes, [""; 0], "{what} changed the cluster");
}

#[test]
#[ignore = "needs docker, kubectl and a bundle (MESHCHECK_BUNDLE): `cargo xtask test` runs it"]
fn cluster_made_by_hand_has_the_right_verdicts_at_each_stage() {
    let directory = env::var_os("MESHCHECK_BUNDLE").map(PathBuf::from);
    let directory = directory.expect("MESHCHECK_BUNDLE must name a bundle");
    let bundle = Bundle::open(&directory).unwrap();
    let hand = ByHand::create(&bundle);
    let ask = |arguments: &[&str]| check(hand.kubeconfig(), &directory, arguments);

    // An empty cluster: nothing holds of the mesh, and nothing is green by accident.
    let before = hand.objects_at_rest();
    let empty = ask(&[]);
    assert_eq!(empty.code, Some(1), "{empty:?}");
    let report = empty.json();
    reasons_are_given(&report, "empty cluster");
    let green = with(&report, "pass");
    let may_be_green = ["prepare::", "mesh::unlabelled_namespace_left_alone"];
    assert!(
        green.iter().all(|id| may_be_green.iter().any(|start| id.starts_with(start))),
        "green on an empty cluster: {green:?}"
    );
    assert!(!green.contains(&"mesh::unlabelled_namespace_left_alone"));
    unchanged(&hand, &before, "check");

    preflight_before_the_install(&hand, &directory, &before);

    // Istio, but no namespace `client`.
    hand.install_istio(&bundle);
    let report = ask(&[]).json();
    reasons_are_given(&report, "no namespace");
    assert_eq!(verdicts(&report)["install::namespace_labelled"], "fail");
    assert_eq!(verdicts(&report)["install::istio_version"], "pass", "{report:#}");
    assert_eq!(verdicts(&report)["mesh::two_containers_per_pod"], "fail");
    assert!(with(&report, "pass").iter().all(|id| !id.starts_with("demo::")));

    // The whole tutorial: the same verdicts as on a cluster of meshcheck, which are all green; what
    // needs objects of meshcheck is left out.
    hand.install_load_balancer(&bundle);
    hand.install_demo();
    hand.install_kiali(&bundle);
    hand.wait_until_all_is_ready();
    let before = hand.objects_at_rest();
    let whole = ask(&[]);
    let report = whole.json();
    reasons_are_given(&report, "whole tutorial");
    assert_eq!(with(&report, "fail"), [""; 0], "{report:#}");
    assert_eq!(with(&report, "changed"), [""; 0], "{report:#}");
    assert_eq!(with(&report, "unjudged"), [""; 0], "{report:#}");
    assert_eq!(with(&report, "skipped"), ["ingress::routes_into_mesh"], "{report:#}");
    assert_eq!(whole.code, Some(0), "{whole:?}");
    unchanged(&hand, &before, "check");

    preflight_of_the_installed(&hand, &directory, &before);

    // With --active all of it is judged, and what was created is gone again.
    let active = ask(&["--active"]);
    let report = active.json();
    assert_eq!(active.code, Some(0), "{report:#}");
    assert_eq!(with(&report, "pass").len(), meshcheck_suites::CLAIMS.len());
    hand.wait_until_namespaces_are(&before);
    unchanged(&hand, &before, "--active");

    // With the rights of `meshcheck rbac` alone all is judged; with one less, what needs it is not.
    rights::prove(&hand, &directory);
    hand.wait_until_namespaces_are(&before);
    unchanged(&hand, &before, "an account with few rights");

    // A context that may not read logs, and not much else: unjudged, never green.
    let kubeconfig = hand.kubeconfig_with_few_rights();
    let few = check(&kubeconfig, &directory, &[]);
    let report = few.json();
    assert_eq!(verdicts(&report)["demo::client_logs_show_reply"], "unjudged", "{report:#}");
    assert_eq!(verdicts(&report)["mesh::inbound_redirected"], "unjudged", "{report:#}");
    assert_eq!(with(&report, "fail"), [""; 0], "no right to look is not a fault: {report:#}");
    assert_eq!(few.code, Some(3), "{few:?}");
    let mut claims = report["claims"].as_array().unwrap().iter();
    let claim = claims.find(|claim| claim["id"] == "demo::client_logs_show_reply").unwrap();
    let summary = claim["summary"].as_str().unwrap();
    let missing = "forbidden: needs `get` on `pods/log` in namespace client (";
    assert!(summary.contains(missing) && summary.contains("User"), "{summary}");

    preflight_with_few_rights(&kubeconfig, &directory);

    // Somebody else's cluster is not removed, whoever asks.
    let mut down = Command::new(env!("CARGO_BIN_EXE_meshcheck"));
    let removal = Run::of(down.args(["down", "--name", hand.context()]));
    assert_eq!(removal.code, Some(2), "{removal:?}");
    assert!(removal.stderr.contains("meshcheck has no cluster called"), "{removal:?}");

    // Wrong calls on a good cluster.
    let unknown = ask(&["--context", "no-such-context"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("no-such-context"), "{}", unknown.stderr);
    assert!(unknown.stderr.contains(hand.context()), "the contexts there are named");
    let claim = ask(&["--only", "mesh::no_such_claim"]);
    assert_eq!(claim.code, Some(2));

    // The server is gone.
    hand.stop();
    let gone = ask(&[]);
    assert_eq!(gone.code, Some(3), "{gone:?}");
    preflight_of_the_stopped(&hand, &directory);
    assert!(gone.stdout.is_empty() && gone.stderr.contains("127.0.0.1"), "{}", gone.stderr);
}

/// Before the install it is ready, but for what would give load balancer addresses: that is not known.
fn preflight_before_the_install(hand: &ByHand, directory: &Path, before: &BTreeSet<String>) {
    let ready = preflight(hand.kubeconfig(), directory, &[]);
    let report = ready.json();
    assert_eq!(with(&report, "fail"), [""; 0], "{report:#}");
    assert_eq!(with(&report, "unjudged"), ["cluster::load_balancer"], "{report:#}");
    assert_eq!(ready.code, Some(3), "{ready:?}");
    assert!(with(&report, "pass").contains(&"machine::kernel_redirects"), "{report:#}");
    let took = report["cluster"]["collection_ms"].as_u64().unwrap();
    assert!(took < 3000, "a preflight took {took} ms");
    unchanged(hand, before, "preflight");
}

/// Installed, healthy, and with a load balancer: no preflight takes that for leftovers.
fn preflight_of_the_installed(hand: &ByHand, directory: &Path, before: &BTreeSet<String>) {
    let ready = preflight(hand.kubeconfig(), directory, &["--active"]);
    let report = ready.json();
    assert_eq!(with(&report, "fail"), [""; 0], "{report:#}");
    assert_eq!(with(&report, "unjudged"), [""; 0], "{report:#}");
    assert!(with(&report, "pass").contains(&"cluster::no_earlier_istio"), "{report:#}");
    assert_eq!(ready.code, Some(0), "{ready:?}");
    hand.wait_until_namespaces_are(before);
    unchanged(hand, before, "preflight --active");
}

/// What may not be read is no fault; what may not be done is.
fn preflight_with_few_rights(kubeconfig: &Path, directory: &Path) {
    let few = preflight(kubeconfig, directory, &[]);
    let report = few.json();
    assert_eq!(with(&report, "fail"), ["cluster::rights"], "{report:#}");
    reasons_are_given(&report, "few rights");
}

/// As after a reboot: the node is what to fix, and the hint wakes it up.
fn preflight_of_the_stopped(hand: &ByHand, directory: &Path) {
    let report = preflight(hand.kubeconfig(), directory, &[]).json();
    assert_eq!(verdicts(&report)["cluster::server_answers"], "fail", "{report:#}");
    assert_eq!(report["causes"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["causes"][0]["claim"], "machine::kind_nodes_run");
    let hint = report["causes"][0]["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("docker start {}", hand.node())), "{hint}");
}
