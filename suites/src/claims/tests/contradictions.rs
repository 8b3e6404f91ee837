//! Tests on observations that contradict each other: the headline of a claim names both.

use crate::claims::prepare::addresses::changes::{kong, pending, tried, used_up};
use crate::claims::prepare::addresses::find_free_address;
use crate::evidence::{Evidence, Observation};
use crate::facts::gateway::{
    find_routed_reply, has_counted_requests, has_ready_endpoint, is_strangers_health,
};
use crate::judge;
use crate::testing::{
    claim_cases, healthy, of, recorded_case, recorded_cases, recorded_fault, recorded_faults,
};

/// Two observations that contradict each other.
struct Pair {
    name: &'static str,
    /// Sets both in healthy evidence.
    change: fn(&mut Evidence),
    /// Whether evidence has both.
    contradicts: fn(&Evidence) -> bool,
    /// The claim whose headline names both, and the text of the headline.
    claim: &'static str,
    says: &'static str,
}

/// Whether the health check got 200.
fn is_healthy(evidence: &Evidence) -> bool {
    evidence.ingress.health.value().is_some_and(|health| health.status == 200)
}

/// Whether a gateway answered the health check, of this mesh or another.
fn is_answered_by_a_gateway(evidence: &Evidence) -> bool {
    is_healthy(evidence) && !evidence.ingress.health.value().is_some_and(is_strangers_health)
}

const PAIRS: &[Pair] = &[
    Pair {
        name: "test route answers, health check does not",
        change: |it| {
            it.ingress.health = Observation::absent("nothing answers: no answer within 2 s");
        },
        contradicts: |it| it.ingress.health.is_absent() && find_routed_reply(it).is_some(),
        claim: "ingress::address_answers",
        says: "port 15021 does not answer",
    },
    Pair {
        name: "health check answers, test route does not",
        change: |it| {
            of(&mut it.ingress.route).routed = Observation::absent("nothing answers: refused");
        },
        contradicts: |it| {
            let route = it.ingress.route.value();
            is_healthy(it) && route.is_some_and(|route| route.routed.is_absent())
        },
        claim: "ingress::routes_into_mesh",
        says: ", although ",
    },
    Pair {
        name: "test route answers, the gateway's proxy counted one request",
        change: |it| of(&mut it.ingress.counted).after = 15,
        contradicts: |it| {
            is_answered_by_a_gateway(it)
                && has_counted_requests(it) == Some(false)
                && find_routed_reply(it).is_some()
        },
        claim: "ingress::address_answers",
        says: "although istio-ingressgateway counted 1 of 10 requests",
    },
    Pair {
        name: "health check answers, the service has no gateway pod",
        change: |it| {
            of(&mut it.install.endpoints).clear();
            it.ingress.counted = Observation::failed("forbidden");
            it.ingress.route = Observation::not_asked("--active allows them");
        },
        contradicts: |it| {
            is_answered_by_a_gateway(it)
                && has_ready_endpoint(it) == Some(false)
                && has_counted_requests(it).is_none()
                && find_routed_reply(it).is_none()
        },
        claim: "ingress::address_answers",
        says: "another gateway answers",
    },
    Pair {
        name: "test service got an address, other services have addresses, the gateway has none",
        change: |it| {
            pending(it);
            kong(it);
            tried(it);
        },
        contradicts: is_free_although_pending,
        claim: "prepare::load_balancer_address_free",
        says: "which is free",
    },
    Pair {
        name: "test service got an address, the pool is used up",
        change: |it| {
            used_up(it);
            tried(it);
        },
        contradicts: is_free_although_pending,
        claim: "prepare::load_balancer_address_free",
        says: "which is free",
    },
];

/// Whether a test service got an address that is free, and the gateway is `<pending>`.
fn is_free_although_pending(evidence: &Evidence) -> bool {
    let mut services = evidence.cluster.load_balancer_services.value().into_iter().flatten();
    find_free_address(evidence).is_some()
        && services.any(|service| {
            service.name == evidence.expectations.gateway
                && service.external_addresses().next().is_none()
        })
}

/// Returns a message where the headline does not name a contradiction.
fn missing_sentence(pair: &Pair, evidence: &Evidence, name: &str) -> Option<String> {
    let report = judge(evidence, &[]);
    let claim = report.claims.iter().find(|claim| claim.id == pair.claim)?;
    let has_sentence = claim.summary.contains(pair.says);
    (!has_sentence).then(|| format!("{name}: {}: {}", pair.name, claim.summary))
}

#[test]
fn headline_names_each_contradiction() {
    for pair in PAIRS {
        let mut evidence = healthy();
        assert!(!(pair.contradicts)(&evidence), "{}", pair.name);
        (pair.change)(&mut evidence);
        assert!((pair.contradicts)(&evidence), "{}", pair.name);
        assert_eq!(missing_sentence(pair, &evidence, "changed"), None);
    }
}

#[test]
fn headline_names_contradictions_of_all_recorded_evidence() {
    let faults = recorded_faults().into_iter().map(|name| (recorded_fault(&name), name));
    let cases = recorded_cases().into_iter().map(|name| (recorded_case(&name), name));
    let changed = claim_cases()
        .into_iter()
        .map(|(claim, case)| (case.evidence(claim), format!("{} {}", claim.id, case.name)));
    let all = faults.chain(cases).chain(changed);
    let missing: Vec<_> = all
        .flat_map(|(evidence, name)| {
            let pairs = PAIRS.iter().filter(|pair| (pair.contradicts)(&evidence));
            pairs.filter_map(|pair| missing_sentence(pair, &evidence, &name)).collect::<Vec<_>>()
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}
