//! The steps of a report for a shell: fixes as lines, everything else as comments.

use std::fmt::Write as _;

use meshcheck_suites::steps::{Impact, Purpose};
use meshcheck_suites::{Report, Step};

use super::outcome::outcome;
use super::writer::label;
use crate::text::for_terminal;

/// Formats the steps of all causes. What deletes something stays a comment: its reader must decide.
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
        for step in &cause.steps {
            write_step(
                &mut text,
                step,
                &cluster.shorten(step.command.as_deref().unwrap_or_default()),
            );
        }
    }
    text
}

fn write_step(text: &mut String, step: &Step, command: &str) {
    let words = for_terminal(&step.text);
    // A command with characters that a terminal does not show is not one to run unread.
    let is_run = step.purpose == Purpose::Fix
        && step.impact != Impact::Deletes
        && for_terminal(command) == command;
    let _ = match step.purpose {
        _ if command.is_empty() => writeln!(text, "# {}: {words}", label(step).to_lowercase()),
        Purpose::Fix if is_run => writeln!(text, "# {words}\n{command}"),
        Purpose::Fix => {
            writeln!(text, "# {}: {words}: {}", label(step).to_lowercase(), for_terminal(command))
        }
        Purpose::Inspect => writeln!(text, "# inspect: {}", for_terminal(command)),
    };
}
