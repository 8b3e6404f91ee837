//! The parts of the page as text, each with the number of its last change: readers get what is newer than theirs.

use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use meshcheck_suites::Section;
use tokio::sync::watch;

use super::super::live::{Inner, LiveBoard};
use crate::report::{ReportError, class_faults, class_head, class_outcome, class_page, class_row};

/// How long changes are collected before readers get them.
const PAUSE: Duration = Duration::from_millis(300);

/// A part of the page.
#[derive(Clone, Debug, Default)]
struct Part {
    html: Arc<str>,
    change: u64,
}

/// The parts of the page at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// The number of the last change.
    pub(super) change: u64,
    title: String,
    head: Part,
    faults: Part,
    /// In the inventory's order.
    rows: Vec<Part>,
    /// The sections of the rows.
    sections: &'static [Section],
    /// The places of the rows, the worst first.
    order: Vec<usize>,
    /// The day of the times on it.
    day: Option<Date>,
}

impl Snapshot {
    /// Formats what has changed since the last one.
    pub(super) fn next(&self, rows: &Inner) -> Result<Self, ReportError> {
        let change = rows.change;
        let part = |old: Option<&Part>, html: String| match old {
            Some(old) if *old.html == *html => old.clone(),
            // Events have no carriage return.
            _ => Part { html: html.replace('\r', "").into(), change },
        };
        let day = Timestamp::now().to_zoned_datetime(TimeZone::system()).date();
        let is_other_day = self.day != Some(day);
        let each = rows.about.iter().enumerate();
        let each = each.map(|(at, about)| match self.rows.get(at) {
            Some(old) if about.change <= self.change && !is_other_day => Ok(old.clone()),
            old => class_row(at, &rows.board, about.since, true).map(|html| part(old, html)),
        });
        Ok(Self {
            change,
            title: class_outcome(&rows.board),
            head: part(Some(&self.head), class_head(&rows.board, rows.checked)?),
            faults: part(Some(&self.faults), class_faults(&rows.board, true)?),
            rows: each.collect::<Result<_, _>>()?,
            sections: rows.board.sections,
            order: rows.board.worst_first(),
            day: Some(day),
        })
    }

    /// Formats the page. `version` is what its script asks with.
    pub(super) fn page(&self, name: &str, version: &str) -> Result<String, ReportError> {
        let mut rows = String::with_capacity(self.rows.iter().map(|row| row.html.len() + 1).sum());
        for at in &self.order {
            rows.push_str(&self.rows[*at].html);
            rows.push('\n');
        }
        let parts = [&*self.head.html, rows.as_str(), &*self.faults.html];
        class_page(&self.title, name, self.sections, parts, Some(version))
    }

    /// Returns the events for a reader who has the page as of this change. Rows are an event of their own: a browser
    /// reads them by other rules.
    pub(super) fn events(&self, since: u64, version: &str) -> Vec<Event> {
        let newer = |parts: &[&Part]| {
            let parts = parts.iter().filter(|part| part.change > since);
            parts.map(|part| &*part.html).collect::<Vec<_>>().join("\n")
        };
        let rows: Vec<_> = self.rows.iter().collect();
        let texts = [newer(&[&self.head, &self.faults]), newer(&rows)];
        let texts = texts.into_iter().filter(|text| !text.is_empty());
        texts.map(|text| Event::default().id(version).data(text)).collect()
    }
}

/// Formats the parts whenever the board has changed, and gives them to all readers. A reader who is slow misses
/// states in between, and delays nobody.
pub(super) async fn publish(board: Arc<LiveBoard>, to: watch::Sender<Arc<Snapshot>>) {
    let mut changes = board.changes();
    while changes.changed().await.is_ok() {
        tokio::time::sleep(PAUSE).await;
        changes.borrow_and_update();
        let (board, last) = (Arc::clone(&board), Arc::clone(&to.borrow()));
        // Thousands of rows take a while.
        let next = tokio::task::spawn_blocking(move || last.next(&board.rows())).await;
        if let Ok(Ok(next)) = next {
            to.send_replace(Arc::new(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::live::tests::{evidence, open};
    use super::*;

    #[test]
    fn reader_gets_the_rows_that_changed() {
        let place = tempfile::tempdir().unwrap();
        let (board, _) = open(place.path(), &["a", "b"], false);
        let first = Snapshot::default().next(&board.rows()).unwrap();
        assert_eq!(first.rows.len(), 2);
        assert!(first.events(first.change, "v").is_empty());
        board.take(1, &evidence(|_| ()), false).unwrap();
        let second = first.next(&board.rows()).unwrap();
        let changed = |at: usize| second.rows[at].change > first.change;
        assert_eq!((changed(0), changed(1)), (false, true));
        assert_eq!(second.events(first.change, "v").len(), 2);
        assert_eq!(second.order, [0, 1], "a machine without verdicts is worse");
    }

    #[test]
    fn check_with_the_same_verdicts_changes_the_head_alone() {
        let place = tempfile::tempdir().unwrap();
        let (board, _) = open(place.path(), &["a"], false);
        board.take(0, &evidence(|_| ()), false).unwrap();
        let first = Snapshot::default().next(&board.rows()).unwrap();
        board.take(0, &evidence(|_| ()), false).unwrap();
        let second = first.next(&board.rows()).unwrap();
        assert!(second.change > first.change && second.rows[0].change == first.rows[0].change);
    }
}
