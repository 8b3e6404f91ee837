//! Tests on the hints of all cases: what stands in backquotes is a command that a POSIX shell reads as
//! it is meant, whatever the cluster's names are.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::evidence::Evidence;
use crate::testing::claim_cases;

/// Programs that hints may name.
const PROGRAMS: [&str; 6] = ["kubectl", "istioctl", "docker", "minikube", "socat", "meshcheck"];

/// A context that would do something, were it not quoted.
const CONTEXT: &str = "it's $(touch BROKEN) `touch BROKEN` \"two\"; touch BROKEN & # \\ *";
const KUBECONFIG: &str = "/tmp/my configs/$(touch BROKEN)'s.yaml";

/// The hints of every case that does not hold, on evidence whose names `name` has changed.
fn hints(name: impl Fn(&mut Evidence)) -> BTreeSet<String> {
    claim_cases()
        .into_iter()
        .filter_map(|(claim, case)| {
            let mut evidence = case.evidence(claim);
            name(&mut evidence);
            claim.judge(&evidence).hint()
        })
        .collect()
}

fn commands(hints: &BTreeSet<String>) -> BTreeSet<String> {
    let all = hints.iter().flat_map(|hint| {
        assert_eq!(hint.matches('`').count() % 2, 0, "a backquote is left open: {hint}");
        crate::hint::commands(hint)
    });
    all.collect()
}

/// Runs a script with the shell, in a directory where nothing but what the test puts there is found.
/// What it wrote, and the directory.
fn shell(script: &str) -> (String, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new("sh")
        .current_dir(directory.path())
        .env("HOME", "/home/trainer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{errors}\n{script}");
    (String::from_utf8(output.stdout).unwrap(), directory)
}

/// The arguments with which a shell would start each command: every program is one that prints them.
fn arguments(commands: &BTreeSet<String>) -> Vec<Vec<String>> {
    let mut script = String::new();
    for program in PROGRAMS {
        let prints = format!("printf '%s\\036' {program} \"$@\"; printf '\\035'");
        script.extend([program, "() { ", &prints, "; }\n"]);
    }
    for command in commands {
        script += command;
        script.push('\n');
    }
    let (text, directory) = shell(&script);
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "a name was run: {left:?}");
    let words = |line: &str| line.split_terminator('\u{1e}').map(ToOwned::to_owned).collect();
    text.split_terminator('\u{1d}').map(words).collect()
}

#[test]
fn every_hint_is_a_command_of_a_program_that_trainers_have() {
    let commands = commands(&hints(|_| {}));
    assert!(commands.len() > 50, "{}", commands.len());
    for command in &commands {
        let program = command.split(' ').next().unwrap_or_default();
        assert!(PROGRAMS.contains(&program), "{command}");
        assert!(!command.contains(['<', '>']) && !command.contains("..."), "to fill in: {command}");
    }
    assert_eq!(arguments(&commands).len(), commands.len(), "a command is one command");
}

#[test]
fn names_reach_the_programs_as_they_are() {
    let commands = commands(&hints(|evidence| {
        evidence.subject.context = CONTEXT.to_owned();
        evidence.subject.kubeconfig = Some(KUBECONFIG.to_owned());
        evidence.expectations.namespace = "name space's $(touch BROKEN)".to_owned();
    }));
    let mut named = 0;
    for words in arguments(&commands) {
        let value = |option: &str| {
            let at = words.iter().position(|word| word == option)?;
            words.get(at + 1).map(String::as_str)
        };
        let on_the_cluster = matches!(words[0].as_str(), "kubectl" | "istioctl" | "meshcheck");
        if !on_the_cluster || words.iter().any(|word| word == "--remote=false") {
            continue;
        }
        assert_eq!(value("--context"), Some(CONTEXT), "{words:?}");
        // One of ours is known by its context, whatever its kubeconfig.
        let kubeconfig = value("--kubeconfig");
        let ours = words[0] == "meshcheck" && kubeconfig.is_none();
        assert!(ours || kubeconfig == Some(KUBECONFIG), "{words:?}");
        named += usize::from(value("-n") == Some("name space's $(touch BROKEN)"));
    }
    assert!(named > 5, "{named}");
}

/// Everything that a cluster may have named so, with a command in backquotes in it.
fn poison(value: &mut Value, key: &str) {
    const NAMED: [&str; 7] =
        ["name", "image", "reason", "message", "web_root", "istio_version", "annotations"];
    match value {
        Value::String(text) if NAMED.contains(&key) => {
            text.push_str("`; `touch BROKEN now`, then `");
        }
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, key)),
        Value::Object(fields) if key == "annotations" => {
            let named = std::mem::take(fields).into_iter();
            fields.extend(named.map(|(name, value)| (name + "` and `touch BROKEN now`", value)));
        }
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(key, value)| poison(value, key));
        }
        _ => {}
    }
}

/// Evidence may be a stranger's: no name in it becomes a command to type.
#[test]
fn no_name_opens_a_command() {
    let mut named = 0;
    for (at, (claim, case)) in claim_cases().into_iter().enumerate() {
        let evidence = case.evidence(claim);
        let mut document = serde_json::to_value(&evidence).unwrap();
        poison(&mut document, "");
        let Ok(evidence) = serde_json::from_value::<Evidence>(document) else {
            panic!("case {at}")
        };
        for claim in crate::CLAIMS {
            let Some(hint) = claim.judge(&evidence).hint() else { continue };
            named += usize::from(hint.contains("touch BROKEN"));
            for command in crate::hint::commands(&hint) {
                let program = command.split(' ').next().unwrap_or_default();
                assert!(PROGRAMS.contains(&program), "{}: {command}\n{hint}", claim.id);
            }
        }
    }
    assert!(named > 100, "{named}");
}

#[test]
fn a_kubeconfig_at_home_is_found_there() {
    let commands = commands(&hints(|evidence| {
        evidence.subject.kubeconfig = Some("~/my kube/config".to_owned());
    }));
    let all = arguments(&commands);
    assert!(all.iter().any(|words| words.contains(&"/home/trainer/my kube/config".to_owned())));
    assert!(!all.iter().flatten().any(|word| word.starts_with('~')), "{all:?}");
}
