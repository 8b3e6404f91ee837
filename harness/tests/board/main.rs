//! The board of a class as a page: who may read it and send to it, what it refuses, and what it shows after a new
//! start. Machines are stand-ins on loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod life;
mod records;
mod sent;
#[path = "../support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use rstest::rstest;
use support::board::{Board, TOKEN, broken, healthy};
use support::run::Run;
use support::sandbox::Sandbox;
use support::scale::{count, figure, size};

/// Sends records to a board with this token, which no output may have.
fn send(sandbox: &Sandbox, token: &str, arguments: &[&str]) -> Run {
    let run = Run::of(sandbox.meshcheck(arguments).env("MESHCHECK_TOKEN", token));
    assert!(!run.stdout.contains(token) && !run.stderr.contains(token), "{run:?}");
    run
}

#[test]
fn page_on_loopback_is_whole_without_script_and_keeps_to_itself() {
    let board = Board::start("vm1,vm2", &["--receive-only"]);
    assert_eq!(board.put("vm1", &healthy()).status, 204);
    let page = board.wait_for("</a><td class=\"sec\" title=\"holds up to kiali\">");
    assert!(page.body.contains("<noscript><meta http-equiv=\"refresh\""), "{}", page.body);
    assert!(
        page.body.contains("vm2<td class=\"sec\" title=\"no section holds\">"),
        "{}",
        page.body
    );
    for header in [
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
        "x-frame-options: DENY",
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; style-src 'sha256-",
    ] {
        assert!(page.head.contains(header), "{header}: {}", page.head);
    }
    let report = board.get("/machines/vm1");
    assert!(report.status == 200 && report.body.contains("id=\"claims\""), "{}", report.head);
    assert_eq!(board.get("/machines/vm2").body, "vm2: not checked yet\n");
    assert_eq!(board.get("/machines/vm3").status, 404);
    assert_eq!(board.get("/other").status, 404);
}

#[test]
fn name_of_another_site_that_leads_here_shows_nothing() {
    let board = Board::start("vm1", &["--receive-only"]);
    let answer =
        board.ask("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b"");
    assert_eq!(answer.status, 421);
    assert!(!answer.body.contains("vm1"), "{}", answer.body);
}

#[rstest]
#[case::none("GET / HTTP/1.1\r\n")]
#[case::guessed("GET /?token=0123456789abcdefghik HTTP/1.1\r\n")]
#[case::prefix("GET /?token=0123456789abcdefghi HTTP/1.1\r\n")]
#[case::cookie("GET / HTTP/1.1\r\nCookie: meshcheck=0123456789abcdefghij\r\n")]
#[case::events("GET /events HTTP/1.1\r\n")]
#[case::machine("GET /machines/vm1 HTTP/1.1\r\n")]
#[case::missing_page("GET /other HTTP/1.1\r\n")]
#[case::other_scheme("GET / HTTP/1.1\r\nAuthorization: Basic 0123456789abcdefghij\r\n")]
#[case::put("PUT /records/vm1 HTTP/1.1\r\nContent-Length: 0\r\n")]
#[case::delete("DELETE /records/vm1 HTTP/1.1\r\n")]
fn beyond_loopback_nobody_without_the_token_sees_anything(#[case] head: &str) {
    let board = Board::listening("0.0.0.0:0", "vm1", &["--receive-only"]);
    let answer = board.ask(&format!("{head}Host: board\r\nConnection: close\r\n\r\n"), b"");
    assert_eq!(answer.status, 401, "{}", answer.body);
    assert!(!answer.body.contains("vm1") && !answer.head.contains("set-cookie"), "{}", answer.body);
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    figure("refusals", 1.0);
}

#[test]
fn guessed_tokens_open_nothing_beyond_loopback() {
    let board = Board::listening("0.0.0.0:0", "vm1", &["--receive-only"]);
    assert_eq!(board.put("vm1", &healthy()).status, 204);
    let port = board.port();
    let guesses = size(8, 500);
    for guess in 0..guesses {
        // Another character at each place, then longer ones.
        let mut token: Vec<char> = TOKEN.chars().collect();
        let at = guess % token.len();
        token[at] = char::from(b'A' + u8::try_from(guess % 26).unwrap());
        token.extend(std::iter::repeat_n('x', guess / 60));
        let token: String = token.into_iter().collect();
        for head in [
            format!("GET /?token={token} HTTP/1.1\r\n"),
            format!("GET / HTTP/1.1\r\nCookie: meshcheck-{port}={token}\r\n"),
            format!("GET /machines/vm1 HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"),
            format!(
                "PUT /records/vm1 HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n"
            ),
        ] {
            let answer = board.ask(&format!("{head}Host: board\r\nConnection: close\r\n\r\n"), b"");
            assert_eq!(answer.status, 401, "{head}{}", answer.body);
            assert!(!answer.body.contains("vm1"), "{head}{}", answer.body);
        }
    }
    figure("guesses", count(4 * guesses));
}

#[test]
fn token_in_the_address_becomes_a_cookie() {
    let board = Board::listening("0.0.0.0:0", "vm1", &["--receive-only"]);
    let answer = board.get(&format!("/?token={TOKEN}"));
    assert_eq!(answer.status, 303);
    assert!(answer.head.contains("location: /\r\n"), "{}", answer.head);
    let cookie = answer.head.split("set-cookie: ").nth(1).unwrap().lines().next().unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let head =
        format!("GET / HTTP/1.1\r\nHost: board\r\nCookie: {pair}\r\nConnection: close\r\n\r\n");
    assert!(board.ask(&head, b"").body.contains("vm1"));
}

#[test]
fn connections_that_send_nothing_delay_nobody() {
    let board = Board::start("vm1", &["--receive-only"]);
    let silent: Vec<_> = (0..size(200, 1000)).map(|_| board.connect()).collect();
    let mut half = board.connect();
    half.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    let started = Instant::now();
    assert_eq!(board.get("/").status, 200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    figure("silent", count(silent.len()));
}

#[test]
fn large_head_is_refused() {
    let board = Board::start("vm1", &["--receive-only"]);
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "x".repeat(100 << 10));
    let mut stream = board.connect();
    // The board may close it before all is sent.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(board.get("/").status, 200);
}

#[test]
fn page_of_three_thousand_machines_is_small() {
    let board = Board::start("vm[0001-3000]", &["--receive-only"]);
    board.put("vm0001", &broken());
    let page = board.wait_for("/machines/vm0001");
    assert!(page.body.len() < 1_000_000, "{}", page.body.len());
    let started = Instant::now();
    board.get("/");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
