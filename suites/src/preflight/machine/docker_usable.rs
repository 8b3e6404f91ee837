//! The docker engine answers, and this user may use it.

use super::ENGINE;
use crate::entry::check;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::EngineAnswer;
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::{Step, machine as steps};

check! {
    /// The tutorial implies a docker engine that the reader may use: kind makes its nodes of containers.
    ///
    /// ## Why it matters
    /// Without it no cluster can be made on this machine.
    ///
    /// ## How it is checked
    /// Runs `docker info` and reads the answer: whether an engine answers this user, its version, and whether it runs Linux
    /// containers.
    ///
    /// ## What makes it fail
    /// - The program docker is missing, or no engine answers.
    /// - The engine does not let this user in.
    /// - The engine runs Windows containers, or is older than 20.10.
    ///
    /// ## How to fix it
    /// Install docker, start its service, or add the user to the group docker.
    ///
    /// ## Check by hand
    ///     docker info
    machine::docker_usable: "the docker engine answers, and this user may use it",
    needs: Engine,
    judge: judge,
}

/// The oldest engine with which our runs were seen to work, by the first number of its version.
const OLDEST: u64 = 20;

fn judge(evidence: &PreflightEvidence) -> Judged {
    let expected = "an engine that answers this user";
    let fail = |what: &str, observed: &str, steps: Vec<Step>| {
        Err(Judgement::fail(what).expected(expected).observed(observed).object(ENGINE).steps(steps))
    };
    let engine = match evidence.machine.engine.look(ENGINE)? {
        EngineAnswer::Answers(engine) => engine,
        EngineAnswer::Refuses { words } => {
            return fail(
                "the docker engine runs, but this user may not use it",
                &excerpt(words),
                steps::join_docker_group(),
            );
        }
        EngineAnswer::Silent { words } => {
            return fail(
                "the docker engine does not answer",
                &excerpt(words),
                steps::start_docker(),
            );
        }
        EngineAnswer::NoProgram => {
            return fail(
                "docker is not installed: there is no program `docker` on the PATH",
                "no program `docker`",
                vec![steps::install_docker()],
            );
        }
    };
    if engine.os != "linux" {
        return fail(
            "the docker engine runs no Linux containers",
            &format!("containers of {}", engine.os),
            vec![steps::use_linux_containers()],
        );
    }
    let major = engine.version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        return fail(
            &format!("the docker engine {} is too old", engine.version),
            &engine.version,
            vec![steps::upgrade_docker()],
        );
    }
    let rootless = if engine.rootless { ", without root" } else { "" };
    Ok(Judgement::pass(format!("docker {} answers{rootless}", engine.version)))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;

    use crate::preflight::evidence::*;
    use crate::preflight::machine::changes::*;

    cases! { PreflightEvidence:
        ready(|_| {}, Pass);
        rootless(|e| engine(e).rootless = true, Pass);
        not_allowed(refuses, Fail);
        not_running(silent, Fail);
        not_installed(no_program, Fail);
        of_windows(|e| engine(e).os = "windows".into(), Fail);
        very_old(|e| engine(e).version = "19.03.1".into(), Fail);
        old_enough(|e| engine(e).version = "20.10.24+dfsg1".into(), Pass);
        of_no_number(|e| engine(e).version = "dev".into(), Pass);
        hanging(hangs, Unjudged);
    }
}
