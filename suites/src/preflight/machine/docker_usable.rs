//! The docker engine answers, and this user may use it.

use super::ENGINE;
use crate::entry::check;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::EngineAnswer;
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::{Step, machine as steps};

check! {
    /// The tutorial implies a docker engine that the reader may use: the nodes of kind are containers.
    ///
    /// ## Why it matters
    /// Without it kind cannot create a cluster on this machine.
    ///
    /// ## How it is checked
    /// Runs `docker info`: an engine must answer this user, be recent enough, and run Linux containers.
    ///
    /// ## What makes it fail
    /// - The program docker is missing, or no engine answers.
    /// - The engine denies access to this user.
    /// - The engine runs Windows containers, or is older than 20.10.
    ///
    /// ## How to fix it
    /// Install docker, start its service, or add the user to the group docker.
    ///
    /// ## Check by hand
    ///     docker info
    machine::docker_usable: "the docker engine answers, and this user may use it",
    needs: Engine,
}

/// The oldest engine that is tested, by the first number of its version.
const OLDEST: u64 = 20;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let usable = "an engine that answers this user";
    let fail = |summary: &str, expected: &str, observed: &str, steps: Vec<Step>| {
        Err(Judgement::fail(summary)
            .expected(expected)
            .observed(observed)
            .object(ENGINE)
            .steps(steps))
    };
    let engine = match evidence.machine.engine.look(ENGINE)? {
        EngineAnswer::Answers(engine) => engine,
        EngineAnswer::Refuses { words } => {
            return fail(
                "the docker engine denies access to this user",
                usable,
                &excerpt(words),
                steps::join_docker_group(),
            );
        }
        EngineAnswer::Silent { words } => {
            return fail(
                "the docker engine does not answer",
                usable,
                &excerpt(words),
                steps::start_docker(),
            );
        }
        EngineAnswer::NoProgram => {
            return fail(
                "docker is not installed: no program `docker` in PATH",
                usable,
                "no program `docker`",
                vec![steps::install_docker()],
            );
        }
    };
    if engine.os != "linux" {
        return fail(
            "the docker engine does not run Linux containers",
            "Linux containers",
            &format!("{} containers", engine.os),
            vec![steps::use_linux_containers()],
        );
    }
    let major = engine.version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        return fail(
            &format!("docker engine {} is too old", engine.version),
            "20.10 or newer",
            &engine.version,
            vec![steps::upgrade_docker()],
        );
    }
    let rootless = if engine.rootless { " (rootless)" } else { "" };
    Ok(Judgement::pass(format!("docker {} answers{rootless}", engine.version)))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;

    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;

    cases! { PreflightEvidence:
        answers(|_| {}, Pass);
        rootless(|e| engine(e).rootless = true, Pass);
        access_denied(refuses, Fail);
        not_running(silent, Fail);
        not_installed(no_program, Fail);
        windows_containers(|e| engine(e).os = "windows".into(), Fail);
        too_old(|e| engine(e).version = "19.03.1".into(), Fail);
        old_enough(|e| engine(e).version = "20.10.24+dfsg1".into(), Pass);
        version_without_number(|e| engine(e).version = "dev".into(), Pass);
        no_answer_in_time(hangs, Unjudged);
    }
}
