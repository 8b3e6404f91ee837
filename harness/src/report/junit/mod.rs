//! JUnit for CI servers: a suite a section, or a suite a file; a case a claim.
//!
//! Servers read the same elements in their own ways, and this is what all of them show: the message in
//! their lists, the text where somebody looks closer. What they are sent is of bounded size, and such as
//! the strictest of them takes, Jenkins' xUnit plugin, which refuses what its schema does not know.

mod bounded;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
mod times;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Result;
use std::time::Duration;

use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Report, Verdict};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::cards::change_lines;
use super::{Died, ReportError, Selected, died_report, steps};
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
const STEPS: usize = 2 << 10;
/// Each line of a difference from the tutorial's text.
const CHANGE: usize = 300;

type Xml = Writer<Vec<u8>>;

/// The verdicts as JUnit's XML.
///
/// # Errors
///
/// When XML's own rules are broken, which is a bug.
pub fn junit(report: &Report) -> std::result::Result<String, ReportError> {
    let suites = report.sections().into_iter().map(|section| {
        let claims = report.claims.iter().filter(|claim| claim.section == section);
        Suite::new(&format!("meshcheck.{section}"), report, claims)
    });
    format(&suites.collect::<Vec<_>>(), Times::of(report).document())
}

/// The verdicts on several files, each with its name, as one document with a suite for each file.
///
/// # Errors
///
/// As [`junit`].
pub(crate) fn junit_of_files<'r>(
    reports: impl IntoIterator<Item = (&'r str, &'r Report)>,
) -> std::result::Result<String, ReportError> {
    let suites = reports.into_iter();
    let suites = suites.map(|(name, report)| Suite::new(name, report, report.claims.iter()));
    let suites: Vec<_> = suites.collect();
    format(&suites, suites.iter().map(Suite::time).sum())
}

/// The same, where some have no verdicts: each claim of those is unjudged, and says why.
///
/// # Errors
///
/// As [`junit`].
pub(crate) fn junit_of_outcomes<'r>(
    outcomes: impl IntoIterator<Item = (&'r str, std::result::Result<&'r Report, &'r str>)>,
    selected: &Selected,
) -> std::result::Result<String, ReportError> {
    let reports: Vec<_> = outcomes
        .into_iter()
        .map(|(name, outcome)| match outcome {
            Ok(report) => (name, Cow::Borrowed(report)),
            Err(reason) => {
                let died = Died { reason: reason.to_owned(), ..Died::default() };
                (name, Cow::Owned(died_report(&died, selected)))
            }
        })
        .collect();
    junit_of_files(reports.iter().map(|(name, report)| (*name, report.as_ref())))
}

/// Some claims of a report, under one name.
struct Suite<'r> {
    name: String,
    report: &'r Report,
    claims: Vec<&'r ClaimReport>,
    times: Times,
}

impl<'r> Suite<'r> {
    fn new(name: &str, report: &'r Report, claims: impl Iterator<Item = &'r ClaimReport>) -> Self {
        let (name, times) = (bounded(name, MESSAGE), Times::of(report));
        Self { name, report, claims: claims.collect(), times }
    }

    fn time(&self) -> Duration {
        self.times.suite(&self.claims)
    }
}

fn format(suites: &[Suite<'_>], time: Duration) -> std::result::Result<String, ReportError> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 4);
    let written = write_document(&mut xml, suites, time);
    written.map_err(|error| ReportError::Format(error.to_string()))?;
    String::from_utf8(xml.into_inner()).map_err(|error| ReportError::Format(error.to_string()))
}

fn write_document(xml: &mut Xml, suites: &[Suite<'_>], time: Duration) -> Result<()> {
    let claims: Vec<_> = suites.iter().flat_map(|suite| &suite.claims).copied().collect();
    let counts = counts(&claims);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attribute(("name", "meshcheck"))
        // The schema has no attribute for what was skipped here, as it has on suites.
        .with_attributes(named(&counts).filter(|(name, _)| *name != "skipped"))
        .with_attribute(("time", seconds(time).as_str()))
        .write_inner_content(|xml| suites.iter().try_for_each(|suite| write_suite(xml, suite)))?;
    xml.write_indent()
}

fn write_suite(xml: &mut Xml, suite: &Suite<'_>) -> Result<()> {
    let Suite { name, report, claims, times } = suite;
    let counts = counts(claims);
    xml.create_element("testsuite")
        .with_attribute(("name", name.as_str()))
        .with_attributes(named(&counts))
        .with_attributes(times.begin().map(|begin| ("timestamp", begin)))
        .with_attribute(("time", seconds(suite.time()).as_str()))
        .write_inner_content(|xml| {
            xml.create_element("properties").write_inner_content(|xml| properties(xml, report))?;
            claims.iter().try_for_each(|claim| write_case(xml, claim, times))
        })?;
    Ok(())
}

fn properties(xml: &mut Xml, report: &Report) -> Result<()> {
    let cluster = &report.cluster;
    let facts = [
        ("istio_version", Some(&report.istio_version)),
        ("cluster", Some(&cluster.name)),
        ("context", Some(&cluster.context)),
        ("kubernetes_version", cluster.kubernetes_version.as_ref()),
        ("recorded_at", Some(&cluster.recorded_at)),
        ("caveat", report.caveat.as_ref()),
    ];
    let notes = cluster.bundle.iter().flat_map(|bundle| &bundle.notes);
    for (name, value) in facts.into_iter().chain(notes.map(|note| ("note", Some(note)))) {
        if let Some(value) = value {
            let value = bounded(value, MESSAGE);
            xml.create_element("property")
                .with_attributes([("name", name), ("value", value.as_str())])
                .write_empty()?;
        }
    }
    Ok(())
}

fn write_case(xml: &mut Xml, claim: &ClaimReport, times: &Times) -> Result<()> {
    let case = xml.create_element("testcase").with_attributes([
        ("name", claim.id.as_str()),
        ("classname", format!("meshcheck.{}", claim.section).as_str()),
        ("time", seconds(times.case(claim)).as_str()),
    ]);
    let Some(element) = element(claim) else {
        case.write_empty()?;
        return Ok(());
    };
    // Servers know no failure that may be: as one it would fail their build.
    let start = match claim.verdict {
        Verdict::Skipped => String::new(),
        verdict if claim.may_fail.is_some() => format!("{verdict}, "),
        _ => String::new(),
    };
    let text = text(claim, &start);
    let message = first_line(&text, MESSAGE);
    let kind = (element != "skipped").then(|| ("type", claim.verdict.word()));
    case.write_inner_content(|xml| {
        // GitLab shows the message of what was skipped, others the text: both say why.
        xml.create_element(element)
            .with_attributes(kind)
            .with_attribute(("message", message.as_str()))
            .write_text_content(BytesText::new(&text))
            .map(drop)
    })?;
    Ok(())
}

/// The element of a claim that does not simply pass.
fn element(claim: &ClaimReport) -> Option<&'static str> {
    match claim.verdict {
        Verdict::Pass => None,
        Verdict::Skipped => Some("skipped"),
        _ if claim.may_fail.is_some() => Some("skipped"),
        Verdict::Unjudged => Some("error"),
        Verdict::Changed | Verdict::Fail => Some("failure"),
    }
}

/// How many cases there are, and of each element.
fn counts(claims: &[&ClaimReport]) -> [(&'static str, String); 4] {
    let count = |of| claims.iter().filter(|claim| element(claim) == Some(of)).count().to_string();
    [
        ("tests", claims.len().to_string()),
        ("skipped", count("skipped")),
        ("errors", count("error")),
        ("failures", count("failure")),
    ]
}

fn named<'c>(counts: &'c [(&'c str, String)]) -> impl Iterator<Item = (&'c str, &'c str)> {
    counts.iter().map(|(name, count)| (*name, count.as_str()))
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// What is reported of a claim. Its first line is the message, often all that a CI server shows.
fn text(claim: &ClaimReport, start: &str) -> String {
    let because = claim.because.as_ref().map(|because| format!(" (caused by {because})"));
    let mut text =
        format!("{start}{}{}", bounded(&claim.summary, SUMMARY), because.unwrap_or_default());
    let details = [
        ("object", &claim.object, OBJECT),
        ("expected", &claim.expected, EXPECTED),
        ("observed", &claim.observed, OBSERVED),
    ];
    for (name, detail, most) in details {
        if let Some(detail) = detail {
            let _ = write!(text, "\n{name}: {}", bounded(detail, most));
        }
    }
    if let Some(change) = &claim.change {
        for (name, line) in change_lines(change) {
            let _ = write!(text, "\n{name}: {}", bounded(&line, CHANGE));
        }
    }
    // The steps of a cause stand with the cause.
    let own = if claim.because.is_none() { claim.steps.as_slice() } else { &[] };
    if !own.is_empty() {
        let _ = write!(text, "\n{}", bounded(steps(own, "").trim_end(), STEPS));
    }
    let holds = matches!(claim.verdict, Verdict::Pass | Verdict::Skipped);
    if !holds && claim.may_fail.is_none() && !claim.page.is_empty() {
        let _ = write!(text, "\nMore: {}", claim.page);
    }
    text
}
