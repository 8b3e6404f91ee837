//! Limits of the kernel that a node of kind runs into.

use super::super::evidence::PreflightEvidence;
use crate::judgement::{Judged, Judgement, Look as _};

/// How many instances a cluster of one node takes. Seen with the mesh and the demo: 34.
const INSTANCES: u64 = 40;

/// How many watches it takes at the most. Seen with the mesh and the demo: 470.
const WATCHES: u64 = 8192;

/// What kind itself asks for, which is enough for clusters of several nodes.
/// Source: <https://kind.sigs.k8s.io/docs/user/known-issues/#pod-errors-due-to-too-many-open-files>.
const KIND_ASKS: (u64, u64) = (512, 524_288);

/// How many files a run of ours may want to open at once: what macOS, of all defaults the smallest, allows.
const OUR_FILES: u64 = 256;

/// How many files a cluster opens at the most. Seen with the mesh and the demo: some 1200.
const FILES: u64 = 8192;

const HINT: &str = "`sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=524288` \
                    raises them; the same two lines in /etc/sysctl.d/kind.conf keep it so";

pub(in super::super) fn inotify(evidence: &PreflightEvidence) -> Judged {
    let limits = evidence.machine.inotify.look("the limits on watching files")?;
    let fail = |what: String, observed: String| {
        Err(Judgement::fail(what)
            .expected(format!(
                "{INSTANCES} instances and {WATCHES} watches for a node (kind asks for {} and {})",
                KIND_ASKS.0, KIND_ASKS.1
            ))
            .observed(observed)
            .object("the limits fs.inotify of the kernel")
            .legacy_hint(HINT))
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

pub(in super::super) fn open_files(evidence: &PreflightEvidence) -> Judged {
    let files = evidence.machine.open_files.look("the limits on open files")?;
    if files.ours < OUR_FILES {
        return Err(Judgement::fail(format!("this shell may open {} files only", files.ours))
            .expected(format!("at least {OUR_FILES}"))
            .observed(files.ours.to_string())
            .object("the limit on open files of this shell")
            .legacy_hint("`ulimit -n 1024` raises it in this shell"));
    }
    let left = files.all.saturating_sub(files.open);
    if left < FILES {
        return Err(Judgement::fail(format!("the machine can open {left} more files only"))
            .expected(format!("at least {FILES}"))
            .observed(format!("{} of {} are open", files.open, files.all))
            .object("the limit fs.file-max of the kernel")
            .legacy_hint(format!(
                "`sudo sysctl fs.file-max={}` raises it",
                files.all.saturating_add(FILES * 16)
            )));
    }
    Ok(Judgement::pass(format!(
        "{} for this program, {} open on the machine",
        files.ours, files.open
    )))
}
