//! `class --send`: a call that checks machines and sends their records to a board elsewhere.

use std::process::Output;

use crate::board::{Board, TOKEN, broken, healthy};
use crate::sender;
use crate::support::sandbox::Sandbox;

/// Sends the records of vm1, on which all holds, and of vm2, which is broken.
fn send(board: &Board, token: &str) -> Output {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.at("records")).unwrap();
    sandbox.file("records/vm1.json", healthy());
    sandbox.file("records/vm2.json", broken());
    sender(&sandbox, token)
        .args(["class", "records", "--send", &format!("http://{}", board.address())])
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn board_gets_each_record_and_failing_claims_are_no_failure_of_the_call() {
    let board = Board::start("vm1,vm2", &["--receive-only"]);
    let output = send(&board, TOKEN);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    board.wait_for("/machines/vm1");
    board.wait_for("service echo-service does not exist");
}

#[test]
fn record_that_the_board_does_not_take_fails_the_call() {
    let board = Board::start("vm1", &["--receive-only"]);
    let output = send(&board, TOKEN);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("404: the board has no machine of this name"));
    board.wait_for("/machines/vm1");
    let output = send(&board, "another-token-of-20-characters");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(text(&output).contains("401: ") && !text(&output).contains("another-token"));
}
