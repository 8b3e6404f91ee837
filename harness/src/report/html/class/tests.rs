//! The page of a class: rows, bars, links.

use super::*;
use crate::class::board::tests::judged;
use crate::report::class::tests::{preflight, sample};
use meshcheck_suites::evidence::Observation;

#[test]
fn page_has_a_row_for_each_machine_the_worst_first() {
    let (board, _) = sample();
    let text = class_html(&board, "hosts.ini").unwrap();
    let at = |name: &str| text.find(&format!("<th scope=\"row\">{name}<")).unwrap();
    assert!(at("vm01") < at("vm04") && at("vm04") < at("vm02"), "{text}");
    assert!(at("vm02") < at("vm05") && at("vm05") < at("vm03"), "{text}");
    assert!(text.contains("2 of 5: service"), "{text}");
    assert!(!text.contains("<script"), "a file needs none");
}

#[test]
fn text_of_a_machine_stays_text() {
    let (mut board, _) = sample();
    board.machines[1].name = "<img src=x>".into();
    let text = class_html(&board, "</title><script>alert(1)</script>").unwrap();
    assert!(text.contains("Connection refused &#60;b&#62;"), "{text}");
    assert!(!text.contains("<img") && !text.contains("<script"), "{text}");
}

#[test]
fn bar_ends_at_the_first_section_that_does_not_hold() {
    let (board, _) = sample();
    let bars: Vec<_> = board.machines.iter().map(|row| bar(row, board.sections)).collect();
    let (holds, todo) = ("<i></i>", "<s></s>");
    assert_eq!(bars[0], format!("{holds}{holds}<b></b>{todo}{todo}{todo}"));
    assert_eq!(bars[1], todo.repeat(6));
    assert_eq!(bars[2], holds.repeat(6));
    let state = judged(|it| it.cluster.server_version = Observation::failed("forbidden"));
    let row = Row { name: "a".into(), state };
    assert_eq!(bar(&row, &Section::ALL), format!("<u></u>{}", todo.repeat(5)));
}

#[test]
fn bar_of_a_preflight_has_each_part_alone() {
    let board = preflight();
    let bars: Vec<_> = board.machines.iter().map(|row| bar(row, board.sections)).collect();
    assert_eq!(bars, ["<i></i><i></i><s></s>", "<b></b><u></u><s></s>", "<s></s><s></s><s></s>"]);
    let words: Vec<_> = board.machines.iter().map(position).collect();
    let expected = ["machine ready, software ready", "machine not ready, software unjudged"];
    assert_eq!(words[..2], expected);
    let page = class_html(&board, "hosts.ini").unwrap();
    assert!(page.contains("machine · software · cluster") && page.contains("1 not ready"));
}

#[test]
fn link_to_a_machine_has_no_character_with_a_meaning() {
    assert_eq!(link("vm-01.a_b"), "/machines/vm-01.a_b");
    assert_eq!(link("a%b:c+é"), "/machines/a%25b%3Ac%2B%C3%A9");
}

#[test]
fn three_thousand_rows_are_smaller_than_a_megabyte() {
    let (board, _) = sample();
    let since = Some(Timestamp::UNIX_EPOCH);
    let rows = (0..board.machines.len()).map(|at| class_row(at, &board, since, true).unwrap());
    // A place of 3,000 has three more digits than one of these.
    let longest = rows.map(|row| row.len() + 3).max().unwrap();
    assert!(longest < 330, "{longest}");
}

#[test]
fn script_is_short() {
    assert!(SCRIPT.lines().count() <= 30);
}

#[test]
fn time_of_another_day_has_its_day() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let now = at("2026-11-29T12:00:00Z");
    assert_eq!(time(at("2026-11-29T11:59:00Z"), now, "").len(), 5);
    assert!(time(at("2026-11-25T12:00:00Z"), now, ":%S").starts_with("25 Nov "));
}
