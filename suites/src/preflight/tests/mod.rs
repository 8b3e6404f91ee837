//! Small changes to what was seen of a machine and a cluster that are ready, and the verdict of each.

mod cases;
pub(crate) mod ready;
mod unseen;

use super::evidence::{ClusterLook, PreflightEvidence};
use super::{CHECKS, When};
use crate::Section;
use crate::evidence::Observation;
use crate::judgement::Verdict;
use crate::{Pattern, judge};
use cases::judgement;
pub(super) use cases::ready_for;
use ready::{cluster_ready, machine_ready};

/// A reboot: the node is what to mend, and nothing else.
#[test]
fn a_server_whose_node_stands_still_is_a_consequence() {
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
    // Another cluster that stands still explains nothing, and is nobody's concern.
    evidence.cluster.seen.subject.context = "kind-other".into();
    assert_eq!(because(&evidence, "cluster::server_answers"), None);
    let nodes = judgement("machine::kind_nodes_run", &evidence);
    assert_eq!(nodes.verdict, Verdict::Pass, "{nodes:#?}");
    assert_eq!(because(&evidence, "cluster::rights").as_deref(), Some("cluster::server_answers"));
}

#[test]
fn a_machine_that_is_ready_is_green() {
    let report = judge(&machine_ready(), &[]);
    let not_green: Vec<_> = report
        .claims
        .iter()
        .filter(|it| it.verdict != Verdict::Pass && it.section != Section::Cluster)
        .collect();
    assert!(not_green.is_empty(), "{not_green:#?}");
    assert!(report.claims.iter().all(|it| it.verdict != Verdict::Fail));
    assert_eq!(report.exit_code(), 0);
    assert!(report.is_preflight());
    assert_eq!(report.sections(), Section::PREFLIGHT);
}

#[test]
fn a_cluster_that_is_ready_is_green() {
    let report = judge(&cluster_ready(), &[]);
    let not_green: Vec<_> = report
        .claims
        .iter()
        .filter(|it| it.verdict != Verdict::Pass && it.section == Section::Cluster)
        .collect();
    assert!(not_green.is_empty(), "{not_green:#?}");
    assert_eq!(report.exit_code(), 0);
    assert_eq!(report.claims.len(), CHECKS.len());
}

/// Without anything that gives addresses nobody gets one: that is told once.
#[test]
fn without_a_load_balancer_the_address_is_a_consequence() {
    let mut evidence = cluster_ready();
    if let Some(probe) = evidence.cluster.seen.cluster.load_balancer_probe.value_mut() {
        probe.address = None;
    }
    // MetalLB has a free address: then the cause is not known.
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

/// Someone who looks at a far cluster from a laptop without docker is told nothing of docker.
#[test]
fn of_a_cluster_elsewhere_this_machine_is_not_judged() {
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

/// A node that runs on this machine without being a container of it: k3s, say.
#[test]
fn the_kernel_of_a_node_on_this_machine_is_judged() {
    let mut evidence = cluster_ready();
    evidence.cluster.nodes_are_containers = false;
    let report = judge(&evidence, &[]);
    let verdict = |id: &str| report.claims.iter().find(|it| it.id == id).unwrap().verdict;
    assert_eq!(verdict("machine::kernel_redirects"), Verdict::Pass);
    assert_eq!(verdict("machine::docker_usable"), Verdict::Skipped);
}

#[test]
fn what_hangs_on_an_engine_that_refuses_names_it() {
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
    // The kernel was looked at without the engine, and is no consequence of it.
    let kernel = report.claims.iter().find(|it| it.id == "machine::kernel_redirects").unwrap();
    assert_eq!(kernel.verdict, Verdict::Pass);
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn only_what_is_asked_for_is_reported() {
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

/// The words in which the reader is told why something was left out.
#[test]
fn every_reason_to_leave_something_out_is_told() {
    let mut elsewhere = cluster_ready();
    elsewhere.cluster.nodes_are_containers = false;
    elsewhere.machine.boot_id = Observation::failed("no /proc");
    let words = |when: When, evidence: &PreflightEvidence| -> String {
        when.applies(evidence).unwrap_err().summary
    };
    assert!(words(When::NodesHere, &elsewhere).contains("was not seen: no /proc"));
    assert!(words(When::Engine, &elsewhere).contains("no containers on this machine"));
    assert!(words(When::Provisioning, &elsewhere).contains("none is to be made"));
    assert!(words(When::Software, &elsewhere).contains("none is to be made"));
    assert!(words(When::ClusterNamed, &machine_ready()).contains("--context NAME"));
    elsewhere.software_named = true;
    assert!(When::Software.applies(&elsewhere).is_ok());
    elsewhere.machine.boot_id = Observation::seen("another".into());
    assert!(words(When::NodesHere, &elsewhere).contains("other machines"));
    elsewhere.cluster.platforms = Observation::failed("nodes is forbidden");
    assert!(words(When::NodesHere, &elsewhere).contains("nodes is forbidden"));
}
