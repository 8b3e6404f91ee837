//! The kernel has the cgroup controllers that a node needs.

use super::engine;
use crate::entry::check;
use crate::format::list;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::needs_cgroup_v2;
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
    /// - A rootless engine runs with cgroup v1, or systemd delegates too few controllers to its user.
    /// - The engine runs with cgroup v1, and the software to install has Kubernetes 1.35 or newer.
    ///
    /// ## How to fix it
    /// Enable the controller in the kernel's command line, or switch to cgroup v2, and reboot. With cgroup v1, choose an older
    /// Kubernetes. For a rootless engine, set `Delegate=yes` for the services of users.
    ///
    /// ## Check by hand
    ///     docker info --format '{{.CgroupVersion}}'
    ///     cat /sys/fs/cgroup/cgroup.controllers
    machine::cgroups: "the kernel has the cgroup controllers that a node needs",
    needs: Engine,
    after: docker_usable,
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
    if engine.rootless && !engine.lacks_controllers.is_empty() {
        let lacks = list(&engine.lacks_controllers);
        let summary =
            format!("the rootless docker engine lacks cgroup controllers: {lacks} (not delegated)");
        let expected = format!("controllers {}", list(&CONTROLLERS));
        return fail(summary, &expected, format!("without {lacks}"), steps::delegate_controllers());
    }
    let chosen = evidence.software.kubernetes.as_ref().filter(|it| needs_cgroup_v2(&it.version));
    if let Some(chosen) = chosen.filter(|_| version == "1") {
        let istio = &evidence.cluster.seen.expectations.istio_version;
        let older = chosen.newest_for_cgroup_v1.as_deref();
        let older = older.map(|version| steps::choose_kubernetes(istio, version));
        let summary =
            format!("Kubernetes {} needs cgroup v2, this machine has cgroup v1", chosen.version);
        return Err(Judgement::fail(summary)
            .expected("cgroup v2, or a Kubernetes older than 1.35")
            .observed(format!("cgroup v1, and Kubernetes {}", chosen.version))
            .object("cgroups of the docker engine")
            .steps(older.into_iter().chain([steps::switch_to_cgroup_v2()]).collect::<Vec<_>>()));
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

    /// Puts the engine on cgroup v1 and chooses a Kubernetes that does not run there.
    fn on_version_1(evidence: &mut PreflightEvidence, older: Option<&str>) {
        engine(evidence).cgroup_version = "1".into();
        evidence.software.kubernetes = Some(ChosenKubernetes {
            version: "v1.36.4".into(),
            newest_for_cgroup_v1: older.map(str::to_owned),
        });
    }

    cases! { PreflightEvidence:
        version_2(|_| {}, Pass);
        version_1(|e| engine(e).cgroup_version = "1".into(), Pass);
        version_1_rootless(|e| {
            engine(e).cgroup_version = "1".into();
            engine(e).rootless = true;
        }, Fail);
        rootless_without_delegation(|e| {
            engine(e).rootless = true;
            engine(e).lacks_controllers = vec!["cpu".into()];
        }, Fail);
        version_1_and_new_kubernetes(|e| on_version_1(e, Some("1.34.11")), Fail);
        version_1_and_no_older_kubernetes(|e| on_version_1(e, None), Fail);
        version_2_and_new_kubernetes(|e| {
            on_version_1(e, None);
            engine(e).cgroup_version = "2".into();
        }, Pass);
        without_memory_controller(|e| of(&mut e.machine.cgroups).controllers.retain(|it| it != "memory"), Fail);
        in_a_vm(|e| { in_a_virtual_machine(e); e.machine.cgroups = Observation::failed("macOS"); }, Pass);
        controllers_unknown(|e| e.machine.cgroups = Observation::failed("no /sys"), Unjudged);
        no_engine(silent, Unjudged);
    }
}
