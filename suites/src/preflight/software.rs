//! Judges of the section *software*: what is to be installed.

pub(crate) mod available;
pub(crate) mod kubernetes_supported;
pub(crate) mod programs_run;

use crate::format::{excerpt, list};
use crate::preflight::Check;

/// The checks of this section, in the order in which a reader fixes what is wrong.
pub(super) const CHECKS: &[&Check] =
    &[&available::CHECK, &programs_run::CHECK, &kubernetes_supported::CHECK];

use super::evidence::{PreflightEvidence, Supply};
use crate::evidence::Observation;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::profile;

pub(super) fn available(evidence: &PreflightEvidence) -> Judged {
    let istio = &evidence.cluster.seen.expectations.istio_version;
    match evidence.software.source.look("the software")? {
        Supply::Here(facts) => Ok(Judgement::pass(format!(
            "{} is whole: Istio {}, Kubernetes {}, kind {} of its own (image archives: by their \
             size; their sums are compared when they are used)",
            facts.what, facts.istio, facts.kubernetes, facts.kind
        ))),
        Supply::WithinReach { places } => Ok(Judgement::pass(format!(
            "Istio {istio} is not here yet; {places} answer, and `meshcheck bundle` downloads it now"
        ))),
        Supply::OutOfReach { words, hint } => {
            Err(Judgement::fail(format!("Istio {istio} is not here, and cannot be downloaded"))
                .expected("a bundle, a release in the cache, or the places that have it")
                .observed(excerpt(words))
                .object(format!("the release of Istio {istio}"))
                .legacy_hint(format!("`meshcheck bundle` shows what is wrong with each; {hint}")))
        }
        Supply::Unusable { words, hint } => {
            Err(Judgement::fail("the software is here, but cannot be used")
                .expected("every part, with the sum that the manifest names")
                .observed(excerpt(words))
                .object("the software")
                .legacy_hint(format!("`meshcheck bundle` gets a whole one; {hint}")))
        }
    }
}

pub(super) fn programs_run(evidence: &PreflightEvidence) -> Judged {
    let programs = match &evidence.software.programs {
        Observation::Absent { reason } => return Err(Judgement::skipped(reason.clone())),
        other => other.look("the programs of the software")?,
    };
    if programs.is_empty() {
        return Err(Judgement::unjudged("the software has no programs that are known here"));
    }
    let broken = programs.iter().find(|program| !program.runs);
    if let Some(program) = broken {
        return Err(Judgement::fail(format!("{} does not run on this machine", program.name))
            .expected("a program for this machine, on a disk from which programs may be started")
            .observed(excerpt(&program.words))
            .object(format!("the program {} of the software", program.name))
            .legacy_hint(
                "`meshcheck bundle` gets programs for this machine; `findmnt -o TARGET,OPTIONS \
                 --target .` in the bundle's directory shows whether its disk is mounted noexec",
            ));
    }
    let names: Vec<_> = programs
        .iter()
        .map(|program| format!("{} {}", program.name, excerpt(&program.words)))
        .collect();
    Ok(Judgement::pass(format!("{} run", list(&names))))
}

pub(super) fn kubernetes_supported(evidence: &PreflightEvidence) -> Judged {
    let facts = match evidence.software.source.look("the software")? {
        Supply::Here(facts) => facts,
        Supply::WithinReach { .. } => {
            return Err(Judgement::skipped(
                "the software is not here yet, and names its Kubernetes when it is",
            ));
        }
        Supply::OutOfReach { words, .. } | Supply::Unusable { words, .. } => {
            return Err(Judgement::unjudged(format!(
                "could not look into the software: {}",
                excerpt(words)
            )));
        }
    };
    let Some(profile) = profile::of(&facts.istio) else {
        return Err(Judgement::unjudged(format!(
            "which versions of Kubernetes Istio {} supports is not known here",
            facts.istio
        )));
    };
    let Some(minor) = minor(&facts.kubernetes) else {
        return Err(Judgement::unjudged(format!("`{}` is no version", facts.kubernetes)));
    };
    let (oldest, newest) = profile.kubernetes;
    let window = format!("Kubernetes 1.{oldest} to 1.{newest}");
    if (oldest..=newest).contains(&minor) {
        return Ok(Judgement::pass(format!(
            "its nodes are {}; Istio {} supports {window}",
            facts.kubernetes, facts.istio
        )));
    }
    Err(Judgement::fail(format!("Istio {} does not support the nodes of its bundle", facts.istio))
        .expected(window)
        .observed(&facts.kubernetes)
        .object(format!("the node image {}", facts.node_image))
        .legacy_hint("`meshcheck bundle` gets nodes that this Istio supports"))
}

/// The 29 of `v1.29.15`.
fn minor(version: &str) -> Option<u64> {
    let rest = version.trim().trim_start_matches('v').strip_prefix("1.")?;
    rest.split(['.', '-', '+']).next()?.parse().ok()
}
