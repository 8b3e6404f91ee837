//! What a board showed of each machine in the last day: a line of JSON for each change of verdicts, in one file a class.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use meshcheck_suites::{Section, Verdict};
use serde::{Deserialize, Serialize};

use super::board::Row;
use crate::atomic_file::write_atomically;
use crate::text::io_reason;

/// How long a change is kept. The last one of each machine stays.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A change of the verdicts on a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When the board saw it.
    pub(crate) at: Timestamp,
    /// The machine.
    pub(crate) machine: String,
    /// Since when it stands where it does.
    pub(crate) since: Timestamp,
    /// Why it was not reached; nothing where there are verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The last section that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) section: Option<String>,
    /// The claims that do not hold, with their verdicts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) open: BTreeMap<String, Verdict>,
    /// Whether the machine sends its records by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) sent: bool,
}

impl Entry {
    /// Describes a row as it is at this time.
    pub(crate) fn new(row: &Row, reason: Option<&str>, at: Timestamp, since: Timestamp) -> Self {
        let claims = row.report().into_iter().flat_map(|report| &report.claims);
        let open = claims.filter(|it| !matches!(it.verdict, Verdict::Pass | Verdict::Skipped));
        Self {
            at,
            machine: row.name.clone(),
            since,
            reason: reason.map(ToOwned::to_owned),
            section: row.position().map(Section::word).map(ToOwned::to_owned),
            open: open.map(|it| (it.id.clone(), it.verdict)).collect(),
            sent: false,
        }
    }

    /// Whether another entry has the same verdicts.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.reason, &self.section, &self.open, self.since, self.sent)
            == (&other.reason, &other.section, &other.open, other.since, other.sent)
    }
}

/// Why a history cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    /// Another board has it.
    #[error("another board writes the history {}", .0.display())]
    Taken(PathBuf),
    /// It cannot be read or written.
    #[error("cannot use the history {}: {}", path.display(), io_reason(error))]
    Io { path: PathBuf, error: io::Error },
}

impl HistoryError {
    /// Returns the fix.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Taken(_) => "end that board, or name another directory with --history",
            Self::Io { .. } => "name a directory where you may write with --history",
        }
    }
}

/// The history of a class, open for changes.
#[derive(Debug)]
pub(crate) struct History {
    path: PathBuf,
    file: File,
    /// Holding it is its purpose.
    _lock: File,
}

/// What a history has.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Past {
    /// The changes, the oldest first.
    pub(crate) entries: Vec<Entry>,
    /// The lines that cannot be read.
    pub(crate) notes: Vec<String>,
}

impl History {
    /// Opens the history in a directory, which is made where it is missing, and returns what it has.
    ///
    /// # Errors
    ///
    /// When another board writes it, or it cannot be read or written.
    pub(crate) fn open(directory: &Path, now: Timestamp) -> Result<(Self, Past), HistoryError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| HistoryError::Io { path, error }
        };
        let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        private(directory).map_err(failed(directory))?;
        let place = directory.join("lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options.open(&place).map_err(failed(&place))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(HistoryError::Taken(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(&place)(error)),
        }
        let path = directory.join("history.jsonl");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut past = parse(&text, &path);
        let all = past.entries.len();
        past.entries = recent(past.entries, now);
        // Whatever ended the last board, the file begins with whole lines again.
        if !past.notes.is_empty() || past.entries.len() < all {
            let written = write_atomically(&path, |to| {
                past.entries.iter().try_for_each(|entry| to.write_all(&line(entry)?))
            });
            written.map_err(failed(&path))?;
        }
        let file = File::options().create(true).append(true).mode(0o600).open(&path);
        let file = file.map_err(failed(&path))?;
        Ok((Self { path, file, _lock: lock }, past))
    }

    /// Adds a change: in one call, so that a program that is killed leaves whole lines.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let written = line(entry).and_then(|line| self.file.write_all(&line));
        written.map_err(|error| HistoryError::Io { path: self.path.clone(), error })
    }
}

fn line(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    Ok(line)
}

fn parse(text: &[u8], path: &Path) -> Past {
    let mut past = Past::default();
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let place = format!("{} line {}", path.display(), at + 1);
        if !line.ends_with(b"\n") {
            past.notes.push(format!("{place} is incomplete: ignored"));
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(entry) => past.entries.push(entry),
            Err(error) => past.notes.push(format!("{place} is damaged: ignored ({error})")),
        }
    }
    past
}

/// The changes of the last day, and the last one of each machine.
fn recent(entries: Vec<Entry>, now: Timestamp) -> Vec<Entry> {
    let mut last = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        last.insert(entry.machine.clone(), at);
    }
    let is_kept = |at: usize, entry: &Entry| {
        now.duration_since(entry.at) < KEPT || last[&entry.machine] == at
    };
    entries.into_iter().enumerate().filter(|(at, it)| is_kept(*at, it)).map(|(_, it)| it).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::board::State;
    use crate::class::board::tests::judged;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn entry(second: i64, machine: &str) -> Entry {
        let state = judged(|it| it.demo.services.value_mut().unwrap().clear());
        Entry::new(&Row { name: machine.into(), state }, None, at(second), at(second))
    }

    #[test]
    fn changes_are_there_after_a_new_start() {
        let place = tempfile::tempdir().unwrap();
        let (mut history, past) = History::open(place.path(), at(9)).unwrap();
        assert_eq!(past, Past::default());
        let [one, two] = [entry(1, "vm1"), entry(2, "vm2")];
        history.add(&one).unwrap();
        history.add(&two).unwrap();
        drop(history);
        let (_, past) = History::open(place.path(), at(9)).unwrap();
        assert_eq!(one.section.as_deref(), Some("install"));
        assert_eq!(one.open.get("demo::backend_service"), Some(&Verdict::Fail));
        assert_eq!(past, Past { entries: vec![one, two], notes: Vec::new() });
    }

    #[test]
    fn half_written_last_line_is_reported_and_the_next_change_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let (mut history, _) = History::open(place.path(), at(9)).unwrap();
        history.add(&entry(1, "vm1")).unwrap();
        drop(history);
        let file = place.path().join("history.jsonl");
        let text = fs::read(&file).unwrap();
        fs::write(&file, [text.as_slice(), b"{\"at\":\"2026-11-"].concat()).unwrap();
        let (mut history, past) = History::open(place.path(), at(9)).unwrap();
        assert_eq!(past.entries, [entry(1, "vm1")]);
        assert!(past.notes[0].ends_with("history.jsonl line 2 is incomplete: ignored"));
        history.add(&entry(3, "vm1")).unwrap();
        drop(history);
        let (_, past) = History::open(place.path(), at(9)).unwrap();
        assert_eq!((past.entries.len(), past.notes.len()), (2, 0));
    }

    #[test]
    fn damaged_line_is_reported_and_the_others_stay() {
        let past = parse(b"{}\n[1\n", Path::new("h"));
        assert_eq!((past.entries.len(), past.notes.len()), (0, 2));
        assert!(past.notes[1].starts_with("h line 2 is damaged: ignored ("), "{past:?}");
    }

    #[test]
    fn old_changes_go_and_the_last_of_each_machine_stays() {
        let day = KEPT.as_secs();
        let entries = vec![entry(1, "a"), entry(2, "a"), entry(3, "b"), entry(day, "b")];
        let kept: Vec<_> = recent(entries, at(day + 10)).iter().map(|it| it.at).collect();
        assert_eq!(kept, [at(2), at(day)]);
    }

    #[test]
    fn second_board_of_the_same_class_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let _first = History::open(place.path(), at(9)).unwrap();
        let error = History::open(place.path(), at(9)).unwrap_err();
        assert!(error.to_string().starts_with("another board writes the history "), "{error}");
    }

    #[test]
    fn not_reached_differs_from_every_verdict() {
        let row = Row { name: "a".into(), state: State::NotReached("refused".into()) };
        let off = Entry::new(&row, Some("refused"), at(1), at(1));
        assert!(!off.is_like(&Entry { reason: None, ..off.clone() }));
        assert!(off.is_like(&Entry { at: at(5), ..off.clone() }));
    }
}
