//! `check --wait` and `check --watch` on a server that changes. No cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::mesh::{ISTIO, Mesh};
use support::run::Run;
use support::{sandbox, server};

/// A server whose node is ready once `is_ready` says so.
fn start(is_ready: impl Fn(&server::Request) -> bool + Send + Sync + 'static) -> server::Server {
    let healthy = Mesh::healthy();
    let mut cordoned = Mesh::healthy();
    for node in cordoned.list("/api/v1/nodes") {
        for condition in node["status"]["conditions"].as_array_mut().unwrap() {
            if condition["type"] == "Ready" {
                condition["status"] = "False".into();
            }
        }
    }
    server::Server::start(move |request| {
        if is_ready(request) { healthy.answer(request) } else { cordoned.answer(request) }
    })
}

/// A check of the nodes.
fn check(sandbox: &sandbox::Sandbox, server: &server::Server, arguments: &[&str]) -> Command {
    let check = ["check", "--only", "nodes_ready", "--istio", ISTIO, "--kubeconfig"];
    let mut command = sandbox.meshcheck(&check);
    command.arg(server.kubeconfig(sandbox)).args(arguments);
    command
}

/// Runs a check whose standard error is a terminal. Returns all that the terminal gets.
fn check_on_terminal(arguments: &[&str]) -> String {
    let sandbox = sandbox::Sandbox::new();
    let server = start(|_| true);
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut call = check(&sandbox, &server, arguments);
    let mut child = call.stdout(Stdio::null()).stderr(Stdio::from(terminal.slave)).spawn().unwrap();
    // The last handle of the terminal's other side.
    drop(call);
    let mut shown = Vec::new();
    // A terminal without another side ends with an error.
    let _ = std::fs::File::from(terminal.master).read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8(shown).unwrap()
}

#[test]
fn claim_is_shown_on_a_terminal_before_the_report() {
    let shown = check_on_terminal(&["--output", "json"]);
    assert!(shown.contains("prepare::nodes_ready  "), "{shown}");
    assert!(!shown.contains("mesh::"), "only claims that were asked for: {shown}");
    assert_eq!(shown.matches("prepare::nodes_ready").count(), 1, "{shown}");
}

#[rstest::rstest]
#[case::quiet(&["--quiet"])]
#[case::checked_again(&["--wait", "1s"])]
fn claim_is_not_shown_before_the_report(#[case] arguments: &[&str]) {
    let shown = check_on_terminal(arguments);
    assert!(!shown.contains("prepare::nodes_ready  "), "{shown}");
}

#[test]
fn wait_ends_once_every_claim_holds() {
    let sandbox = sandbox::Sandbox::new();
    // A check asks for the version once, and for the nodes twice at the same time.
    let checks = AtomicUsize::new(0);
    let server = start(move |request| {
        let is_new_check = usize::from(request.path == "/version");
        checks.fetch_add(is_new_check, Ordering::SeqCst) + is_new_check > 1
    });
    let run = Run::of(&mut check(&sandbox, &server, &["--wait", "5m", "--output", "json"]));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.json()["totals"]["pass"], 1);
    let stderr = run.stderr;
    assert!(!stderr.contains("prepare::nodes_ready  "), "a pipe gets the report alone: {stderr}");
    assert!(stderr.contains("waiting for 1 claim: prepare::nodes_ready\n"), "{stderr}");
}

#[test]
fn wait_ends_with_the_last_report_once_the_time_is_over() {
    let sandbox = sandbox::Sandbox::new();
    let server = start(|_| false);
    let run = Run::of(&mut check(&sandbox, &server, &["--wait", "1s", "--output", "json"]));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.json()["totals"]["fail"], 1);
}

#[test]
fn watch_prints_a_report_a_line_until_it_is_interrupted() {
    let sandbox = sandbox::Sandbox::new();
    let ready = Arc::new(AtomicBool::new(false));
    let server = start({
        let ready = Arc::clone(&ready);
        move |_| ready.load(Ordering::SeqCst)
    });
    let arguments = ["--watch", "1s", "--output", "json", "--report", "json=r.json"];
    let mut child = check(&sandbox, &server, &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut totals =
        || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["totals"].take();
    assert_eq!(totals()["fail"], 1);
    ready.store(true, Ordering::SeqCst);
    while totals()["pass"] != 1 {}
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(stderr.contains("error: interrupted"), "{stderr}");
    let report = sandbox.read("r.json");
    assert!(report.contains("\"pass\":1"), "the report of the last check stays: {report}");
}
