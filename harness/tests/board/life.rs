//! The life of a board: changes for its readers, a new start, machines that send, checks over `ssh`.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::board::{self, Answer, Board, TOKEN, broken, healthy};
use crate::mesh;
use crate::support::{sandbox::Sandbox, server};

#[test]
fn fifty_readers_get_each_change_and_one_that_does_not_read_delays_nobody() {
    let board = Board::start("vm1", &["--receive-only"]);
    let follow = |board: &Board| {
        let mut stream = board.connect();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream
    };
    let _slow: Vec<_> = (0..5).map(|_| follow(&board)).collect();
    let mut readers: Vec<_> = (0..50).map(|_| follow(&board)).collect();
    let mut page = board.get("/").body;
    let version = page.split_off(page.find("data-v=\"").unwrap() + 8);
    let version = version.split('"').next().unwrap();
    let mut live = board.connect();
    live.write_all(
        format!("GET /events?v={version} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(),
    )
    .unwrap();
    for reader in &mut readers {
        board::read_until(reader, "event: reload");
    }
    for _ in 0..5 {
        assert_eq!(board.put("vm1", &broken()).status, 204);
        assert_eq!(board.put("vm1", &healthy()).status, 204);
    }
    board::read_until(&mut live, "data: <tr id=\"m0\"");
    assert!(board.wait_for("holds up to kiali").status == 200);
}

#[test]
fn board_shows_the_same_rows_after_kill_9() {
    let mut board = Board::start("vm[1-4]", &["--receive-only", "--accept-any"]);
    board.put("vm1", &healthy());
    board.put("vm2", &broken());
    board.put("vm2", &healthy());
    board.put("vm3", &broken());
    board.put("extra", &broken());
    let page = board.wait_for("/machines/extra");
    let rows = |page: &Answer| {
        let from = page.body.find("<tbody>").unwrap();
        page.body[from..page.body.find("</main>").unwrap()].to_owned()
    };
    board.kill();
    let history = board.history().join("history.jsonl");
    let mut text = std::fs::read(&history).unwrap();
    assert!(text.ends_with(b"\n"));
    text.extend(b"{\"at\":\"2026-");
    std::fs::write(&history, text).unwrap();
    board.restart();
    assert_eq!(rows(&board.get("/")), rows(&page));
    assert!(
        board.errors().contains("history.jsonl line 6 is incomplete: ignored"),
        "{}",
        board.errors()
    );
}

#[test]
fn machine_sends_its_record_and_no_output_has_the_token() {
    let board = Board::start("vm1", &["--receive-only"]);
    let mesh = mesh::Mesh::healthy();
    let server = server::Server::start(move |request| mesh.answer(request));
    let sandbox = Sandbox::new();
    let send = |url: &str, token: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_meshcheck"))
            .args(["record", "--istio", mesh::ISTIO, "--send", url, "--kubeconfig"])
            .arg(server.kubeconfig(&sandbox))
            .current_dir(sandbox.at(""))
            .env("MESHCHECK_TOKEN", token)
            .env("HOME", sandbox.path().join("home"))
            .env_remove("http_proxy")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap()).concat();
        assert!(!text.contains(token), "{text}");
        (output.status.code().unwrap(), text)
    };
    let url = format!("http://{}/records/vm1", board.address());
    let (code, text) = send(&url, TOKEN);
    assert!(code == 0 && text.contains(&format!("sent: {url}\n")), "{text}");
    board.wait_for("/machines/vm1");
    let (code, text) = send(&url, "another-token-of-20-characters");
    assert_eq!(code, 3, "{text}");
    assert!(
        text.contains("401: ") && text.contains("fix: use the token that the board printed"),
        "{text}"
    );
    let (code, text) = send(&url.replace("vm1", "vm2"), TOKEN);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("404: the board has no machine of this name"), "{text}");
    let (code, text) = send("http://127.0.0.1:1/", TOKEN);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("fix: check the address, and whether the board runs"), "{text}");
    assert!(!board.errors().contains(TOKEN), "{}", board.errors());
}

#[test]
fn watch_over_ssh_prints_changes_and_leaves_nothing_after_ctrl_c() {
    let sandbox = Sandbox::new();
    let evidence = sandbox.file("evidence.json", healthy());
    let calls = sandbox.at("calls");
    let script = format!(
        "#!/bin/sh\necho \"$@\" | tr '\\n' ' ' >> {0}; echo >> {0}\n[ \"$1\" = -O ] && exit\necho meshcheck-has-it\ncat {1}\n",
        calls.display(),
        evidence.display()
    );
    let ssh = sandbox.file("ssh", script);
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", sandbox.at("").display(), std::env::var("PATH").unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshcheck"))
        .args(["class", "vm[1-2]", "--watch", "1s", "--history", "history"])
        .current_dir(sandbox.at(""))
        .env("PATH", path)
        .env("HOME", sandbox.path().join("home"))
        .env("TMPDIR", sandbox.path().join("tmp"))
        .env_remove("XDG_RUNTIME_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = board::lines(child.stdout.take().unwrap());
    let mut next = || lines.next().unwrap();
    let first = [next(), next()];
    assert!(first.iter().all(|line| line.contains("●●●●●●  holds")), "{first:?}");
    std::fs::write(&evidence, broken()).unwrap();
    let second = [next(), next()];
    assert!(
        second.iter().all(|it| it.contains("service echo-service does not exist")),
        "{second:?}"
    );
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let calls = std::fs::read_to_string(calls).unwrap();
    assert!(calls.contains("ControlMaster=auto"), "{calls}");
    assert_eq!(calls.matches("-O exit").count(), 2, "{calls}");
    assert!(calls.matches("-- vm1 exec").count() > 1, "{calls}");
    let left: Vec<_> = std::fs::read_dir(sandbox.path().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn second_board_of_a_class_and_a_port_in_use_are_refused() {
    let board = Board::start("vm1", &["--receive-only"]);
    let refused = |address: &str, history: &str| {
        let output =
            board.command(address, "hosts", &["--receive-only", "--history", history]).output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let history = board.history();
    let text = refused("127.0.0.1:0", history.to_str().unwrap());
    assert!(text.contains("error: another board writes the history "), "{text}");
    let text = refused(board.address(), "other");
    assert!(text.contains(&format!("error: cannot listen on {}: ", board.address())), "{text}");
}
