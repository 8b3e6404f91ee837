//! Tests on the hints of all cases: a POSIX shell reads each command in backquotes as intended, with any names.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::evidence::Evidence;
use crate::is_installed_otherwise;
use crate::testing::{claim_cases, mark_helm};

/// Programs that hints may name.
const PROGRAMS: [&str; 13] = [
    "kubectl",
    "istioctl",
    "docker",
    "socat",
    "meshcheck",
    "minikube",
    "dig",
    "helm",
    "curl",
    "ip",
    "kind",
    "gcloud",
    "sudo",
];

/// A context that would run commands if it were not quoted.
const CONTEXT: &str = "it's $(touch BROKEN) `touch BROKEN` \"two\"; touch BROKEN & # \\ *";
const KUBECONFIG: &str = "/tmp/my configs/$(touch BROKEN)'s.yaml";

/// Returns the hints of all cases, on evidence whose names `name` has changed.
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

/// Returns the commands in hints.
fn commands(hints: &BTreeSet<String>) -> BTreeSet<String> {
    let all = hints.iter().flat_map(|hint| {
        assert_eq!(hint.matches('`').count() % 2, 0, "a backquote is left open: {hint}");
        crate::hint::commands(hint)
    });
    all.collect()
}

/// Runs a script in an empty directory. Returns its output and the directory.
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

/// Returns the arguments of each command as a shell passes them: each program is replaced by one that prints them.
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
fn each_command_runs_a_known_program() {
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
fn helm_installation_is_not_fixed_by_istioctl() {
    let mut repaired = 0;
    for (claim, case) in claim_cases() {
        let mut evidence = case.evidence(claim);
        mark_helm(&mut evidence);
        if !is_installed_otherwise(&evidence) {
            // The case has removed all objects with a mark.
            continue;
        }
        let hint = claim.judge(&evidence).hint().unwrap_or_default();
        assert!(!hint.contains("install --set"), "{}: {hint}", claim.id);
        repaired += usize::from(hint.contains("upgrade istiod istio/istiod"));
    }
    assert!(repaired > 5, "{repaired}");
}

#[test]
fn names_are_quoted_in_commands() {
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
        // meshcheck knows its own clusters by their context.
        let kubeconfig = value("--kubeconfig");
        let is_own = words[0] == "meshcheck" && kubeconfig.is_none();
        assert!(is_own || kubeconfig == Some(KUBECONFIG), "{words:?}");
        named += usize::from(value("-n") == Some("name space's $(touch BROKEN)"));
    }
    assert!(named > 5, "{named}");
}

/// Adds a command in backquotes to every name that the cluster chooses.
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

/// Evidence may come from an unknown source: a name in it must not become a command.
#[test]
fn name_with_backquotes_adds_no_command() {
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
fn kubeconfig_in_home_directory_is_expanded() {
    let commands = commands(&hints(|evidence| {
        evidence.subject.kubeconfig = Some("~/my kube/config".to_owned());
    }));
    let all = arguments(&commands);
    assert!(all.iter().any(|words| words.contains(&"/home/trainer/my kube/config".to_owned())));
    assert!(!all.iter().flatten().any(|word| word.starts_with('~')), "{all:?}");
}
