//! Tests that hide each observation in turn: claims that need it are *unjudged*. None passes, and none fails for lack of it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rstest::rstest;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::claims::{CLAIMS, Claim};
use crate::evidence::Evidence;
use crate::judgement::{Judgement, Verdict};
use crate::testing::{find_firmer, is_observation, places, recorded};

/// Observations that no claim on a healthy mesh needs, and why.
const NOT_NEEDED: [(&str, &str); 9] = [
    (
        "/install/mesh_pods",
        "other namespaces matter where an object is missing in the expected one",
    ),
    ("/cluster/gateway_events", "the gateway has an address: events do not matter"),
    ("/cluster/load_balancer_probe", "the gateway has an address: no free address is needed"),
    ("/cluster/network_pods", "DNS is ready: it waits for no other pod"),
    ("/cluster/requested", "all pods of the mesh are scheduled: free resources do not matter"),
    ("/ingress/way", "the address answers: the connection works"),
    ("/demo/settling", "it adds text to failures, and decides nothing"),
    ("/mesh/certificate_ends", "they name the proxy whose certificate has expired"),
    (
        "/mesh/resources",
        "they name the policy that denies requests, or the resource that hides a service",
    ),
];

/// Observations without which a claim passes, and the text of that pass.
const NAMED_IN_THE_PASS: [(&str, &str); 1] =
    [("/kiali/machine", "port 30001 of the machine was not tested")];

fn judge(document: &Value) -> Vec<Judgement> {
    let evidence: Evidence = serde_json::from_value(document.clone())
        .expect("evidence with a hidden observation is valid");
    CLAIMS.iter().map(|claim| claim.judge(&evidence)).collect()
}

fn observations() -> Vec<String> {
    places(&recorded(), is_observation)
}

/// The maps by pod: their entries are not fields that an older file could lack.
const MAPS: [&str; 3] = ["/mesh/init_logs", "/mesh/live_rules", "/mesh/live_rules_v6"];

fn hide(document: &mut Value, place: &str, state: &str) {
    if state == "missing" {
        let (parent, field) = place.rsplit_once('/').expect("an observation is in a section");
        if let Some(Value::Object(fields)) = document.pointer_mut(parent)
            && !MAPS.contains(&parent)
        {
            fields.remove(field);
        }
        return;
    }
    // An observation inside of a hidden one is gone already.
    if let Some(there) = document.pointer_mut(place) {
        *there = json!({"state": state, "reason": "hidden by a test"});
    }
}

/// Returns the claims whose judgement changes where this observation is in this state.
fn changed(place: &str, state: &str) -> Vec<(&'static str, Judgement)> {
    static BEFORE: LazyLock<Vec<Judgement>> = LazyLock::new(|| judge(&recorded()));
    let mut document = recorded();
    hide(&mut document, place, state);
    let after = CLAIMS.iter().map(|claim| claim.id).zip(judge(&document));
    after.zip(&*BEFORE).filter(|((_, after), before)| after != *before).map(|(it, _)| it).collect()
}

#[test]
fn every_observation_is_found() {
    // Those of the sections, and those inside of others: versions of istiod, counters, the route.
    let found = observations();
    let text = recorded().to_string();
    let written = ["seen", "absent", "failed", "not_asked"]
        .map(|state| text.matches(&format!("\"state\":\"{state}\"")).count());
    assert_eq!(found.len(), written.iter().sum::<usize>());
    assert!(found.len() > 40, "{found:?}");
}

/// An observation that failed, and a field that an older file lacks.
#[rstest]
#[case::failed("failed", "hidden by a test")]
#[case::missing("missing", "not recorded in this evidence")]
fn failed_or_missing_observation_makes_claims_unjudged_and_changes_nothing_else(
    #[case] state: &str,
    #[case] why: &str,
) {
    let mut without_effect = BTreeSet::new();
    let in_map = |place: &str| MAPS.iter().any(|map| place.starts_with(map));
    for place in observations().into_iter().filter(|it| state == "failed" || !in_map(it)) {
        let changed = changed(&place, state);
        let named = NAMED_IN_THE_PASS.iter().find(|(named, _)| *named == place);
        for (id, judgement) in &changed {
            if let Some((_, words)) = named {
                assert!(judgement.summary.contains(words), "{place}: {id}: {judgement:#?}");
                continue;
            }
            if can_hold_unproven(id, &place) && judgement.verdict == Verdict::Pass {
                continue;
            }
            assert_eq!(judgement.verdict, Verdict::Unjudged, "{place}: {id}: {judgement:#?}");
            assert!(judgement.summary.contains(why), "{place}: {id}: {judgement:#?}");
        }
        if changed.is_empty() {
            without_effect.insert(place);
        }
    }
    let listed = NOT_NEEDED.map(|(place, _)| place.to_owned());
    assert_eq!(without_effect, BTreeSet::from(listed));
}

/// Whether a claim lists an observation that it does not need when it is not requested.
fn can_hold_unproven(id: &str, place: &str) -> bool {
    listed(|claim| claim.holds_unasked)
        .iter()
        .any(|(claim, listed)| *claim == id && listed == place)
}

/// Returns the claims that depend on an observation and pass with it in this state.
fn hold_without(state: &str) -> BTreeSet<(&'static str, String)> {
    let mut hold = BTreeSet::new();
    for place in observations() {
        let after = {
            let mut document = recorded();
            hide(&mut document, &place, state);
            judge(&document)
        };
        let depends = changed(&place, "failed");
        for (claim, judgement) in CLAIMS.iter().zip(after) {
            let id = claim.id;
            match judgement.verdict {
                Verdict::Pass if depends.iter().any(|(other, _)| *other == id) => {
                    hold.insert((id, place.clone()));
                }
                Verdict::Pass | Verdict::Unjudged => {}
                Verdict::Fail if state == "absent" => {}
                Verdict::Skipped if state == "not_asked" => {}
                _ => panic!("{place} {state}: {id}: {judgement:#?}"),
            }
        }
    }
    hold
}

/// Returns the exceptions that the claims list themselves.
fn listed(
    exceptions: fn(&Claim) -> &'static [(&'static str, &'static str)],
) -> BTreeSet<(&'static str, String)> {
    let all = CLAIMS.iter().flat_map(|claim| exceptions(claim).iter().map(|it| (claim.id, it.0)));
    all.map(|(id, place)| (id, place.to_owned())).collect()
}

#[test]
fn absent_observation_passes_only_listed_claims() {
    assert_eq!(hold_without("absent"), listed(|claim| claim.holds_without));
}

#[test]
fn unrequested_observation_passes_only_listed_claims() {
    assert_eq!(hold_without("not_asked"), listed(|claim| claim.holds_unasked));
}

/// Judges with all observations in this state.
fn all(state: &str) -> Vec<(&'static str, Verdict)> {
    let mut document = recorded();
    for place in observations() {
        hide(&mut document, &place, state);
    }
    let judged = judge(&document);
    CLAIMS.iter().zip(judged).map(|(claim, judgement)| (claim.id, judgement.verdict)).collect()
}

#[test]
fn claims_are_unjudged_where_all_observations_failed() {
    for (id, verdict) in all("failed") {
        assert_eq!(verdict, Verdict::Unjudged, "{id}");
    }
}

#[test]
fn no_claim_passes_where_all_observations_are_absent() {
    for (id, verdict) in all("absent") {
        // Without services it is unknown whether an address is free.
        let unknown = id == "prepare::load_balancer_address_free";
        assert_eq!(verdict, if unknown { Verdict::Unjudged } else { Verdict::Fail }, "{id}");
    }
}

#[test]
fn claims_are_skipped_or_unjudged_where_nothing_was_requested() {
    for (id, verdict) in all("not_asked") {
        assert!(matches!(verdict, Verdict::Skipped | Verdict::Unjudged), "{id} is {verdict}");
    }
}

/// Judges a document that differs from the evidence in the section of a hidden observation. Only this section is read
/// again.
fn judge_hidden(
    claim: &Claim,
    evidence: &mut Evidence,
    document: &Value,
    place: &str,
) -> Judgement {
    let section = place.split('/').nth(1).expect("an observation is in a section");
    let part = &document[section];
    match section {
        "cluster" => judge_with(claim, evidence, |it| &mut it.cluster, part),
        "install" => judge_with(claim, evidence, |it| &mut it.install, part),
        "demo" => judge_with(claim, evidence, |it| &mut it.demo, part),
        "mesh" => judge_with(claim, evidence, |it| &mut it.mesh, part),
        "ingress" => judge_with(claim, evidence, |it| &mut it.ingress, part),
        _ => judge_with(claim, evidence, |it| &mut it.kiali, part),
    }
}

/// Judges with this section in place of the recorded one.
fn judge_with<S: DeserializeOwned>(
    claim: &Claim,
    evidence: &mut Evidence,
    section: fn(&mut Evidence) -> &mut S,
    part: &Value,
) -> Judgement {
    let hidden = S::deserialize(part).expect("a section without an observation is valid");
    let recorded = std::mem::replace(section(evidence), hidden);
    let judgement = claim.judge(evidence);
    *section(evidence) = recorded;
    judgement
}

/// Observations without which a verdict gets firmer, and why.
const FIRMER_WITHOUT: [(&str, &str, &str); 6] = [
    (
        "prepare::load_balancer_address_free",
        "/cluster/load_balancer_probe",
        "the gateway itself gets no address",
    ),
    (
        "prepare::no_competing_load_balancer",
        "/cluster/load_balancer_probe",
        "the gateway itself gets no address",
    ),
    ("mesh::pods_ready", "/demo/client_logs", "the clock of the collecting machine remains"),
    (
        "ingress::address_answers",
        "/ingress/route",
        "the counters and port 15021 remain; without the counters the pass says what is not proven",
    ),
    ("ingress::address_answers", "/ingress/route/value/routed", "as without the whole route"),
    ("kiali::running", "/kiali/root", "a closed port and a forbidden port-forward look the same"),
];

/// The same where they were not requested.
const FIRMER_UNASKED: [(&str, &str, &str); 1] = [(
    "prepare::dns_on_pod_network",
    "/demo/asked",
    "a preflight sends no request: the missing pods decide",
)];

/// Hiding an observation leaves each verdict or makes it unjudged, except where the claim lists it or says what is not
/// proven.
#[rstest]
#[case::failed("failed", &[])]
#[case::not_asked("not_asked", &FIRMER_UNASKED)]
fn hidden_observation_makes_no_verdict_firmer(
    #[case] state: &str,
    #[case] further: &[(&str, &str, &str)],
) {
    let mut firmer = find_firmer(state, judge_hidden);
    firmer.retain(|it| {
        let summary = &it.after.summary;
        let is_named = NAMED_IN_THE_PASS
            .iter()
            .any(|(place, words)| *place == it.place && summary.contains(words));
        let is_unproven = can_hold_unproven(it.id, &it.place)
            && (state == "not_asked" || summary.contains("not proven"));
        it.after.verdict != Verdict::Pass || !(is_named || is_unproven)
    });
    let found: BTreeSet<_> = firmer.iter().map(|it| (it.id, it.place.as_str())).collect();
    let listed = FIRMER_WITHOUT.iter().chain(further).map(|(id, place, _)| (*id, *place));
    assert_eq!(found, listed.collect(), "{firmer:#?}");
}
