//! In a job of GitHub Actions: the job summary and annotations, without being asked.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{Write as _, stderr};
use std::path::Path;

use meshcheck_suites::Report;

use crate::report::{annotations, markdown};

/// The longest summary of a step, in bytes.
/// Source: <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary>.
const LONGEST: u64 = 1 << 20;

/// Adds the verdicts to the summary of the job, and prints annotations, where this is a job of GitHub Actions.
pub(super) fn report_verdicts(report: &Report) {
    if is_job() {
        // Standard output has the report, which may be JSON. The runner reads both.
        let _ = stderr().lock().write_all(annotations(report).as_bytes());
        add_to_summary(&markdown(report));
    }
}

/// Whether this is a job of GitHub Actions.
pub(super) fn is_job() -> bool {
    env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// Adds a text to the summary of the step, where it has room.
pub(super) fn add_to_summary(text: &str) {
    let Some(file) = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else {
        return;
    };
    if let Err(reason) = append(Path::new(&file), text) {
        super::say(&format!("note: the job summary was not written: {reason}"));
    }
}

fn append(file: &Path, text: &str) -> Result<(), String> {
    let length = fs::metadata(file).map_or(0, |it| it.len());
    if length + text.len() as u64 >= LONGEST {
        return Err("it would be longer than GitHub shows".to_owned());
    }
    let opened = OpenOptions::new().append(true).create(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
    written.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_grows_and_stays_below_its_limit() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("summary.md");
        append(&file, "one").unwrap();
        append(&file, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\n");
        let error = append(&file, &"x".repeat(1 << 20)).unwrap_err();
        assert!(error.contains("longer"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\n");
    }
}
