//! The steps of a report for a shell: fixes as lines, everything else as comments.

use std::fmt::Write as _;

use meshcheck_suites::steps::{Impact, Purpose};
use meshcheck_suites::{Report, Step};

use super::outcome::outcome;
use super::writer::label;
use crate::text::for_terminal;

/// Formats the steps of all causes. A fix that its reader must decide on stays a comment, and so do those after it.
pub fn commands(report: &Report) -> String {
    let mut text = format!("# {}\n", for_terminal(&outcome(report)));
    if let Some(setup) = report.export() {
        let _ = writeln!(text, "{}", for_terminal(&setup));
    }
    let is_current = report.cluster.context_is_current && report.cluster.kubeconfig.is_some();
    let kept = report.cluster.of_any_context();
    let cluster = if is_current { &report.cluster } else { &kept };
    for cause in &report.causes {
        let _ = writeln!(text, "\n# {}: {}", cause.claim, for_terminal(&cause.summary));
        let mut is_open = true;
        for step in &cause.steps {
            let command = cluster.shorten(step.command.as_deref().unwrap_or_default());
            let is_fix = step.purpose == Purpose::Fix;
            // What follows a fix that its reader must decide on may build on it.
            is_open &= !is_fix || can_run(step, &command);
            write_step(&mut text, step, &command, is_open && is_fix);
        }
    }
    text
}

/// Whether a fix can run unread: it deletes nothing, has no condition and no placeholder such as `VERSION`, and all its
/// characters are visible.
pub(super) fn can_run(step: &Step, command: &str) -> bool {
    let is_placeholder =
        |word: &str| word.len() > 3 && word.chars().all(|it| it.is_ascii_uppercase());
    let words = |text: &str| text.split([' ', '=']).any(is_placeholder);
    step.impact != Impact::Deletes
        && !command.is_empty()
        && !step.text.contains(" if ")
        && !words(command)
        && for_terminal(command) == command
}

fn write_step(text: &mut String, step: &Step, command: &str, is_run: bool) {
    let words = for_terminal(&step.text);
    let _ = match step.purpose {
        _ if is_run => writeln!(text, "# {words}\n{command}"),
        _ if command.is_empty() => writeln!(text, "# {}: {words}", label(step).to_lowercase()),
        Purpose::Fix => {
            writeln!(text, "# {}: {words}: {}", label(step).to_lowercase(), for_terminal(command))
        }
        Purpose::Inspect => writeln!(text, "# inspect: {}", for_terminal(command)),
    };
}
