//! A program that runs, and whatever it has started: ended together, if need be by a later run.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// A program and whatever it has started, ended when the wait for it is given up.
///
/// Where it is remembered in a file, only the program itself is ended, and the file stays: whoever
/// cleans up asks [`Remembered`] when the rest has ended too.
pub(super) struct Group {
    leader: Option<i32>,
    memory: Option<PathBuf>,
}

impl Group {
    /// The group that this process leads. It is remembered in a file, where one is named.
    pub(super) fn of(leader: Option<u32>, memory: Option<&Path>) -> Self {
        let leader = leader.and_then(|id| i32::try_from(id).ok());
        let remembered = leader.zip(memory).filter(|(id, file)| {
            // Without it, all of them are ended at once, as good as that is.
            Process::read(*id)
                .is_some_and(|process| fs::write(file, format!("{id} {}", process.start)).is_ok())
        });
        Self { leader, memory: remembered.map(|(_, file)| file.to_owned()) }
    }

    /// It has ended by itself.
    pub(super) fn has_ended(mut self) {
        self.leader = None;
        if let Some(file) = self.memory.take() {
            let _ = fs::remove_file(file);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It may have ended by itself in this moment.
        let _ = match (self.leader.map(Pid::from_raw), &self.memory) {
            (Some(leader), Some(_)) => kill(leader, Signal::SIGKILL),
            (Some(leader), None) => killpg(leader, Signal::SIGKILL),
            (None, _) => Ok(()),
        };
    }
}

/// A program that was remembered in a file, and did not come to its end.
///
/// An identifier may have become another program's meanwhile: only one that started in the very moment
/// that was remembered is taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    id: i32,
    start: u64,
}

impl Remembered {
    /// The program in this file, where there is one.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (id, start) = text.split_once(' ')?;
        let (id, start) = (id.parse().ok()?, start.parse().ok()?);
        // 0 and 1 would mean our own group, or everyone.
        (id > 1).then_some(Self { id, start })
    }

    /// Ends the program, if it still runs. What it has started goes on.
    pub(crate) fn end(&self) {
        if Process::read(self.id).is_some_and(|process| process.start == self.start) {
            let _ = kill(Pid::from_raw(self.id), Signal::SIGKILL);
        }
    }

    /// Whether it or something that it has started still runs.
    pub(crate) fn runs(&self) -> bool {
        if Process::read(self.id).is_some_and(|process| process.start != self.start) {
            return false;
        }
        let Ok(entries) = fs::read_dir("/proc") else {
            return false;
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Process::read)
            .any(|process| process.group == self.id && process.start >= self.start && process.alive)
    }
}

/// When a process started, in ticks since the machine did; nothing where it does not run.
pub(crate) fn started(id: i32) -> Option<u64> {
    Process::read(id).filter(|process| process.alive).map(|process| process.start)
}

/// What the kernel tells of a process.
struct Process {
    /// The group that it belongs to.
    group: i32,
    /// When it started, in ticks since boot.
    start: u64,
    /// Whether it runs: one that has ended stays until its parent asks for it.
    alive: bool,
}

impl Process {
    /// Reads it, where the kernel tells it and the process is there.
    fn read(id: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name stands in parentheses and may hold anything; the fields after it do not.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<_> = fields.split(' ').collect();
        Some(Self {
            group: fields.get(2)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            alive: !matches!(*fields.first()?, "Z" | "X"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Call;
    use crate::wait::{Look, Wait};
    use rstest::rstest;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Command;
    use std::time::Duration;

    #[rstest]
    #[case("")]
    #[case("12")]
    #[case("0 7")]
    #[case("1 7")]
    #[case("-3 7")]
    #[case("12 x")]
    fn file_without_program_is_ignored(#[case] text: &str) {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("process");
        assert_eq!(Remembered::read(&file), None, "there is no file");
        fs::write(&file, text).unwrap();
        assert_eq!(Remembered::read(&file), None);
    }

    #[test]
    fn only_the_recorded_program_is_ended() {
        let mut left =
            Command::new("tail").args(["-f", "/dev/null"]).process_group(0).spawn().unwrap();
        let id = i32::try_from(left.id()).unwrap();
        let start = Process::read(id).unwrap().start;
        let other = Remembered { id, start: start - 1 };
        assert!(!other.runs());
        other.end();
        assert_eq!(left.try_wait().unwrap(), None, "it runs on");
        let this = Remembered { id, start };
        assert!(this.runs());
        this.end();
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        assert!(!this.runs());
    }

    #[tokio::test]
    async fn group_runs_until_its_child_ends() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("process");
        let pipe = place.path().join("pipe");
        // Its child waits for somebody to write into the pipe.
        let begun = place.path().join("begun");
        let script =
            format!("mkfifo '{0}'; cat '{0}' & echo >'{1}'; wait", pipe.display(), begun.display());
        let call = Call::new("sh").args(["-c", &script]).remembered(file.clone());
        let wait = |what| Wait::new(what, Duration::from_secs(20)).every(Duration::from_millis(10));
        {
            let mut running = Box::pin(call.finish());
            let the_child = wait("the child");
            let started = the_child.until(|| async {
                if begun.exists() { Look::Ready(()) } else { Look::NotYet("none".into()) }
            });
            tokio::select! {
                outcome = &mut running => panic!("it ended: {outcome:?}"),
                started = started => started.unwrap(),
            }
        }
        // Given up: the shell is ended, its child is not.
        let remembered = Remembered::read(&file).expect("it did not come to its end");
        assert!(remembered.runs());
        fs::write(&pipe, "on").unwrap();
        wait("the end")
            .until(|| async {
                if remembered.runs() { Look::NotYet("it runs".into()) } else { Look::Ready(()) }
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn running_program_is_recorded() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("process");
        let script = format!("until [ -s '{0}' ]; do :; done; cat '{0}'", file.display());
        let call = Call::new("sh").args(["-c", &script]).remembered(file.clone());
        let text = call.output().await.unwrap();
        assert_eq!(text.split(' ').count(), 2, "{text}");
        assert!(!file.exists(), "it has ended");
    }
}
