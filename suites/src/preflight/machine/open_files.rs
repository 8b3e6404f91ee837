//! Enough files can be opened.

use crate::entry::check;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that programs may open enough files.
    ///
    /// ## Why it matters
    /// A shell or a machine at its limit fails in the middle of a run.
    ///
    /// ## How it is checked
    /// Reads the limit of this shell and `fs.file-nr`.
    ///
    /// ## What makes it fail
    /// - This shell may open fewer than 256 files.
    /// - The machine can open fewer than 8192 more.
    ///
    /// ## How to fix it
    /// Raise the limit of the shell, or `fs.file-max`.
    ///
    /// ## Check by hand
    ///     ulimit -n
    ///     cat /proc/sys/fs/file-nr
    machine::open_files: "enough files can be opened",
    needs: NodesHere,
    judge: judge,
}

/// How many files a run of ours may want to open at once: what macOS, of all defaults the smallest, allows.
const OUR_FILES: u64 = 256;

/// How many files a cluster opens at the most. Seen with the mesh and the demo: some 1200.
const FILES: u64 = 8192;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let files = evidence.machine.open_files.look("the limits on open files")?;
    if files.ours < OUR_FILES {
        return Err(Judgement::fail(format!("this shell may open {} files only", files.ours))
            .expected(format!("at least {OUR_FILES}"))
            .observed(files.ours.to_string())
            .object("the limit on open files of this shell")
            .step(steps::raise_open_files_of_shell()));
    }
    let left = files.all.saturating_sub(files.open);
    if left < FILES {
        return Err(Judgement::fail(format!("the machine can open {left} more files only"))
            .expected(format!("at least {FILES}"))
            .observed(format!("{} of {} are open", files.open, files.all))
            .object("the limit fs.file-max of the kernel")
            .step(steps::raise_open_files(files.all.saturating_add(FILES * 16))));
    }
    Ok(Judgement::pass(format!(
        "{} for this program, {} open on the machine",
        files.ours, files.open
    )))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;

    use crate::testing::of;

    cases! { PreflightEvidence:
        enough(|_| {}, Pass);
        shell(|e| of(&mut e.machine.open_files).ours = 64, Fail);
        machine(|e| of(&mut e.machine.open_files).all = 4000, Fail);
        not_seen(|e| e.machine.open_files = Observation::failed("no /proc"), Unjudged);
    }
}
