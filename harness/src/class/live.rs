//! The board while it lives: the last verdicts on each machine, since when they stand, and what is kept on disk of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use meshcheck_suites::{Report, Section};
use tokio::sync::watch;

use super::board::{Board, Row, State};
use super::history::{Entry, History, HistoryError};
use crate::evidence_file::{self, EvidenceFileError, Record};

/// How evidence is judged; or why it cannot be: it is of the other kind.
pub(crate) type Judge = Arc<dyn Fn(&Record) -> Result<Report, String> + Send + Sync>;

/// The most machines of a board.
const MACHINES: usize = 10_000;

/// The board while it lives. Threads share it.
pub(crate) struct LiveBoard {
    inner: Mutex<Inner>,
    /// The number of the last change.
    changes: watch::Sender<u64>,
    /// Where the last evidence of each machine is.
    records: PathBuf,
    judge: Judge,
}

/// The rows, and what is known of each.
pub(crate) struct Inner {
    pub(crate) board: Board,
    pub(crate) about: Vec<About>,
    /// When the last machine was checked.
    pub(crate) checked: Option<Timestamp>,
    /// The number of the last change.
    pub(crate) change: u64,
    index: HashMap<String, usize>,
    history: History,
}

/// What is known of a row beside its verdicts.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// When this board first saw it stand where it does.
    pub(crate) since: Option<Timestamp>,
    /// When it was last checked, or last sent a record.
    pub(crate) checked: Option<Timestamp>,
    /// Whether it sends its records by itself.
    pub(crate) sent: bool,
    /// The number of the last change of the row.
    pub(crate) change: u64,
    entry: Option<Entry>,
}

/// Where a machine stands: whether it was reached, its exit code, the last section that holds.
type Standing = (bool, u8, Option<Section>);

fn standing(row: &Row) -> Standing {
    use meshcheck_suites::Verdict::{Fail, Unjudged};
    (row.report().is_some(), row.code(&[Fail, Unjudged]), row.position())
}

/// Why evidence is not on the board.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    /// There is no such machine, and none may be added.
    #[error("the board has no machine of this name")]
    Unknown,
    /// There are too many machines.
    #[error("the board has {MACHINES} machines, the most that it takes")]
    TooMany,
    /// It is evidence of another kind.
    #[error("{0}")]
    OtherKind(String),
    /// The evidence cannot be kept.
    #[error(transparent)]
    Record(#[from] EvidenceFileError),
    /// The change cannot be kept.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl LiveBoard {
    /// Brings a board to life, with what the history in this directory has of its machines. A machine that is not
    /// among them comes back where it sent its records and `accept_any` allows it. Returns notes on what cannot be read.
    ///
    /// # Errors
    ///
    /// When another board writes the history, or it cannot be read or written.
    pub(crate) fn open(
        board: Board,
        directory: &Path,
        judge: Judge,
        accept_any: bool,
    ) -> Result<(Self, Vec<String>), HistoryError> {
        let (history, past) = History::open(directory, Timestamp::now())?;
        let records = directory.join("records");
        std::fs::create_dir_all(&records)
            .map_err(|error| HistoryError::Io { path: records.clone(), error })?;
        let mut inner = Inner {
            about: vec![About::default(); board.machines.len()],
            checked: None,
            change: 0,
            index: board.machines.iter().map(|row| row.name.clone()).zip(0..).collect(),
            board,
            history,
        };
        let mut notes = past.notes;
        let last: HashMap<String, Entry> =
            past.entries.into_iter().map(|entry| (entry.machine.clone(), entry)).collect();
        let mut last: Vec<_> = last.into_values().collect();
        last.sort_by(|one, other| one.machine.cmp(&other.machine));
        for entry in last {
            let is_wanted = accept_any && entry.sent;
            let Ok(at) = inner.at(&entry.machine, is_wanted) else { continue };
            match restored(&entry, &records, &judge) {
                Ok((state, checked)) => inner.restore(at, entry, state, checked),
                Err(error) => notes.push(format!("{}: {error}", entry.machine)),
            }
        }
        let changes = watch::Sender::new(inner.change);
        Ok((Self { inner: Mutex::new(inner), changes, records, judge }, notes))
    }

    /// Locks the rows. No lock may be held while something is waited for.
    pub(crate) fn rows(&self) -> MutexGuard<'_, Inner> {
        // Each change leaves whole rows, also where a thread panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number of the last change, now and whenever it grows.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns the file with the last evidence of a machine.
    pub(crate) fn record(&self, name: &str) -> PathBuf {
        self.records.join(format!("{name}.json.gz"))
    }

    /// Judges evidence.
    ///
    /// # Errors
    ///
    /// When it is of the other kind.
    pub(crate) fn judge(&self, record: &Record) -> Result<Report, String> {
        (self.judge)(record)
    }

    /// Returns where a machine is; one that is not there is added where `accept_any` allows it.
    ///
    /// # Errors
    ///
    /// When there is no such machine, or no room for one more.
    pub(crate) fn find(&self, name: &str, accept_any: bool) -> Result<usize, LiveError> {
        self.rows().at(name, accept_any)
    }

    /// Shows that a machine is on its way to verdicts, unless it has some.
    pub(crate) fn begin(&self, at: usize, state: State) {
        let mut rows = self.rows();
        if matches!(rows.board.machines[at].state, State::Judged(_) | State::NotReached(_)) {
            return;
        }
        rows.board.machines[at].state = state;
        let change = rows.mark(at);
        drop(rows);
        self.changes.send_replace(change);
    }

    /// Judges evidence, keeps it and shows the verdicts.
    ///
    /// # Errors
    ///
    /// When it is of the other kind, or cannot be kept.
    pub(crate) fn take(&self, at: usize, record: &Record, sent: bool) -> Result<(), LiveError> {
        let report = self.judge(record).map_err(LiveError::OtherKind)?;
        self.show(at, record, report, sent)
    }

    /// Keeps evidence and shows the verdicts on it. They are shown even where they cannot be kept.
    ///
    /// # Errors
    ///
    /// When they cannot be kept.
    pub(crate) fn show(
        &self,
        at: usize,
        record: &Record,
        report: Report,
        sent: bool,
    ) -> Result<(), LiveError> {
        let name = self.rows().board.machines[at].name.clone();
        // Written first: a board that is killed before the change is in the history has both on its next start.
        let kept = evidence_file::write(&self.record(&name), record);
        self.settle(at, State::Judged(Box::new(report)), sent, Timestamp::now())?;
        Ok(kept?)
    }

    /// Shows that a machine was not reached.
    ///
    /// # Errors
    ///
    /// When the change cannot be kept.
    pub(crate) fn miss(&self, at: usize, reason: String) -> Result<(), LiveError> {
        self.settle(at, State::NotReached(reason), false, Timestamp::now())
    }

    fn settle(&self, at: usize, state: State, sent: bool, now: Timestamp) -> Result<(), LiveError> {
        let mut rows = self.rows();
        let written = rows.settle(at, state, sent, now);
        let change = rows.change;
        drop(rows);
        self.changes.send_replace(change);
        Ok(written?)
    }

    /// Whether a machine sends its records by itself, and the last one is not too old.
    pub(crate) fn is_sent(&self, at: usize) -> bool {
        let rows = self.rows();
        rows.about[at].sent && rows.board.machines[at].report().is_some()
    }

    /// Shows machines as not reached whose last record is older than `age`: old verdicts must not look like new ones.
    ///
    /// # Errors
    ///
    /// When the change cannot be kept.
    pub(crate) fn expire(&self, age: Duration, now: Timestamp) -> Result<(), LiveError> {
        let rows = self.rows();
        let is_old = |about: &About| {
            let checked = about.checked.filter(|_| about.sent);
            checked.is_some_and(|it| now.duration_since(it).unsigned_abs() > age)
        };
        let old: Vec<_> = (0..rows.about.len())
            .filter(|at| rows.board.machines[*at].report().is_some() && is_old(&rows.about[*at]))
            .collect();
        drop(rows);
        for at in old {
            let reason = format!("no record for more than {} minutes", age.as_secs() / 60);
            self.settle(at, State::NotReached(reason), true, now)?;
        }
        Ok(())
    }
}

impl Inner {
    /// Returns the row of a machine.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.index.get(name).map(|at| &self.board.machines[*at])
    }

    fn at(&mut self, name: &str, may_add: bool) -> Result<usize, LiveError> {
        if let Some(at) = self.index.get(name) {
            return Ok(*at);
        }
        if !may_add {
            return Err(LiveError::Unknown);
        }
        let at = self.board.machines.len();
        if at >= MACHINES {
            return Err(LiveError::TooMany);
        }
        self.board.machines.push(Row::waiting(name));
        self.about.push(About::default());
        self.index.insert(name.to_owned(), at);
        self.mark(at);
        Ok(at)
    }

    fn mark(&mut self, at: usize) -> u64 {
        self.change += 1;
        self.about[at].change = self.change;
        self.change
    }

    fn restore(&mut self, at: usize, entry: Entry, state: State, checked: Timestamp) {
        self.board.machines[at].state = state;
        let about = &mut self.about[at];
        (about.since, about.checked, about.sent) = (Some(entry.since), Some(checked), entry.sent);
        about.entry = Some(entry);
        self.checked = self.checked.max(Some(checked));
        self.mark(at);
    }

    fn settle(
        &mut self,
        at: usize,
        state: State,
        sent: bool,
        now: Timestamp,
    ) -> Result<(), HistoryError> {
        let is_known =
            matches!(self.board.machines[at].state, State::Judged(_) | State::NotReached(_));
        let before = is_known.then(|| standing(&self.board.machines[at]));
        let reason = match &state {
            State::NotReached(reason) => Some(reason.clone()),
            _ => None,
        };
        self.board.machines[at].state = state;
        let (row, about) = (&self.board.machines[at], &mut self.about[at]);
        let since = match about.since {
            Some(since) if before == Some(standing(row)) => since,
            _ => now,
        };
        let is_overdue = reason.is_some() && sent;
        about.since = Some(since);
        about.sent = sent;
        if !is_overdue {
            about.checked = Some(now);
            self.checked = Some(now);
        }
        let entry = Entry { sent, ..Entry::new(row, reason.as_deref(), now, since) };
        let is_new = !about.entry.as_ref().is_some_and(|last| last.is_like(&entry));
        let written = if is_new { self.history.add(&entry) } else { Ok(()) };
        about.entry = Some(entry);
        self.mark(at);
        written
    }
}

/// Returns what an entry stands for: its verdicts are those of the evidence that was kept.
fn restored(entry: &Entry, records: &Path, judge: &Judge) -> Result<(State, Timestamp), String> {
    if let Some(reason) = &entry.reason {
        return Ok((State::NotReached(reason.clone()), entry.at));
    }
    let file = records.join(format!("{}.json.gz", entry.machine));
    let record = evidence_file::read_record(&file).map_err(|error| error.to_string())?;
    let report = judge(&record)?;
    let written = std::fs::metadata(&file).and_then(|it| it.modified()).ok();
    let written = written.and_then(|it| Timestamp::try_from(it).ok());
    Ok((State::Judged(Box::new(report)), written.unwrap_or(entry.at)))
}

#[cfg(test)]
pub(crate) mod tests;
