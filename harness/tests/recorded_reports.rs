//! The whole report on every recorded fault, variation and case, as `meshcheck judge` prints it into a pipe.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../suites/tests/recorded/mod.rs"]
mod recorded;

use meshcheck::report::{Style, human};
use meshcheck_suites::golden;
use recorded::{KINDS, folders, stable_report};

#[test]
fn generated_reports_are_up_to_date() {
    for folder in KINDS.into_iter().flat_map(folders) {
        let report = human(&stable_report(&folder), Style::plain());
        golden::assert_file(&folder.join("report.snap"), &report, "faults");
    }
}
