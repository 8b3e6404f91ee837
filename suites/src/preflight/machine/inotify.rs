//! The kernel has enough inotify instances and watches for a node.

use crate::entry::check;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies enough inotify instances and watches for a node.
    ///
    /// ## Why it matters
    /// At the limit kube-proxy and the kubelet fail with "too many open files".
    ///
    /// ## How it is checked
    /// Reads `fs.inotify` below `/proc/sys` and counts the instances in use.
    ///
    /// ## What makes it fail
    /// - Fewer than 40 instances are free.
    /// - The limit on watches is below 8192.
    ///
    /// ## How to fix it
    /// Raise the limits with sysctl, and write them to `/etc/sysctl.d`.
    ///
    /// ## Check by hand
    ///     sysctl fs.inotify
    machine::inotify: "the kernel has enough inotify instances and watches for a node",
    needs: Engine,
}

/// The instances that a cluster of one node needs. With the mesh and the demo it uses 34.
const INSTANCES: u64 = 40;

/// The watches that it needs. With the mesh and the demo it uses 470.
const WATCHES: u64 = 8192;

/// The limits that kind recommends, for clusters of several nodes.
/// Source: <https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files>.
const KIND_RECOMMENDS: (u64, u64) = (512, 524_288);

fn judge(evidence: &PreflightEvidence) -> Judged {
    let limits = evidence.machine.inotify.look("the inotify limits")?;
    let fail = |what: String, observed: String| {
        Err(Judgement::fail(what)
            .expected(format!(
                "{INSTANCES} free instances, {WATCHES} watches (kind recommends {} and {})",
                KIND_RECOMMENDS.0, KIND_RECOMMENDS.1
            ))
            .observed(observed)
            .object("kernel limits fs.inotify")
            .step(steps::raise_inotify_limits()))
    };
    let (instances, watches) = (limits.instances, limits.watches);
    let used = limits.used.unwrap_or_default();
    let observed = match limits.used {
        Some(used) => format!("{instances} instances ({used} in use), {watches} watches"),
        None => format!("{instances} instances, {watches} watches"),
    };
    // A running node has its instances already.
    let wanted = if evidence.cluster_named { 0 } else { INSTANCES };
    if used + wanted > instances {
        let left = instances.saturating_sub(used);
        let what = format!("{left} inotify instances are free, a node needs {INSTANCES}");
        return fail(what, observed);
    }
    if watches < WATCHES {
        return fail(
            format!("{watches} inotify watches per user, a node needs {WATCHES}"),
            observed,
        );
    }
    let more = if instances < KIND_RECOMMENDS.0 || watches < KIND_RECOMMENDS.1 {
        "; for several nodes kind recommends 512 and 524288"
    } else {
        ""
    };
    Ok(Judgement::pass(format!("inotify limits: {observed}{more}")))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;

    use crate::testing::of;

    cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        defaults_of_linux(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: Some(10) }, Pass);
        use_unknown(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: None }, Pass);
        used_up(|e| of(&mut e.machine.inotify).used = Some(500), Fail);
        just_enough(|e| of(&mut e.machine.inotify).used = Some(472), Pass);
        too_few(|e| *of(&mut e.machine.inotify) = Inotify { instances: 16, watches: 65_536, used: None }, Fail);
        too_few_watches(|e| of(&mut e.machine.inotify).watches = 100, Fail);
        just_enough_watches(|e| of(&mut e.machine.inotify).watches = 8192, Pass);
        recommended(|e| *of(&mut e.machine.inotify) = Inotify { instances: 512, watches: 524_288, used: None }, Pass);
        fewer_instances_than_recommended(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 600_000, used: None }, Pass);
        fewer_watches_than_recommended(|e| *of(&mut e.machine.inotify) = Inotify { instances: 1024, watches: 65_536, used: None }, Pass);
        limits_unknown(|e| e.machine.inotify = Observation::failed("macOS"), Unjudged);
    }
}
