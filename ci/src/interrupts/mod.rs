//! `cargo xtask interrupts`: ends runs and checks at many moments, and looks for what is left.
//!
//! ```text
//! for each moment: start ─► wait for the moment ─► end it ─► (down --leftovers | next start) ─► what is left?
//! ```

mod interruptions;
mod place;
mod subject;
mod tally;
mod target;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::command::Program;
use crate::out::{elapsed, say};
use crate::results;
use crate::selection::Selection;
use crate::setup;
use crate::software::Software;
use crate::wait::pass;
use crate::workspace::meshcheck;
use interruptions::{How, Interruption, Then, What, When};
use place::Place;
use subject::{End, Subject};
use tally::{Case, Sums};
use target::Target;

/// How long a cluster that is lost for a while is lost.
const AWAY: Duration = Duration::from_secs(3);

/// How soon the second Ctrl-C comes.
const AGAIN: Duration = Duration::from_millis(300);

/// How long the end may take after the second Ctrl-C: it is at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

pub(crate) fn run(selection: &Selection) -> Result<()> {
    let mut asked = interruptions::read()?;
    asked.retain(|moment| selection.includes(&moment.name, moment.ci));
    if selection.list {
        for moment in asked {
            crate::out::result(moment.name)?;
        }
        return Ok(());
    }
    ensure!(
        !asked.is_empty(),
        "no moment has such a name; `cargo xtask interrupts --list` shows all"
    );
    setup::ensure(&[setup::Scope::Conformance])?;
    let software = Software::choose()?;
    let meshcheck = meshcheck()?;
    let bundle = crate::live::bundle(&meshcheck, &software)?;
    let start = Instant::now();
    let mut cases = Vec::new();
    let needs_target = asked.iter().any(|moment| moment.what.has_target());
    let target = needs_target.then(|| Target::up(&meshcheck, &software)).transpose()?;
    let trial = Trial { meshcheck: meshcheck.path().to_owned(), bundle, target };
    for moment in &asked {
        say(format_args!("── {}", moment.name));
        let case = trial.try_out(moment);
        say(format_args!("   {case}"));
        cases.push(case);
        results::write("interrupts", &Sums::new(&cases))?;
    }
    let sums = Sums::new(&cases);
    say(format_args!("{sums}, in {}", elapsed(start.elapsed())));
    ensure!(sums.is_clean(), "not every moment ended clean: see `target/xtask/interrupts.json`");
    Ok(())
}

/// What every moment is tried with.
struct Trial {
    meshcheck: PathBuf,
    bundle: PathBuf,
    target: Option<Target>,
}

impl Trial {
    fn try_out(&self, moment: &Interruption) -> Case {
        let mut case = Case::new(&moment.name);
        if let Err(error) = self.ended(moment, &mut case) {
            case.fault = Some(format!("{error:#}"));
        }
        case
    }

    fn ended(&self, moment: &Interruption, case: &mut Case) -> Result<()> {
        let place = Place::new()?;
        let mut subject = Subject::start(&mut self.command(moment, &place)?)?;
        self.wait_for(&moment.when, &mut subject)?;
        if moment.after_ms > 0 {
            pass(Duration::from_millis(moment.after_ms));
        }
        self.end(moment, &mut subject)?;
        let end = subject.end()?;
        case.seconds = end.took.as_secs_f64();
        case.exit = end.code();
        let aftermath = self.aftermath(moment, &place, &end);
        case.left = place.left()?;
        if let Some(target) = &self.target {
            case.left.extend(target.left()?);
        }
        aftermath?;
        if case.left.is_empty() {
            expected_end(moment, &end)?;
        }
        Ok(())
    }

    fn command(&self, moment: &Interruption, place: &Place) -> Result<Command> {
        let mut command = self.in_place(place);
        match moment.what {
            What::Run => {
                command.args(["run", "--report", "junit=run.xml", "--report", "html=run.html"]);
                command.args(["--evidence", "run.json.gz", "--bundle"]).arg(&self.bundle);
            }
            What::Check | What::Preflight => {
                let target = self.target()?;
                let lost = matches!(moment.how, How::Lost | How::LostForAWhile);
                command.arg(if moment.what == What::Check { "check" } else { "preflight" });
                command.args(["--active", "--report", "junit=check.xml", "--kubeconfig"]);
                command.arg(target.kubeconfig(lost)).arg("--bundle").arg(&self.bundle);
            }
        }
        if let How::Panic(phase) = &moment.how {
            command.env("MESHCHECK_TEST_PANIC", phase);
        }
        Ok(command)
    }

    /// The program, in directories of its own.
    fn in_place(&self, place: &Place) -> Command {
        let mut command = Command::new(&self.meshcheck);
        command
            .current_dir(place.work())
            .env("HOME", place.home())
            .env("MESHCHECK_STATE", place.state())
            .env("TMPDIR", place.temporary())
            .env_remove("KUBECONFIG")
            .env_remove("XDG_STATE_HOME");
        command
    }

    fn target(&self) -> Result<&Target> {
        self.target.as_ref().context("there is no cluster to check")
    }

    fn wait_for(&self, when: &When, subject: &mut Subject) -> Result<()> {
        match when {
            When::Start => Ok(()),
            When::Told(text) => subject.until(text, |told| told.contains(text.as_str())),
            When::Namespace => {
                let target = self.target()?;
                subject.until("its namespace", |_| target.has_namespace())
            }
            When::NamespaceLeaves => {
                let target = self.target()?;
                subject.until("its namespace to leave", |_| target.has_leaving_namespace())
            }
        }
    }

    fn end(&self, moment: &Interruption, subject: &mut Subject) -> Result<()> {
        match moment.how {
            How::Interrupt => subject.send(Signal::SIGINT),
            How::Terminate => subject.send(Signal::SIGTERM),
            How::Hangup => subject.send(Signal::SIGHUP),
            How::Kill => subject.send(Signal::SIGKILL),
            How::Twice => {
                subject.send(Signal::SIGINT)?;
                pass(AGAIN);
                subject.send(Signal::SIGINT)
            }
            How::Panic(_) => Ok(()),
            How::Lost if moment.what == What::Run => {
                let told = subject.output();
                let name = told.split('`').nth(1).context("its cluster has no name yet")?;
                Program::new("docker").args(["kill", &format!("{name}-control-plane")]).run()
            }
            How::Lost => {
                self.target()?.line().cut();
                Ok(())
            }
            How::LostForAWhile => {
                let line = self.target()?.line();
                line.cut();
                pass(AWAY);
                line.mend();
                Ok(())
            }
        }
    }

    /// What comes after the end, where something may be left.
    fn aftermath(&self, moment: &Interruption, place: &Place, end: &End) -> Result<()> {
        if moment.how == How::Lost
            && let Some(target) = &self.target
        {
            target.line().mend();
        }
        let mut after = match moment.then() {
            Then::Nobody => return Ok(()),
            Then::Leftovers => {
                let mut down = self.in_place(place);
                down.args(["down", "--leftovers"]);
                if moment.what.has_target() {
                    down.arg("--kubeconfig").arg(self.target()?.kubeconfig(false));
                }
                down
            }
            Then::NextStart => self.command(moment, place)?,
        };
        let output = after.output().context("starting meshcheck")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "what comes after it ended with {}: {told}\nbefore: {}",
            output.status,
            end.told
        );
        Ok(())
    }
}

/// The exit code that such an end has.
fn expected_end(moment: &Interruption, end: &End) -> Result<()> {
    let code = end.code();
    let fits = match moment.how {
        // Once it removes, it does so whatever comes, and ends with its verdict.
        How::Interrupt | How::Terminate | How::Hangup => {
            code == 130 || (code == 0 && removes(moment))
        }
        How::Twice => code == 130 && end.took < AT_ONCE,
        How::Kill => code == 137,
        How::Panic(_) => code == 3,
        // Some claims may have been judged before it was lost.
        How::Lost | How::LostForAWhile => matches!(code, 0 | 1 | 3),
    };
    ensure!(fits, "it ended with {code} after {:.1} s: {}", end.took.as_secs_f64(), end.told);
    Ok(())
}

fn removes(moment: &Interruption) -> bool {
    matches!(&moment.when, When::Told(text) if text == "remove: deleting")
}
