use meshcheck_suites::Evidence;

use super::*;

pub(crate) fn evidence(change: impl FnOnce(&mut Evidence)) -> Record {
    let text = include_str!("../../../../fixtures/evidence/lab.json");
    let mut evidence = serde_json::from_str(text).unwrap();
    change(&mut evidence);
    Record::Mesh(Box::new(evidence))
}

pub(crate) fn open(directory: &Path, names: &[&str], any: bool) -> (LiveBoard, Vec<String>) {
    let judge = Arc::new(|record: &Record| match record {
        Record::Mesh(evidence) => Ok(meshcheck_suites::judge(&**evidence, &[])),
        Record::Preflight(_) => Err("another kind".to_owned()),
    });
    LiveBoard::open(Board::new(names.iter().copied()), directory, judge, any).unwrap()
}

fn broken(evidence: &mut Evidence) {
    evidence.demo.services.value_mut().unwrap().clear();
}

fn shown(board: &LiveBoard) -> Vec<(String, State, Option<Timestamp>)> {
    let rows = board.rows();
    let each = rows.board.machines.iter().zip(&rows.about);
    each.map(|(row, about)| (row.name.clone(), row.state.clone(), about.since)).collect()
}

#[test]
fn new_start_shows_the_same_rows() {
    let place = tempfile::tempdir().unwrap();
    let (board, _) = open(place.path(), &["a", "b", "c"], true);
    board.take(0, &evidence(|_| ()), false).unwrap();
    board.take(0, &evidence(broken), false).unwrap();
    board.miss(1, "refused".into()).unwrap();
    let sent = board.find("extra", true).unwrap();
    board.take(sent, &evidence(|_| ()), true).unwrap();
    let before = shown(&board);
    drop(board);
    let (board, notes) = open(place.path(), &["a", "b", "c"], true);
    assert_eq!((shown(&board), notes.len()), (before.clone(), 0));
    assert!(board.is_sent(3));
    drop(board);
    let (board, _) = open(place.path(), &["a", "b", "c"], false);
    assert_eq!(shown(&board), before[..3], "no machine beyond the inventory");
}

#[test]
fn since_is_the_first_sight_of_the_position_and_not_of_the_last_check() {
    let place = tempfile::tempdir().unwrap();
    let (board, _) = open(place.path(), &["a"], false);
    let since = |second: i64, state: State| {
        let now = Timestamp::from_second(second).unwrap();
        board.settle(0, state, false, now).unwrap();
        board.rows().about[0].since.unwrap().as_second()
    };
    let judged = |record: Record| State::Judged(Box::new(board.judge(&record).unwrap()));
    assert_eq!(since(10, judged(evidence(|_| ()))), 10);
    assert_eq!(since(20, judged(evidence(|_| ()))), 10);
    assert_eq!(since(30, judged(evidence(broken))), 30);
    assert_eq!(since(40, State::NotReached("x".into())), 40);
    assert_eq!(since(50, State::NotReached("y".into())), 40);
}

#[test]
fn verdicts_stay_while_the_machine_is_checked_again() {
    let place = tempfile::tempdir().unwrap();
    let (board, _) = open(place.path(), &["a"], false);
    board.begin(0, State::Checking);
    assert_eq!(board.rows().board.machines[0].state, State::Checking);
    board.take(0, &evidence(|_| ()), false).unwrap();
    board.begin(0, State::Connecting);
    assert!(board.rows().board.machines[0].report().is_some());
}

#[test]
fn damaged_record_is_reported_and_not_shown() {
    let place = tempfile::tempdir().unwrap();
    let (board, _) = open(place.path(), &["a"], false);
    board.take(0, &evidence(|_| ()), false).unwrap();
    let file = board.record("a");
    drop(board);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let (board, notes) = open(place.path(), &["a"], false);
    assert!(notes[0].contains("its compressed data ends too early"), "{notes:?}");
    assert_eq!(board.rows().board.machines[0].state, State::Waiting);
}

#[test]
fn old_record_of_a_silent_machine_is_no_verdict() {
    let place = tempfile::tempdir().unwrap();
    let (board, _) = open(place.path(), &["a", "b"], false);
    board.take(0, &evidence(|_| ()), true).unwrap();
    board.take(1, &evidence(|_| ()), false).unwrap();
    let age = Duration::from_mins(10);
    board.expire(age, Timestamp::now()).unwrap();
    assert!(board.rows().board.machines[0].report().is_some());
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(700);
    board.expire(age, later).unwrap();
    let state = State::NotReached("no record for more than 10 minutes".into());
    assert_eq!(board.rows().board.machines[0].state, state);
    assert!(board.rows().board.machines[1].report().is_some(), "it is checked from here");
    assert!(!board.is_sent(0), "it is checked from here again");
}

#[test]
fn unknown_machine_is_refused_unless_any_is_accepted() {
    let place = tempfile::tempdir().unwrap();
    let (board, _) = open(place.path(), &["a"], false);
    assert!(matches!(board.find("b", false), Err(LiveError::Unknown)));
    assert_eq!(board.find("b", true).unwrap(), 1);
    assert_eq!(board.find("b", false).unwrap(), 1);
}
