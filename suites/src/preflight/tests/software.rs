//! The section *software*.

use super::super::evidence::*;
use super::Case;
use super::cases::cases;
use crate::evidence::Observation;

fn supply(evidence: &mut PreflightEvidence, supply: Supply) {
    evidence.software.source = Observation::seen(supply);
}

fn facts(evidence: &mut PreflightEvidence) -> &mut Facts {
    match evidence.software.source.value_mut() {
        Some(Supply::Here(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

fn out_of_reach(evidence: &mut PreflightEvidence) {
    let (words, hint) = ("`https://x` is out of reach: timed out", "check the network");
    supply(evidence, Supply::OutOfReach { words: words.into(), hint: hint.into() });
}

fn damaged(evidence: &mut PreflightEvidence) {
    let (words, hint) = ("the part kind is another one", "copy it again");
    supply(evidence, Supply::Unusable { words: words.into(), hint: hint.into() });
}

fn to_download(evidence: &mut PreflightEvidence) {
    supply(evidence, Supply::WithinReach { places: "github.com and docker.io".into() });
    evidence.software.programs = Observation::absent("they come with the software");
}

fn unseen(evidence: &mut PreflightEvidence) {
    evidence.software.source = Observation::failed("no answer within 5 s");
}

cases! { is_available proves "software::available":
    here(|_| {}, Pass, "kind v0.29.0 of its own");
    downloadable(to_download, Pass, "`meshcheck bundle` downloads it now");
    nowhere(out_of_reach, Fail, "cannot be downloaded");
    nowhere_says_what_to_do(out_of_reach, Fail, "check the network");
    not_whole(damaged, Fail, "another one");
    not_seen(unseen, Unjudged, "no answer");
}

cases! { programs proves "software::programs_run":
    both_run(|_| {}, Pass, "kind v0.29.0 and istioctl 1.22.0 run");
    for_another_machine(|e| {
        let programs = e.software.programs.value_mut().unwrap();
        programs[1].runs = false;
        programs[1].words = "Exec format error".into();
    }, Fail, "istioctl does not run");
    to_come(to_download, Skipped, "come with the software");
    none_known(|e| e.software.programs = Observation::seen(vec![]), Unjudged, "no programs");
    not_seen(|e| e.software.programs = Observation::failed("no answer within 5 s"), Unjudged, "no answer");
}

cases! { its_kubernetes proves "software::kubernetes_supported":
    supported(|_| {}, Pass, "its nodes are v1.29.15");
    too_new(|e| facts(e).kubernetes = "v1.99.1".into(), Fail, "v1.99.1");
    too_old(|e| facts(e).kubernetes = "v1.2.1".into(), Fail, "v1.2.1");
    no_version(|e| facts(e).kubernetes = "stable".into(), Unjudged, "no version");
    unknown_istio(|e| facts(e).istio = "1.99.0".into(), Unjudged, "not known here");
    to_come(to_download, Skipped, "not here yet");
    nowhere(out_of_reach, Unjudged, "out of reach");
    not_whole(damaged, Unjudged, "another one");
    not_seen(unseen, Unjudged, "no answer");
}

pub(super) const TABLES: &[&[Case]] =
    &[is_available::table::CASES, programs::table::CASES, its_kubernetes::table::CASES];
