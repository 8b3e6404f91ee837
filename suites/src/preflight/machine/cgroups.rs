//! The control groups are such as a node needs.

use super::engine;
use crate::entry::check;
use crate::format::list;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::machine::docker_usable;
use crate::steps::{Step, machine as steps};

check! {
    /// The tutorial implies a kernel that can limit what containers take.
    ///
    /// ## Why it matters
    /// The kubelet of a node does not start without the control groups for cpu, memory and pids.
    ///
    /// ## How it is checked
    /// Reads the version of control groups from the engine and the controllers from `/sys/fs/cgroup`.
    ///
    /// ## What makes it fail
    /// - A controller is missing.
    /// - An engine without root has control groups of version 1.
    ///
    /// ## How to fix it
    /// Turn the controller on in the kernel's command line, or switch to version 2, and reboot.
    ///
    /// ## Check by hand
    ///     docker info --format '{{.CgroupVersion}}'
    ///     cat /sys/fs/cgroup/cgroup.controllers
    machine::cgroups: "the control groups are such as a node needs",
    needs: Engine,
    after: docker_usable,
    judge: judge,
}

/// What the kubelet of a node needs to be able to count and limit.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

fn judge(evidence: &PreflightEvidence) -> Judged {
    let engine = engine(evidence)?;
    let fail = |what: String, observed: String, step: Step| {
        Err(Judgement::fail(what)
            .expected("control groups with which a node can limit cpu, memory and pids")
            .observed(observed)
            .object("the control groups of the engine")
            .step(step))
    };
    let version = &engine.cgroup_version;
    if engine.rootless && version == "1" {
        return fail(
            "an engine without root needs control groups of version 2".into(),
            "version 1".into(),
            steps::switch_to_cgroup_v2(),
        );
    }
    let kernel = evidence.machine.kernel.value();
    if kernel.is_some_and(|kernel| kernel.release != engine.kernel) {
        return Ok(Judgement::pass(format!(
            "version {version}, on the engine's own kernel {}",
            engine.kernel
        )));
    }
    let there = &evidence.machine.cgroups.look("the control groups")?.controllers;
    let missing: Vec<_> =
        CONTROLLERS.into_iter().filter(|name| !there.iter().any(|it| it == name)).collect();
    if !missing.is_empty() {
        return fail(
            format!("the kernel offers no control groups for {}", list(&missing)),
            format!("version {version}, with {}", list(there)),
            steps::show_cgroup_controllers(),
        );
    }
    Ok(Judgement::pass(format!("version {version}, with {}", list(&CONTROLLERS))))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        unified(|_| {}, Pass);
        older(|e| engine(e).cgroup_version = "1".into(), Pass);
        older_without_root(|e| {
            engine(e).cgroup_version = "1".into();
            engine(e).rootless = true;
        }, Fail);
        no_memory(|e| of(&mut e.machine.cgroups).controllers.retain(|it| it != "memory"), Fail);
        in_a_vm(|e| { in_a_virtual_machine(e); e.machine.cgroups = Observation::failed("macOS"); }, Pass);
        not_seen(|e| e.machine.cgroups = Observation::failed("no /sys"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
