//! This shell and the machine can open enough files.

use crate::entry::check;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial implies that programs may open enough files.
    ///
    /// ## Why it matters
    /// At its limit, a shell or a machine fails in the middle of a run.
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
    machine::open_files: "this shell and the machine can open enough files",
    needs: NodesHere,
}

/// The files that a run of meshcheck may open at once: the default limit of macOS, the smallest of all.
const PROGRAM_FILES: u64 = 256;

/// The files that a cluster may open. With the mesh and the demo it opens about 1200.
const FILES: u64 = 8192;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let files = evidence.machine.open_files.look("the limits on open files")?;
    if files.ours < PROGRAM_FILES {
        return Err(Judgement::fail(format!(
            "this shell may open {} files, {PROGRAM_FILES} are needed",
            files.ours
        ))
        .expected(format!("at least {PROGRAM_FILES} files"))
        .observed(format!("{} files", files.ours))
        .object("limit on open files of this shell")
        .step(steps::raise_open_files_of_shell()));
    }
    let left = files.all.saturating_sub(files.open);
    if left < FILES {
        return Err(Judgement::fail(format!(
            "the machine can open {left} more files, {FILES} are needed"
        ))
        .expected(format!("at least {FILES} more files"))
        .observed(format!("{left} more files ({} of {} are open)", files.open, files.all))
        .object("kernel limit fs.file-max")
        .step(steps::raise_open_files(files.all.saturating_add(FILES * 16))));
    }
    Ok(Judgement::pass(format!(
        "this program may open {} files, {} are open on the machine",
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
        just_enough_for_the_shell(|e| of(&mut e.machine.open_files).ours = 256, Pass);
        just_enough_on_the_machine(|e| { let files = of(&mut e.machine.open_files); files.all = files.open + 8192; }, Pass);
        limits_unknown(|e| e.machine.open_files = Observation::failed("no /proc"), Unjudged);
    }
}
