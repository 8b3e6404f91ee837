//! `class --watch` and `class --serve`: checks the machines again and again, and shows the board.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueHint};
use jiff::Timestamp;
use meshcheck_bundle::sha256_hex;
use meshcheck_suites::hint::quote;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::class::Class;
use super::class_look::Look;
use super::class_screen::Screen;
use super::failure::Failure;
use crate::class::history::HistoryError;
use crate::class::live::{LiveBoard, LiveError};
use crate::class::remote::socket_directory;
use crate::class::serve::{Guard, Options, Token, start};
use crate::class::{Machine, Way};
use crate::evidence_file::Record;
use crate::report::Format;
use crate::settings::parse_wait;
use crate::state::{State, host};
use crate::text::io_reason;

/// The pause of a board that is served, where `--watch` names none.
const PAUSE: Duration = Duration::from_secs(30);

/// The pause before a machine is checked again on which not all holds.
const SOON: Duration = Duration::from_secs(5);

/// How often the age of records is checked.
const TICK: Duration = Duration::from_secs(5);

/// How long the connections to machines may take to end.
const END: Duration = Duration::from_secs(5);

/// The options of a board that lives.
#[derive(Debug, Args)]
#[command(next_help_heading = "Board")]
pub(crate) struct BoardOptions {
    /// Check again and again, with this pause, until Ctrl-C: 30s, 5m. Machines on which not all holds are checked
    /// again after 5 seconds
    #[arg(long, value_name = "DURATION", value_parser = parse_wait, conflicts_with = "remove")]
    pub(crate) watch: Option<Duration>,
    /// Show the board as a web page, and check every 30 seconds: `8080` or `127.0.0.1:8080` for this machine alone,
    /// `0.0.0.0:8080` for others with a token
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "remove", group = "board")]
    pub(crate) serve: Option<SocketAddr>,
    /// The file with the token for records, and for readers from other machines [default: a token made at the start;
    /// with --send, the variable `MESHCHECK_TOKEN`]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "board")]
    pub(crate) token_file: Option<PathBuf>,
    /// Contact no machine: wait for the records that they send
    #[arg(long, requires = "serve")]
    pub(crate) receive_only: bool,
    /// Also take records of machines that are not in the inventory
    #[arg(long, requires = "serve")]
    pub(crate) accept_any: bool,
    /// Show a machine that sends its records as not reached once the last one is older than this
    #[arg(long, value_name = "DURATION", value_parser = parse_wait, default_value = "15m", requires = "serve")]
    pub(crate) stale: Duration,
    /// Where the day's verdicts are kept, so that a new start shows the same board [default: the class's directory
    /// below ~/.local/state/meshcheck/classes]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) history: Option<PathBuf>,
}

impl BoardOptions {
    /// Whether the board lives until Ctrl-C.
    pub(super) fn is_live(&self) -> bool {
        self.watch.is_some() || self.serve.is_some()
    }
}

/// Reads an address to listen on.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    let text =
        text.strip_prefix("localhost:").map_or(text.into(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| {
        "not an address\nwrite a port, or an IP address and a port: 127.0.0.1:8080".into()
    })
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::environment(error.to_string()).with_hint(error.hint())
    }
}

/// Checks machines again and again, until a signal.
pub(super) async fn watch(mut look: Look<'_>, machines: &[Machine]) -> Result<u8, Failure> {
    let arguments = look.arguments;
    let options = &arguments.board;
    if arguments.judging.output.output == Format::Commands {
        return Err(Failure::usage(
            "a board that is watched prints no commands".into(),
            "leave out --watch and --serve for --output commands".into(),
        ));
    }
    let names: Vec<_> = machines.iter().map(|machine| machine.name.clone()).collect();
    let directory = history(arguments, &names)?;
    let board = look.board(names.iter().map(String::as_str));
    let (board, notes) =
        LiveBoard::open(board, &directory, Arc::clone(&look.judge), options.accept_any)?;
    for note in notes {
        super::say(&format!("note: {note}"));
    }
    let board = Arc::new(board);
    let cancel = look.cancel.clone();
    if let Some(address) = options.serve {
        serve(Arc::clone(&board), address, arguments, cancel.child_token()).await?;
    }
    // It goes with its last user: after the connections in it.
    let _sockets = match &mut look.remote {
        Some(remote) => {
            let sockets = socket_directory();
            remote.connections = sockets.as_ref().map(|it| it.path().to_owned());
            sockets
        }
        None => None,
    };
    let lanes = || Semaphore::new(usize::from(arguments.jobs));
    let watch = Watch {
        board: &board,
        look: &look,
        pause: options.watch.unwrap_or(PAUSE),
        lanes: [lanes(), lanes()],
    };
    let outcome = tokio::select! {
        () = watch.all(machines) => Ok(()),
        outcome = Screen::new(&board, arguments).show() => outcome,
        () = cancel.cancelled() => Ok(()),
    };
    if let Some(remote) = &look.remote {
        let ways = machines.iter().map(|machine| &machine.way);
        let ways = ways.filter(|way| matches!(way, Way::Ssh { .. }));
        let _ = tokio::time::timeout(END, remote.disconnect(ways)).await;
    }
    outcome?;
    Err(Failure::interrupted())
}

/// Returns the directory of the history of this class.
fn history(arguments: &Class, names: &[String]) -> Result<PathBuf, Failure> {
    if let Some(directory) = &arguments.board.history {
        return Ok(directory.clone());
    }
    let inventory = &arguments.inventory;
    let path = std::fs::canonicalize(inventory).map(|it| it.to_string_lossy().into_owned());
    let path = path.unwrap_or_else(|_| inventory.clone());
    let context = arguments.context.as_deref().unwrap_or_default();
    // Standard input has no name: its machines stand for it.
    let machines = if inventory == "-" { names.join("\n") } else { String::new() };
    let kind = if arguments.preflight { "\npreflight" } else { "" };
    let key = format!("{path}\n{context}\n{machines}{kind}");
    let name = std::path::Path::new(&path).file_name().unwrap_or_default().to_string_lossy();
    let is_plain = |it: &char| it.is_ascii_alphanumeric() || "-_".contains(*it);
    let name: String = name.chars().filter(is_plain).take(40).collect();
    let digest = sha256_hex(key.as_bytes());
    Ok(State::from_environment()?.class(&format!("{name}-{}", &digest[..12])))
}

/// Serves the board, and prints how it is reached.
async fn serve(
    board: Arc<LiveBoard>,
    address: SocketAddr,
    arguments: &Class,
    cancel: CancellationToken,
) -> Result<(), Failure> {
    let options = &arguments.board;
    let token = match &options.token_file {
        Some(file) => Token::read(file).map_err(|reason| {
            let name = quote(&file.to_string_lossy());
            let fix = format!("make one: `(umask 077; head -c 24 /dev/urandom | base64 > {name})`");
            // Behind `token:` a secret would stand.
            Failure::usage(format!("cannot use {} as the token ({reason})", file.display()), fix)
        })?,
        None => Token::random().map_err(|error| {
            Failure::environment(format!("cannot make a token: {}", io_reason(&error)))
        })?,
    };
    let listening = TcpListener::bind(address).await;
    let listener = listening.map_err(|error| {
        Failure::environment(format!("cannot listen on {address}: {}", io_reason(&error)))
            .with_hint("name another address with --serve")
    })?;
    let address = listener.local_addr().unwrap_or(address);
    let shown = if address.ip().is_unspecified() {
        format!("{}:{}", host(), address.port())
    } else {
        address.to_string()
    };
    let (is_open, is_named) = (address.ip().is_loopback(), options.token_file.is_some());
    super::say(&match (is_open, is_named) {
        (true, _) => format!("board: http://{shown}/"),
        (false, false) => format!("board: http://{shown}/?token={}", token.text()),
        (false, true) => {
            format!("board: http://{shown}/?token=TOKEN, with the token of --token-file")
        }
    });
    if is_open && !is_named {
        super::say(&format!("token for records: {}", token.text()));
    }
    let name = arguments.inventory.clone();
    let guard = Guard::new(token, address);
    start(listener, board, Options { guard, name, accept_any: options.accept_any }, cancel)
        .map_err(|reason| Failure::environment(format!("cannot serve the board: {reason}")))
}

/// How machines are checked again and again.
struct Watch<'w> {
    board: &'w Arc<LiveBoard>,
    look: &'w Look<'w>,
    pause: Duration,
    /// Places for machines that were reached, and for those that were not: one that hangs takes no place of the others.
    lanes: [Semaphore; 2],
}

impl Watch<'_> {
    async fn all(&self, machines: &[Machine]) {
        let options = &self.look.arguments.board;
        let age = async {
            loop {
                tokio::time::sleep(TICK).await;
                note(self.board.expire(options.stale, Timestamp::now()));
            }
        };
        if options.receive_only {
            return age.await;
        }
        let each = machines.iter().enumerate().map(|(at, machine)| self.follow(at, machine));
        tokio::join!(age, futures::future::join_all(each));
    }

    /// Judges evidence, and shows it. The other machines go on meanwhile.
    async fn take(&self, at: usize, record: Record) -> Result<(), LiveError> {
        let board = Arc::clone(self.board);
        let taken = self.look.on_a_core(move || Ok(board.take(at, &record, false))).await;
        taken.unwrap_or_else(|reason| Err(LiveError::OtherKind(reason)))
    }

    /// Checks a machine again and again, unless it sends its records.
    async fn follow(&self, at: usize, machine: &Machine) {
        let mut was_reached = true;
        loop {
            if !self.board.is_sent(at) {
                let Ok(place) = self.lanes[usize::from(!was_reached)].acquire().await else {
                    return;
                };
                let evidence =
                    self.look.evidence(machine, |state| self.board.begin(at, state)).await;
                drop(place);
                was_reached = evidence.is_ok();
                // A record that came meanwhile is newer.
                if !self.board.is_sent(at) {
                    let taken = match evidence {
                        Ok(record) => self.take(at, record).await,
                        Err(reason) => self.board.miss(at, reason),
                    };
                    note(match taken {
                        Err(LiveError::OtherKind(reason)) => self.board.miss(at, reason),
                        taken => taken,
                    });
                }
            }
            let counted = self.look.arguments.judging.output.counted();
            let holds = self.board.rows().board.machines[at].code(&counted) == 0;
            let pause = if holds { self.pause } else { self.pause.min(SOON) };
            tokio::time::sleep(pause).await;
        }
    }
}

fn note(written: Result<(), LiveError>) {
    if let Err(error) = written {
        super::say(&format!("note: the next start will not show all of the board: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("8080", "127.0.0.1:8080")]
    #[case("localhost:80", "127.0.0.1:80")]
    #[case("0.0.0.0:1", "0.0.0.0:1")]
    #[case("[::1]:1", "[::1]:1")]
    fn address_is_a_port_or_an_address_with_one(#[case] text: &str, #[case] address: &str) {
        assert_eq!(parse_address(text), Ok(address.parse().unwrap()));
    }

    #[rstest]
    #[case("example.com:80")]
    #[case("127.0.0.1")]
    #[case("70000")]
    #[case("")]
    fn other_addresses_are_refused(#[case] text: &str) {
        assert!(parse_address(text).is_err());
    }
}
