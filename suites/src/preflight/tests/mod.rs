//! Tests on the causes of failed checks, and on the conditions under which checks apply.

mod cases;
mod missing_observations;
pub(crate) mod ready;

use super::evidence::{ClusterLook, PreflightEvidence};
use super::{CHECKS, When};
use crate::Section;
use crate::evidence::Observation;
use crate::judgement::Verdict;
use crate::preflight::cluster::changes::{in_vain, service, services};
use crate::testing::of;
use crate::{Pattern, judge};
use cases::judgement;
pub(super) use cases::ready_for;
use ready::{cluster_ready, machine_ready};

/// After a reboot the stopped node is the only cause.
#[test]
fn stopped_node_causes_failure_of_server_and_its_checks() {
    let mut evidence = cluster_ready();
    evidence.cluster.seen.subject.context = "kind-class".into();
    let why = Observation::failed("the server does not answer");
    let seen = evidence.cluster.seen;
    evidence.cluster =
        ClusterLook::without_observations(seen.subject, seen.expectations, seen.recorded_at, &why);
    evidence.cluster.nodes_are_containers = true;
    evidence.cluster.server = Observation::absent("connection refused");
    let because = |evidence: &PreflightEvidence, id: &str| {
        let report = judge(evidence, &[]);
        report.claims.into_iter().find(|it| it.id == id).unwrap().because
    };
    assert_eq!(because(&evidence, "cluster::server_answers"), None);
    let node = &mut evidence.machine.kind_nodes.value_mut().unwrap()[0];
    node.state = "exited".into();
    for id in ["cluster::server_answers", "cluster::rights"] {
        assert_eq!(because(&evidence, id).as_deref(), Some("machine::kind_nodes_run"), "{id}");
    }
    // A stopped node is not why a request was interrupted. Nodes that were not listed explain nothing.
    let mut unknown = evidence.clone();
    unknown.cluster.server = Observation::failed("interrupted");
    assert_eq!(because(&unknown, "cluster::server_answers"), None);
    let mut unlisted = evidence.clone();
    unlisted.machine.kind_nodes = Observation::failed("no answer");
    assert_eq!(because(&unlisted, "cluster::server_answers"), None);
    // The stopped nodes of another cluster explain nothing, and fail no check.
    evidence.cluster.seen.subject.context = "kind-other".into();
    assert_eq!(because(&evidence, "cluster::server_answers"), None);
    let nodes = judgement("machine::kind_nodes_run", &evidence);
    assert_eq!(nodes.verdict, Verdict::Pass, "{nodes:#?}");
    assert_eq!(because(&evidence, "cluster::rights").as_deref(), Some("cluster::server_answers"));
}

#[test]
fn ready_machine_passes_all_checks() {
    let report = judge(&machine_ready(), &[]);
    let not_passed: Vec<_> = report
        .claims
        .iter()
        .filter(|it| it.verdict != Verdict::Pass && it.section != Section::Cluster)
        .collect();
    assert!(not_passed.is_empty(), "{not_passed:#?}");
    assert!(report.claims.iter().all(|it| it.verdict != Verdict::Fail));
    assert_eq!(report.exit_code(), 0);
    assert!(report.is_preflight());
    assert_eq!(report.sections(), Section::PREFLIGHT);
}

#[test]
fn ready_cluster_passes_all_checks() {
    let report = judge(&cluster_ready(), &[]);
    let not_passed: Vec<_> = report
        .claims
        .iter()
        .filter(|it| it.verdict != Verdict::Pass && it.section == Section::Cluster)
        .collect();
    assert!(not_passed.is_empty(), "{not_passed:#?}");
    assert_eq!(report.exit_code(), 0);
    assert_eq!(report.claims.len(), CHECKS.len());
}

/// Without a load balancer no service gets an address: the report names one cause.
#[test]
fn missing_load_balancer_causes_missing_address() {
    let mut evidence = cluster_ready();
    if let Some(probe) = evidence.cluster.seen.cluster.load_balancer_probe.value_mut() {
        probe.address = None;
    }
    // MetalLB has a free address: the cause is unknown.
    let because = |evidence: &PreflightEvidence| {
        let report = judge(evidence, &[]);
        let of = |id: &str| report.claims.iter().find(|it| it.id == id).cloned().unwrap();
        let free = of("cluster::load_balancer_address_free");
        assert_eq!(free.verdict, Verdict::Fail);
        free.because
    };
    assert_eq!(because(&evidence), None);
    evidence.cluster.controllers = Observation::seen(Vec::new());
    assert_eq!(because(&evidence).as_deref(), Some("cluster::load_balancer"));
}

/// A service holds the only address: the pool is used up.
#[test]
fn used_up_pool_causes_competing_service() {
    let mut evidence = cluster_ready();
    in_vain(&mut evidence);
    of(&mut evidence.cluster.pools)[0].addresses = vec!["172.18.255.251/32".into()];
    services(&mut evidence).push(service("kong", Some("172.18.255.251")));
    let judged = |evidence: &PreflightEvidence, id: &str| {
        let report = judge(evidence, &[]);
        let check = report.claims.into_iter().find(|it| it.id == id).unwrap();
        (check.verdict, check.because.unwrap_or_default())
    };
    let pool = "cluster::load_balancer".to_owned();
    let ids = ["cluster::no_competing_load_balancer", "cluster::load_balancer_address_free"];
    for id in ids {
        assert_eq!(judged(&evidence, id), (Verdict::Fail, pool.clone()), "{id}");
    }
    // The load balancer is not why the account cannot list services.
    of(&mut evidence.cluster.controllers)[0].ready = 0;
    let seen = &mut evidence.cluster.seen.cluster;
    seen.load_balancer_services = Observation::failed("forbidden");
    seen.load_balancer_probe = Observation::failed("forbidden");
    assert_eq!(judged(&evidence, &pool), (Verdict::Fail, String::new()));
    for id in ids {
        assert_eq!(judged(&evidence, id), (Verdict::Unjudged, String::new()), "{id}");
    }
}

#[test]
fn report_has_the_time_of_the_preflight() {
    let mut evidence = cluster_ready();
    evidence.recorded_at = "2026-01-02T03:04:05Z".parse().unwrap();
    evidence.took_ms = 1234;
    let cluster = judge(&evidence, &[]).cluster;
    assert_eq!(
        (cluster.recorded_at.as_str(), cluster.collection_ms),
        ("2026-01-02T03:04:05Z", 1234)
    );
}

/// A laptop needs no docker to check a remote cluster.
#[test]
fn remote_cluster_skips_checks_of_this_machine() {
    let mut evidence = cluster_ready();
    evidence.cluster.nodes_are_containers = false;
    evidence.machine.boot_id = Observation::seen("another".into());
    evidence.machine.engine = Observation::seen(super::evidence::EngineAnswer::NoProgram);
    for check in judge(&evidence, &[]).claims {
        if check.section == Section::Cluster || check.id == "machine::no_proxy" {
            assert_eq!(check.verdict, Verdict::Pass, "{check:#?}");
        } else {
            assert_eq!(check.verdict, Verdict::Skipped, "{check:#?}");
        }
    }
}

/// A node can run on this machine without being a container, as with k3s.
#[test]
fn node_on_this_kernel_needs_the_kernel_checks() {
    let mut evidence = cluster_ready();
    evidence.cluster.nodes_are_containers = false;
    let report = judge(&evidence, &[]);
    let verdict = |id: &str| report.claims.iter().find(|it| it.id == id).unwrap().verdict;
    assert_eq!(verdict("machine::kernel_redirects"), Verdict::Pass);
    assert_eq!(verdict("machine::docker_usable"), Verdict::Skipped);
}

#[test]
fn refusing_engine_causes_unjudged_checks() {
    let mut evidence = machine_ready();
    evidence.machine.engine = Observation::seen(super::evidence::EngineAnswer::Refuses {
        words: "permission denied".into(),
    });
    let report = judge(&evidence, &[]);
    assert_eq!(report.causes.len(), 1, "{:#?}", report.causes);
    assert_eq!(report.causes[0].claim, "machine::docker_usable");
    assert!(report.causes[0].explains.contains(&"machine::memory".to_owned()));
    for check in report.claims.iter().filter(|it| it.verdict == Verdict::Unjudged) {
        assert_eq!(check.because.as_deref(), Some("machine::docker_usable"), "{check:#?}");
    }
    // The check of the kernel needs no engine.
    let kernel = report.claims.iter().find(|it| it.id == "machine::kernel_redirects").unwrap();
    assert_eq!(kernel.verdict, Verdict::Pass);
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn report_contains_only_selected_checks() {
    let only: Vec<Pattern> = ["machine::k*", "software"]
        .map(|it| Pattern::parse::<PreflightEvidence>(it).unwrap())
        .to_vec();
    let report = judge(&machine_ready(), &only);
    let ids: Vec<_> = report.claims.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
    let asked = CHECKS.iter().filter(|check| check.is_asked(&only));
    assert_eq!(asked.map(|check| check.id).collect::<Vec<_>>(), ids);
    assert!(CHECKS.iter().all(|check| check.is_asked(&[])));
}

#[test]
fn skipped_check_has_its_reason() {
    let mut elsewhere = cluster_ready();
    elsewhere.cluster.nodes_are_containers = false;
    elsewhere.machine.boot_id = Observation::failed("no /proc");
    let reason = |when: When, evidence: &PreflightEvidence| -> String {
        when.applies(evidence).unwrap_err().summary
    };
    assert!(reason(When::NodesHere, &elsewhere).contains("on this machine: no /proc"));
    assert!(reason(When::Engine, &elsewhere).contains("not containers on this machine"));
    assert!(reason(When::Provisioning, &elsewhere).contains("none is created here"));
    assert!(reason(When::Software, &elsewhere).contains("none is created here"));
    assert!(reason(When::ClusterNamed, &machine_ready()).contains("--context NAME"));
    elsewhere.software_named = true;
    assert!(When::Software.applies(&elsewhere).is_ok());
    elsewhere.machine.boot_id = Observation::seen("another".into());
    assert!(reason(When::NodesHere, &elsewhere).contains("other machines"));
    elsewhere.cluster.platforms = Observation::failed("nodes is forbidden");
    assert!(reason(When::NodesHere, &elsewhere).contains("nodes is forbidden"));
}
