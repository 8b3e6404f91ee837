//! Equal faults of several machines, once.

use std::collections::BTreeMap;

use meshcheck_suites::report::{Cause, ClaimReport};
use meshcheck_suites::{Report, Verdict};

use super::board::{Board, Row, State};

/// A fault, and the machines that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<'b> {
    /// What is wrong, in the words of the first machine.
    pub summary: String,
    /// The verdict; nothing where the machines were not reached.
    pub verdict: Option<Verdict>,
    /// The cause on the first machine, where there is one.
    pub cause: Option<&'b Cause>,
    /// The machines, in the inventory's order.
    pub machines: Vec<&'b Row>,
}

/// The groups by what is equal: the rank of the verdict, the claim, the sentence without names.
type Groups<'b> = BTreeMap<Key, Group<'b>>;
type Key = (u8, String, String);

fn add<'b>(
    groups: &mut Groups<'b>,
    key: Key,
    row: &'b Row,
    (summary, verdict, cause): (&str, Option<Verdict>, Option<&'b Cause>),
) {
    let new = || Group { summary: summary.to_owned(), verdict, cause, machines: Vec::new() };
    let group = groups.entry(key).or_insert_with(new);
    if group.machines.last().is_none_or(|last| last.name != row.name) {
        group.machines.push(row);
    }
}

/// Groups what is wrong on the machines: the fault that most machines have comes first, then those of single
/// machines. Failing claims come before machines that were not reached, and these before claims that are unjudged.
pub fn groups(board: &Board) -> Vec<Group<'_>> {
    let mut groups = Groups::new();
    for row in &board.machines {
        match &row.state {
            State::Judged(report) => {
                for cause in causes(report) {
                    let key = (rank(cause.verdict), cause.claim.clone(), common(&cause.summary));
                    add(&mut groups, key, row, (&cause.summary, Some(cause.verdict), Some(cause)));
                }
                for claim in alone(report) {
                    // Claims that cannot be judged for one reason are one fault.
                    let key = (rank(claim.verdict), String::new(), common(&claim.summary));
                    add(&mut groups, key, row, (&claim.summary, Some(claim.verdict), None));
                }
            }
            State::NotReached(reason) => {
                let reason = reason.lines().next().unwrap_or_default();
                let summary = format!("not reached: {reason}");
                let key = (1, String::new(), common(reason));
                add(&mut groups, key, row, (&summary, None, None));
            }
            _ => {}
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((rank, ..), group)| (*rank, std::cmp::Reverse(group.machines.len())));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The causes of what does not hold, those aside that need nothing done.
fn causes(report: &Report) -> impl Iterator<Item = &Cause> {
    let is_waived =
        |id: &str| report.claims.iter().any(|claim| claim.id == id && claim.may_fail.is_some());
    report.causes.iter().filter(move |cause| !is_waived(&cause.claim))
}

/// The claims that do not hold and are no cause.
fn alone(report: &Report) -> impl Iterator<Item = &ClaimReport> {
    let is_open = |claim: &&ClaimReport| {
        matches!(claim.verdict, Verdict::Fail | Verdict::Unjudged)
            && claim.because.is_none()
            && claim.may_fail.is_none()
            && !report.causes.iter().any(|cause| cause.claim == claim.id)
    };
    report.claims.iter().filter(is_open)
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Unjudged => 2,
        _ => 3,
    }
}

/// A sentence without what differs from machine to machine: a word with a digit in it is a name, a number or an
/// address.
fn common(summary: &str) -> String {
    let word = |word: &str| {
        if word.chars().any(|it| it.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() }
    };
    summary.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Names of machines as a sentence has them: `vm01 to vm05, vm09`. Consecutive numbers are one range.
pub fn names(rows: &[&Row]) -> String {
    let mut parts: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        match parts.last_mut().filter(|(_, last)| follows(last, &row.name)) {
            Some((_, last)) => *last = &row.name,
            None => parts.push((&row.name, &row.name)),
        }
    }
    let shown = parts.iter().map(|(first, last)| match first == last {
        true => (*first).to_owned(),
        false if follows(first, last) => format!("{first}, {last}"),
        false => format!("{first} to {last}"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Whether two names differ in one number alone, which is one more in the second.
fn follows(first: &str, second: &str) -> bool {
    let split = |name: &str| {
        let end = name.rfind(|it: char| it.is_ascii_digit())? + 1;
        let start = name[..end].rfind(|it: char| !it.is_ascii_digit()).map_or(0, |at| at + 1);
        let number: u64 = name[start..end].parse().ok()?;
        Some((name[..start].to_owned(), number, name[end..].to_owned()))
    };
    match (split(first), split(second)) {
        (Some((before, one, after)), Some((prefix, two, suffix))) => {
            before == prefix && after == suffix && one.checked_add(1) == Some(two)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::judged;
    use super::*;

    fn board() -> Board {
        let mut board = Board::new(["vm01", "vm02", "vm03", "vm04", "vm05", "vm06"]);
        let states = [
            judged(|it| it.demo.services.value_mut().unwrap().clear()),
            State::NotReached("ssh: connect to host 10.0.0.2 port 22: Connection refused".into()),
            judged(|it| it.demo.services.value_mut().unwrap().clear()),
            judged(|_| ()),
            State::NotReached("ssh: connect to host 10.0.0.5 port 22: Connection refused".into()),
            judged(|it| it.demo.services.value_mut().unwrap().clear()),
        ];
        for (row, state) in board.machines.iter_mut().zip(states) {
            row.state = state;
        }
        board
    }

    #[test]
    fn equal_faults_are_one_group_whatever_the_machine_is_called() {
        let board = board();
        let groups = groups(&board);
        let found: Vec<_> =
            groups.iter().map(|group| (group.summary.as_str(), names(&group.machines))).collect();
        assert_eq!(
            found,
            [
                ("service echo-service does not exist", "vm01, vm03, vm06".to_owned()),
                (
                    "not reached: ssh: connect to host 10.0.0.2 port 22: Connection refused",
                    "vm02, vm05".to_owned()
                ),
            ]
        );
        assert!(groups[0].cause.is_some_and(|cause| !cause.steps.is_empty()));
    }

    #[test]
    fn consecutive_names_are_a_range() {
        let names_of = |list: &[&str]| {
            let rows: Vec<_> = list.iter().map(|name| Row::waiting(name)).collect();
            names(&rows.iter().collect::<Vec<_>>())
        };
        assert_eq!(names_of(&["vm1", "vm2", "vm3", "vm5"]), "vm1 to vm3, vm5");
        assert_eq!(names_of(&["vm09.a", "vm10.a"]), "vm09.a, vm10.a");
        assert_eq!(names_of(&["a", "b"]), "a, b");
    }
}
