//! Records that machines send: taken with the token, refused with the reason.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use rstest::rstest;

use crate::support::board::{Board, PATIENCE, broken, healthy};
use crate::support::run::compressed;
use crate::support::sandbox::{Sandbox, files};
use crate::support::scale::{count, figure, median, size};
use crate::support::wait::wait_until;

const BEARER: &str = "Authorization: Bearer 0123456789abcdefghij\r\n";

fn names(board: &Board) -> Vec<String> {
    files(&board.history().join("records"))
}

#[test]
fn record_needs_the_token_on_loopback_too() {
    let board = Board::start("vm1", &["--receive-only"]);
    let body = healthy();
    let head = |more: &str| {
        format!(
            "PUT /records/vm1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{more}Connection: close\r\n\r\n",
            body.len()
        )
    };
    assert_eq!(board.ask(&head(""), &body).status, 401);
    assert_eq!(
        board.ask(&head("Authorization: Bearer 0123456789abcdefghik\r\n"), &body).status,
        401
    );
    assert!(names(&board).is_empty());
    assert_eq!(board.ask(&head(BEARER), &body).status, 204);
    assert_eq!(names(&board), ["vm1.json.gz"]);
}

#[rstest]
#[case::parent("..%2f..%2fevil", 400)]
#[case::parent_as_it_is("../../evil", 404)]
#[case::hidden(".evil", 400)]
#[case::markup("%3Cscript%3Ealert(1)%3C%2Fscript%3E", 400)]
#[case::option("-oProxyCommand=x", 400)]
#[case::line("a%0Ab", 400)]
#[case::null("a%00", 400)]
#[case::no_text("%ff", 400)]
#[case::unknown("vm9", 404)]
fn record_of_no_machine_is_refused(#[case] name: &str, #[case] status: u16) {
    let board = Board::start("vm1", &["--receive-only"]);
    let answer = board.put(name, &healthy());
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(!answer.body.contains("<script"), "{}", answer.body);
    assert!(names(&board).is_empty());
    figure("names", 1.0);
}

#[test]
fn any_machine_is_taken_where_that_is_asked_for_and_its_name_stays_text() {
    let board = Board::start("vm1", &["--receive-only", "--accept-any"]);
    assert_eq!(board.put("extra-7", &broken()).status, 204);
    assert_eq!(board.put("%3Cimg%3E", &broken()).status, 400);
    assert_eq!(board.put(&"x".repeat(250), &broken()).status, 400);
    let page = board.wait_for("<a href=\"/machines/extra-7\">extra-7</a>");
    assert!(page.body.contains("service echo-service does not exist"), "{}", page.body);
}

#[test]
fn text_of_a_record_stays_text() {
    let evil = "<script>alert(1)</script>";
    let text = String::from_utf8(broken()).unwrap().replace("echo-service", evil);
    let board = Board::start("vm1", &["--receive-only"]);
    assert_eq!(board.put("vm1", text.as_bytes()).status, 204);
    let page = board.wait_for("/machines/vm1");
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    assert!(!board.get("/machines/vm1").body.contains("<script"));
}

#[rstest]
#[case::empty(b"", "it is empty")]
#[case::other(b"{\"a\": 1}", "cannot read vm1: ")]
#[case::markup(b"<html>", "cannot read vm1: ")]
#[case::half(&[0x1f, 0x8b, 8, 0, 0], "its compressed data ends too early")]
fn body_that_is_no_record_is_refused_with_the_reason(#[case] body: &[u8], #[case] reason: &str) {
    let board = Board::start("vm1", &["--receive-only"]);
    let answer = board.put("vm1", body);
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(answer.body.contains(reason), "{}", answer.body);
    assert!(names(&board).is_empty());
}

#[test]
fn body_that_claims_a_gigabyte_is_refused_before_it_is_sent() {
    let board = Board::start("vm1", &["--receive-only"]);
    let head = format!(
        "PUT /records/vm1 HTTP/1.1\r\nHost: localhost\r\n{BEARER}Content-Length: 1000000000\r\n\r\n"
    );
    let started = Instant::now();
    let answer = board.ask(&head, b"");
    assert_eq!((answer.status, answer.body.as_str()), (413, "the record is longer than 64 MiB\n"));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    figure("bodies", 1.0);
}

#[test]
fn record_of_a_preflight_is_refused_on_a_board_of_the_tutorial() {
    let board = Board::start("vm1", &["--receive-only"]);
    let sandbox = Sandbox::new();
    let mut recorder = sandbox.meshcheck(&["record", "--preflight", "--quiet", "--out", "b.json"]);
    recorder.env("PATH", "/nonexistent").env("https_proxy", "http://127.0.0.1:1");
    assert!(recorder.status().unwrap().success());
    let record = std::fs::read(sandbox.at("b.json")).unwrap();
    let answer = board.put("vm1", &record);
    let reason = "it is the evidence of a preflight: use --preflight\n";
    assert_eq!((answer.status, answer.body.as_str()), (422, reason));
    let board = Board::start("vm1", &["--receive-only", "--preflight"]);
    assert_eq!(board.put("vm1", &record).status, 204);
    board.wait_for("machine not ready");
    assert_eq!(board.put("vm1", &healthy()).status, 422);
}

#[test]
fn bodies_without_end_are_refused_at_their_limit() {
    let board = Board::start("vm1", &["--receive-only"]);
    let head = format!(
        "PUT /records/vm1 HTTP/1.1\r\nHost: localhost\r\n{BEARER}Transfer-Encoding: chunked\r\n\r\n"
    );
    let mut chunk = b"100000\r\n".to_vec();
    chunk.resize(chunk.len() + (1 << 20), b' ');
    chunk.extend(b"\r\n");
    // The number of MiB that are sent before the board closes the connection.
    let most = size(200, 1000);
    let send = || {
        let mut stream = board.connect();
        stream.write_all(head.as_bytes()).unwrap();
        (0..most).take_while(|_| stream.write_all(&chunk).is_ok()).count()
    };
    let alone = send();
    assert!((64..most).contains(&alone), "{alone} MiB");
    let senders = size(1, 8);
    let together: Vec<_> = std::thread::scope(|scope| {
        let each: Vec<_> = (0..senders).map(|_| scope.spawn(send)).collect();
        assert_eq!(board.get("/").status, 200);
        each.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(together.iter().all(|sent| *sent < most), "{together:?} MiB");
    assert_eq!(board.get("/").status, 200);
    assert!(board.peak() < 512 << 10, "{} KiB", board.peak());
    figure("bodies", count(1 + senders));
}

#[test]
fn body_that_grows_when_it_is_decompressed_is_refused() {
    let board = Board::start("vm1", &["--receive-only"]);
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..size(80, 1000) {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 8 << 20);
    assert_eq!(board.put("vm1", &bomb).status, 413);
    figure("bodies", 1.0);
}

#[test]
fn records_of_a_whole_class_are_taken_and_the_page_stays_fast() {
    let machines = size(12, 3000);
    let board = Board::start(&format!("vm[0001-{machines:04}]"), &["--receive-only"]);
    let bodies = [healthy(), broken()].map(|evidence| compressed(&evidence));
    let next = AtomicUsize::new(1);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > machines {
                        return;
                    }
                    let answer = board
                        .put(&format!("vm{at:04}"), &bodies[usize::from(at.is_multiple_of(10))]);
                    assert_eq!(answer.status, 204, "{}", answer.body);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let page = wait_until("the rows of all machines", PATIENCE, || {
        let page = board.get("/");
        if page.body.contains("class=\"wait\"") { Err("some wait".into()) } else { Ok(page) }
    });
    assert_eq!(page.body.matches("<tr id=\"m").count(), machines);
    assert_eq!(names(&board).len(), machines);
    let milliseconds = (0..11).map(|_| {
        let start = Instant::now();
        assert_eq!(board.get("/").body.len(), page.body.len());
        start.elapsed().as_secs_f64() * 1000.0
    });
    figure("page_time", median(milliseconds.collect()));
    figure("page_size", count(page.body.len()) / 1e6);
    figure("records", seconds);
}
