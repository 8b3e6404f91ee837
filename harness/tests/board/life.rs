//! The life of a board: changes for its readers, a new start, machines that send, checks over `ssh`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::SockRef;

use crate::send;
use crate::support::board::{self, Answer, Board, TOKEN, broken, healthy};
use crate::support::class::Place;
use crate::support::mesh::{ISTIO, Mesh};
use crate::support::run::Run;
use crate::support::sandbox::Sandbox;
use crate::support::scale::{count, figure, median, size};

/// A board with fifty readers of its changes, and some that do not read.
struct Followed {
    board: Board,
    readers: Vec<TcpStream>,
    _slow: Vec<TcpStream>,
}

impl Followed {
    fn new(machines: usize, slow: usize) -> Self {
        let board = Board::start(&format!("vm[1-{machines}]"), &["--receive-only"]);
        let mut page = board.get("/").body;
        let version = page.split_off(page.find("data-v=\"").unwrap() + 8);
        let version = version.split('"').next().unwrap();
        let follow = || {
            let mut stream = board.connect();
            let head = format!("GET /events?v={version} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream
        };
        let slow: Vec<_> = (0..slow).map(|_| follow()).collect();
        for it in &slow {
            SockRef::from(it).set_recv_buffer_size(1 << 10).unwrap();
        }
        Self { readers: (0..50).map(|_| follow()).collect(), _slow: slow, board }
    }

    /// Waits until all readers have the row of a machine in this state.
    fn read(&mut self, at: usize, class: &str) {
        let text = format!("<tr id=\"m{at}\" class=\"{class}\"");
        for reader in &mut self.readers {
            board::read_until(reader, &text);
        }
    }

    /// Sends a record of each machine, the first machine's last and alone. Returns how long it takes until all readers
    /// have its row, in seconds.
    fn wait(&mut self, machines: usize, is_green: bool) -> f64 {
        let (body, class) = if is_green { (healthy(), "pass") } else { (broken(), "fail") };
        for at in (2..=machines).rev() {
            assert_eq!(self.board.put(&format!("vm{at}"), &body).status, 204);
        }
        // The board collects changes for a while: now it has none to come.
        self.read(1, class);
        let start = Instant::now();
        assert_eq!(self.board.put("vm1", &body).status, 204);
        self.read(0, class);
        start.elapsed().as_secs_f64()
    }
}

#[test]
fn fifty_readers_get_each_change_and_five_that_do_not_read_delay_nobody() {
    let (machines, rounds) = (size(2, 40), size(2, 10));
    let mut boards = [Followed::new(machines, 0), Followed::new(machines, 5)];
    // A reader of another start of the board reloads its page.
    let mut old = boards[0].board.connect();
    old.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    board::read_until(&mut old, "event: reload");
    let mut waits = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for (board, waits) in boards.iter_mut().zip(&mut waits) {
            waits.push(board.wait(machines, round.is_multiple_of(2)));
        }
    }
    let [without, with] = waits;
    let ratios = with.iter().zip(&without).map(|(with, without)| with / without);
    let ratio = median(ratios.collect());
    figure("readers", count(boards[1].readers.len()));
    figure("slow_reader", ratio);
}

#[test]
fn board_shows_the_same_rows_after_kill_9_and_reports_what_is_half_written() {
    let machines = size(4, 300);
    let inventory = format!("vm[1-{machines}]");
    let mut board = Board::start(&inventory, &["--receive-only", "--accept-any"]);
    for at in 1..=machines {
        let name = format!("vm{at}");
        let records: &[fn() -> Vec<u8>] = match at % 4 {
            0 => &[],
            1 => &[healthy],
            2 => &[broken, healthy],
            _ => &[broken],
        };
        for record in records {
            assert_eq!(board.put(&name, &record()).status, 204);
        }
    }
    board.put("extra", &broken());
    // The first machine is left out: half of its record is lost.
    let rows = |page: &Answer| {
        let from = page.body.find("<tbody>").unwrap();
        let rows = page.body[from..page.body.find("</main>").unwrap()].lines();
        let rows = rows.filter(|row| row.contains("<tr id=\"m") && !row.contains("<tr id=\"m0\""));
        rows.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let before = board.wait_for("/machines/extra");
    assert_eq!(rows(&before).len(), machines);
    board.kill();
    let history = board.history().join("history.jsonl");
    let mut text = std::fs::read(&history).unwrap();
    assert!(text.ends_with(b"\n"));
    let lines = text.split(|byte| *byte == b'\n').count() - 1;
    text.extend(b"{\"at\":\"2026-");
    std::fs::write(&history, text).unwrap();
    let record = board.history().join("records/vm1.json.gz");
    let whole = std::fs::read(&record).unwrap();
    std::fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    board.restart();
    let after = board.get("/");
    assert_eq!(rows(&after), rows(&before));
    assert!(after.body.contains("<tr id=\"m0\" class=\"wait\""), "{}", after.body);
    let errors = board.errors();
    let incomplete = format!("history.jsonl line {} is incomplete: ignored", lines + 1);
    assert!(errors.contains(&incomplete), "{errors}");
    assert!(errors.contains("note: vm1: ") && errors.contains("ends too early"), "{errors}");
    figure("restart", count(machines));
}

#[test]
fn machine_sends_its_record_and_no_output_has_the_token() {
    let board = Board::start("vm1", &["--receive-only"]);
    let (server, sandbox) = (Mesh::healthy().serve(), Sandbox::new());
    let file = server.kubeconfig(&sandbox).display().to_string();
    let send = |url: &str, token: &str| {
        let record = ["record", "--istio", ISTIO, "--send", url, "--kubeconfig", &file];
        let run = send(&sandbox, token, &record);
        (run.code.unwrap(), run.stdout + &run.stderr)
    };
    let url = format!("http://{}/records/vm1", board.address());
    let (code, text) = send(&url, TOKEN);
    assert!(code == 0 && text.contains(&format!("sent: {url}\n")), "{text}");
    board.wait_for("/machines/vm1");
    for (url, token, words) in [
        (&*url, "another-token-of-20-characters", "401: "),
        (&url, "another-token-of-20-characters", "fix: use the token that the board printed"),
        (&url.replace("vm1", "vm2"), TOKEN, "404: the board has no machine of this name"),
        ("http://127.0.0.1:1/", TOKEN, "fix: check the address, and whether the board runs"),
    ] {
        let (code, text) = send(url, token);
        assert!(code == 3 && text.contains(words), "{code}: {text}");
    }
    assert!(!board.errors().contains(TOKEN), "{}", board.errors());
}

#[test]
fn watch_over_ssh_prints_changes_and_leaves_nothing_after_ctrl_c() {
    let place = Place::new();
    place.file("evidence.json", healthy());
    // Each call is a line, whatever its script.
    place.executable(
        "ssh",
        "#!/bin/sh\necho \"$@\" | tr '\\n' ' ' >> calls; echo >> calls\n[ \"$1\" = -O ] && exit\n\
         echo meshcheck-has-it\ncat evidence.json\n",
    );
    let mut child = place
        .command(&["vm[1-2]", "--watch", "1s", "--history", "history"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = board::lines(child.stdout.take().unwrap());
    let mut next = || lines.next().unwrap();
    let first = [next(), next()];
    assert!(first.iter().all(|line| line.contains("●●●●●●  holds")), "{first:?}");
    place.file("evidence.json", broken());
    let second = [next(), next()];
    assert!(
        second.iter().all(|it| it.contains("service echo-service does not exist")),
        "{second:?}"
    );
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let calls = place.read("calls");
    assert!(calls.contains("ControlMaster=auto"), "{calls}");
    assert_eq!(calls.matches("-O exit").count(), 2, "{calls}");
    assert!(calls.matches("-- vm1 exec").count() > 1, "{calls}");
    let left: Vec<_> = std::fs::read_dir(place.path().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn second_board_of_a_class_and_a_port_in_use_are_refused() {
    let board = Board::start("vm1", &["--receive-only"]);
    let refused = |address: &str, history: &str| {
        let arguments = ["--receive-only", "--history", history];
        Run::of(&mut board.command(address, "hosts", &arguments)).stderr
    };
    let history = board.history();
    let text = refused("127.0.0.1:0", history.to_str().unwrap());
    assert!(text.contains("error: another board writes the history "), "{text}");
    let text = refused(board.address(), "other");
    assert!(text.contains(&format!("error: cannot listen on {}: ", board.address())), "{text}");
}
