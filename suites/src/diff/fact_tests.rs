//! What a comparison reads of recorded meshes: the facts of each kind, and all values that differ.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::another_cluster::{folder, record};
use super::kinds::{KINDS, Kind};
use super::{View, diff};
use crate::evidence::Evidence;

fn facts(evidence: &Evidence) -> Vec<String> {
    let of_kind = |kind: &Kind| match (kind.read)(evidence) {
        Some(facts) if facts.is_empty() => vec![format!("{}: none", kind.id)],
        Some(facts) => {
            facts.iter().map(|(it, value)| format!("{}: {it}: {value}", kind.id)).collect()
        }
        None => vec![format!("{}: not observed", kind.id)],
    };
    KINDS.iter().flat_map(of_kind).collect()
}

#[test]
fn services_of_the_mesh_and_the_demo_are_no_other_load_balancers() {
    let mut evidence = crate::testing::healthy();
    let services = evidence.cluster.load_balancer_services.value_mut().unwrap();
    let mut service = services[0].clone();
    for namespace in ["client", "edge", "kong"] {
        service.namespace = namespace.into();
        services.push(service.clone());
    }
    evidence.expectations.gateway_namespace = Some("edge".into());
    let facts = facts(&evidence);
    let found: Vec<_> = facts
        .iter()
        .filter_map(|it| it.strip_prefix("load-balancer-service: ")?.split_once(": "))
        .map(|(object, _)| object)
        .collect();
    assert_eq!(found, ["kong/istio-ingressgateway"]);
}

/// Each fact stands at the first record that has it.
#[test]
fn facts_of_recorded_meshes_are_in_the_snapshot() {
    let meshes = ["evidence/istio-1.20.3.json.gz", "evidence/lab-1.31-alpha-cni.json.gz"];
    let mut records: Vec<_> = meshes.map(str::to_owned).into();
    records.extend(["variations", "faults", "cases"].into_iter().flat_map(folder));
    let (mut text, mut seen) = (String::new(), BTreeSet::new());
    for name in records {
        let _ = writeln!(text, "── {name} ──");
        for fact in facts(&record(&name)) {
            if seen.insert(fact.clone()) {
                let _ = writeln!(text, "{fact}");
            }
        }
    }
    insta::assert_snapshot!("facts", text);
}

#[test]
fn all_values_that_differ_are_named() {
    let mut text = String::new();
    for (old, new) in [
        ("evidence/lab.json", "evidence/lab-1.22-alpha-native-sidecars.json.gz"),
        ("evidence/lab.json", "faults/kiali-scaled-to-zero/evidence.json.gz"),
        ("variations/dual-stack/evidence.json.gz", "evidence/lab.json"),
    ] {
        let diff = diff(&record(old), &record(new), View::All);
        let _ = writeln!(text, "── {old} and {new} ──");
        let _ = writeln!(text, "{:?}\n{:?}\n{:?}", diff.compared, diff.old, diff.new);
        for it in &diff.not_compared {
            let _ = writeln!(text, "not compared {}: {:?}, {:?}", it.what, it.old, it.new);
        }
        for it in &diff.differences {
            let _ = writeln!(text, "{} {}: {}", it.id, it.object, it.summary);
        }
        for it in &diff.noise {
            let _ = writeln!(text, "noise {} {}", it.id, it.count);
        }
    }
    insta::assert_snapshot!("values", text);
}
