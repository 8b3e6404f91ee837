//! JUnit for CI servers: a suite a section, a case a claim.
//!
//! Servers read the same elements in their own ways, and this is what all of them show: the message in
//! their lists, the text where somebody looks closer. What they are sent is of bounded size, and such as
//! the strictest of them takes, Jenkins' xUnit plugin, which refuses what its schema does not know.

mod bounded;
mod conforming;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
mod times;

use std::fmt::Write as _;

use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Report, Section, Verdict};
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use super::ReportError;
use bounded::{bounded, first_line};
use times::Times;

/// How much of a message a document has, in bytes: lists show a line of it.
const MESSAGE: usize = 1 << 10;

/// How much of each part of a claim's text, in bytes: together less than 16 KiB. Each has room of its own, so
/// that a log in what was observed leaves the hint below it.
const SUMMARY: usize = 4 << 10;
const OBJECT: usize = 1 << 10;
const EXPECTED: usize = 2 << 10;
const OBSERVED: usize = 6 << 10;
const HINT: usize = 2 << 10;

/// The verdicts as JUnit's XML.
///
/// # Errors
///
/// When XML's own rules are broken, which is a bug.
pub fn junit(report: &Report) -> Result<String, ReportError> {
    let times = Times::of(report);
    let mut document = quick_junit::Report::new("meshcheck");
    document.set_time(times.document());
    for section in report.sections() {
        document.add_test_suite(suite(report, section, &times));
    }
    let xml = document.to_string().map_err(|error| ReportError::Format(error.to_string()))?;
    conforming::conforming(&xml).map_err(|error| ReportError::Format(error.to_string()))
}

fn suite(report: &Report, section: Section, times: &Times) -> TestSuite {
    let claims: Vec<_> = report.claims.iter().filter(|claim| claim.section == section).collect();
    let mut suite = TestSuite::new(format!("meshcheck.{section}"));
    suite.set_time(times.suite(&claims));
    if let Some(begin) = times.begin() {
        suite.extra.insert("timestamp".into(), begin.into());
    }
    suite.add_test_cases(claims.into_iter().map(|claim| case(claim, times)));
    let facts = [
        ("istio_version", Some(&report.istio_version)),
        ("cluster", Some(&report.cluster.name)),
        ("context", Some(&report.cluster.context)),
        ("kubernetes_version", report.cluster.kubernetes_version.as_ref()),
        ("recorded_at", Some(&report.cluster.recorded_at)),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            suite.add_property(Property::new(name, bounded(value, MESSAGE)));
        }
    }
    for note in report.cluster.bundle.iter().flat_map(|bundle| &bundle.notes) {
        suite.add_property(Property::new("note", bounded(note, MESSAGE)));
    }
    suite
}

fn case(claim: &ClaimReport, times: &Times) -> TestCase {
    let status = match claim.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Skipped => skipped(&text(claim, "")),
        // Servers know no failure that may be: as one it would fail their build.
        verdict if claim.may_fail.is_some() => skipped(&text(claim, &format!("{verdict}, "))),
        Verdict::Unjudged => open(NonSuccessKind::Error, "unjudged", &text(claim, "")),
        Verdict::Changed => open(NonSuccessKind::Failure, "changed", &text(claim, "")),
        Verdict::Fail => open(NonSuccessKind::Failure, "fail", &text(claim, "")),
    };
    let mut case = TestCase::new(claim.id.as_str(), status);
    case.set_classname(format!("meshcheck.{}", claim.section));
    case.set_time(times.case(claim));
    case
}

/// What is told of a claim. Its first line is the message, often all that a CI server shows.
fn text(claim: &ClaimReport, start: &str) -> String {
    let because = claim.because.as_ref().map(|because| format!("because of {because}: "));
    let mut text =
        format!("{start}{}{}", because.unwrap_or_default(), bounded(&claim.summary, SUMMARY));
    let details = [
        ("object", &claim.object, OBJECT),
        ("expected", &claim.expected, EXPECTED),
        ("observed", &claim.observed, OBSERVED),
        ("hint", &claim.hint, HINT),
    ];
    for (name, detail, most) in details {
        if let Some(detail) = detail {
            let _ = write!(text, "\n{name}: {}", bounded(detail, most));
        }
    }
    text
}

fn open(kind: NonSuccessKind, word: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(word).set_message(first_line(text, MESSAGE)).set_description(text);
    status
}

/// GitLab shows the message of what was skipped, others the text: both say why.
fn skipped(text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(first_line(text, MESSAGE)).set_description(text);
    status
}
