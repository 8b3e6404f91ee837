//! `meshcheck class` over a stand-in for `ssh`: every state of a machine, the copy of the program, what stays behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod other_looks;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use support::class::{Place, rows};
use support::run::Run;
use support::sandbox::files;

fn machines(output: &Run) -> Vec<Value> {
    assert!(!output.stdout.is_empty(), "{}", output.stderr);
    rows(&output.stdout)
}

#[test]
fn every_machine_is_a_row_whatever_becomes_of_it() {
    let place = Place::new();
    let hosts = "good1,broken1,refused1,hanging1,changed1,cut1,good2";
    let output = place.class(&[hosts, "--deadline", "3s", "--output", "json"]);
    let rows = machines(&output);
    let reason = |at: usize| rows[at]["reason"].as_str().unwrap_or("judged").to_owned();
    let found: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(found, hosts.split(',').collect::<Vec<_>>());
    assert_eq!(
        (reason(0), reason(1), reason(6)),
        ("judged".into(), "judged".into(), "judged".into())
    );
    assert_eq!(rows[0]["section"], "kiali");
    assert_eq!(rows[1]["report"]["causes"][0]["claim"], "demo::backend_service");
    assert_eq!(reason(2), "ssh: connect to host refused1 port 22: Connection refused");
    assert_eq!(reason(3), "no answer within 3 s while connecting");
    assert!(reason(4).starts_with("the host key has changed"), "{}", reason(4));
    assert!(reason(5).contains("cut1") && reason(5).contains("cannot read"), "{}", reason(5));
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.starts_with("inventory: hosts, 7 machines\n"));
}

#[test]
fn machine_that_is_not_reached_is_never_green() {
    let place = Place::new();
    let output = place.class(&["good1,refused1"]);
    assert_eq!(output.code, Some(3));
    let expected = "1 of 2 machines holds the tutorial; 1 was not reached\n";
    assert!(output.stdout.starts_with(expected), "{}", output.stdout);
    assert_eq!(place.class(&["good1,good2"]).code, Some(0));
}

#[test]
fn list_contacts_no_machine() {
    let place = Place::new();
    let output = place.class(&["student@good[1-2]:2222", "--list", "--output", "json"]);
    let list = output.json();
    assert_eq!(list["machines"][1]["name"], "good2");
    assert_eq!(list["machines"][1]["user"], "student");
    assert_eq!(list["machines"][1]["port"], 2222);
    assert!(!place.at("asked").exists());
    assert_eq!(output.code, Some(0));
}

#[test]
fn chosen_machines_alone_are_contacted() {
    let place = Place::new();
    let output =
        place.class(&["good[1-3],broken1", "--only-machines", "broken*", "--output", "commands"]);
    assert_eq!(place.read("asked"), "broken1\n");
    assert!(output.stdout.contains("ssh broken1 '"), "{}", output.stdout);
    let output = place.class(&["good[1-3]", "--only-machines", "vm7"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("error: no machine is called vm7"));
}

#[test]
fn program_is_copied_once_checked_by_its_sum_and_removed() {
    let place = Place::new();
    let program = place.executable(
        "program",
        "#!/bin/sh\necho \"$@\" >> \"$PLACE/arguments\"\ncat \"$FIXTURES/evidence/lab.json\"\n",
    );
    let call = |more: &[&str]| {
        let program = program.to_str().unwrap();
        let base = ["own1,", "--program", program, "--namespace", "shop", "--output", "json"];
        let output = place.class(&[&base, more].concat());
        let reached = machines(&output)[0]["reached"].clone();
        assert_eq!(reached, true, "{}{}", output.stdout, output.stderr);
    };
    call(&[]);
    let arguments = place.read("arguments");
    assert_eq!(arguments, "record --out - --quiet --namespace shop\n");
    let home = place.at("home-own1");
    let copies = files(&home);
    assert!(copies.len() == 1 && copies[0].starts_with("meshcheck-"), "{copies:?}");
    let copy = home.join(".cache/meshcheck/bin").join(&copies[0]);
    let written = fs::metadata(&copy).unwrap().modified().unwrap();
    call(&[]);
    assert_eq!(fs::metadata(&copy).unwrap().modified().unwrap(), written, "it was copied again");
    // A damaged copy is not run.
    fs::write(&copy, "#!/bin/sh\necho '{}'\n").unwrap();
    call(&[]);
    assert_eq!(fs::read(&copy).unwrap(), fs::read(&program).unwrap());
    call(&["--remove"]);
    assert_eq!(files(&home), [""; 0]);
    assert!(!home.join(".cache/meshcheck").exists());
    assert!(home.join(".cache").exists(), "a directory that may be of others");
}

#[test]
fn error_of_the_program_there_is_the_reason() {
    let place = Place::new();
    let program = place.executable(
        "program",
        "#!/bin/sh\necho 'error: cannot read ~/.kube/config: No such file or directory' >&2\nexit 2\n",
    );
    let output =
        place.class(&["own1,", "--program", program.to_str().unwrap(), "--output", "json"]);
    let row = &machines(&output)[0];
    let expected = "on the machine: cannot read ~/.kube/config: No such file or directory";
    assert_eq!(row["reason"], expected);
    assert_eq!(output.code, Some(3));
}

#[test]
fn program_of_another_kind_of_machine_is_named_as_the_reason() {
    let place = Place::new();
    let program = place.executable("program", "\u{7f}ELF of another processor");
    let output =
        place.class(&["own1,", "--program", program.to_str().unwrap(), "--output", "json"]);
    let reason = machines(&output)[0]["reason"].to_string();
    assert!(reason.contains("this machine cannot run the program"), "{reason}");
}

#[test]
fn records_give_the_same_board_again() {
    let place = Place::new();
    let first = place.class(&["good1,broken1,refused1", "--records", "today", "--output", "json"]);
    let mut expected = machines(&first);
    expected.pop();
    let again = place.class(&["today", "--output", "json"]);
    let mut found = machines(&again);
    found.sort_by_key(|row| row["name"] != "good1");
    assert_eq!(found, expected);
    // A record that is cut off is reported, not shown.
    let whole = fs::read(place.at("today/good1.json.gz")).unwrap();
    fs::write(place.at("today/good1.json.gz"), &whole[..whole.len() / 2]).unwrap();
    let cut = machines(&place.class(&["today", "--output", "json"]));
    let row = cut.iter().find(|row| row["name"] == "good1").unwrap();
    assert_eq!(row["reached"], false);
    assert!(row["reason"].as_str().unwrap().contains("ends too early"), "{row}");
}

#[test]
fn ctrl_c_ends_every_connection() {
    let place = Place::new();
    let mut child = place
        .command(&["good1,hanging[1-3]", "--deadline", "60s"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // Once one has its verdict, the others hang.
    lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("good1") && line.contains("holds"));
    let children = children_of(child.id());
    assert_eq!(children.len(), 3, "{children:?}");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    for id in children {
        let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let is_alive = !state.is_empty() && !state.contains(") Z ");
        assert!(!is_alive, "ssh {id} still runs: {state}");
    }
}

/// The processes that a process has started.
fn children_of(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|it| it.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}
