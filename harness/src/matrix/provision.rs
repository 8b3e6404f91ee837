//! Makes the record of a column: a `meshcheck run` of its own creates the cluster, records it and deletes it.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::thread::available_parallelism;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::{Column, Software};

/// How many processors a cluster and its installation keep busy.
const PROCESSORS: usize = 2;

/// The memory that a cluster with its mesh takes, in bytes. Seen: 1 GiB for a node with everything on it, and what
/// unpacks the images takes as much.
const MEMORY: u64 = 3 << 30;

/// How many of its last lines explain a run that made no record.
const LAST_LINES: usize = 6;

/// What a run tells while it works: the name of its column, and a line.
pub(crate) type Progress<'p> = &'p (dyn Fn(&str, &str) + Sync);

/// Returns how many columns this machine can provision at the same time.
pub(crate) fn jobs() -> usize {
    let processors = available_parallelism().map_or(1, |number| number.get() / PROCESSORS);
    let memory = available_memory().map_or(1, |bytes| bytes / MEMORY);
    processors.min(usize::try_from(memory).unwrap_or(1)).max(1)
}

/// Returns the memory that is available, in bytes, where the kernel tells.
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// Provisions a column and writes its record to `file`. Where there is no record, the error is that of the run.
pub(crate) async fn record(
    column: &Column,
    file: &Path,
    config: Option<&Path>,
    cancel: &CancellationToken,
    progress: Progress<'_>,
) -> Result<(), String> {
    // A record of other software may be there, and stays until there is a new one.
    let new = file.with_file_name(format!("{}.new.json.gz", column.name));
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.arg("run").arg("--evidence").arg(&new).args(["--output", "json"]);
    match &column.software {
        Software::Bundle(directory) => {
            command.arg("--bundle").arg(directory);
        }
        Software::Release { istio, kubernetes } => {
            // A variable for all of them would win over the version of this one.
            command.env_remove("MESHCHECK_BUNDLE").args(["--istio", istio]);
            if let Some(kubernetes) = kubernetes {
                command.args(["--kubernetes", kubernetes]);
            }
        }
    }
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    // Ctrl-C on a terminal goes to its whole group: a second one must end this program, not the removal of clusters.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start a run: {error}"))?;
    let lines = child.stderr.take();
    let said = async {
        let mut last = Vec::new();
        if let Some(lines) = lines {
            follow(lines, |line| {
                progress(&column.name, line);
                last.push(line.to_owned());
                let surplus = last.len().saturating_sub(LAST_LINES);
                last.drain(..surplus);
            })
            .await;
        }
        last
    };
    let (last, ended) = tokio::join!(said, end(&mut child, cancel));
    ended.map_err(|error| format!("waiting for a run: {error}"))?;
    match std::fs::rename(&new, file) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(reason(&last)),
        Err(error) => Err(format!("cannot rename {}: {error}", new.display())),
    }
}

/// Waits for a run. Where this program is to end, it ends the run first, which deletes its cluster.
async fn end(child: &mut Child, cancel: &CancellationToken) -> io::Result<()> {
    let id = child.id();
    tokio::select! {
        ended = child.wait() => return ended.map(drop),
        () = cancel.cancelled() => {}
    }
    if let Some(id) = id.and_then(|id| i32::try_from(id).ok()) {
        // It may have ended in between.
        let _ = kill(Pid::from_raw(id), Signal::SIGINT);
    }
    child.wait().await.map(drop)
}

/// Hands out the lines of an output, each shortened where it is damaged text.
async fn follow(output: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        each(String::from_utf8_lossy(&line).trim_end());
    }
}

/// Returns why there is no record: the error of the run and its fix, or its last lines.
fn reason(last: &[String]) -> String {
    let error = last.iter().position(|line| line.starts_with("error: "));
    let lines = error.map_or(last, |at| &last[at..]);
    let text = lines.join("\n");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    if text.is_empty() {
        "the run ended without a record and without a word".into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_the_run_is_the_reason() {
        let lines = ["  3.1s  cluster: creating", "error: the disk is full", "fix: free 4 GB"];
        assert_eq!(reason(&lines.map(String::from)), "the disk is full\nfix: free 4 GB");
    }

    #[test]
    fn last_lines_are_the_reason_where_the_run_names_none() {
        assert_eq!(reason(&["Killed".to_owned()]), "Killed");
        assert!(reason(&[]).contains("without a word"));
    }

    #[tokio::test]
    async fn lines_are_handed_out_whatever_their_bytes() {
        let mut lines = Vec::new();
        follow(&b"one\r\n\xff two"[..], |line| lines.push(line.to_owned())).await;
        assert_eq!(lines, ["one", "\u{fffd} two"]);
    }
}
