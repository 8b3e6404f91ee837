//! Changes to the evidence of a machine, for the cases of this section.

use std::collections::BTreeMap;

use crate::evidence::Observation;
use crate::preflight::evidence::*;
use crate::testing::of;

pub(crate) const GIB: u64 = 1 << 30;

pub(crate) fn engine(evidence: &mut PreflightEvidence) -> &mut Engine {
    match of(&mut evidence.machine.engine) {
        EngineAnswer::Answers(engine) => engine,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn answer(evidence: &mut PreflightEvidence, answer: EngineAnswer) {
    evidence.machine.engine = Observation::seen(answer);
}

pub(crate) fn refuses(evidence: &mut PreflightEvidence) {
    answer(evidence, EngineAnswer::Refuses { words: "permission denied: docker.sock".into() });
}

pub(crate) fn silent(evidence: &mut PreflightEvidence) {
    answer(evidence, EngineAnswer::Silent { words: "Cannot connect to the Docker daemon".into() });
}

pub(crate) fn no_program(evidence: &mut PreflightEvidence) {
    answer(evidence, EngineAnswer::NoProgram);
}

pub(crate) fn hangs(evidence: &mut PreflightEvidence) {
    evidence.machine.engine = Observation::failed("`docker info` did not end within 5 s");
}

/// Gives the engine another kernel, as on macOS.
pub(crate) fn in_a_virtual_machine(evidence: &mut PreflightEvidence) {
    engine(evidence).kernel = "6.6.12-linuxkit".into();
}

pub(crate) fn kernel(evidence: &mut PreflightEvidence) -> &mut Kernel {
    of(&mut evidence.machine.kernel)
}

pub(crate) fn refused(evidence: &mut PreflightEvidence, as_root: bool) {
    let kernel = kernel(evidence);
    kernel.as_root = as_root;
    kernel.tries = Observation::seen(vec![
        RuleTry { program: "iptables-nft-restore".into(), taken: false, words: "x".into() },
        RuleTry {
            program: "iptables-legacy-restore".into(),
            taken: false,
            words: "can't initialize iptables table `nat': Table does not exist".into(),
        },
    ]);
}

pub(crate) fn not_tried(evidence: &mut PreflightEvidence) {
    let kernel = kernel(evidence);
    kernel.as_root = false;
    kernel.tries = Observation::failed("unshare: Operation not permitted");
}

pub(crate) fn modules(evidence: &mut PreflightEvidence) -> &mut BTreeMap<String, Module> {
    of(&mut kernel(evidence).modules)
}

pub(crate) fn to_download(evidence: &mut PreflightEvidence) {
    evidence.software.source =
        Observation::seen(Supply::WithinReach { places: "github.com".into() });
}

pub(crate) fn two_disks(evidence: &mut PreflightEvidence) {
    of(&mut evidence.machine.cache_disk).device = 2;
}

pub(crate) fn proxy(evidence: &mut PreflightEvidence, through_proxy: bool) {
    let way =
        Way { address: "172.18.255.251".into(), exception: "172.18.0.0/16".into(), through_proxy };
    *of(&mut evidence.machine.proxies) =
        Proxies { variables: vec!["HTTP_PROXY".into()], ways: vec![way.clone(), way] };
}

pub(crate) fn node(evidence: &mut PreflightEvidence) -> &mut KindNode {
    &mut of(&mut evidence.machine.kind_nodes)[0]
}

pub(crate) fn stopped(evidence: &mut PreflightEvidence) {
    let node = node(evidence);
    node.state = "exited".into();
    node.words = "Exited (137) 9 hours ago".into();
}
