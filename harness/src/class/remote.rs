//! Checks a machine over the system's own `ssh`: copies this program there once, runs it, takes what it prints.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use meshcheck_bundle::sha256_hex;
use meshcheck_suites::hint::quote;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};

use super::machine::Way;

/// The script that runs on the machine.
const SCRIPT: &str = include_str!("remote.sh");

/// What the script prints before the evidence.
const HAS_IT: &str = "meshcheck-has-it";
const NEEDS_IT: &str = "meshcheck-needs ";

/// The longest evidence that is taken, in bytes. A healthy cluster's has 0.5 MB as plain JSON.
const LONGEST: u64 = 64 << 20;

/// How much of an error is kept, in bytes.
const ERROR: u64 = 64 << 10;

/// How many lines of a login may come before the script's first.
const NOISE: usize = 1000;

/// The program that is copied to machines.
#[derive(Clone)]
pub(crate) struct Program {
    bytes: Arc<Vec<u8>>,
    sum: String,
}

impl Program {
    /// Reads the program.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(crate) fn read(path: &Path) -> std::io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let sum = sha256_hex(&bytes);
        Ok(Self { bytes: Arc::new(bytes), sum })
    }
}

/// How machines are checked over `ssh`.
#[derive(Clone)]
pub(crate) struct Remote {
    /// The program, and the arguments with which it runs there.
    pub(crate) program: Program,
    pub(crate) arguments: Vec<String>,
    /// What the program there reads from its standard input: lines of text.
    pub(crate) input: String,
    /// Whether the copy is deleted afterwards.
    pub(crate) remove: bool,
    /// How long a machine may take from the first packet to the last byte.
    pub(crate) deadline: Duration,
    /// A directory for sockets of connections that are kept, where machines are checked again.
    pub(crate) connections: Option<PathBuf>,
}

impl Remote {
    /// Checks a machine, and returns the evidence as the program there printed it. `connected` is called once the
    /// machine answers.
    ///
    /// # Errors
    ///
    /// Why there is no evidence, in the words of `ssh` or of the program there.
    pub(crate) async fn look(
        &self,
        way: &Way,
        connected: impl FnOnce() + Send,
    ) -> Result<Vec<u8>, String> {
        let mut stage = "connecting";
        let look = self.look_without_end(way, || {
            stage = "checking";
            connected();
        });
        let outcome = tokio::time::timeout(self.deadline, look).await;
        outcome.unwrap_or_else(|_| {
            Err(format!("no answer within {} s while {stage}", self.deadline.as_secs()))
        })
    }

    async fn look_without_end(
        &self,
        way: &Way,
        connected: impl FnOnce() + Send,
    ) -> Result<Vec<u8>, String> {
        let mut child = Command::new("ssh")
            .args(self.ssh(way))
            .arg(self.script())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on a terminal goes to its whole group: this program ends what it started.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start `ssh`: {error}"))?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut words = Vec::new();
        let said = async {
            if let Some(stderr) = stderr {
                // What was read before an error is worth showing.
                let _ = stderr.take(ERROR).read_to_end(&mut words).await;
            }
        };
        let (evidence, ()) = tokio::join!(self.converse(stdin, stdout, connected), said);
        let is_well = child.wait().await.is_ok_and(|status| status.success());
        match evidence {
            Ok(evidence) if is_well && !evidence.is_empty() => Ok(evidence),
            Err(reason) if is_well => Err(reason),
            _ => Err(reason(&String::from_utf8_lossy(&words))),
        }
    }

    /// Sends the program where the machine needs it, and reads the evidence.
    async fn converse(
        &self,
        stdin: Option<ChildStdin>,
        stdout: Option<ChildStdout>,
        connected: impl FnOnce() + Send,
    ) -> Result<Vec<u8>, String> {
        let mut stdout = BufReader::new(stdout.ok_or("`ssh` has no output")?);
        let mut needs = None;
        // The start of a login may print anything.
        for _ in 0..NOISE {
            let mut line = Vec::new();
            let read = (&mut stdout).take(ERROR).read_until(b'\n', &mut line).await;
            if read.map_err(|error| error.to_string())? == 0 {
                break;
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            needs = match line.strip_prefix(NEEDS_IT) {
                Some(_) => Some(true),
                None if line == HAS_IT => Some(false),
                None => continue,
            };
            break;
        }
        let Some(needs) = needs else { return Err("the machine did not run the script".into()) };
        connected();
        if let Some(mut stdin) = stdin.filter(|_| needs) {
            // A machine that stops reading says why itself.
            let _ = stdin.write_all(&self.program.bytes).await;
        }
        let mut evidence = Vec::new();
        let read = (&mut stdout).take(LONGEST + 1).read_to_end(&mut evidence).await;
        read.map_err(|error| error.to_string())?;
        if evidence.len() as u64 > LONGEST {
            return Err(format!("the machine sent more than {} MiB", LONGEST >> 20));
        }
        Ok(evidence)
    }

    /// The options of `ssh` and the host. Its configuration, agents, jump hosts and known hosts apply.
    fn ssh(&self, way: &Way) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        let seconds = self.deadline.as_secs().max(1);
        // Nobody is there to answer a question, and a key that is not known is an error.
        for option in ["BatchMode=yes".to_owned(), format!("ConnectTimeout={seconds}")] {
            words.extend(["-o".into(), option.into()]);
        }
        if let Some(directory) = &self.connections {
            let socket = directory.join("%C");
            let socket = format!("ControlPath={}", socket.display());
            for option in ["ControlMaster=auto".to_owned(), "ControlPersist=10m".into(), socket] {
                words.extend(["-o".into(), option.into()]);
            }
        }
        if let Way::Ssh { address, user, port, options } = way {
            words.extend(options.iter().map(OsString::from));
            if let Some(port) = port {
                words.extend(["-p".into(), port.to_string().into()]);
            }
            if let Some(user) = user {
                words.extend(["-l".into(), user.into()]);
            }
            // What follows is a host, whatever it begins with.
            words.extend(["--".into(), address.into()]);
        }
        words
    }

    fn script(&self) -> String {
        let arguments: Vec<_> = self.arguments.iter().map(|it| quote(it)).collect();
        let script = SCRIPT
            .replace("@SUM@", &self.program.sum)
            .replace("@SIZE@", &self.program.bytes.len().to_string())
            .replace("@REMOVE@", if self.remove { "yes" } else { "no" })
            .replace("@ARGUMENTS@", &arguments.join(" "))
            .replace("@INPUT@", self.input.trim_end());
        // The login shell may be another one.
        // A script has lines, which `quote` takes out of commands.
        format!("exec sh -c '{}'", script.replace('\'', "'\\''"))
    }

    /// Ends the connections that were kept.
    pub(crate) async fn disconnect(&self, ways: impl Iterator<Item = &Way>) {
        if self.connections.is_none() {
            return;
        }
        let each = ways.map(|way| {
            let mut command = Command::new("ssh");
            command.args(["-O", "exit"]).args(self.ssh(way));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            async move { command.status().await }
        });
        // One that has ended by itself is as good.
        let _ = futures::future::join_all(each).await;
    }
}

/// The longest path of a directory for sockets: behind it stand a name of 40 characters and, while it is made, 17 more.
/// Source: `sun_path` in unix(7), 104 bytes on macOS.
const DIRECTORY: usize = 104 - 1 - 41 - 17;

/// Makes a private directory for the sockets of connections that are kept; nothing where no path is short enough. It
/// goes with the value.
pub(crate) fn socket_directory() -> Option<tempfile::TempDir> {
    let places =
        [std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), Some(std::env::temp_dir())];
    let places = places.into_iter().flatten().chain([PathBuf::from("/tmp")]);
    let make = |place: PathBuf| {
        let private = std::fs::Permissions::from_mode(0o700);
        tempfile::Builder::new().prefix("meshcheck-").permissions(private).tempdir_in(place).ok()
    };
    places.filter_map(make).find(|it| it.path().as_os_str().len() <= DIRECTORY)
}

/// The reason in what `ssh` and the program said: an error with its fix, or the last line.
fn reason(words: &str) -> String {
    let lines: Vec<_> = words.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if let Some(at) = lines.iter().position(|line| line.starts_with("error: ")) {
        let text = lines[at..].join("\n");
        return format!("on the machine: {}", text.trim_start_matches("error: "));
    }
    if words.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return "the host key has changed: remove the old one with `ssh-keygen -R` once you know why".into();
    }
    if words.contains("Host key verification failed") {
        return "the host key is not known here: connect once by hand with `ssh`, and compare it"
            .into();
    }
    match lines.last() {
        Some(line) => (*line).to_owned(),
        None => "`ssh` ended without a word".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn remote() -> Remote {
        Remote {
            program: Program {
                bytes: Arc::new(b"#!/bin/sh\necho evidence".to_vec()),
                sum: "ab".into(),
            },
            arguments: vec!["record".into(), "--context".into(), "it's".into()],
            input: "reply = \"it's $HOME\"\n".into(),
            remove: false,
            deadline: Duration::from_secs(20),
            connections: None,
        }
    }

    #[test]
    fn host_follows_all_options() {
        let way = Way::Ssh {
            address: "vm1".into(),
            user: Some("student".into()),
            port: Some(2222),
            options: vec!["-o".into(), "ProxyJump=gate".into()],
        };
        let words: Vec<_> =
            remote().ssh(&way).into_iter().map(|it| it.into_string().unwrap()).collect();
        assert_eq!(
            words.join(" "),
            "-o BatchMode=yes -o ConnectTimeout=20 -o ProxyJump=gate -p 2222 -l student -- vm1"
        );
    }

    #[test]
    fn host_keys_are_never_skipped() {
        let way = Way::Ssh { address: "a".into(), user: None, port: None, options: Vec::new() };
        let words = remote().ssh(&way);
        assert!(!words.iter().any(|it| it.to_string_lossy().contains("HostKey")), "{words:?}");
    }

    #[rstest]
    #[case(
        "motd\nssh: connect to host vm1 port 22: Connection refused\n",
        "ssh: connect to host vm1 port 22: Connection refused"
    )]
    #[case(
        "error: cannot read k.yaml\nfix: name it\n",
        "on the machine: cannot read k.yaml\nfix: name it"
    )]
    #[case(
        "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n",
        "the host key has changed: remove the old one with `ssh-keygen -R` once you know why"
    )]
    #[case(
        "Host key verification failed.\n",
        "the host key is not known here: connect once by hand with `ssh`, and compare it"
    )]
    #[case("", "`ssh` ended without a word")]
    fn reason_is_the_error_of_ssh_or_of_the_program(#[case] words: &str, #[case] expected: &str) {
        assert_eq!(reason(words), expected);
    }

    #[test]
    fn directory_of_sockets_is_private_and_goes_with_its_owner() {
        let directory = socket_directory().unwrap();
        let path = directory.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(path.as_os_str().len() <= DIRECTORY);
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn arguments_reach_the_program_as_they_are() {
        let script = remote().script();
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("printf '%s' {}", script.strip_prefix("exec sh -c ").unwrap())])
            .output()
            .unwrap();
        let inner = String::from_utf8(output.stdout).unwrap();
        assert!(inner.contains("record --context 'it'\\''s'"), "{inner}");
        assert!(inner.contains("\nreply = \"it's $HOME\"\n"), "{inner}");
    }
}
