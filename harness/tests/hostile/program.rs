//! One run of the real program: watched, measured, and held to what every run owes its user.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::case::Place;
use crate::measured;

/// How much of each output is kept, in bytes.
const OUTPUT_LIMIT: u64 = 8 << 20;

/// The longest that a run may take, in seconds, unless its case says otherwise. It is there against
/// hanging: it leaves room for a busy machine.
const SECONDS: u64 = 20;

/// The largest resident set of a run, in MiB, unless its case says otherwise. A healthy check has 30.
const MIB: u64 = 128;

/// The user `nobody`.
const NOBODY: u32 = 65534;

/// What standard output leads to.
pub(crate) enum Stdout {
    /// To us.
    Captured,
    /// To nobody: the reader is gone before the first word.
    Closed,
    /// To a file.
    File(PathBuf),
}

/// A call of the program that is about to be made.
pub(crate) struct Call<'a> {
    place: &'a Place,
    command: Command,
    stdout: Stdout,
    /// Who runs it, where it is not the user of the test.
    user: Option<u32>,
    seconds: u64,
    mib: u64,
    writes: Vec<PathBuf>,
}

impl<'a> Call<'a> {
    pub(crate) fn new<A: AsRef<OsStr>>(place: &'a Place, arguments: &[A]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshcheck"));
        command
            .args(arguments)
            .current_dir(place.at(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", place.path().join("home"))
            .env("TMPDIR", place.path().join("tmp"))
            // What is left running is found by it.
            .env("HOSTILE_PLACE", place.path());
        Self {
            place,
            command,
            stdout: Stdout::Captured,
            user: None,
            seconds: SECONDS,
            mib: MIB,
            writes: Vec::new(),
        }
    }

    /// With more arguments.
    pub(crate) fn more(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// With a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without one.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// With standard output leading elsewhere.
    pub(crate) fn stdout(mut self, to: Stdout) -> Self {
        self.stdout = to;
        self
    }

    /// As a user without rights. Root may read and write everything, and becomes `nobody`.
    pub(crate) fn without_rights(mut self) -> Self {
        if nix::unistd::geteuid().is_root() {
            // Where the program was built, nobody may look.
            let program = self.place.path().join("meshcheck");
            let built = env!("CARGO_BIN_EXE_meshcheck");
            if !program.exists() {
                fs::hard_link(built, &program)
                    .or_else(|_| fs::copy(built, &program).map(drop))
                    .unwrap();
            }
            fs::set_permissions(self.place.path(), fs::Permissions::from_mode(0o755)).unwrap();
            self.command = self.rebuilt(Command::new(program));
            self.user = Some(NOBODY);
        }
        self
    }

    /// A command with the arguments, the directory and the environment of this one.
    fn rebuilt(&self, mut command: Command) -> Command {
        command.args(self.command.get_args()).current_dir(self.place.at("")).env_clear();
        let variables = self.command.get_envs();
        command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Through another program, which gets this script and the program's words behind it.
    pub(crate) fn through(mut self, program: &[&str], script: &str) -> Self {
        let (first, rest) = program.split_first().unwrap();
        let mut command = Command::new(first);
        command.args(rest).arg(script).arg(self.command.get_program());
        self.command = self.rebuilt(command);
        self
    }

    /// Within this time, in seconds.
    pub(crate) fn within(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Within this much memory, in MiB.
    pub(crate) fn mib(mut self, mib: u64) -> Self {
        self.mib = mib;
        self
    }

    /// It may write this file.
    pub(crate) fn writes(mut self, path: impl Into<PathBuf>) -> Self {
        self.writes.push(path.into());
        self
    }

    /// Runs it to its end, and looks at what it owes every user: it does not panic, ends in time,
    /// stays within its memory, and leaves nothing behind.
    pub(crate) fn run(self) -> Ended {
        let before = self.place.listing();
        let peak = self.place.path().join("peak");
        let mut measure = Command::new(std::env::current_exe().unwrap());
        measure.arg(measured::ARGUMENT).arg(&peak);
        measure.arg(self.user.map_or_else(String::new, |user| user.to_string()));
        measure.arg(self.command.get_program());
        let mut measure = self.rebuilt(measure);
        measure.stdin(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        match &self.stdout {
            Stdout::Captured | Stdout::Closed => measure.stdout(Stdio::piped()),
            Stdout::File(path) => measure.stdout(File::options().write(true).open(path).unwrap()),
        };
        let start = Instant::now();
        let mut child = measure.spawn().unwrap();
        let group = Pid::from_raw(child.id().try_into().unwrap());
        let stdout = child.stdout.take().filter(|_| matches!(self.stdout, Stdout::Captured));
        let (stdout, stderr) = (kept(stdout), kept(child.stderr.take()));
        let (ended, ends) = mpsc::channel::<()>();
        let patience = Duration::from_secs(self.seconds);
        let guard = thread::spawn(move || {
            let hangs = ends.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout);
            if hangs {
                let _ = killpg(group, Signal::SIGKILL);
            }
            hangs
        });
        let status = child.wait().unwrap();
        let seconds = start.elapsed().as_secs_f64();
        drop(ended);
        let hung = guard.join().unwrap();
        // Whoever holds the outputs open is found first: reading them would wait for it.
        let running = still_running(self.place.path());
        for (process, _) in &running {
            let _ = nix::sys::signal::kill(Pid::from_raw(*process), Signal::SIGKILL);
        }
        // One that was killed with its group has measured nothing.
        let kib = fs::read_to_string(&peak).ok().map(|text| text.parse::<u64>().unwrap());
        let _ = fs::remove_file(peak);
        let mut left: Vec<_> =
            running.into_iter().map(|(id, name)| format!("process {id} ({name})")).collect();
        let after = self.place.listing();
        for (path, what) in &after {
            let told = || path.strip_prefix(self.place.path()).unwrap().display().to_string();
            match before.get(path) {
                _ if self.writes.contains(path) => {}
                None => left.push(format!("new: {}", told())),
                Some(was) if was != what => left.push(format!("changed: {}", told())),
                Some(_) => {}
            }
        }
        left.extend(
            before
                .keys()
                .filter(|it| !after.contains_key(*it))
                .map(|it| format!("lost: {}", it.display())),
        );
        let ended = Ended {
            exit: status.code(),
            seconds,
            peak_mib: kib.unwrap_or_default() >> 10,
            left,
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
            bound: format!("{} s, {} MiB", self.seconds, self.mib),
            told: String::new(),
            place: self.place.path().to_owned(),
        };
        {
            let mut tally = self.place.tally.borrow_mut();
            tally.seconds = tally.seconds.max(seconds);
            tally.peak_mib = tally.peak_mib.max(ended.peak_mib);
            tally.left.extend(ended.left.iter().cloned());
        }
        assert!(!hung, "it did not end within {} s\n{ended}", self.seconds);
        assert!(kib.is_some(), "it was not measured\n{ended}");
        assert!(ended.exit < Some(128), "a signal ended it\n{ended}");
        for word in ["panicked at", "RUST_BACKTRACE", "stack backtrace", "a bug:"] {
            assert!(!ended.stderr.contains(word), "{ended}");
        }
        assert!(is_plain(&ended.stderr), "control characters: {:?}", ended.stderr);
        // JSON may hold letters that turn the direction: a program reads it.
        let data = ended.stdout.starts_with('{');
        let plain = if data { !has_control(&ended.stdout) } else { is_plain(&ended.stdout) };
        assert!(plain, "control characters: {:?}", ended.stdout);
        assert!(ended.peak_mib <= self.mib, "more than {} MiB\n{ended}", self.mib);
        assert!(ended.left.is_empty(), "something was left behind\n{ended}");
        ended
    }
}

/// The hints. Each command, which has a line of its own, is put in backquotes, and what is said of it behind it.
fn hints(lines: &[&str]) -> Vec<String> {
    let starts = (0..lines.len()).filter(|at| lines[*at].starts_with("hint:"));
    starts
        .map(|at| {
            let rest = lines[at + 1..].iter().take_while(|line| line.starts_with("  "));
            rest.fold(lines[at].to_owned(), |hint, line| match line.trim_start() {
                words if line.starts_with("    ") => format!("{hint} {words}"),
                command if hint.ends_with("hint:") => format!("{hint} `{command}`"),
                command => format!("{hint}\n`{command}`"),
            })
        })
        .collect()
}

/// How a run ended, and what it told.
pub(crate) struct Ended {
    pub(crate) exit: Option<i32>,
    seconds: f64,
    /// The peak of its resident memory.
    peak_mib: u64,
    /// What is there after it and should not be.
    left: Vec<String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The time and the memory that it was held to.
    pub(crate) bound: String,
    /// What the table says of it.
    pub(crate) told: String,
    place: PathBuf,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start: String = self.stdout.chars().take(30_000).collect();
        let Self { exit, seconds, peak_mib, left, stderr, .. } = self;
        write!(
            to,
            "exit {exit:?} after {seconds:.1} s, at most {peak_mib} MiB; left behind: {left:?}\n\
             ── stderr\n{stderr}\n── stdout\n{start}"
        )
    }
}

impl Ended {
    /// One clear error with this exit code: what is wrong (with all of these words), and a hint.
    pub(crate) fn error(mut self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.exit, Some(code), "{self}");
        let lines: Vec<_> = self.stderr.lines().collect();
        let errors: Vec<_> = lines.iter().filter(|line| line.starts_with("error: ")).collect();
        let usage = lines.iter().filter(|line| line.contains("try '--help'"));
        let hints: Vec<_> =
            hints(&lines).into_iter().chain(usage.map(ToString::to_string)).collect();
        assert_eq!((errors.len(), hints.len()), (1, 1), "one error, one hint: {self}");
        // A page that was answered, or a file that was read, is quoted in part at the most.
        assert!(self.stderr.len() < 2000, "an error, not a page: {self}");
        for word in words {
            assert!(self.stderr.contains(word), "`{word}`: {self}");
        }
        self.told =
            format!("{}<br>{}", self.shown(errors[0]), self.shown(&hints[0]).replace('\n', "<br>"));
        self
    }

    /// A report with this exit code, on standard output.
    pub(crate) fn report(mut self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{self}");
        assert!(!self.stderr.contains("error: "), "{self}");
        let summary = self.stdout.lines().rev().find(|line| line.contains(" claims: "));
        let summary = summary.map(|line| line.split(';').next().unwrap_or_default().to_owned());
        self.told = match summary {
            Some(summary) => summary,
            None => totals(&self.json()),
        };
        self
    }

    /// A report with this exit code; standard error may have the times of looks (`--verbose`).
    pub(crate) fn report_or_timings(mut self, code: i32) -> Self {
        self.stderr.clear();
        self.report(code)
    }

    /// What stands on standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// What the table says of it, in words of the case.
    pub(crate) fn told(mut self, words: impl Into<String>) -> Self {
        self.told = words.into();
        self
    }

    /// The same, where the exit code is one thing or another.
    pub(crate) fn in_any_case(mut self, words: impl Into<String>) -> Self {
        self.exit = None;
        self.told(words)
    }

    /// A line as the table has it: without what is another one in each run.
    fn shown(&self, line: &str) -> String {
        let place = self.place.to_str().unwrap();
        let text = line.replace(&format!("{place}/work/"), "").replace(place, "…");
        let text = without_what_follows(&text, "/.tmp");
        let text = without_what_follows(&text, "/meshcheck-");
        let text = without_what_follows(&text, "verification time ");
        let text = without_what_follows(&text, "not valid after 1577836800 (");
        // Which of the two hears of the end first is another one each time.
        let text = text.replace("(Canceled): operation was canceled: ", "(SendRequest): ");
        without_ports(&text).replace('|', "\\|").replace('<', "&lt;")
    }
}

/// The counts of a report.
pub(crate) fn totals(report: &Value) -> String {
    let totals = report["totals"].as_object().unwrap();
    let parts = totals.iter().filter(|(_, count)| count.as_u64() != Some(0));
    parts.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

/// Random letters and numbers after a known beginning are others each time.
fn without_what_follows(text: &str, start: &str) -> String {
    let mut parts = text.split(start);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str(start);
        clean.push('…');
        clean.push_str(part.trim_start_matches(|it: char| it.is_ascii_alphanumeric()));
    }
    clean
}

/// `127.0.0.1:40123` is another one each time.
fn without_ports(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = [":1", ":2", ":3", ":4", ":5", ":6", ":7", ":8", ":9"]
        .iter()
        .filter_map(|start| rest.find(start))
        .min()
    {
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        clean.push_str(&rest[..=at]);
        clean.push_str(if digits == 5 { "PORT" } else { &rest[at + 1..=at + digits] });
        rest = &rest[at + 1 + digits..];
    }
    clean + rest
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
fn kept(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
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
fn still_running(place: &Path) -> Vec<(i32, String)> {
    let mark = [b"HOSTILE_PLACE=", place.as_os_str().as_encoded_bytes(), b"\0"].concat();
    // Nobody sends: the receiver is a clock.
    let (_sender, clock) = mpsc::channel::<()>();
    let mut found = Vec::new();
    for _ in 0..20 {
        found = processes()
            .filter(|id| {
                let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
                environment.windows(mark.len()).any(|window| window == mark)
            })
            .map(|id| (id, fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default()))
            .map(|(id, name)| (id, name.trim().to_owned()))
            .collect::<Vec<_>>();
        if found.is_empty() {
            break;
        }
        let _ = clock.recv_timeout(Duration::from_millis(50));
    }
    found
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Arguments of several kinds in one list.
pub(crate) fn arguments(words: &[&dyn AsRef<OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}
