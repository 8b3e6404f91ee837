//! The section *software*.

use super::super::evidence::*;
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

pub(crate) mod is_available {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        here(|_| {}, Pass);
        downloadable(to_download, Pass);
        nowhere(out_of_reach, Fail);
        nowhere_says_what_to_do(out_of_reach, Fail);
        not_whole(damaged, Fail);
        not_seen(unseen, Unjudged);
    }
}

pub(crate) mod programs {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        both_run(|_| {}, Pass);
        for_another_machine(|e| {
            let programs = e.software.programs.value_mut().unwrap();
            programs[1].runs = false;
            programs[1].words = "Exec format error".into();
        }, Fail);
        to_come(to_download, Skipped);
        none_known(|e| e.software.programs = Observation::seen(vec![]), Unjudged);
        not_seen(|e| e.software.programs = Observation::failed("no answer within 5 s"), Unjudged);
    }
}

pub(crate) mod its_kubernetes {
    #[allow(unused_imports)]
    use super::*;

    crate::entry::cases! { PreflightEvidence:
        supported(|_| {}, Pass);
        too_new(|e| facts(e).kubernetes = "v1.99.1".into(), Fail);
        too_old(|e| facts(e).kubernetes = "v1.2.1".into(), Fail);
        no_version(|e| facts(e).kubernetes = "stable".into(), Unjudged);
        unknown_istio(|e| facts(e).istio = "1.99.0".into(), Unjudged);
        to_come(to_download, Skipped);
        nowhere(out_of_reach, Unjudged);
        not_whole(damaged, Unjudged);
        not_seen(unseen, Unjudged);
    }
}
