//! `class --send`: a call that checks machines and sends their records to a board elsewhere.

use crate::send;
use crate::support::board::{Board, TOKEN, broken, healthy};
use crate::support::run::Run;
use crate::support::sandbox::Sandbox;

/// Sends the records of vm1, on which all holds, and of vm2, which is broken.
fn send_two(board: &Board, token: &str) -> Run {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.at("records")).unwrap();
    sandbox.file("records/vm1.json", healthy());
    sandbox.file("records/vm2.json", broken());
    let url = format!("http://{}", board.address());
    send(&sandbox, token, &["class", "records", "--send", &url])
}

#[test]
fn board_gets_each_record_and_failing_claims_are_no_failure_of_the_call() {
    let board = Board::start("vm1,vm2", &["--receive-only"]);
    let output = send_two(&board, TOKEN);
    assert_eq!(output.code, Some(0), "{output:?}");
    board.wait_for("/machines/vm1");
    board.wait_for("service echo-service does not exist");
}

#[test]
fn record_that_the_board_does_not_take_fails_the_call() {
    let board = Board::start("vm1", &["--receive-only"]);
    let output = send_two(&board, TOKEN);
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(output.stderr.contains("404: the board has no machine of this name"), "{output:?}");
    board.wait_for("/machines/vm1");
    let output = send_two(&board, "another-token-of-20-characters");
    assert!(output.code == Some(3) && output.stderr.contains("401: "), "{output:?}");
}
