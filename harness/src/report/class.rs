//! The class as text: what is wrong on how many machines, then a row for each; and the commands for each machine.

use std::fmt::Write as _;

use meshcheck_suites::hint::quote;
use meshcheck_suites::steps::Purpose;
use meshcheck_suites::{Section, Verdict};

use super::commands::{can_run, commands};
use super::style::Style;
use super::writer::Writer;
use crate::class::{Board, Group, Machine, Row, Stage, State, Way, groups, names};
use crate::text::for_terminal;

/// The space before the parts of a fault.
const INDENT: &str = "     ";

/// Formats the class as text.
pub(crate) fn class_human(board: &Board, style: Style) -> String {
    let mut to = Writer::new(style, None);
    to.wrapped(&style.paint("1", &outcome(board)), "", "  ");
    for group in groups(board) {
        if !style.short {
            to.text.push('\n');
        }
        write_group(&mut to, board, &group);
    }
    to.text.push('\n');
    write_rows(&mut to, board);
    to.text
}

/// The outcome in one sentence, without a full stop.
pub(crate) fn outcome(board: &Board) -> String {
    let Counts { all, holding, failing, unjudged, missing, waiting } = counts(board);
    let mut parts = Vec::new();
    let (fails, fail) =
        if board.is_preflight() { ("is not", "are not") } else { ("does not", "do not") };
    for (number, one, more) in [
        (failing, fails, fail),
        (unjudged, "could not be judged", "could not be judged"),
        (missing, "was not reached", "were not reached"),
        (waiting, "is not checked yet", "are not checked yet"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {}", if number == 1 { one } else { more }));
        }
    }
    let rest = if parts.is_empty() { String::new() } else { format!("; {}", parts.join(", ")) };
    let verb = match (board.is_preflight(), holding == 1 || all == 1) {
        (true, true) => "is ready for",
        (true, false) => "are ready for",
        (false, true) => "holds",
        (false, false) => "hold",
    };
    let noun = if all == 1 { "machine" } else { "machines" };
    format!("{holding} of {all} {noun} {verb} the tutorial{rest}")
}

/// How many machines there are of each kind.
pub(super) struct Counts {
    pub(super) all: usize,
    pub(super) holding: usize,
    pub(super) failing: usize,
    pub(super) unjudged: usize,
    pub(super) missing: usize,
    pub(super) waiting: usize,
}

pub(super) fn counts(board: &Board) -> Counts {
    let of = |verdict| board.machines.iter().filter(|row| overall(row) == verdict).count();
    let is_missing = |row: &&Row| matches!(row.state, State::NotReached(_));
    let missing = board.machines.iter().filter(is_missing).count();
    Counts {
        all: board.machines.len(),
        holding: of(Some(Verdict::Pass)),
        failing: of(Some(Verdict::Fail)),
        unjudged: of(Some(Verdict::Unjudged)),
        missing,
        waiting: of(None) - missing,
    }
}

/// The verdict on a machine as a whole; *changed* counts as holding. Nothing where it was not reached.
pub(super) fn overall(row: &Row) -> Option<Verdict> {
    let report = row.report()?;
    Some(match report.exit_code_for(&[Verdict::Fail, Verdict::Unjudged]) {
        0 => Verdict::Pass,
        1 => Verdict::Fail,
        _ => Verdict::Unjudged,
    })
}

fn write_group(to: &mut Writer<'_>, board: &Board, group: &Group<'_>) {
    let style = to.style;
    let number = group.machines.len();
    let count = format!("{number} of {}", board.machines.len());
    let sign =
        group.verdict.map_or_else(|| style.paint_as(Verdict::Unjudged, "?"), |it| style.sign(it));
    let summary = style.detail(&group.summary);
    let words = style.paint("1", &format!("{count}: {summary}"));
    if style.short {
        return to.cut(&format!("{words} ({})", names(&group.machines)), &format!(" {sign} "), "");
    }
    to.wrapped(&words, &format!(" {sign} "), INDENT);
    to.wrapped(&names(&group.machines), INDENT, INDENT);
    if let Some(cause) = group.cause {
        if number > 1 && cause.steps.iter().any(|step| step.command.is_some()) {
            let first = &group.machines[0].name;
            to.line(&format!("{INDENT}On {first}; --output commands has them for each machine:"));
        }
        // Whole commands: there are several clusters, and no line to type before them.
        for step in &cause.steps {
            to.step(step, INDENT);
        }
        to.line(&format!("{INDENT}More: meshcheck explain {}", style.clean(&cause.claim)));
    }
}

/// Writes a row for each machine, the worst first.
fn write_rows(to: &mut Writer<'_>, board: &Board) {
    let style = to.style;
    let width = board.machines.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let sections: Vec<_> = board.sections.iter().map(|it| it.word()).collect();
    let heading = if board.is_preflight() {
        "Machines, and which parts are ready"
    } else {
        "Machines, and how far they hold"
    };
    to.line(&style.paint("1", &format!("{heading}: {}", sections.join(", "))));
    for at in board.worst_first() {
        let row = &board.machines[at];
        to.cut(&style.detail(&state(row)), &row_start(style, row, board.sections, width), "");
    }
}

/// The sign of a machine, its name and its sections.
fn row_start(style: Style, row: &Row, sections: &[Section], width: usize) -> String {
    let sign = match overall(row) {
        Some(verdict) => style.sign(verdict),
        None => style.paint_as(Verdict::Unjudged, "?"),
    };
    format!(" {sign} {:width$}  {}  ", style.clean(&row.name), bar(style, row, sections))
}

/// Formats the row of a machine as one line, with a sign for each of these sections. `width` is that of the longest
/// name.
pub(crate) fn class_line(style: Style, row: &Row, sections: &[Section], width: usize) -> String {
    format!("{}{}", row_start(style, row, sections, width), style.detail(&state(row)))
}

/// A sign for each section.
fn bar(style: Style, row: &Row, sections: &[Section]) -> String {
    let stages = row.stages();
    let sign = |section: &Section| match stages.iter().find(|(it, _)| it == section) {
        Some((_, Stage::Holds)) => style.sign(Verdict::Pass),
        Some((_, Stage::Fails)) => style.sign(Verdict::Fail),
        Some((_, Stage::Unjudged)) => style.sign(Verdict::Unjudged),
        None => " ".to_owned(),
    };
    sections.iter().map(sign).collect()
}

/// What a row says of its machine.
pub(crate) fn state(row: &Row) -> String {
    match &row.state {
        State::Waiting => "waiting".into(),
        State::Connecting => "connecting".into(),
        State::Checking => "checking".into(),
        State::NotReached(reason) => {
            format!("not reached: {}", reason.lines().next().unwrap_or_default())
        }
        State::Judged(report) => match (overall(row), report.causes.first()) {
            (Some(Verdict::Pass), _) if report.is_preflight() => "ready".into(),
            (Some(Verdict::Pass), _) => "holds".into(),
            (_, Some(cause)) => cause.summary.clone(),
            _ => {
                let open = |verdict| report.claims.iter().find(|claim| claim.verdict == verdict);
                let claim = open(Verdict::Fail).or_else(|| open(Verdict::Unjudged));
                claim.map_or_else(|| "nothing was judged".into(), |claim| claim.summary.clone())
            }
        },
    }
}

/// Formats the commands for each machine, so that they can be typed here.
pub(crate) fn class_commands(board: &Board, machines: &[Machine]) -> String {
    let mut text = format!("# {}\n", outcome(board));
    for (row, machine) in board.machines.iter().zip(machines) {
        let _ = writeln!(text, "\n# {}: {}", for_terminal(&row.name), for_terminal(&state(row)));
        let Some(report) = row.report().filter(|report| !report.causes.is_empty()) else {
            continue;
        };
        let Some(ssh) = ssh(&machine.way) else {
            // Each machine has a kubeconfig or a context of its own: a shell of its own keeps them apart.
            let _ = writeln!(text, "(\n{})", commands(report));
            continue;
        };
        for cause in &report.causes {
            let mut is_open = true;
            for step in &cause.steps {
                let Some(command) = &step.command else { continue };
                let is_fix = step.purpose == Purpose::Fix;
                is_open &= !is_fix || can_run(step, command);
                let words = for_terminal(&step.text);
                let call = for_terminal(&format!("{ssh} {}", quote(command)));
                let _ = if is_open && is_fix {
                    writeln!(text, "# {words}\n{call}")
                } else {
                    writeln!(text, "# {words}: {call}")
                };
            }
        }
    }
    text
}

/// `ssh -p 2222 student@vm03`
fn ssh(way: &Way) -> Option<String> {
    let Way::Ssh { address, user, port, options } = way else { return None };
    let mut words = vec!["ssh".to_owned()];
    words.extend(options.iter().map(|it| quote(it)));
    words.extend(port.map(|port| format!("-p {port}")));
    let user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    words.push(quote(&format!("{user}{address}")));
    Some(words.join(" "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::class::board::tests::judged;
    use crate::report::{Died, Selected, died_report};
    use meshcheck_suites::report::Totals;

    pub(crate) fn sample() -> (Board, Vec<Machine>) {
        let names = ["vm01", "vm02", "vm03", "vm04", "vm05"];
        let mut board = Board::new(names);
        let states = [
            judged(|it| it.demo.services.value_mut().unwrap().clear()),
            State::NotReached(
                "ssh: connect to host 10.0.0.2 port 22: Connection refused <b>".into(),
            ),
            judged(|_| ()),
            judged(|it| it.demo.services.value_mut().unwrap().clear()),
            State::Checking,
        ];
        for (row, state) in board.machines.iter_mut().zip(states) {
            row.state = state;
        }
        let machine = |name: &str| Machine::of_host(&format!("student@{name}:2222")).unwrap();
        (board, names.iter().map(|name| machine(name)).collect())
    }

    /// A board of the preflight: a machine that is ready, and one that is not. No cluster was named.
    pub(crate) fn preflight() -> Board {
        let report = |broken: Option<&str>| {
            let mut report = died_report(&Died::default(), &Selected::Checks(Vec::new()));
            for claim in &mut report.claims {
                claim.verdict = match claim.section {
                    Section::Cluster => Verdict::Skipped,
                    Section::Software if broken.is_some() => Verdict::Unjudged,
                    _ => Verdict::Pass,
                };
            }
            let first = &mut report.claims[0];
            if let Some(summary) = broken {
                (first.verdict, first.summary) = (Verdict::Fail, summary.to_owned());
            }
            report.totals = Totals::of(&report.claims);
            State::Judged(Box::new(report))
        };
        let mut board = Board::of_preflight(["vm01", "vm02", "vm03"]);
        board.machines[0].state = report(None);
        board.machines[1].state = report(Some("docker is not installed"));
        board
    }

    #[test]
    fn preflight_of_a_class_as_text() {
        insta::assert_snapshot!(class_human(&preflight(), Style::plain()));
    }

    #[test]
    fn class_as_text() {
        insta::assert_snapshot!(class_human(&sample().0, Style::plain()));
    }

    #[test]
    fn class_in_short() {
        let style = Style { short: true, ..Style::plain() };
        insta::assert_snapshot!(class_human(&sample().0, style));
    }

    #[test]
    fn commands_of_a_class_can_be_typed_here() {
        let (board, machines) = sample();
        insta::assert_snapshot!(class_commands(&board, &machines));
    }
}
