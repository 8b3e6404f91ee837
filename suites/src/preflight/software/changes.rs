//! Changes to the evidence of the software, for the cases of this section.

use crate::evidence::Observation;
use crate::preflight::evidence::*;

pub(crate) fn supply(evidence: &mut PreflightEvidence, supply: Supply) {
    evidence.software.source = Observation::seen(supply);
}

pub(crate) fn facts(evidence: &mut PreflightEvidence) -> &mut Facts {
    match evidence.software.source.value_mut() {
        Some(Supply::Here(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn out_of_reach(evidence: &mut PreflightEvidence) {
    let (words, hint) = ("`https://x` is out of reach: timed out", "Check the network");
    supply(evidence, Supply::OutOfReach { words: words.into(), hint: hint.into(), cached: None });
}

pub(crate) fn damaged(evidence: &mut PreflightEvidence) {
    let (words, hint) = ("part kind has another checksum", "Copy the bundle again");
    supply(evidence, Supply::Unusable { words: words.into(), hint: hint.into() });
}

pub(crate) fn to_download(evidence: &mut PreflightEvidence) {
    supply(evidence, Supply::WithinReach { places: "github.com and docker.io".into() });
    evidence.software.programs = Observation::absent("they come with the software");
}

pub(crate) fn unseen(evidence: &mut PreflightEvidence) {
    evidence.software.source = Observation::failed("no answer within 5 s");
}
