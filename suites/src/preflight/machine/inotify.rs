//! The kernel lets a node watch its files.

use crate::entry::check;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies limits of the kernel that let a node watch its files.
    ///
    /// ## Why it matters
    /// At the limit kube-proxy and the kubelet end with "too many open files".
    ///
    /// ## How it is checked
    /// Reads `fs.inotify` below `/proc/sys` and counts the instances in use.
    ///
    /// ## What makes it fail
    /// - Fewer than 40 instances are left.
    /// - The limit on watches is below 8192.
    ///
    /// ## How to fix it
    /// Raise the limits with sysctl, and keep them in `/etc/sysctl.d`.
    ///
    /// ## Check by hand
    ///     sysctl fs.inotify
    machine::inotify: "the kernel lets a node watch its files",
    needs: Engine,
    judge: judge,
}

/// How many instances a cluster of one node takes. Seen with the mesh and the demo: 34.
const INSTANCES: u64 = 40;

/// How many watches it takes at the most. Seen with the mesh and the demo: 470.
const WATCHES: u64 = 8192;

/// What kind itself asks for, which is enough for clusters of several nodes.
/// Source: <https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files>.
const KIND_ASKS: (u64, u64) = (512, 524_288);

fn judge(evidence: &PreflightEvidence) -> Judged {
    let limits = evidence.machine.inotify.look("the limits on watching files")?;
    let fail = |what: String, observed: String| {
        Err(Judgement::fail(what)
            .expected(format!(
                "{INSTANCES} instances and {WATCHES} watches for a node (kind asks for {} and {})",
                KIND_ASKS.0, KIND_ASKS.1
            ))
            .observed(observed)
            .object("the limits fs.inotify of the kernel")
            .step(steps::raise_inotify_limits()))
    };
    let (instances, watches) = (limits.instances, limits.watches);
    let used = limits.used.unwrap_or_default();
    let observed = match limits.used {
        Some(used) => format!("{instances} instances, {used} of them used; {watches} watches"),
        None => format!("{instances} instances, {watches} watches"),
    };
    // A node that runs already has what it needs.
    let wanted = if evidence.cluster_named { 0 } else { INSTANCES };
    if used + wanted > instances {
        let left = instances.saturating_sub(used);
        let what = format!("{left} inotify instances are left, a node needs {INSTANCES}");
        return fail(what, observed);
    }
    if watches < WATCHES {
        return fail(format!("{watches} inotify watches are too few for a node"), observed);
    }
    let more = if instances < KIND_ASKS.0 || watches < KIND_ASKS.1 {
        "; several nodes may need more: kind asks for 512 and 524288"
    } else {
        ""
    };
    Ok(Judgement::pass(format!("{observed}{more}")))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;

    use crate::testing::of;

    cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        the_default_of_linux(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: Some(10) }, Pass);
        not_counted(|e| *of(&mut e.machine.inotify) = Inotify { instances: 128, watches: 65_536, used: None }, Pass);
        used_up(|e| of(&mut e.machine.inotify).used = Some(500), Fail);
        just_enough(|e| of(&mut e.machine.inotify).used = Some(472), Pass);
        too_few(|e| *of(&mut e.machine.inotify) = Inotify { instances: 16, watches: 65_536, used: None }, Fail);
        too_few_watches(|e| of(&mut e.machine.inotify).watches = 100, Fail);
        not_seen(|e| e.machine.inotify = Observation::failed("macOS"), Unjudged);
    }
}
