//! What the judges' tests start from.

mod changes;
pub(crate) mod text;

pub(crate) use changes::*;

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use serde::Serialize;
use serde_json::{Value, json};

use crate::entry::{Entry, Section, Subject};
use crate::evidence::Evidence;
use crate::judge;
use crate::judgement::{Judgement, TextChange, Verdict};
use crate::steps::{Impact, Purpose};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures");

/// Evidence of a healthy mesh, to be broken by a test.
pub(crate) fn healthy() -> Evidence {
    static HEALTHY: LazyLock<Evidence> =
        LazyLock::new(|| serde_json::from_value(recorded()).expect("the recorded evidence parses"));
    HEALTHY.clone()
}

/// The same as JSON, for tests that go through all of it.
pub(crate) fn recorded() -> Value {
    serde_json::from_str(include_str!("../../fixtures/evidence/lab.json"))
        .expect("the recorded evidence is JSON")
}

/// One change to healthy evidence, and the verdict of an entry on it.
#[derive(Debug)]
pub(crate) struct Case<E> {
    pub(crate) name: &'static str,
    pub(crate) change: fn(&mut E),
    pub(crate) verdict: Verdict,
}

impl<E: Subject> Case<E> {
    /// Healthy evidence with the change.
    pub(crate) fn evidence(&self, entry: &Entry<E>) -> E {
        let mut evidence = E::healthy(entry.needs);
        (self.change)(&mut evidence);
        evidence
    }
}

/// Judges an entry on each of its cases: the verdict is the one in the row, the whole message the one in the
/// `.snap` file beside the entry's file.
pub(crate) fn assert_cases<E: Subject>(entry: &Entry<E>) {
    let mut messages = String::new();
    for case in entry.cases {
        let evidence = case.evidence(entry);
        let report = judge(&evidence, &[]);
        let row = report.claims.iter().find(|row| row.id == entry.id).expect("it is judged");
        let judgement = entry.judge(&evidence);
        assert_eq!(judgement.verdict, case.verdict, "{}: {judgement:#?}", case.name);
        assert_complete(&judgement, &report.cluster.context);
        if Section::ALL.contains(&entry.section()) {
            assert_object(&judgement);
        }
        let caused_by = row.because.as_deref();
        let _ = write!(messages, "── {} ──\n{}", case.name, message(&judgement, caused_by));
        if let Some(cause) = report.causes.iter().find(|it| it.claim == entry.id) {
            let explained = cause.explains.join(", ");
            let explained = if explained.is_empty() { "nothing" } else { &explained };
            let _ = writeln!(messages, "  explains: {explained}");
        }
        messages.push('\n');
    }
    // Commands as of a cluster whose context is the caller's own: the messages stay short.
    let recorded = healthy().subject;
    let kubeconfig = format!(" --kubeconfig {}", recorded.kubeconfig.unwrap_or_default());
    let messages = messages.replace(&kubeconfig, "").replace(&recorded.context, "vm7");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(entry.page.file);
    crate::golden::assert_file(&file.with_extension("snap"), &messages, "claims");
}

/// What the object of a failure begins with: a kind of Kubernetes' own, a program, or words for many of them.
const KINDS: [&str; 12] = [
    "pod",
    "pods",
    "service",
    "deployment",
    "node",
    "namespace",
    "webhook",
    "istiod",
    "istioctl",
    "the",
    "a",
    "Istio's",
];

/// Judges a claim on changed evidence: the verdict must be this one, and a failure must be complete.
pub(crate) fn prove(id: &str, change: fn(&mut Evidence), verdict: Verdict) -> Judgement {
    let mut evidence = healthy();
    change(&mut evidence);
    let judgement = judgement(&evidence, id);
    assert_eq!(judgement.verdict, verdict, "{judgement:#?}");
    assert_complete(&judgement, &evidence.subject.context);
    judgement
}

/// Whether a failure says everything that a failure has to say: what was expected and observed, of which
/// object, and a command on this cluster.
fn assert_complete(judgement: &Judgement, context: &str) {
    if judgement.verdict != Verdict::Fail {
        return;
    }
    for part in [&judgement.expected, &judgement.observed, &judgement.object] {
        assert!(part.as_ref().is_some_and(|part| !part.trim().is_empty()), "{judgement:#?}");
    }
    let hint = judgement.hint().unwrap_or_default();
    let command = crate::hint::commands(&hint).into_iter().next().unwrap_or_default();
    assert!(!command.is_empty(), "a step has a command: {judgement:#?}");
    let on_a_cluster = command.starts_with("kubectl") || command.starts_with("istioctl");
    assert!(
        !on_a_cluster
            || command.starts_with("istioctl version --remote=false")
            || command.contains(&format!("--context {context}")),
        "the command names the cluster: {command}"
    );
}

/// Whether the object of a failure begins with its kind.
fn assert_object(judgement: &Judgement) {
    if let Some(object) = judgement.object.as_ref().filter(|_| judgement.verdict == Verdict::Fail) {
        let kind = object.split(' ').next().unwrap_or_default();
        assert!(KINDS.contains(&kind), "`{object}` does not begin with what it is");
    }
}

/// Every claim with each of its cases.
pub(crate) fn claim_cases() -> Vec<(&'static Entry<Evidence>, &'static Case<Evidence>)> {
    let claims = Evidence::entries().iter();
    claims.flat_map(|claim| claim.cases.iter().map(move |case| (*claim, case))).collect()
}

/// Everything that a judgement says, as the expected messages hold it.
fn message(judgement: &Judgement, caused_by: Option<&str>) -> String {
    let mut text = format!("{}: {}\n", judgement.verdict, judgement.summary);
    let Judgement { object, expected, observed, caveat, .. } = judgement;
    let parts = [
        ("object", object),
        ("expected", expected),
        ("observed", observed),
        ("not proven", caveat),
    ];
    for (label, value) in parts {
        if let Some(value) = value {
            let _ = writeln!(text, "  {label}: {value}");
        }
    }
    if let Some(change) = &judgement.change {
        let TextChange { id, sentence, now, since, why, source, restore } = &**change;
        let since = since.as_deref().unwrap_or("none");
        let _ = writeln!(text, "  change: {id}, since {since}");
        let _ = writeln!(text, "    the tutorial says: {sentence}\n    now: {now}");
        let _ = writeln!(text, "    why: {why}\n    source: {source}");
        let _ = writeln!(text, "    restore: {}", restore.as_deref().unwrap_or("nothing"));
    }
    if let Some(cause) = caused_by {
        let _ = writeln!(text, "  caused by: {cause}");
    }
    for step in &judgement.steps {
        let purpose = match step.purpose {
            Purpose::Fix => "fix",
            Purpose::Inspect => "inspect",
        };
        let impact = match step.impact {
            Impact::Reads => "reads",
            Impact::RestartsPods => "restarts pods",
            Impact::Changes => "changes",
            Impact::Deletes => "deletes",
        };
        let _ = match &step.command {
            Some(command) => writeln!(text, "  {purpose} ({impact}): {}\n    {command}", step.text),
            None => writeln!(text, "  {purpose}: {}", step.text),
        };
    }
    text
}

/// The names of the recorded faults: folders of `fixtures/faults`.
pub(crate) fn recorded_faults() -> Vec<String> {
    names("faults")
}

/// The evidence of a recorded fault.
pub(crate) fn recorded_fault(name: &str) -> Evidence {
    evidence("faults", name)
}

/// The names of the situations of other people: folders of `fixtures/cases`.
pub(crate) fn recorded_cases() -> Vec<String> {
    names("cases")
}

/// The evidence of such a situation.
pub(crate) fn recorded_case(name: &str) -> Evidence {
    evidence("cases", name)
}

fn names(set: &str) -> Vec<String> {
    let folders = std::fs::read_dir(format!("{FIXTURES}/{set}")).expect("they are recorded");
    let name = |folder: std::fs::DirEntry| folder.file_name().into_string().ok();
    folders.filter_map(|folder| name(folder.ok()?)).collect()
}

fn evidence(set: &str, name: &str) -> Evidence {
    let file = File::open(format!("{FIXTURES}/{set}/{name}/evidence.json.gz")).expect(name);
    let text = std::io::read_to_string(GzDecoder::new(file)).expect(name);
    serde_json::from_str(&text).expect(name)
}

/// The verdict of one claim.
pub(crate) fn judgement(evidence: &Evidence, id: &str) -> Judgement {
    let claims = Evidence::entries();
    claims.iter().find(|claim| claim.id == id).expect("the claim is in the table").judge(evidence)
}

/// The places of everything in a document that this tells of, as JSON pointers.
pub(crate) fn places(document: &Value, wanted: impl Fn(&Value) -> bool + Copy) -> Vec<String> {
    let mut found = Vec::new();
    crate::json::visit(document, &mut |pointer, value| {
        if wanted(value) {
            found.push(pointer.to_owned());
        }
    });
    found
}

/// Whether a JSON value is an [`crate::evidence::Observation`].
pub(crate) fn is_observation(value: &Value) -> bool {
    let Some(fields) = value.as_object().filter(|fields| fields.len() == 2) else { return false };
    match fields.get("state").and_then(Value::as_str) {
        Some("seen") => fields.contains_key("value"),
        Some("absent" | "failed" | "not_asked") => fields.contains_key("reason"),
        _ => false,
    }
}

/// A verdict that is firmer without an observation than with it: less evidence must not prove more.
#[derive(Debug)]
pub(crate) struct Firmer {
    pub(crate) id: &'static str,
    #[expect(dead_code, reason = "a failing test prints it")]
    pub(crate) case: &'static str,
    pub(crate) place: String,
    pub(crate) after: Judgement,
}

/// Judges each case of each entry without each of its observations, and returns the verdicts that get firmer: *pass*,
/// *fail* or *changed* where the whole evidence has another verdict. The closure judges a document in which the
/// observation at this place is hidden.
pub(crate) fn find_firmer<E: Subject + Serialize>(
    state: &str,
    judge: impl Fn(&Entry<E>, &mut E, &Value, &str) -> Judgement,
) -> Vec<Firmer> {
    let hidden = json!({"state": state, "reason": "hidden by a test"});
    let mut found = Vec::new();
    let cases = E::entries().iter().flat_map(|it| it.cases.iter().map(move |case| (*it, case)));
    for (entry, case) in cases {
        let mut evidence = case.evidence(entry);
        let mut document = serde_json::to_value(&evidence).expect("evidence is JSON");
        for place in places(&document, is_observation) {
            let at = |document: &mut Value, value| {
                let there = document.pointer_mut(&place).expect("it was found there");
                std::mem::replace(there, value)
            };
            let observed = at(&mut document, hidden.clone());
            let after = judge(entry, &mut evidence, &document, &place);
            at(&mut document, observed);
            let is_firm = !matches!(after.verdict, Verdict::Unjudged | Verdict::Skipped);
            if is_firm && after.verdict != case.verdict {
                found.push(Firmer { id: entry.id, case: case.name, place, after });
            }
        }
    }
    found
}
