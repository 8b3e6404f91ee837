//! Every request to the API server fails once, in each way in which a server gives no answer: every answer to it
//! is broken, retries included. What depends on it is not known then, and nothing else changes.
//!
//! What depends on a request is found out, not listed: the observations that change where the request is
//! answered otherwise (404, an empty list) or not at all. A claim that needs one of them may not pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use meshcheck_suites::evidence::Evidence;
use meshcheck_suites::rights::{For, RIGHTS, Right};
use serde_json::{Value, json};

use crate::Cases;
use crate::api::against;
use crate::mesh::{KIALI, Mesh, settings};
use crate::program::Outcome;
use crate::sandbox::Sandbox;
use crate::server::{Request, Server};
use crate::support::run::verdicts;
use crate::ways::{ANSWERS, FAILURES, Way};
use crate::whole_mesh::WholeMesh;

pub(crate) const CASES: Cases = &[
    ("undisturbed", |sandbox| {
        let run = Run::of(sandbox, "1", None);
        let others = verdicts(&run.report).into_iter().filter(|(_, verdict)| *verdict != "pass");
        let others: Vec<_> = others.map(|(id, verdict)| format!("{id}: {verdict}")).collect();
        let ended = run.outcome.report(0);
        assert_eq!(others, NOT_PASSED, "{ended}");
        ended
    }),
    ("each_fails_once", each_fails_once),
];

/// What does not pass, because it is not read here: no node is a container of kind, and nothing may be
/// created.
const NOT_PASSED: [&str; 2] = ["ingress::routes_into_mesh: skipped", "mesh::live_rules: skipped"];

/// By how much the limits of time are divided where a request fails.
const DIVISOR: &str = "5";

/// How many checks run at the same time.
const JOBS: usize = 4;

/// A request, by what stays the same where it is repeated.
fn key(request: &Request) -> String {
    let query = if request.query.is_empty() { "" } else { "?" };
    format!("{} {}{query}{}", request.method, request.path, request.query)
}

/// A check of the mesh where a request may be broken.
struct Run {
    outcome: Outcome,
    /// Its report, its evidence, and what it asked for. Without a first answer there is neither of the two.
    report: Value,
    evidence: Value,
    requests: Vec<String>,
}

impl Run {
    fn of(sandbox: &Sandbox, divisor: &str, broken: Option<(&str, Way)>) -> Self {
        let (mesh, broken) =
            (WholeMesh::of(&Mesh::healthy()), broken.map(|(key, way)| (key.to_owned(), way)));
        let server = Server::start(move |request| match &broken {
            Some((broken, way)) if key(request) == *broken => way.of(mesh.answer(request)),
            _ => mesh.answer(request),
        });
        let file = sandbox.at("evidence.json");
        let call = against(sandbox, &server, "5").env("MESHCHECK_TEST_DEADLINES", divisor);
        let call = call.env("MESHCHECK_CONFIG", sandbox.file("meshcheck.toml", settings(KIALI)));
        // Without docker: the nodes are not containers of this machine.
        let call = call.env("PATH", "").arg("--evidence").arg(&file).writes(&file);
        let outcome = call.run();
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let mut requests: Vec<String> = Vec::new();
        for request in server.requests().iter().map(key) {
            if !requests.contains(&request) {
                requests.push(request);
            }
        }
        Self {
            report: json(&outcome.stdout),
            evidence: json(&std::fs::read_to_string(file).unwrap_or_default()),
            requests,
            outcome,
        }
    }

    /// The line that says what could not be read: of an unjudged claim, or the error.
    fn line(&self, reasons: &[(&str, &str)]) -> Option<String> {
        let claims = self.report["claims"].as_array().into_iter().flatten();
        let unjudged = claims.filter(|claim| claim["verdict"] == "unjudged");
        let summaries = unjudged.filter_map(|claim| claim["summary"].as_str());
        let mut lines = summaries.chain(self.outcome.stderr.lines());
        lines
            .find(|line| reasons.iter().any(|(_, reason)| line.contains(reason)))
            .map(str::to_owned)
    }
}

/// The places of all observations in evidence.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    if is_observation(value) {
        found.push(at.to_owned());
    }
    let mut into = |name: &str, value| places(value, &format!("{at}/{name}"), found);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| into(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| into(&at.to_string(), value));
        }
        _ => {}
    }
}

fn is_observation(value: &Value) -> bool {
    let state = value["state"].as_str();
    let is_state = matches!(state, Some("seen" | "absent" | "failed" | "not_asked"));
    is_state && (value.get("value").is_some() || value.get("reason").is_some())
}

/// What an observation says itself: without those in it, and without what differs from run to run.
fn own(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| {
                !matches!(name.as_str(), "clock" | "read_at" | "waited_ms" | "request")
            })
            .map(|(name, value)| {
                (name.clone(), if is_observation(value) { Value::Null } else { own(value) })
            })
            .collect(),
        Value::Array(items) => items.iter().map(own).collect(),
        other => other.clone(),
    }
}

/// The observations that differ from those on the whole mesh, with what became of each.
fn changed<'a>(
    run: &'a Run,
    places: &'a [String],
    whole: &Value,
) -> Vec<(&'a str, Option<&'a Value>)> {
    let now = places.iter().map(|place| (place.as_str(), run.evidence.pointer(place)));
    now.filter(|(place, now)| now.map(own) != whole.pointer(place).map(own)).collect()
}

/// The claims that do not pass where these observations are hidden.
fn depending(whole: &Value, hidden: &BTreeSet<String>) -> BTreeSet<String> {
    let mut evidence = whole.clone();
    for place in hidden {
        if let Some(value) = evidence.pointer_mut(place) {
            *value = json!({ "state": "failed", "reason": "hidden by a test" });
        }
    }
    let evidence: Evidence = serde_json::from_value(evidence).unwrap();
    let report = serde_json::to_value(meshcheck_suites::judge(&evidence, &[])).unwrap();
    let found = verdicts(&report).into_iter().filter(|(_, it)| *it != "pass");
    found.map(|(id, _)| id.to_owned()).collect()
}

fn each_fails_once(sandbox: &Sandbox) -> Outcome {
    let whole = Run::of(sandbox, "1", None);
    let mut all = Vec::new();
    places(&whole.evidence, "", &mut all);
    let jobs: Vec<_> = whole
        .requests
        .iter()
        .flat_map(|request| {
            ANSWERS.iter().chain(&FAILURES).map(move |way| (request.as_str(), *way))
        })
        .collect();
    let (next, runs) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some((request, way)) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let run = Run::of(&Sandbox::new(), DIVISOR, Some((request, *way)));
                    runs.lock().unwrap().insert((*request, way.name()), run);
                }
            });
        }
    });
    let runs = runs.into_inner().unwrap();
    let before = verdicts(&whole.report);
    // By right, the observations that are not made without it.
    let mut depend: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut table, mut wrong) = (Vec::new(), Vec::new());
    for request in &whole.requests {
        let of = |way: &Way| &runs[&(request.as_str(), way.name())];
        let hidden: BTreeSet<String> = FAILURES
            .iter()
            .filter(|way| **way != Way::Endless && of(way).evidence.is_object())
            .flat_map(|way| changed(of(way), &all, &whole.evidence))
            .filter(|(_, now)| !is_late(*now))
            .map(|(place, _)| place.to_owned())
            .collect();
        let mut needed = depending(&whole.evidence, &hidden);
        needed.retain(|id| before[id.as_str()] == "pass");
        for right in RIGHTS.iter().filter(|right| is_for(right, request)) {
            depend.entry(right.to_string()).or_default().extend(hidden.clone());
        }
        for way in ANSWERS.iter().chain(&FAILURES) {
            let run = of(way);
            let (line, faults) = judged(run, *way, (&whole, &all), (&hidden, &needed));
            let now = verdicts(&run.report).into_iter();
            let changes: BTreeMap<_, _> =
                now.filter(|(id, now)| before.get(id) != Some(now)).collect();
            table.push(json!({
                "request": request, "way": way.name(), "exit": run.outcome.exit, "changes": changes,
                "line": line, "wrong": faults,
            }));
            wrong.extend(faults.into_iter().map(|it| format!("{request} · {}: {it}", way.name())));
        }
    }
    // The table of rights says the same.
    for right in RIGHTS.iter().filter(|right| right.needed_for == For::Check) {
        let hidden = depend.remove(&right.to_string()).unwrap_or_default();
        let found = depending(&whole.evidence, &hidden);
        for id in right.claims().filter(|id| before[*id] == "pass" && !found.contains(*id)) {
            wrong.push(format!(
                "{id} needs `{right}`, and passes where all requests for it are broken"
            ));
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/xtask/requests.json");
    std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    std::fs::write(
        path,
        format!("{:#}\n", json!({ "tried": table.len(), "wrong": wrong.len(), "runs": table })),
    )
    .unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} runs are wrong:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
    whole.outcome
}

/// What is wrong with a run, and the line that says what could not be read.
fn judged(
    run: &Run,
    way: Way,
    (whole, places): (&Run, &[String]),
    (hidden, needed): (&BTreeSet<String>, &BTreeSet<String>),
) -> (Option<String>, Vec<String>) {
    let mut wrong = Vec::new();
    if !run.evidence.is_object() {
        // The first request failed.
        let line = run.outcome.stderr.lines().find(|line| line.starts_with("error: "));
        if !matches!(run.outcome.exit, Some(2 | 3)) || line.is_none() {
            wrong.push(format!("exit {:?} without evidence", run.outcome.exit));
        }
        return (line.map(str::to_owned), wrong);
    }
    let before = verdicts(&whole.report);
    let is_answer = ANSWERS.contains(&way);
    for (id, now) in verdicts(&run.report) {
        let was = before[id];
        if was == "pass" && now == "pass" && needed.contains(id) && !is_answer {
            wrong.push(format!("{id} passes, and depends on it"));
        }
        if now != was && now != "unjudged" && !is_answer {
            wrong.push(format!("{id}: {was}, then {now}"));
        }
    }
    if is_answer {
        let mut changed = changed(run, places, &whole.evidence);
        changed.retain(|(_, now)| !is_late(*now));
        let mut states = changed.iter().filter_map(|(_, now)| now.map(|now| &now["state"]));
        if !changed.is_empty() && states.all(|state| state == "failed") {
            wrong.push(format!("an answer is taken for a failure: {changed:?}"));
        }
        return (None, wrong);
    }
    let mut reasons = Vec::new();
    for (place, now) in changed(run, places, &whole.evidence) {
        match now {
            Some(now) if now["state"] == "failed" => {
                let reason = now["reason"].as_str().filter(|_| hidden.contains(place));
                reasons.extend(reason.map(|reason| (place, reason)));
            }
            // No server is asked, but a port of this machine: where it is busy, in vain.
            Some(_) if place == "/kiali/machine" && is_late(now) => {}
            Some(now) => wrong.push(format!("{place} is {}: {now}", now["state"])),
            // What it stood in is not known either.
            None => {}
        }
    }
    // Where no claim depends on it, the evidence says it.
    let is_needed = !needed.is_empty();
    if run.outcome.exit != Some(3) && (is_needed || run.outcome.exit != Some(0)) {
        wrong.push(format!("exit {:?}", run.outcome.exit));
    }
    let line = match reasons.first() {
        Some((place, reason)) if !is_needed => Some(format!("{place}: {reason}")),
        _ => run.line(&reasons),
    };
    if line.is_none() {
        wrong.push(format!("no line says what could not be read: {reasons:?}"));
    }
    (line, wrong)
}

/// Whether an observation took too long: a busy machine may be why.
fn is_late(now: Option<&Value>) -> bool {
    now.and_then(|now| now["reason"].as_str()).is_some_and(|it| it.contains("no answer within"))
}

/// Whether a right is needed for a request.
fn is_for(right: &Right, request: &str) -> bool {
    let (method, target) = request.split_once(' ').unwrap();
    let path: Vec<_> = target.split('?').next().unwrap().split('/').skip(1).collect();
    let (group, rest) = match path[..] {
        ["api", _, ref rest @ ..] => ("", rest),
        ["apis", group, _, ref rest @ ..] => (group, rest),
        _ => return false,
    };
    let (namespace, resource) = match rest {
        ["namespaces", namespace, kind] => (Some(*namespace), (*kind).to_owned()),
        ["namespaces", namespace, kind, _, part] => (Some(*namespace), format!("{kind}/{part}")),
        [kind] => (None, (*kind).to_owned()),
        _ => return false,
    };
    let place = right.place.namespace("client", "istio-system");
    let verb = if method == "GET" { "list" } else { "create" };
    (right.group, right.resource) == (group, &resource)
        && (place.is_none() || place == namespace)
        && (resource.contains('/') || right.verb == verb)
}
