//! What is kept of the cases: figures in `target/xtask/hostile.json`, outcomes in `docs/hostile.md`.
//!
//! nextest runs each case in a process of its own: each adds what it saw, under a lock.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::case::{Case, Place};
use crate::cases;

/// Set to `renew`, the table is written and not compared.
const VARIABLE: &str = "MESHCHECK_HOSTILE";

/// `hostile.json`.
#[derive(Default, Serialize, Deserialize)]
struct Results {
    /// How many cases were tried.
    tried: usize,
    /// How many of them ended as they should.
    clean: usize,
    /// How many left something behind.
    leaked: usize,
    cases: Vec<Row>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Row {
    name: String,
    input: String,
    outcome: String,
    exit: Option<i32>,
    seconds: f64,
    peak_mib: u64,
    clean: bool,
    left: Vec<String>,
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Runs a case, keeps its figures, and compares its row of the table.
pub(crate) fn run(case: &Case) -> Result<(), String> {
    let place = Place::new();
    let ended = catch_unwind(AssertUnwindSafe(|| (case.run)(&place)));
    let (told, exit, bound) = match &ended {
        Ok(ended) => (ended.told.clone(), ended.exit, ended.bound.clone()),
        Err(_) => ("it did not end as it should".into(), None, String::new()),
    };
    let tally = place.tally.take();
    let clean = ended.is_ok() && tally.left.is_empty();
    keep(Row {
        name: case.name.into(),
        input: case.input.into(),
        outcome: told.clone(),
        exit,
        seconds: (tally.seconds * 100.0).round() / 100.0,
        peak_mib: tally.peak_mib,
        clean,
        left: tally.left.clone(),
    });
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
    let code = exit.map_or_else(|| "–".to_owned(), |code| code.to_string());
    table(case, &format!("| `{}` | {} | {code} | {told} | {bound} |", short(case.name), case.input))
}

fn short(name: &str) -> &str {
    name.split_once("::").map_or(name, |(_, short)| short)
}

/// Held while one of the two files is read and written.
fn lock() -> File {
    let directory = repository("target/xtask");
    fs::create_dir_all(&directory).unwrap();
    let file = File::create(directory.join("hostile.lock")).unwrap();
    file.lock().unwrap();
    file
}

fn write(path: &Path, text: &str) {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.persist(path).unwrap();
}

fn keep(row: Row) {
    let _lock = lock();
    let path = repository("target/xtask/hostile.json");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let old: Results = serde_json::from_str(&text).unwrap_or_default();
    let mut known: BTreeMap<_, _> =
        old.cases.into_iter().map(|case| (case.name.clone(), case)).collect();
    known.insert(row.name.clone(), row);
    // Those that are no more have nothing to say.
    let cases: Vec<_> = cases().iter().filter_map(|case| known.remove(case.name)).collect();
    let results = Results {
        tried: cases.len(),
        clean: cases.iter().filter(|case| case.clean).count(),
        leaked: cases.iter().filter(|case| !case.left.is_empty()).count(),
        cases,
    };
    write(&path, &(serde_json::to_string_pretty(&results).unwrap() + "\n"));
}

const HEAD: &str = "\
# Hostile surroundings

What was tried, and what the program's user is told. The cases write this table themselves: one whose row differs from
what it saw fails (with `MESHCHECK_HOSTILE=check` also where other words were told).
`MESHCHECK_HOSTILE=renew cargo nextest run --test hostile --run-ignored all` writes it anew. The figures of a run are in `target/xtask/hostile.json`.

Every case runs the program as its users do, and wants, beside what its row says: one error with one hint, or a report; no panic; no control
characters; an end within the time and the resident memory in the last column; every file that was there as it was; no new
file, directory or process. Behind a server in disorder no claim may change its verdict, except to *unjudged*.
";

/// The rows of the table that is there, by the names of their cases.
fn rows(text: &str) -> BTreeMap<String, String> {
    let mut section = "";
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            section = name;
        } else if let Some(name) = line.strip_prefix("| `").and_then(|it| it.split('`').next()) {
            rows.insert(format!("{section}::{name}"), line.to_owned());
        }
    }
    rows
}

fn print(rows: &BTreeMap<String, String>) -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for case in cases() {
        let (name, _) = case.name.split_once("::").unwrap();
        if name != section {
            section = name;
            let _ = write!(
                text,
                "\n## {section}\n| case | input | exit code | what is told | within |\n|---|---|---|---|---|\n"
            );
        }
        if let Some(row) = rows.get(case.name) {
            text.push_str(row);
            text.push('\n');
        }
    }
    text
}

/// A row without what was told: the libraries below, and the order in which ends of a connection are heard
/// of, choose some of those words. `check` compares them too.
fn without_words(row: &str) -> String {
    let mut columns: Vec<_> = row.split(" | ").collect();
    if columns.len() > 4 {
        columns.drain(3..columns.len() - 1);
    }
    columns.join(" | ")
}

fn table(case: &Case, row: &str) -> Result<(), String> {
    let _lock = lock();
    let path = repository("docs/hostile.md");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut rows = rows(&text);
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "renew") {
        rows.insert(case.name.to_owned(), row.to_owned());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, &print(&rows));
        return Ok(());
    }
    let exact = std::env::var_os(VARIABLE).is_some_and(|value| value == "check");
    match rows.get(case.name) {
        Some(there) if there == row || (!exact && without_words(there) == without_words(row)) => {
            Ok(())
        }
        there => Err(format!(
            "docs/hostile.md has another row ({VARIABLE}=renew writes it anew):\n  seen:  {row}\n  there: {}",
            there.map_or("none", |row| row)
        )),
    }
}

/// Whether the table has a row for every case and no other, and nothing else in it was changed.
pub(crate) fn complete() -> Result<(), String> {
    if std::env::var_os(VARIABLE).is_some_and(|value| value == "renew") {
        return Ok(());
    }
    let _lock = lock();
    let text = fs::read_to_string(repository("docs/hostile.md")).map_err(|it| it.to_string())?;
    let rows = rows(&text);
    let missing: Vec<_> =
        cases().iter().map(|case| case.name).filter(|name| !rows.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(format!("docs/hostile.md has no row for {missing:?}"));
    }
    if print(&rows) == text {
        Ok(())
    } else {
        Err("docs/hostile.md has rows of no case, or other words: renew it".into())
    }
}
