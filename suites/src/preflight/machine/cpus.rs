//! There are processors enough for the cluster and the mesh.

use super::engine;
use crate::entry::check;
use crate::format::{PROCESSOR, count};
use crate::judgement::{Judged, Judgement};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::machine::docker_usable;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies a machine on which kind's pods, istiod, the gateway and the demo find a place.
    ///
    /// ## Why it matters
    /// What pods request must fit: with too few processors istiod stays Pending.
    ///
    /// ## How it is checked
    /// Reads the number of processors from `docker info`. Two are enough.
    ///
    /// ## What makes it fail
    /// The engine has fewer than 2 processors.
    ///
    /// ## How to fix it
    /// Give the engine's virtual machine more processors.
    ///
    /// ## Check by hand
    ///     docker info --format '{{.NCPU}}'
    machine::cpus: "there are processors enough for the cluster and the mesh",
    needs: Provisioning,
    after: docker_usable,
    judge: judge,
}

/// Thousandths of a processor that pods request: those of kind's own pods 950, istiod 500, the gateway 100,
/// two sidecars 200.
const CPU_MILLIS: u64 = 1750;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let cpus = engine(evidence)?.cpus;
    let number = count(usize::try_from(cpus).unwrap_or(usize::MAX), PROCESSOR);
    if cpus.saturating_mul(1000) < CPU_MILLIS {
        return Err(Judgement::fail(format!("{number} is too little: istiod would find no place"))
            .expected("2 processors: pods request 1750 thousandths")
            .observed(&number)
            .object("the processors of the docker engine")
            .step(steps::show_engine_processors()));
    }
    let tight = if cpus < 4 { "; the tutorial is quicker with 4" } else { "" };
    Ok(Judgement::pass(format!("the engine has {number}{tight}")))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;

    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;

    cases! { PreflightEvidence:
        four(|_| {}, Pass);
        two(|e| engine(e).cpus = 2, Pass);
        one(|e| engine(e).cpus = 1, Fail);
        no_engine(refuses, Unjudged);
        no_docker(no_program, Unjudged);
        hanging(hangs, Unjudged);
    }
}
