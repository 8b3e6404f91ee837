//! Tests that hide observations, each in turn: a check that needs a failed observation neither passes nor fails.

use std::collections::BTreeSet;

use rstest::rstest;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::super::evidence::PreflightEvidence;
use super::super::{CHECKS, Check};
use super::ready::{cluster_ready, machine_ready};
use crate::judgement::{Judgement, Verdict};
use crate::testing::{find_firmer, is_observation, places};

/// Checks that pass although an observation failed, and why.
const HOLD_WITHOUT: [(&str, &str, &str); 2] = [
    (
        "machine::kernel_redirects",
        "/machine/kernel/value/tries",
        "where the rules cannot be tried, the kernel modules decide",
    ),
    (
        "cluster::load_balancer",
        "/cluster/seen/cluster/load_balancer_probe",
        "MetalLB runs and has a pool with free addresses",
    ),
];

fn documents() -> [Value; 2] {
    [machine_ready(), cluster_ready()].map(|it| serde_json::to_value(it).unwrap())
}

fn judged(document: &Value) -> Vec<Judgement> {
    let evidence: PreflightEvidence = serde_json::from_value(document.clone()).unwrap();
    CHECKS.iter().map(|check| check.judge(&evidence)).collect()
}

fn hide(document: &mut Value, place: &str, state: &str) {
    if let Some(there) = document.pointer_mut(place) {
        *there = json!({"state": state, "reason": "hidden by a test"});
    }
}

#[test]
fn failed_observation_fails_no_check_and_gives_its_reason() {
    let mut hold = BTreeSet::new();
    for document in documents() {
        let before = judged(&document);
        for place in places(&document, is_observation) {
            let mut hidden = document.clone();
            hide(&mut hidden, &place, "failed");
            for ((check, before), after) in CHECKS.iter().zip(&before).zip(judged(&hidden)) {
                let id = check.id;
                assert_ne!(after.verdict, Verdict::Fail, "{place}: {id}: {after:#?}");
                if after == *before {
                    continue;
                }
                match after.verdict {
                    Verdict::Pass => {
                        hold.insert((id, place.clone()));
                    }
                    _ => assert!(
                        after.summary.contains("hidden by a test"),
                        "{place}: {id}: {after:#?}"
                    ),
                }
            }
        }
    }
    let listed: BTreeSet<_> =
        HOLD_WITHOUT.iter().map(|(id, place, _)| (*id, (*place).to_owned())).collect();
    assert_eq!(hold, listed);
}

/// Checks that pass although an observation is absent, and why.
const HOLD_WITHOUT_IT: [(&str, &str, &str); 9] = [
    ("machine::kernel_redirects", "/machine/engine", "no containers run on another kernel"),
    ("machine::disk", "/machine/engine_disk", "the engine and its disk are on another machine"),
    ("machine::network_kind", "/machine/network", "kind creates it with its first cluster"),
    (
        "cluster::dns_on_pod_network",
        "/cluster/seen/cluster/calico_pools",
        "without Calico the nodes name the pod network",
    ),
    (
        "cluster::dns_on_pod_network",
        "/cluster/seen/install/pods",
        "before the install there are none",
    ),
    ("cluster::dns_on_pod_network", "/cluster/seen/demo/pods", "before the demo there are none"),
    ("cluster::nodes_ready", "/cluster/seen/install/pods", "before the install there are none"),
    ("cluster::nodes_ready", "/cluster/seen/demo/pods", "before the demo there are none"),
    (
        "cluster::no_earlier_istio",
        "/cluster/istio_objects",
        "without Istio's CRDs there are no objects of them",
    ),
];

#[test]
fn absent_observation_passes_only_listed_checks() {
    let mut hold = BTreeSet::new();
    for document in documents() {
        let before = judged(&document);
        for place in places(&document, is_observation) {
            let with = |state: &str| {
                let mut hidden = document.clone();
                hide(&mut hidden, &place, state);
                judged(&hidden)
            };
            for (((check, before), failed), absent) in
                CHECKS.iter().zip(&before).zip(with("failed")).zip(with("absent"))
            {
                let depends = failed != *before && failed.verdict != Verdict::Pass;
                if depends && absent.verdict == Verdict::Pass {
                    hold.insert((check.id, place.clone()));
                }
            }
        }
    }
    let listed: BTreeSet<_> =
        HOLD_WITHOUT_IT.iter().map(|(id, place, _)| (*id, (*place).to_owned())).collect();
    assert_eq!(hold, listed);
}

#[test]
fn no_check_passes_where_all_observations_failed() {
    for mut document in documents() {
        for place in places(&document, is_observation) {
            hide(&mut document, &place, "failed");
        }
        for (check, judgement) in CHECKS.iter().zip(judged(&document)) {
            assert!(
                matches!(judgement.verdict, Verdict::Unjudged | Verdict::Skipped),
                "{}: {judgement:#?}",
                check.id
            );
        }
    }
}

/// Hiding an observation leaves each verdict or makes it unjudged.
#[rstest]
#[case::failed("failed")]
#[case::not_asked("not_asked")]
fn hidden_observation_makes_no_verdict_firmer(#[case] state: &str) {
    let mut firmer = find_firmer(state, |check: &Check, _, document, _| {
        check.judge(&PreflightEvidence::deserialize(document).unwrap())
    });
    firmer.retain(|it| {
        let is_listed =
            HOLD_WITHOUT.iter().any(|listed| (listed.0, listed.1) == (it.id, &it.place));
        it.after.verdict != Verdict::Pass || !is_listed
    });
    assert!(firmer.is_empty(), "{firmer:#?}");
}
