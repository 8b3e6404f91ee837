//! Few rights: with the role that `meshcheck rbac` prints all is judged as with all rights, and with any one
//! rule of it less, exactly the claims are unjudged that the table names for it, and say what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use meshcheck_suites::rights::{For, RIGHTS, Right, Scope, manifest};
use serde_json::{Value, json};

use super::cluster::ByHand;
use super::{check, with};
use crate::support::run::{Run, verdicts};

/// How many accounts look at once.
const AT_ONCE: usize = 3;

/// Marks what this test makes.
const MARK: &str = "meshcheck.dev/test=rights";

/// A cluster with the whole tutorial on it, and the bundle whose software is there.
#[derive(Clone, Copy)]
struct Site<'a>(&'a ByHand, &'a Path);

impl Site<'_> {
    fn check(self, kubeconfig: &Path, active: bool) -> Run {
        let options: &[&str] = if active { &["--active"] } else { &[] };
        check(kubeconfig, self.1, options)
    }

    fn server_version(self) -> (u32, u32) {
        let version = self.0.kubectl(&["version", "-o", "json"]);
        let version: Value = serde_json::from_str(&version).unwrap();
        let number = |field: &str| {
            let text = version["serverVersion"][field].as_str().unwrap();
            text.trim_end_matches('+').parse().unwrap()
        };
        (number("major"), number("minor"))
    }
}

/// Proves that the rights are enough, and that none can be left out.
pub(crate) fn prove(hand: &ByHand, bundle: &Path) {
    let site = Site(hand, bundle);
    let all = [false, true].map(|active| site.check(hand.kubeconfig(), active).json());
    enough(site, &all);
    each_is_needed(site, &all);
    let kinds = "serviceaccounts,roles,rolebindings";
    hand.kubectl(&["delete", kinds, "--all-namespaces", "-l", MARK]);
    hand.kubectl(&["delete", "clusterroles,clusterrolebindings", "-l", MARK]);
}

/// The account of `meshcheck rbac` judges as one that may do everything.
fn enough(site: Site<'_>, all: &[Value; 2]) {
    for (active, expected) in [(false, &all[0]), (true, &all[1])] {
        let options: &[&str] = if active { &["rbac", "--active"] } else { &["rbac"] };
        let manifest = Run::of(Command::new(env!("CARGO_BIN_EXE_meshcheck")).args(options)).stdout;
        site.0.apply(&manifest);
        let report = site.check(&site.0.kubeconfig_of("meshcheck"), active).json();
        assert_eq!(verdicts(&report), verdicts(expected), "{report:#}");
        if active {
            site.0.kubectl_with(&["delete", "-f", "-"], &manifest).unwrap();
        }
    }
}

/// Without any one of them exactly its claims are unjudged; nothing becomes green, nothing red.
fn each_is_needed(site: Site<'_>, all: &[Value; 2]) {
    let version = site.server_version();
    let asked_for = |right: &Right| right.since.is_none_or(|since| version >= since);
    let rows: Vec<(usize, &Right)> = RIGHTS
        .iter()
        .enumerate()
        .filter(|(_, right)| right.needed_for != For::Logs && asked_for(right))
        .collect();
    assert!(rows.len() > 20, "{}", rows.len());
    let objects: Vec<Value> = rows.iter().flat_map(|(index, _)| roles_without(*index)).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    site.0.apply(&list.to_string());

    let left = Mutex::new(rows);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    // The longest first: what is active waits for namespaces to go.
                    let Some((index, right)) = left.lock().unwrap().pop() else { return };
                    let active = right.needed_for == For::Active;
                    let run = site.check(&site.0.kubeconfig_of(&account(index)), active);
                    let found = differences(right, &run, &all[usize::from(active)]);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is not as the table says, where an account lacks this right alone.
fn differences(right: &Right, run: &Run, all: &Value) -> Vec<String> {
    let row = format!("without {right}");
    let report = run.json();
    let expected: BTreeSet<_> = right.claims().collect();
    let (before, after) = (verdicts(all), verdicts(&report));
    let mut wrong = Vec::new();
    for (id, verdict) in &after {
        let should = if expected.contains(id) { "unjudged" } else { before[id] };
        if *verdict != should {
            wrong.push(format!("{row}: {id} is {verdict}, not {should}"));
        }
    }
    let claims = report["claims"].as_array().unwrap();
    let of: BTreeMap<&str, &Value> =
        claims.iter().map(|claim| (claim["id"].as_str().unwrap(), claim)).collect();
    for id in with(&report, "unjudged") {
        let claim = of[id];
        let summary = claim["summary"].as_str().unwrap();
        let missing =
            format!("forbidden: needs `{}` on `{}` in ", right.verb, right.resource_name());
        if !summary.contains(&missing) {
            wrong.push(format!("{row}: {id} does not name what is missing: {summary}"));
        }
        let hint = claim["hint"].as_str().unwrap_or_default();
        if !hint.contains("meshcheck rbac") {
            wrong.push(format!("{row}: {id} has no hint: {hint}"));
        }
    }
    // What no claim on a healthy mesh depends on only explains failures.
    let code = if expected.is_empty() { 0 } else { 3 };
    if run.code != Some(code) {
        wrong.push(format!("{row}: the exit code is {:?}, for {expected:?}", run.code));
    }
    wrong
}

fn account(index: usize) -> String {
    format!("less-{index}")
}

/// An account with every right but one: what `meshcheck rbac` prints, without that rule.
fn roles_without(index: usize) -> Vec<Value> {
    let (name, right) = (account(index), &RIGHTS[index]);
    let namespace = right.place.namespace("client", "istio-system");
    let manifest = manifest(Scope { active: true, logs: true }, "client", "istio-system");
    let documents = manifest.split("\n---\n").map(|it| serde_saphyr::from_str(it).unwrap());
    documents
        .map(|mut object: Value| {
            object["metadata"]["name"] = json!(name);
            object["metadata"]["labels"] = json!({ "meshcheck.dev/test": "rights" });
            let is_there = object["metadata"].get("namespace").and_then(Value::as_str) == namespace;
            if let Some(rules) = object.get_mut("rules").and_then(Value::as_array_mut) {
                let is_it = |rule: &Value| {
                    [&rule["apiGroups"][0], &rule["resources"][0], &rule["verbs"][0]]
                        == [right.group, right.resource, right.verb]
                };
                rules.retain(|rule| !(is_there && is_it(rule)));
            }
            if object.get("roleRef").is_some() {
                object["roleRef"]["name"] = json!(name);
                object["subjects"][0]["name"] = json!(name);
            }
            object
        })
        .collect()
}
