//! Commands that end before they have judged: each report that was asked for says why, and nothing green of
//! yesterday stays in its place. No cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use meshcheck_suites::{CLAIMS, preflight::CHECKS};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rstest::rstest;
use serde_json::Value;
use support::run::{RECORDED, Run};
use support::sandbox::{Sandbox, files};
use support::server::{Reply, Server};

/// A bound against hanging, for a busy machine. No answer is waited for as long by the program itself.
const CEILING: Duration = Duration::from_mins(1);

/// The patience that the program must have, in seconds.
const PATIENCE: &str = "600";

/// A directory with everything that the cases name, and with reports of an earlier run.
struct Directory(Sandbox);

const REPORTS: [(&str, &str); 3] = [("junit", "r.xml"), ("html", "r.html"), ("json", "r.json")];

impl Directory {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        fs::copy(RECORDED, sandbox.at("e.json")).unwrap();
        sandbox.file("cut.json", "{ \"schema\": 1, ");
        sandbox.file("wrong.toml", "[demo]\nnamespce = \"shop\"\n");
        sandbox.file("names.toml", "[demo]\nnamespace = \"shop\"\n");
        sandbox.file("istio.toml", "[istio]\nnamespace = \"mesh\"\n");
        for (_, name) in REPORTS {
            sandbox.file(name, "all green");
        }
        Self(sandbox)
    }

    /// The program, asked for every kind of report.
    fn meshcheck(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.meshcheck(arguments);
        for (kind, name) in REPORTS {
            command.arg("--report").arg(format!("{kind}={name}"));
        }
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        command
    }

    /// Every report says of everything that was asked for that it was not judged, with these words.
    fn every_report_says(&self, words: &str, number: usize) {
        for (kind, name) in REPORTS {
            let text = self.0.read(name);
            assert!(text.contains(words), "{kind} without `{words}`: {text}");
            assert!(!text.contains("all green"), "{kind}");
        }
        let report: Value = serde_json::from_str(&self.0.read("r.json")).unwrap();
        assert_eq!(report["totals"]["unjudged"], number, "{report:#}");
        assert_eq!(report["claims"].as_array().unwrap().len(), number);
        let junit = self.0.read("r.xml");
        assert_eq!(junit.matches("<error").count(), number, "{junit}");
        assert_eq!(self.0.read("r.html").matches("class=\"claim is-unjudged\"").count(), number);
    }
}

fn number_of(command: &str) -> usize {
    if command == "preflight" { CHECKS.len() } else { CLAIMS.len() }
}

#[rstest]
#[case::no_evidence(&["judge", "none.json"], 2, "none.json")]
#[case::evidence_cut_off(&["judge", "cut.json"], 2, "it ends in the middle")]
#[case::a_directory(&["judge", "."], 2, "it is a directory")]
#[case::other_names(&["judge", "e.json", "--config", "names.toml"], 2, "recorded with other names")]
#[case::judge_configured_wrongly(&["judge", "e.json", "--config", "wrong.toml"], 2, "unknown key")]
#[case::check_configured_wrongly(&["check", "--config", "wrong.toml"], 2, "unknown key")]
#[case::run_configured_wrongly(&["run", "--config", "wrong.toml"], 2, "unknown key")]
#[case::preflight_configured_wrongly(&["preflight", "--config", "wrong.toml"], 2, "unknown key")]
#[case::no_configuration(&["check", "--config", "none.toml"], 2, "none.toml")]
#[case::check_no_kubeconfig(&["check", "--kubeconfig", "none.yaml"], 2, "none.yaml")]
#[case::preflight_no_kubeconfig(&["preflight", "--kubeconfig", "none.yaml"], 2, "none.yaml")]
#[case::check_no_bundle(&["check", "--bundle", "none"], 2, "not a bundle")]
#[case::run_no_bundle(&["run", "--bundle", "none"], 2, "not a bundle")]
#[case::preflight_no_bundle(&["preflight", "--bundle", "none"], 2, "not a bundle")]
#[case::active_without_a_cluster(&["preflight", "--active"], 2, "the call names none")]
#[case::not_to_be_installed(&["run", "--config", "istio.toml"], 2, "istio.namespace: mesh")]
#[case::unwritable_evidence(&["run", "--evidence", "none/e.json"], 2, "none/e.json")]
#[case::run_report_unwritable(&["run", "--bundle", "none", "--report", "html=none/r.html"], 2, "none/r.html")]
#[case::another_report_unwritable(&["judge", "e.json", "--report", "html=none/r.html"], 2, "none/r.html")]
#[case::check_report_unwritable(&["check", "--report", "html=none/r.html"], 2, "none/r.html")]
#[case::preflight_report_unwritable(&["preflight", "--report", "json=none/r.json"], 2, "none/r.json")]
fn every_report_names_the_reason_of_an_early_end(
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] words: &str,
) {
    let directory = Directory::new();
    let output = Run::of(&mut directory.meshcheck(arguments));
    assert_eq!(output.code, Some(code), "{output:?}");
    assert!(output.stderr.contains(words), "{output:?}");
    assert!(!output.stderr.contains("and then"), "it is said once: {output:?}");
    directory.every_report_says(words, number_of(arguments[0]));
}

#[test]
fn report_contains_only_selected_claims() {
    let directory = Directory::new();
    let only = ["judge", "none.json", "--only", "mesh::*redirected"];
    let output = Run::of(&mut directory.meshcheck(&only));
    assert_eq!(output.code, Some(2), "{output:?}");
    directory.every_report_says("none.json", 2);
}

/// A bug is no reason for a green report of yesterday either.
#[test]
fn every_report_names_a_bug() {
    let directory = Directory::new();
    let mut command = directory.meshcheck(&["judge", "e.json"]);
    let output = Run::of(command.env("MESHCHECK_TEST_PANIC", "judge"));
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(output.stderr.contains("panicked at") && output.stderr.contains("error: a bug"));
    directory
        .every_report_says("a bug: the message above names its place in the code", CLAIMS.len());
}

/// nextest's tests learn why there is no evidence: its own JUnit then has the reason.
#[test]
fn setup_script_passes_on_the_configuration_error() {
    let directory = Directory::new();
    directory.0.file("handover", "");
    let mut setup = directory.0.meshcheck(&["nextest-setup", "--config", "wrong.toml"]);
    let output = Run::of(setup.env("NEXTEST_ENV", directory.0.at("handover")));
    assert_eq!(output.code, Some(0), "{output:?}");
    let handed = directory.0.read("handover");
    assert!(handed.starts_with("MESHCHECK_NO_EVIDENCE=wrong.toml:2:1: unknown key"), "{handed}");
    assert_eq!(handed.lines().count(), 1, "{handed}");
}

const VERSION: &str = r#"{"major":"1","minor":"29","gitVersion":"v1.29.2","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":"linux/amd64"}"#;

/// An API server that tells its version, or not even that, and nothing else. Hands over the paths that it
/// does not answer.
fn silent_server(tells_version: bool) -> (Server, Receiver<String>) {
    let (unanswered, paths) = channel();
    let server = Server::start(move |request| {
        if tells_version && request.path == "/version" {
            return Reply::json(200, VERSION);
        }
        // Nothing listens any more where the test has what it waits for.
        let _ = unanswered.send(request.path.clone());
        Reply::silent()
    });
    (server, paths)
}

/// Waits for the end of a program, for as long as the ceiling.
fn ended(child: Child) -> Run {
    let id = Pid::from_raw(child.id().try_into().unwrap());
    let (end, ends) = channel();
    let waits = thread::spawn(move || {
        let output = child.wait_with_output().unwrap();
        let _ = end.send(());
        Run::from(output)
    });
    if ends.recv_timeout(CEILING).is_err() {
        let _ = kill(id, Signal::SIGKILL);
    }
    waits.join().unwrap()
}

/// Neither the first answer nor a look is waited for once somebody says stop.
#[rstest]
#[case::check_first_answer("check", false, Signal::SIGINT)]
#[case::check_look("check", true, Signal::SIGINT)]
#[case::check_look_terminated("check", true, Signal::SIGTERM)]
#[case::preflight_first_answer("preflight", false, Signal::SIGINT)]
#[case::preflight_look("preflight", true, Signal::SIGINT)]
fn every_report_names_an_interruption(
    #[case] command: &str,
    #[case] tells_version: bool,
    #[case] signal: Signal,
) {
    let directory = Directory::new();
    let (server, unanswered) = silent_server(tells_version);
    server.kubeconfig(&directory.0);
    let arguments = [command, "--kubeconfig", "kubeconfig", "--timeout", PATIENCE];
    let child = directory
        .meshcheck(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let path = unanswered.recv_timeout(CEILING).unwrap();
    assert_eq!(path == "/version", !tells_version, "{path}");
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
    let ended = ended(child);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.starts_with("error: interrupted"), "{ended:?}");
    directory.every_report_says("interrupted; nothing of this run is left", number_of(command));
}

/// The kernel ends a program that writes more than it may, in the middle of it and at once, as kill -9
/// does. What it leaves goes with the next write.
#[test]
fn killed_write_is_cleaned_up_by_the_next_one() {
    let directory = Directory::new();
    let temporary = || {
        let mut names = files(&directory.0.at(""));
        names.retain(|name| name.ends_with(".meshcheck-partial"));
        names
    };
    let limited = ["-c", "ulimit -f 1 && exec \"$0\" judge e.json --report html=r.html"];
    let mut shell = Command::new("sh");
    shell.args(limited).arg(env!("CARGO_BIN_EXE_meshcheck")).current_dir(directory.0.at(""));
    let output = Run::of(shell.env("HOME", directory.0.at("")));
    assert_eq!(output.code, None, "a signal ends it: {output:?}");
    assert_eq!(temporary().len(), 1, "it was in the middle of writing");
    assert_eq!(directory.0.read("r.html"), "all green", "what was there stays whole");
    let output = Run::of(&mut directory.meshcheck(&["judge", "e.json"]));
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(temporary().len(), 0, "{:?}", temporary());
    assert!(directory.0.read("r.html").ends_with("</html>\n"));
}
