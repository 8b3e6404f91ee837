//! The board in a terminal: a table that stays in place; without a terminal, a line for each change.

use std::io::{IsTerminal as _, stderr, stdout};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::ZonedDateTime;
use tokio::time::sleep;

use super::class::{Class, write_reports};
use super::failure::Failure;
use crate::class::live::{Inner, LiveBoard};
use crate::class::{Row, State};
use crate::report::{Format, ReportError, Style, class_line, class_outcome, to_stdout};

/// How long changes are collected before they are shown.
const PAUSE: Duration = Duration::from_millis(200);

/// How often the files of reports are written at the most.
const REPORTS: Duration = Duration::from_secs(5);

/// Shows the board.
pub(super) struct Screen<'s> {
    board: &'s LiveBoard,
    arguments: &'s Class,
    table: Option<Table>,
    /// What was printed of each machine.
    lines: Vec<String>,
    /// The number of the last change that was shown.
    shown: u64,
}

impl<'s> Screen<'s> {
    /// For standard output and standard error as they are.
    pub(super) fn new(board: &'s LiveBoard, arguments: &'s Class) -> Self {
        let output = &arguments.judging.output;
        let is_table = stderr().is_terminal() && !output.quiet && output.output != Format::Json;
        Self { board, arguments, table: is_table.then(Table::default), lines: Vec::new(), shown: 0 }
    }

    /// Shows changes until it is dropped.
    ///
    /// # Errors
    ///
    /// When standard output or a report cannot be written.
    pub(super) async fn show(mut self) -> Result<(), Failure> {
        let mut changes = self.board.changes();
        changes.mark_changed();
        let has_files = !self.arguments.judging.output.reports.is_empty();
        let mut reports = tokio::time::interval(REPORTS);
        let mut written = 0;
        loop {
            tokio::select! {
                outcome = changes.changed() => {
                    if outcome.is_err() {
                        return Ok(());
                    }
                    changes.borrow_and_update();
                    self.print()?;
                    sleep(PAUSE).await;
                }
                _ = reports.tick(), if has_files => {
                    let (change, board) = {
                        let rows = self.board.rows();
                        (rows.change, (rows.change != written).then(|| rows.board.clone()))
                    };
                    if let Some(board) = board {
                        written = change;
                        // The board lives on: a disk may have room again.
                        if let Err(error) = write_reports(&board, self.arguments) {
                            Failure::from(error).print();
                        }
                    }
                }
            }
        }
    }

    fn print(&mut self) -> Result<(), ReportError> {
        let output = &self.arguments.judging.output;
        let style = Style { width: None, ..Style::for_stdout(output) };
        let mut text = String::new();
        let rows = self.board.rows();
        if let Some(table) = &mut self.table {
            table.show(&rows, style);
        }
        if self.table.is_none() || !stdout().is_terminal() {
            let width = width(&rows);
            self.lines.resize(rows.board.machines.len(), String::new());
            let each = rows.board.machines.iter().zip(&rows.about).zip(&mut self.lines);
            for ((row, _), last) in each.filter(|((_, about), _)| about.change > self.shown) {
                let line = class_line(style, row, rows.board.sections, width);
                let has_verdict = matches!(row.state, State::Judged(_) | State::NotReached(_));
                if has_verdict && line != *last {
                    text.push_str(&change(output.output, row, &line)?);
                    *last = line;
                }
            }
        }
        self.shown = rows.change;
        // Not under the lock: who reads the output may be slow.
        drop(rows);
        if text.is_empty() { Ok(()) } else { to_stdout(&text) }
    }
}

fn width(rows: &Inner) -> usize {
    rows.board.machines.iter().map(|row| row.name.len()).max().unwrap_or_default()
}

/// A change as a line: with the time, or as JSON.
fn change(format: Format, row: &Row, line: &str) -> Result<String, ReportError> {
    match format {
        Format::Json => serde_json::to_string(row)
            .map(|text| text + "\n")
            .map_err(|error| ReportError::Format(error.to_string())),
        _ => Ok(format!("{}{line}\n", ZonedDateTime::now().strftime("%H:%M:%S"))),
    }
}

/// The lines that stay in place: the outcome, then the machines, the worst first.
#[derive(Default)]
struct Table {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
}

impl Table {
    fn show(&mut self, rows: &Inner, style: Style) {
        let mut lines = vec![class_outcome(&rows.board)];
        let width = width(rows);
        for at in rows.board.worst_first() {
            let since =
                rows.about[at].since.map(|it| it.to_zoned_datetime(jiff::tz::TimeZone::system()));
            let since = since.map_or("     ".to_owned(), |it| it.strftime("%H:%M").to_string());
            let row = &rows.board.machines[at];
            let line = class_line(style, row, rows.board.sections, width);
            lines.push(format!("{since}{line}"));
        }
        while self.bars.len() < lines.len() {
            let bar = self.all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
                bar.set_style(style);
            }
            self.bars.push(bar);
        }
        for (bar, line) in self.bars.iter().zip(lines) {
            if bar.message() != line {
                bar.set_message(line);
            }
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // The last state stays on the screen.
        self.bars.iter().for_each(ProgressBar::abandon);
    }
}
