//! One run of the real program: watched, measured, and held to what every run owes its user.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::measured;
use crate::sandbox::Sandbox;

/// How much of each output is kept, in bytes.
const OUTPUT_LIMIT: u64 = 8 << 20;

/// The longest that a run may take, in seconds, unless its case says otherwise. It is there against
/// hanging: it leaves room for a busy machine.
const SECONDS: u64 = 20;

/// The largest resident set of a run, in MiB, unless its case says otherwise: 30 of a healthy check, and twice the 64 of
/// answers that may be read at the same time, because a buffer that grows is copied.
pub(crate) const MIB: u64 = 160;

/// The user `nobody`.
const NOBODY: u32 = 65534;

/// Where standard output goes.
pub(crate) enum Stdout {
    /// To the test.
    Captured,
    /// To a reader that is gone before the first byte.
    Closed,
    /// To a file.
    File(PathBuf),
}

/// A call of the program that is about to be made.
pub(crate) struct Call<'a> {
    pub(crate) sandbox: &'a Sandbox,
    command: Command,
    stdout: Stdout,
    /// Who runs it, where it is not the user of the test.
    user: Option<u32>,
    seconds: u64,
    mib: u64,
    writes: Vec<PathBuf>,
}

/// A call of the program with these arguments.
pub(crate) fn meshcheck<'a, A: AsRef<OsStr>>(sandbox: &'a Sandbox, arguments: &[A]) -> Call<'a> {
    let mut command = sandbox.meshcheck(arguments);
    // What is left running is found by it.
    command.env("HOSTILE_SANDBOX", sandbox.path());
    let (stdout, writes) = (Stdout::Captured, Vec::new());
    Call { sandbox, command, stdout, user: None, seconds: SECONDS, mib: MIB, writes }
}

/// A check with this kubeconfig.
pub(crate) fn check(sandbox: &Sandbox, kubeconfig: impl AsRef<Path>) -> Call<'_> {
    meshcheck(sandbox, &["check", "--kubeconfig"]).arg(kubeconfig.as_ref())
}

/// A judgement of evidence, which may be none.
pub(crate) fn judge(sandbox: &Sandbox, evidence: impl AsRef<[u8]>) -> Call<'_> {
    sandbox.file("e.json", evidence);
    meshcheck(sandbox, &["judge", "e.json"])
}

impl Call<'_> {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn stdout(mut self, to: Stdout) -> Self {
        self.stdout = to;
        self
    }

    /// As a user without rights. Root may read and write everything, and becomes `nobody`.
    pub(crate) fn without_rights(mut self) -> Self {
        if nix::unistd::geteuid().is_root() {
            // Others may not read the directory of the build.
            let program = self.sandbox.path().join("meshcheck");
            let built = env!("CARGO_BIN_EXE_meshcheck");
            if !program.exists() {
                fs::hard_link(built, &program)
                    .or_else(|_| fs::copy(built, &program).map(drop))
                    .unwrap();
            }
            fs::set_permissions(self.sandbox.path(), fs::Permissions::from_mode(0o755)).unwrap();
            self.command = measured::like(&self.command, Command::new(program));
            self.user = Some(NOBODY);
        }
        self
    }

    /// Through another program, which gets this script, the program and its arguments.
    pub(crate) fn through(mut self, program: &[&str], script: &str) -> Self {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(script).arg(self.command.get_program());
        self.command = measured::like(&self.command, command);
        self
    }

    /// Within this time, in seconds.
    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Within this much memory, in MiB.
    pub(crate) fn memory(mut self, mib: u64) -> Self {
        self.mib = mib;
        self
    }

    /// It may write this file.
    pub(crate) fn writes(mut self, path: impl Into<PathBuf>) -> Self {
        self.writes.push(path.into());
        self
    }

    /// Runs it to its end, and checks what it owes every user: it does not panic, ends in time, stays
    /// within its memory, and leaves nothing behind.
    pub(crate) fn run(self) -> Outcome {
        let before = list(self.sandbox.path());
        let peak = self.sandbox.path().join("peak");
        let start = Instant::now();
        let mut child = self.start(&peak);
        let stdout = child.stdout.take().filter(|_| matches!(self.stdout, Stdout::Captured));
        let (stdout, stderr) = (read(stdout), read(child.stderr.take()));
        let hung = !wait(&mut child, Duration::from_secs(self.seconds));
        let exit = child.wait().unwrap().code();
        let seconds = start.elapsed().as_secs_f64();
        // What holds the outputs open is ended first: reading them would wait for it.
        let running = running(self.sandbox.path());
        for (process, _) in &running {
            let _ = kill(Pid::from_raw(*process), Signal::SIGKILL);
        }
        // One that was killed has measured nothing.
        let kib = measured::Measured::read(&peak).map(|it| it.peak);
        let _ = fs::remove_file(peak);
        let processes = running.into_iter().map(|(id, name)| format!("process {id} ({name})"));
        let outcome = Outcome {
            exit,
            seconds,
            peak_mib: kib.unwrap_or_default() >> 10,
            left: processes.chain(self.changes(&before)).collect(),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        };
        assert!(!hung, "it did not end within {} s\n{outcome}", self.seconds);
        assert!(kib.is_some(), "it was not measured\n{outcome}");
        // After Ctrl-C the program removes what it made, says so, and ends with 130 by itself.
        let is_interrupted = outcome.stderr.contains("error: interrupted;");
        assert!(outcome.exit < Some(128) || is_interrupted, "a signal ended it\n{outcome}");
        for word in ["panicked at", "RUST_BACKTRACE", "stack backtrace", "a bug:"] {
            assert!(!outcome.stderr.contains(word), "{outcome}");
        }
        assert!(is_plain(&outcome.stderr), "control characters: {:?}", outcome.stderr);
        // JSON may hold letters that turn the direction: a program reads it.
        let data = outcome.stdout.starts_with('{');
        let plain = if data { !has_control(&outcome.stdout) } else { is_plain(&outcome.stdout) };
        assert!(plain, "control characters: {:?}", outcome.stdout);
        assert!(outcome.peak_mib <= self.mib, "more than {} MiB\n{outcome}", self.mib);
        assert!(outcome.left.is_empty(), "something was left behind\n{outcome}");
        outcome
    }

    /// Starts it within a process that writes its peak of memory into a file.
    fn start(&self, peak: &Path) -> Child {
        let user = self.user.map_or_else(String::new, |user| user.to_string());
        let mut measure = measured::measuring(&self.command, peak, &user);
        measure.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        match &self.stdout {
            Stdout::Captured | Stdout::Closed => measure.stdout(Stdio::piped()),
            Stdout::File(path) => measure.stdout(File::options().write(true).open(path).unwrap()),
        };
        measure.spawn().unwrap()
    }

    /// What has changed in the sandbox and should not have.
    fn changes(&self, before: &BTreeMap<PathBuf, String>) -> Vec<String> {
        let after = list(self.sandbox.path());
        let mut changes = Vec::new();
        for (path, data) in after.iter().filter(|(path, _)| !self.writes.contains(path)) {
            match before.get(path) {
                None => changes.push(format!("new: {}", path.display())),
                Some(was) if was != data => changes.push(format!("changed: {}", path.display())),
                Some(_) => {}
            }
        }
        let lost = before.keys().filter(|path| !after.contains_key(*path));
        changes.extend(lost.map(|path| format!("lost: {}", path.display())));
        changes
    }
}

/// Each path below a directory, with what stands there.
fn list(directory: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    // A directory that may not be read has been made so by the case.
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let data = fs::symlink_metadata(&path).unwrap();
        let content = if data.is_dir() {
            found.extend(list(&path));
            "a directory".to_owned()
        } else if data.is_file() {
            // Large inputs differ by their time: reading them again would cost seconds.
            format!("{} bytes of {:?}", data.len(), data.modified().unwrap())
        } else {
            "something else".to_owned()
        };
        found.insert(path, content);
    }
    found
}

/// Waits for the end of a process; kills its group where it does not end in time.
fn wait(child: &mut Child, patience: Duration) -> bool {
    let group = Pid::from_raw(child.id().try_into().unwrap());
    let (ended, end) = mpsc::channel::<()>();
    let guard = thread::spawn(move || {
        let in_time = end.recv_timeout(patience) != Err(mpsc::RecvTimeoutError::Timeout);
        if !in_time {
            let _ = killpg(group, Signal::SIGKILL);
        }
        in_time
    });
    child.wait().unwrap();
    drop(ended);
    guard.join().unwrap()
}

/// How a run ended, what it printed, and what it took.
pub(crate) struct Outcome {
    pub(crate) exit: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) seconds: f64,
    /// The peak of its resident memory.
    pub(crate) peak_mib: u64,
    /// What is there after it and should not be.
    left: Vec<String>,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { exit, seconds, peak_mib, left, stderr, .. } = self;
        let stdout: String = self.stdout.chars().take(30_000).collect();
        write!(
            to,
            "exit {exit:?} after {seconds:.1} s, at most {peak_mib} MiB; left behind: {left:?}\n\
             ── stderr\n{stderr}\n── stdout\n{stdout}"
        )
    }
}

impl Outcome {
    /// One clear error with this exit code: what is wrong (with all of these words), and a fix.
    pub(crate) fn error(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.exit, Some(code), "{self}");
        let count = |is: fn(&str) -> bool| self.stderr.lines().filter(|line| is(line)).count();
        let errors = count(|line| line.starts_with("error: "));
        let fixes = count(|line| line.starts_with("fix: "));
        assert_eq!((errors, fixes), (1, 1), "one error, one fix: {self}");
        // A page that was answered, or a file that was read, is quoted in part at the most.
        assert!(self.stderr.len() < 2000, "an error, not a page: {self}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}`: {self}");
        }
        self
    }

    /// A report with this exit code, as text or as JSON.
    pub(crate) fn report(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self}");
        assert!(!self.stderr.contains("error: "), "{self}");
        if !self.stdout.lines().any(|line| line.contains(" claims: ")) {
            assert!(self.json()["totals"].is_object(), "{self}");
        }
        self
    }

    /// What stands on standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

/// Whether a text does nothing to a terminal, and turns no text around.
pub(crate) fn is_plain(text: &str) -> bool {
    let turns = |it: char| matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !has_control(text) && !text.contains(turns)
}

/// Whether a text holds a control character that is no line break.
fn has_control(text: &str) -> bool {
    text.contains(|it: char| it.is_control() && it != '\n')
}

/// Reads a pipe to its end, and keeps its beginning.
fn read(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut bytes).unwrap();
            std::io::copy(&mut pipe, &mut std::io::sink()).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    })
}

/// What still runs of a case, a moment after its end: what has just been killed is given that moment.
fn running(sandbox: &Path) -> Vec<(i32, String)> {
    let mark = [b"HOSTILE_SANDBOX=", sandbox.as_os_str().as_encoded_bytes(), b"\0"].concat();
    let of_case = |id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark)
    };
    let mut found = Vec::new();
    for _ in 0..20 {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        found = processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(of_case)
            .map(|id| (id, fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default()))
            .map(|(id, name)| (id, name.trim().to_owned()))
            .collect::<Vec<_>>();
        if found.is_empty() {
            break;
        }
        crate::support::wait::pause(Duration::from_millis(50));
    }
    found
}
