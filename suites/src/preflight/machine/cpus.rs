//! The docker engine has enough CPUs for the cluster and the mesh.

use super::engine;
use crate::entry::check;
use crate::format::{CPU, count};
use crate::judgement::{Judged, Judgement};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies a machine with enough CPUs for kind's pods, istiod, the gateway and the demo.
    ///
    /// ## Why it matters
    /// The node must have the CPU that the pods request: with less, istiod stays Pending.
    ///
    /// ## How it is checked
    /// Reads the number of CPUs from `docker info`. Two are enough.
    ///
    /// ## What makes it fail
    /// The engine has fewer than 2 CPUs.
    ///
    /// ## How to fix it
    /// Give the engine's virtual machine more CPUs.
    ///
    /// ## Check by hand
    ///     docker info --format '{{.NCPU}}'
    machine::cpus: "the docker engine has enough CPUs for the cluster and the mesh",
    needs: Provisioning,
    after: docker_usable,
}

/// The CPU that pods request, in thousandths: kind's own pods 950, istiod 500, the gateway 100, two sidecars 200.
const CPU_MILLIS: u64 = 1750;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let cpus = engine(evidence)?.cpus;
    let number = count(usize::try_from(cpus).unwrap_or(usize::MAX), CPU);
    if cpus.saturating_mul(1000) < CPU_MILLIS {
        return Err(Judgement::fail(format!(
            "the docker engine has {number}, 2 are needed: istiod would stay Pending"
        ))
        .expected("at least 2 CPUs (pods request 1750m)")
        .observed(&number)
        .object("the docker engine")
        .step(steps::show_engine_processors()));
    }
    let tight = if cpus < 4 { "; the tutorial runs faster with 4" } else { "" };
    Ok(Judgement::pass(format!("the docker engine has {number}{tight}")))
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
        engine_without_answer(hangs, Unjudged);
    }
}
