//! The whole report on every recorded fault, variation and case, as `meshcheck judge` prints it into a pipe.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../suites/tests/recorded/mod.rs"]
mod recorded;

use std::fs;

use meshcheck::report::{Style, human};
use meshcheck_suites::golden;
use recorded::{KINDS, folders, meshes, stable_report, stable_report_on};

#[test]
fn generated_reports_are_up_to_date() {
    for folder in KINDS.into_iter().flat_map(folders) {
        let report = human(&stable_report(&folder), Style::plain());
        golden::assert_file(&folder.join("report.snap"), &report, "faults");
    }
}

#[test]
fn generated_reports_on_whole_meshes_are_up_to_date() {
    for file in meshes() {
        let report = human(&stable_report_on(&file), Style::plain());
        // `NAME.json.gz` becomes `NAME.snap`.
        let snap = file.with_extension("").with_extension("snap");
        golden::assert_file(&snap, &report, "faults");
    }
}

/// The README shows what the program prints: a report where all holds, and one with a fault.
#[test]
fn generated_samples_in_the_readme_are_up_to_date() {
    let path = recorded::repository("README.md");
    let mut readme = fs::read_to_string(&path).unwrap();
    let samples = [
        ("    $ meshcheck check\n", "variations/istiod-restarted"),
        ("    $ meshcheck check --context vm7\n", "faults/istiod-scaled-to-zero"),
    ];
    for (command, folder) in samples {
        let folder = recorded::repository("fixtures").join(folder);
        let report = human(&stable_report(&folder), Style::plain());
        let lines = report.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n");
        let sample: String = lines.collect();
        let start = readme.find(command).unwrap() + command.len();
        // The sample ends where the next line of prose begins.
        let end =
            readme[start..].lines().take_while(|line| line.is_empty() || line.starts_with("    "));
        let length: usize = end.map(|line| line.len() + 1).sum();
        readme.replace_range(start..start + length, &(sample + "\n"));
    }
    golden::assert_file(&path, &readme, "faults");
}
