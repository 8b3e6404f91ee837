//! kind and istioctl of the software start on this machine.

use crate::entry::check;
use crate::evidence::Observation;
use crate::format::{excerpt, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine as steps;

check! {
    /// The tutorial says: run `istioctl install`.
    ///
    /// ## Why it matters
    /// A program for another CPU architecture, or on a disk mounted noexec, does not start.
    ///
    /// ## How it is checked
    /// Starts kind and istioctl of the software with their version command.
    ///
    /// ## What makes it fail
    /// One of the programs does not start.
    ///
    /// ## How to fix it
    /// Download the programs for this machine, or move the bundle to a disk that is not mounted noexec.
    ///
    /// ## Check by hand
    ///     istioctl version --remote=false
    ///     kind version
    software::programs_run: "kind and istioctl of the software start on this machine",
    needs: Software,
    after: available,
}

fn judge(evidence: &PreflightEvidence) -> Judged {
    let programs = match &evidence.software.programs {
        Observation::Absent { reason } => return Err(Judgement::skipped(reason.clone())),
        other => other.look("the programs of the software")?,
    };
    if programs.is_empty() {
        return Err(Judgement::unjudged("the software contains no program that meshcheck knows"));
    }
    let broken = programs.iter().find(|program| !program.runs);
    if let Some(program) = broken {
        return Err(Judgement::fail(format!("{} does not start on this machine", program.name))
            .expected(format!("{} starts", program.name))
            .observed(excerpt(&program.words))
            .object(format!("program {} of the software", program.name))
            .steps(steps::get_programs()));
    }
    let names: Vec<_> = programs
        .iter()
        .map(|program| format!("{} {}", program.name, excerpt(&program.words)))
        .collect();
    Ok(Judgement::pass(format!("{} start", list(&names))))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::evidence::*;
    use crate::preflight::software::changes::*;

    cases! { PreflightEvidence:
        both_start(|_| {}, Pass);
        other_architecture(|e| {
            let programs = e.software.programs.value_mut().unwrap();
            programs[1].runs = false;
            programs[1].words = "Exec format error".into();
        }, Fail);
        not_downloaded(to_download, Skipped);
        none_known(|e| e.software.programs = Observation::seen(vec![]), Unjudged);
        programs_unknown(|e| e.software.programs = Observation::failed("no answer within 5 s"), Unjudged);
    }
}
