//! Runs the tests of a class at the size of a class, and leaves nothing of them, however they end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use fs_err as fs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::cleanup::Cleanup;
use crate::command::Program;
use crate::workspace::cargo;

/// Names the file that tests add their figures to. It also marks what they start.
const FIGURES: &str = "MESHCHECK_CLASS_FIGURES";

/// Names the program that tests measure.
const PROGRAM: &str = "MESHCHECK_CLASS_PROGRAM";

/// The tests of a class, in a directory of their own.
pub(super) struct Trial {
    directory: PathBuf,
    program: PathBuf,
    _end: Cleanup,
}

/// A line of the file of figures.
#[derive(Deserialize)]
struct Figure {
    bar: String,
    value: f64,
}

impl Trial {
    /// Makes the directory. The program is the one that is measured.
    pub(super) fn new(program: &Program) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("class-").tempdir()?.keep();
        let end = {
            let directory = directory.clone();
            Cleanup::new(move || {
                end_processes(&figures(&directory));
                drop(fs::remove_dir_all(&directory));
            })
        };
        fs::create_dir(directory.join("tmp"))?;
        Ok(Self { directory, program: program.path().to_owned(), _end: end })
    }

    /// The program that is measured.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The program with the mark of this trial, and without what the environment says of clusters.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env(FIGURES, figures(&self.directory));
        for variable in ["KUBECONFIG", "MESHCHECK_CONFIG", "MESHCHECK_BUNDLE", "MESHCHECK_TOKEN"] {
            command.env_remove(variable);
        }
        command
    }

    /// A path in the directory.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Runs test programs, one test after the other. Returns whether all pass.
    pub(super) fn run(
        &self,
        programs: &[&str],
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<bool> {
        let programs = programs.iter().flat_map(|name| ["--test", name]);
        let run = cargo(&["test", "--no-fail-fast", "--package", "meshcheck"]).args(programs);
        let run = run.args(["--", "--test-threads", "1", "--include-ignored"]).args(arguments);
        let run = run
            .env(FIGURES, figures(&self.directory))
            .env(PROGRAM, &self.program)
            .env("TMPDIR", self.directory.join("tmp"));
        let run = variables.iter().fold(run, |run, (name, value)| run.env(name, value));
        Ok(run.watched()?.success())
    }

    /// Reads the figures by the names of their bars. Those of the same bar add up.
    pub(super) fn figures(&self) -> Result<BTreeMap<String, f64>> {
        let text = fs::read_to_string(figures(&self.directory))?;
        let mut all = BTreeMap::new();
        for line in text.lines() {
            let figure: Figure = serde_json::from_str(line).context("reading a figure")?;
            *all.entry(figure.bar).or_default() += figure.value;
        }
        Ok(all)
    }
}

fn figures(directory: &Path) -> PathBuf {
    directory.join("figures")
}

/// Ends what the tests have started and not ended themselves: what has their mark in its environment.
fn end_processes(mark: &Path) {
    let mark = format!("{FIGURES}={}\0", mark.display());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.windows(mark.len()).any(|part| part == mark.as_bytes()) {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::until;
    use std::time::Duration;

    #[test]
    fn process_with_the_mark_is_ended_and_no_other() {
        let place = tempfile::tempdir().unwrap();
        let start =
            |mark: &Path| Command::new("sleep").arg("60").env(FIGURES, mark).spawn().unwrap();
        let (mut marked, mut other) = (start(place.path()), start(&place.path().join("other")));
        // A child has its environment once it is the program.
        let is_started = |id: u32| {
            until("it to start", Duration::from_millis(5), Duration::from_secs(5), || {
                let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap();
                if name.trim() == "sleep" { Ok(()) } else { Err(name) }
            })
        };
        is_started(marked.id()).unwrap();
        is_started(other.id()).unwrap();
        end_processes(place.path());
        assert!(!marked.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
