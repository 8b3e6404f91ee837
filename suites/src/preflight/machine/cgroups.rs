//! The kernel has the cgroup controllers that a node needs.

use super::engine;
use crate::entry::check;
use crate::format::list;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::machine::docker_usable;
use crate::steps::{Step, machine as steps};

check! {
    /// The tutorial implies a kernel that can limit the resources of containers.
    ///
    /// ## Why it matters
    /// The kubelet of a node does not start without the cgroup controllers cpu, memory and pids.
    ///
    /// ## How it is checked
    /// Reads the cgroup version from `docker info` and the controllers from `/sys/fs/cgroup`.
    ///
    /// ## What makes it fail
    /// - A controller is missing.
    /// - A rootless engine runs with cgroup v1.
    ///
    /// ## How to fix it
    /// Enable the controller in the kernel's command line, or switch to cgroup v2, and reboot.
    ///
    /// ## Check by hand
    ///     docker info --format '{{.CgroupVersion}}'
    ///     cat /sys/fs/cgroup/cgroup.controllers
    machine::cgroups: "the kernel has the cgroup controllers that a node needs",
    needs: Engine,
    after: docker_usable,
    judge: judge,
}

/// The controllers that the kubelet of a node needs.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

fn judge(evidence: &PreflightEvidence) -> Judged {
    let engine = engine(evidence)?;
    let fail = |summary: String, expected: &str, observed: String, step: Step| {
        Err(Judgement::fail(summary)
            .expected(expected)
            .observed(observed)
            .object("cgroups of the docker engine")
            .step(step))
    };
    let version = &engine.cgroup_version;
    if engine.rootless && version == "1" {
        return fail(
            "a rootless docker engine needs cgroup v2, this machine has cgroup v1".into(),
            "cgroup v2",
            "cgroup v1".into(),
            steps::switch_to_cgroup_v2(),
        );
    }
    let kernel = evidence.machine.kernel.value();
    if kernel.is_some_and(|kernel| kernel.release != engine.kernel) {
        return Ok(Judgement::pass(format!(
            "cgroup v{version}, on the engine's kernel {}",
            engine.kernel
        )));
    }
    let there = &evidence.machine.cgroups.look("the cgroup controllers")?.controllers;
    let missing: Vec<_> =
        CONTROLLERS.into_iter().filter(|name| !there.iter().any(|it| it == name)).collect();
    if !missing.is_empty() {
        return fail(
            format!("the kernel lacks cgroup controllers: {}", list(&missing)),
            &format!("controllers {}", list(&CONTROLLERS)),
            format!("controllers {}", list(there)),
            steps::show_cgroup_controllers(),
        );
    }
    Ok(Judgement::pass(format!("cgroup v{version}, controllers {}", list(&CONTROLLERS))))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        version_2(|_| {}, Pass);
        version_1(|e| engine(e).cgroup_version = "1".into(), Pass);
        version_1_rootless(|e| {
            engine(e).cgroup_version = "1".into();
            engine(e).rootless = true;
        }, Fail);
        without_memory_controller(|e| of(&mut e.machine.cgroups).controllers.retain(|it| it != "memory"), Fail);
        in_a_vm(|e| { in_a_virtual_machine(e); e.machine.cgroups = Observation::failed("macOS"); }, Pass);
        controllers_unknown(|e| e.machine.cgroups = Observation::failed("no /sys"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
