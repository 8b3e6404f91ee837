//! The class as a page: a row for each machine, and what to fix first. Its parts can be replaced one by one.

use std::fmt::Write as _;

use askama::Template;
use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};
use meshcheck_suites::{Report, Section, Verdict};

use super::card::StepView;
use super::{STYLE as COMMON, filters, hash};
use crate::class::{Board, Group, Row, Stage, State, groups, names};
use crate::report::ReportError;
use crate::report::class::{Counts, counts, outcome, overall, state};
use crate::report::style::sign;
use crate::text::truncated;

/// The style of every page, and what this one adds.
const STYLE: &str = concat!(
    include_str!("../../../templates/report.css"),
    include_str!("../../../templates/class.css")
);

/// The script of the live page, the only one: its policy names the hash of this text.
const SCRIPT: &str = include_str!("../../../templates/class.js");

/// How many faults the page shows.
const FAULTS: usize = 20;

/// How many machines of a fault are links; more are shown as ranges.
const LINKS: usize = 12;

/// How much of a state and of a list of machines is shown, in columns.
const STATE: usize = 160;
const NAMES: usize = 400;

#[derive(Template)]
#[template(path = "class.html")]
struct Page<'p> {
    style: &'static str,
    script: &'static str,
    policy: String,
    title: &'p str,
    name: &'p str,
    head: &'p str,
    rows: &'p str,
    faults: &'p str,
    /// The number of the last change, where the page is live.
    version: Option<&'p str>,
    sections: String,
    /// The heading of the bars.
    heading: String,
    program: &'static str,
}

#[derive(Template)]
#[template(path = "class_head.html")]
struct Head {
    worst: Verdict,
    sign: &'static str,
    outcome: String,
    /// The class, the sign and the words of each.
    chips: Vec<(&'static str, &'static str, String)>,
}

#[derive(Template)]
#[template(path = "class_row.html")]
struct RowView<'r> {
    at: usize,
    class: &'static str,
    badness: u8,
    sign: &'static str,
    name: &'r str,
    link: Option<String>,
    position: String,
    bar: String,
    state: String,
    since: String,
}

#[derive(Template)]
#[template(path = "class_faults.html")]
struct Faults {
    faults: Vec<Fault>,
    more: usize,
}

struct Fault {
    class: &'static str,
    sign: &'static str,
    count: String,
    summary: String,
    /// The machines: each with its link, or all as one text.
    machines: Vec<(String, Option<String>)>,
    /// The machine to which the steps belong, where there are several.
    on: Option<String>,
    steps: Vec<StepView>,
}

fn render(template: &impl Template) -> Result<String, ReportError> {
    template.render().map_err(|error| ReportError::Format(error.to_string()))
}

/// The policy of the page: its own style, and its own script where it is live.
fn policy(is_live: bool) -> String {
    let script = if is_live {
        format!("script-src '{}'; connect-src 'self'; ", hash(SCRIPT))
    } else {
        String::new()
    };
    format!(
        "default-src 'none'; style-src '{}'; {script}base-uri 'none'; form-action 'none'",
        hash(STYLE)
    )
}

/// Returns the policy of the live page and of the reports of its machines, as a header has it.
pub(crate) fn class_policy() -> String {
    format!("{}; frame-ancestors 'none'", policy(true))
}

/// Returns the policy of the report of a machine, as a header has it.
pub(crate) fn report_policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(COMMON)
    )
}

/// Formats the head of the page: the outcome and the numbers. `checked` is the time of the last check.
pub(crate) fn class_head(board: &Board, checked: Option<Timestamp>) -> Result<String, ReportError> {
    let Counts { all, holding, failing, unjudged, missing, waiting } = counts(board);
    let worst = match (failing, unjudged + missing + waiting) {
        (0, 0) if all > 0 => Verdict::Pass,
        (0, _) => Verdict::Unjudged,
        _ => Verdict::Fail,
    };
    let (holds, fails) = match (board.is_preflight(), holding == 1, failing == 1) {
        (true, ..) => ("ready", "not ready"),
        (_, one, other) => {
            (if one { "holds" } else { "hold" }, if other { "does not" } else { "do not" })
        }
    };
    let numbers = [
        (holding, "pass", sign(Verdict::Pass), holds),
        (failing, "fail", sign(Verdict::Fail), fails),
        (unjudged, "unjudged", sign(Verdict::Unjudged), "unjudged"),
        (missing, "unjudged", "?", "not reached"),
        (waiting, "skipped", WAITING, "not checked yet"),
    ];
    let numbers = numbers.into_iter().filter(|(number, ..)| *number > 0);
    let mut chips: Vec<_> = numbers
        .map(|(number, class, sign, words)| (class, sign, format!("{number} {words}")))
        .collect();
    if let Some(at) = checked {
        chips.push(("", "", format!("checked at {}", time(at, Timestamp::now(), ":%S"))));
    }
    render(&Head { worst, sign: sign(worst), outcome: outcome(board), chips })
}

/// The sign of a machine that has no verdict yet.
const WAITING: &str = "·";

fn local(at: Timestamp) -> ZonedDateTime {
    at.to_zoned_datetime(TimeZone::system())
}

/// Formats a time of today as `13:52`, another one with its day. `more` are its smaller parts.
fn time(at: Timestamp, now: Timestamp, more: &str) -> String {
    let (at, now) = (local(at), local(now));
    let form = if at.date() == now.date() { "%H:%M" } else { "%-d %b %H:%M" };
    at.strftime(&format!("{form}{more}")).to_string()
}

/// Formats the row of a machine on this board. Where the page is live, its name leads to its report.
pub(crate) fn class_row(
    at: usize,
    board: &Board,
    since: Option<Timestamp>,
    is_live: bool,
) -> Result<String, ReportError> {
    let row = &board.machines[at];
    let (class, sign) = match (overall(row), &row.state) {
        (Some(Verdict::Pass), _) => ("pass", sign(Verdict::Pass)),
        (Some(Verdict::Fail), _) => ("fail", sign(Verdict::Fail)),
        (Some(_), _) | (None, State::NotReached(_)) => ("unjudged", "?"),
        _ => ("wait", WAITING),
    };
    let has_page = is_live && matches!(row.state, State::Judged(_));
    render(&RowView {
        at,
        class,
        badness: row.badness(),
        sign,
        name: &row.name,
        link: has_page.then(|| link(&row.name)),
        position: position(row),
        bar: bar(row, board.sections),
        state: truncated(&state(row), STATE, "…"),
        since: since.map(|since| time(since, Timestamp::now(), "")).unwrap_or_default(),
    })
}

/// Formats the bar of a row as text.
fn position(row: &Row) -> String {
    if row.report().is_some_and(Report::is_preflight) {
        let words = |(section, stage): &(Section, Stage)| {
            let stage = match stage {
                Stage::Holds => "ready",
                Stage::Fails => "not ready",
                Stage::Unjudged => "unjudged",
            };
            format!("{} {stage}", section.word())
        };
        return row.stages().iter().map(words).collect::<Vec<_>>().join(", ");
    }
    row.position().map_or_else(
        || "no section holds".to_owned(),
        |section| format!("holds up to {}", section.word()),
    )
}

/// An element for each section: those that hold as far as the participant is, the one that ends the way, and the rest.
/// The sections of a preflight do not build on each other. The style knows the elements by their names, which are
/// short because there are many.
fn bar(row: &Row, sections: &[Section]) -> String {
    let stages = row.stages();
    let has_way = !row.report().is_some_and(Report::is_preflight);
    let mut is_on_the_way = true;
    let sign = |section: &Section| {
        let stage = stages.iter().find(|(it, _)| it == section).map(|(_, stage)| stage);
        let stage = stage.filter(|_| is_on_the_way || !has_way);
        is_on_the_way &= stage.is_none_or(|it| *it == Stage::Holds);
        match stage {
            Some(Stage::Holds) => "<i></i>",
            Some(Stage::Fails) => "<b></b>",
            Some(Stage::Unjudged) => "<u></u>",
            None => "<s></s>",
        }
    };
    sections.iter().map(sign).collect()
}

/// The address of the report of a machine.
fn link(name: &str) -> String {
    let mut link = "/machines/".to_owned();
    for byte in name.bytes() {
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                write!(link, "{}", char::from(byte))
            }
            _ => write!(link, "%{byte:02X}"),
        };
    }
    link
}

/// Formats what to fix first: equal faults once.
pub(crate) fn class_faults(board: &Board, is_live: bool) -> Result<String, ReportError> {
    let groups = groups(board);
    let more = groups.len().saturating_sub(FAULTS);
    let faults = groups.iter().take(FAULTS).map(|group| fault(board, group, is_live)).collect();
    render(&Faults { faults, more })
}

fn fault(board: &Board, group: &Group<'_>, is_live: bool) -> Fault {
    let number = group.machines.len();
    let machines = if number > LINKS {
        vec![(truncated(&names(&group.machines), NAMES, "…"), None)]
    } else {
        let has_page = |row: &Row| is_live && row.report().is_some();
        let one = |row: &&Row| (row.name.clone(), has_page(row).then(|| link(&row.name)));
        group.machines.iter().map(one).collect()
    };
    let first = group.machines.first();
    let steps = match (group.cause, first.and_then(|row| row.report())) {
        (Some(cause), Some(report)) => {
            let cluster = report.cluster.of_any_cluster();
            cause.steps.iter().map(|step| StepView::new(&cluster, step)).collect()
        }
        _ => Vec::new(),
    };
    let has_command = steps.iter().any(|step| step.command.is_some());
    Fault {
        class: match group.verdict {
            Some(Verdict::Fail) => "fail",
            Some(Verdict::Changed) => "changed",
            _ => "unjudged",
        },
        sign: group.verdict.map_or("?", sign),
        count: format!("{number} of {}", board.machines.len()),
        summary: group.summary.clone(),
        machines,
        on: first.filter(|_| number > 1 && has_command).map(|row| row.name.clone()),
        steps,
    }
}

/// Formats the page of parts. `version` is the number of the last change, where it is live.
pub(crate) fn class_page(
    title: &str,
    name: &str,
    sections: &[Section],
    [head, rows, faults]: [&str; 3],
    version: Option<&str>,
) -> Result<String, ReportError> {
    let words: Vec<_> = sections.iter().map(|it| it.word()).collect();
    let heading = match words.as_slice() {
        [first, .., last] if sections == Section::ALL => format!("{first} → {last}"),
        words => words.join(" · "),
    };
    let page = Page {
        style: STYLE,
        script: SCRIPT,
        policy: policy(version.is_some()),
        title,
        name,
        head,
        rows,
        faults,
        version,
        heading,
        sections: words.join(", "),
        program: env!("CARGO_PKG_VERSION"),
    };
    // The template engine leaves out the newline at a file's end.
    Ok(render(&page)? + "\n")
}

/// Formats the class as a page that stands alone.
///
/// # Errors
///
/// When a template cannot be filled, which is a bug.
pub(crate) fn class_html(board: &Board, name: &str) -> Result<String, ReportError> {
    let mut rows = String::new();
    for at in board.worst_first() {
        rows.push_str(&class_row(at, board, None, false)?);
        rows.push('\n');
    }
    let parts = [&class_head(board, None)?, rows.as_str(), &class_faults(board, false)?];
    class_page(&outcome(board), name, board.sections, parts, None)
}

#[cfg(test)]
mod tests;
