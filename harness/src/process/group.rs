//! A program that runs, and whatever it has started: ended together, also by the run after next.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A program and whatever it has started, ended together when the wait for it is given up.
/// kind is not alone: its `docker run` would go on and finish a container that nobody waits for.
pub(super) struct Group {
    leader: Option<i32>,
    memory: Option<PathBuf>,
}

impl Group {
    /// The group that this process leads. It is remembered in a file, where one is named.
    pub(super) fn of(leader: Option<u32>, memory: Option<&Path>) -> Self {
        let leader = leader.and_then(|id| i32::try_from(id).ok());
        if let (Some(id), Some(file)) = (leader, memory)
            && let Some(start) = started(id)
        {
            // Without it, a run that is killed leaves its program to end by itself.
            let _ = fs::write(file, format!("{id} {start}"));
        }
        Self { leader, memory: memory.map(Path::to_owned) }
    }

    /// It has ended by itself.
    pub(super) fn has_ended(mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.leader {
            // It may have ended by itself in this moment.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        if let Some(file) = &self.memory {
            let _ = fs::remove_file(file);
        }
    }
}

/// Ends the program that this file remembers, if it still runs; whether it did.
///
/// An identifier may have become another program's: only one that started in the very moment that was
/// remembered is ended.
pub fn end_remembered(file: &Path) -> bool {
    let Ok(text) = fs::read_to_string(file) else {
        return false;
    };
    let Some((id, start)) = text.split_once(' ') else {
        return false;
    };
    let Ok(id) = id.parse::<i32>() else {
        return false;
    };
    // 0 and 1 would mean our own group, or everyone.
    id > 1
        && started(id).as_deref() == Some(start)
        && killpg(Pid::from_raw(id), Signal::SIGKILL).is_ok()
}

/// When a process started, in the kernel's ticks since boot, where the kernel tells that.
fn started(id: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold anything; the fields after it are numbers.
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split(' ').nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Call;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Command;

    #[test]
    fn what_a_killed_run_has_left_is_ended_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("process");
        assert!(!end_remembered(&file), "nothing is remembered");
        let mut left =
            Command::new("tail").args(["-f", "/dev/null"]).process_group(0).spawn().unwrap();
        let id = i32::try_from(left.id()).unwrap();
        let start = started(id).unwrap();
        for wrong in
            [format!("{id} {start}0"), format!("{id}"), format!("0 {start}"), String::new()]
        {
            fs::write(&file, &wrong).unwrap();
            assert!(!end_remembered(&file), "{wrong:?}");
        }
        assert_eq!(left.try_wait().unwrap(), None, "it runs");
        fs::write(&file, format!("{id} {start}")).unwrap();
        assert!(end_remembered(&file));
        assert_eq!(left.wait().unwrap().signal(), Some(9));
    }

    #[tokio::test]
    async fn it_is_remembered_while_it_runs() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("process");
        // The shell sees the file only after it has started; it answers as soon as it is there.
        let script = format!("until [ -s '{0}' ]; do :; done; cat '{0}'", file.display());
        let call = Call::new("sh").args(["-c", &script]).remembered(file.clone());
        let text = call.output().await.unwrap();
        assert_eq!(text.split(' ').count(), 2, "{text}");
        assert!(!file.exists(), "it has ended");
    }
}
