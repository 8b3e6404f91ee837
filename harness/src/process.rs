//! Running other programs: with a ceiling, their output bounded, and an end when we end.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::signals;

mod group;

use group::Group;
pub(crate) use group::Remembered;
pub(crate) use group::started;

/// How much of each output is kept, in bytes. Rules of a pod are some 4 KiB, a list of containers less.
const OUTPUT_LIMIT: u64 = 4 << 20;

/// How many of a failed program's last lines its error shows.
const LAST_LINES: usize = 12;

/// A call of a program that did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It could not be started.
    #[error("starting `{program}`")]
    Start { program: String, source: std::io::Error },
    /// Its output could not be read.
    #[error("reading the output of `{program}`")]
    Output { program: String, source: std::io::Error },
    /// It said that it failed.
    #[error("`{call}` failed ({status}){}{last}", if last.is_empty() { "" } else { ": " })]
    Failed { call: String, status: String, last: String },
    /// It took too long, and was ended.
    #[error("`{call}` did not end within {} s", ceiling.as_secs())]
    Timeout { call: String, ceiling: Duration },
}

impl ProcessError {
    /// What to do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = self.to_string();
        match self {
            Self::Start { program, source } if source.kind() == std::io::ErrorKind::NotFound => {
                Some(format!("`{program}` is not on the PATH: install it; on Debian, `cargo xtask setup` does"))
            }
            Self::Start { program, source }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Some(format!("`ls -l \"$(which {program})\"` shows who may run it"))
            }
            Self::Failed { .. } if text.contains("permission denied") && text.contains("docker") => {
                Some("your user may not talk to the docker engine: `sudo usermod -aG docker $USER`, then log in again".into())
            }
            Self::Failed { .. } if text.contains("Cannot connect to the Docker daemon") => {
                Some("the docker engine does not run: `sudo systemctl start docker` starts it".into())
            }
            Self::Failed { .. } => full_disk(&text),
            Self::Timeout { .. } if text.contains("docker ") => {
                Some("`docker info` shows whether the engine answers at all".into())
            }
            _ => None,
        }
    }
}

/// What to do about an error whose text says that the disk of the docker engine is full.
pub(crate) fn full_disk(text: &str) -> Option<String> {
    let is_full = text.contains("no space left on device");
    is_full.then(|| "the disk is full: `docker system df` shows what docker keeps".into())
}

/// How a program ended, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// The exit code; nothing where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output, at most 4 MiB of it.
    pub(crate) stdout: String,
    /// Standard error, at most 4 MiB of it.
    pub(crate) stderr: String,
}

/// A call of a program.
#[derive(Debug)]
pub(crate) struct Call {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    ceiling: Duration,
    memory: Option<PathBuf>,
}

impl Call {
    /// A call of `program`, which may take a minute.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            input: Vec::new(),
            ceiling: Duration::from_mins(1),
            memory: None,
        }
    }

    /// `docker`, as it stands on the PATH.
    pub(crate) fn docker() -> Self {
        Self::new("docker")
    }

    /// Adds an argument.
    #[must_use]
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub(crate) fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Writes this to its standard input.
    #[must_use]
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Lets it take this long at the most.
    #[must_use]
    pub(crate) fn within(mut self, ceiling: Duration) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// Remembers it in this file until it has ended by itself.
    ///
    /// Dropping its future then ends the program, not what it has started: [`Remembered`] tells when that has
    /// ended. So does it for a program that goes on because we were killed.
    #[must_use]
    pub(crate) fn remembered(mut self, file: PathBuf) -> Self {
        self.memory = Some(file);
        self
    }

    fn shown(&self) -> String {
        let program = Path::new(&self.program).file_name().unwrap_or(&self.program);
        let words = std::iter::once(program).chain(self.arguments.iter().map(OsString::as_os_str));
        let words: Vec<_> =
            words.map(|word| meshcheck_suites::hint::quote(&word.to_string_lossy())).collect();
        words.join(" ")
    }

    /// Runs it to its end, whatever that is.
    pub(crate) async fn finish(&self) -> Result<Finished, ProcessError> {
        let program = self.program.to_string_lossy().into_owned();
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            // A kubeconfig is named where one is used, never inherited.
            .env_remove("KUBECONFIG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on a terminal goes to the whole group: it is for us to end what we started.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|source| ProcessError::Start { program: program.clone(), source })?;
        let group = Group::of(child.id(), self.memory.as_deref());
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input says so itself.
                let _ = stdin.write_all(&self.input).await;
            }
        };
        let work = async {
            let ((), stdout, stderr) = tokio::join!(feed, read(stdout), read(stderr));
            let status = child.wait().await?;
            signals::arrival(status).await;
            Ok::<_, std::io::Error>(Finished {
                code: status.code(),
                stdout: stdout?,
                stderr: stderr?,
            })
        };
        match tokio::time::timeout(self.ceiling, work).await {
            Ok(outcome) => {
                group.has_ended();
                outcome.map_err(|source| ProcessError::Output { program, source })
            }
            Err(_) => Err(ProcessError::Timeout { call: self.shown(), ceiling: self.ceiling }),
        }
    }

    /// Runs it and hands out what it wrote to standard output.
    pub(crate) async fn output(&self) -> Result<String, ProcessError> {
        let finished = self.finish().await?;
        if finished.code == Some(0) {
            return Ok(finished.stdout);
        }
        let text =
            if finished.stderr.trim().is_empty() { &finished.stdout } else { &finished.stderr };
        let lines = without_stacks(text.trim());
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        let status = finished
            .code
            .map_or("ended by a signal".to_owned(), |code| format!("exit code {code}"));
        Err(ProcessError::Failed { call: self.shown(), status, last })
    }
}

/// Drops the call stacks that programs in Go print with an error. They say nothing to who calls the program. Each
/// function stands in a line, and its place in the next: `k8s.io/kubernetes/cmd/kubeadm/kubeadm.go:25`, after a
/// tab. A function in assembly stands in a file `runtime/asm_amd64.s`.
fn without_stacks(text: &str) -> Vec<&str> {
    let is_place = |line: &str| {
        let place = line
            .strip_prefix('\t')
            .and_then(|place| place.split_once(".go:").or_else(|| place.split_once(".s:")));
        place.is_some_and(|(file, number)| {
            !file.contains(' ') && number.starts_with(|c: char| c.is_ascii_digit())
        })
    };
    let mut kept = Vec::new();
    for line in text.lines() {
        if is_place(line) {
            kept.pop();
        } else {
            kept.push(line);
        }
    }
    kept
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(OUTPUT_LIMIT).read_to_end(&mut bytes).await?;
        // What goes on is read and dropped, so that the program is not held up.
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Call {
        Call::new("sh").args(["-c", script])
    }

    #[tokio::test]
    async fn output_and_exit_code_come_back() {
        let finished = shell("cat; echo no >&2; exit 3").input("yes").finish().await.unwrap();
        assert_eq!(finished.code, Some(3));
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("yes", "no\n"));
    }

    #[tokio::test]
    async fn failed_program_is_quoted_with_its_call() {
        let error = shell("echo the reason >&2; exit 1").output().await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sh -c 'echo the reason") && text.ends_with("the reason"), "{text}");
    }

    #[tokio::test]
    async fn stack_of_a_program_in_go_does_not_hide_its_error() {
        let script = "printf 'timed out\\nmain.run\\n\\tapp/run.go:25\\nwrong phase\\nmain.main\\n\\tapp/kubeadm.go:25 +0x1d\\nruntime.goexit\\n\\truntime/asm_amd64.s:1771\\n'; exit 1";
        let error = shell(script).output().await.unwrap_err();
        let ProcessError::Failed { last, .. } = error else { panic!("{error:?}") };
        assert_eq!(last, "timed out\nwrong phase");
        assert_eq!(without_stacks("see app/run.go:25\n\tat run.go: no number").len(), 2);
    }

    #[tokio::test]
    async fn hanging_program_is_ended() {
        let error =
            shell("exec tail -f /dev/null").within(Duration::from_millis(50)).output().await;
        assert!(matches!(error, Err(ProcessError::Timeout { .. })), "{error:?}");
    }

    #[tokio::test]
    async fn missing_program_has_a_fix() {
        let error = Call::new("no-such-program").output().await.unwrap_err();
        assert!(error.hint().unwrap().contains("not on the PATH"));
    }

    #[tokio::test]
    async fn program_does_not_inherit_the_kubeconfig() {
        let output = shell("echo ${KUBECONFIG-none}").output().await.unwrap();
        assert_eq!(output, "none\n");
    }
}
