//! Tests that hide parts of the evidence, each in turn: what was not seen is *unjudged*, and never
//! makes anything green.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use crate::claims::{CLAIMS, Claim};
use crate::evidence::Evidence;
use crate::judgement::{Judgement, Verdict};
use crate::testing::claim_cases;
use crate::testing::{is_observation, places, recorded};

/// What no claim on a healthy mesh depends on, and why.
const NOT_NEEDED: [(&str, &str); 9] = [
    (
        "/install/mesh_pods",
        "what is in other namespaces matters where something is missing in the expected one",
    ),
    ("/cluster/gateway_events", "the gateway holds an address: nobody asks why it is pending"),
    ("/cluster/load_balancer_probe", "the gateway holds an address: whether one is free is known"),
    ("/cluster/network_pods", "DNS is ready: nobody asks what it waits for"),
    ("/cluster/requested", "all of the mesh has its place: nobody asks for room"),
    ("/ingress/way", "the address answers: there is a way to it"),
    ("/demo/settling", "it adds words to what is wrong, and decides nothing"),
    ("/mesh/certificate_ends", "they name the proxy whose certificate has expired"),
    ("/mesh/resources", "they name the policy that denies, or the resource that hides a service"),
];

/// What a claim passes without, and says so.
const NAMED_IN_THE_PASS: [(&str, &str); 1] =
    [("/kiali/machine", "port 30001 of the machine was not asked")];

fn judge(document: &Value) -> Vec<Judgement> {
    let evidence: Evidence =
        serde_json::from_value(document.clone()).expect("what is hidden leaves evidence");
    CLAIMS.iter().map(|claim| claim.judge(&evidence)).collect()
}

fn observations() -> Vec<String> {
    places(&recorded(), is_observation)
}

/// The maps by pod: what is in them is no field that an older file could lack.
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
    // What is inside of something hidden is hidden already.
    if let Some(there) = document.pointer_mut(place) {
        *there = json!({"state": state, "reason": "hidden by a test"});
    }
}

/// What the claims say where this observation ended in this way: those that say something else
/// than before.
fn changed(place: &str, state: &str) -> Vec<(&'static str, Judgement)> {
    static BEFORE: LazyLock<Vec<Judgement>> = LazyLock::new(|| judge(&recorded()));
    let mut document = recorded();
    hide(&mut document, place, state);
    let after = CLAIMS.iter().map(|claim| claim.id).zip(judge(&document));
    after.zip(&*BEFORE).filter(|((_, after), before)| after != *before).map(|(it, _)| it).collect()
}

#[test]
fn every_observation_is_found() {
    // The sections' own, and those inside of others: istiod's words, the counters, the route.
    let found = observations();
    let text = recorded().to_string();
    let written = ["seen", "absent", "failed", "not_asked"]
        .map(|state| text.matches(&format!("\"state\":\"{state}\"")).count());
    assert_eq!(found.len(), written.iter().sum::<usize>());
    assert!(found.len() > 40, "{found:?}");
}

/// A look that failed, and a field that an older file lacks.
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

/// Whether a claim lists that it can do without an observation that nobody asked for.
fn can_hold_unproven(id: &str, place: &str) -> bool {
    listed(|claim| claim.holds_unasked)
        .iter()
        .any(|(claim, listed)| *claim == id && listed == place)
}

/// The claims that depend on each observation and hold without it, where it ended in this way.
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

/// The exceptions that the claims list themselves.
fn listed(
    exceptions: fn(&Claim) -> &'static [(&'static str, &'static str)],
) -> BTreeSet<(&'static str, String)> {
    let all = CLAIMS.iter().flat_map(|claim| exceptions(claim).iter().map(|it| (claim.id, it.0)));
    all.map(|(id, place)| (id, place.to_owned())).collect()
}

#[test]
fn what_is_not_there_leaves_nothing_green_that_depends_on_it() {
    assert_eq!(hold_without("absent"), listed(|claim| claim.holds_without));
}

#[test]
fn what_was_not_asked_for_is_skipped_or_unjudged_and_never_red() {
    assert_eq!(hold_without("not_asked"), listed(|claim| claim.holds_unasked));
}

/// Everything hidden in the same way.
fn all(state: &str) -> Vec<(&'static str, Verdict)> {
    let mut document = recorded();
    for place in observations() {
        hide(&mut document, &place, state);
    }
    let judged = judge(&document);
    CLAIMS.iter().zip(judged).map(|(claim, judgement)| (claim.id, judgement.verdict)).collect()
}

#[test]
fn where_every_look_failed_all_is_unjudged() {
    for (id, verdict) in all("failed") {
        assert_eq!(verdict, Verdict::Unjudged, "{id}");
    }
}

#[test]
fn where_nothing_is_there_nothing_holds() {
    for (id, verdict) in all("absent") {
        // Whether an address is free cannot be known from there being no services at all.
        let unknown = id == "prepare::load_balancer_address_free";
        assert_eq!(verdict, if unknown { Verdict::Unjudged } else { Verdict::Fail }, "{id}");
    }
}

#[test]
fn where_nothing_was_asked_for_nothing_is_judged() {
    for (id, verdict) in all("not_asked") {
        assert!(matches!(verdict, Verdict::Skipped | Verdict::Unjudged), "{id} is {verdict}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// What is wrong does not become right by looking away.
    #[test]
    fn hiding_never_turns_a_red_claim_green(
        case in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        state in prop::sample::select(vec!["failed", "not_asked", "missing"]),
    ) {
        let mut red = claim_cases();
        red.retain(|(_, case)| case.verdict == Verdict::Fail);
        let (claim, case) = case.get(&red);
        let evidence = case.evidence(claim);
        let mut document = serde_json::to_value(&evidence).expect("evidence is JSON");
        let places = places(&document, is_observation);
        let place = place.get(&places);
        hide(&mut document, place, state);
        let evidence = serde_json::from_value(document).expect("what is hidden leaves evidence");
        let judgement = claim.judge(&evidence);
        let is_unproven = can_hold_unproven(claim.id, place) && judgement.summary.contains("not proven");
        prop_assert!(
            judgement.verdict != Verdict::Pass || is_unproven,
            "{} {} without {place}: {judgement:#?}", claim.id, case.name
        );
    }
}
