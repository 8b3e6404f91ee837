//! JUnit of several files: one suite a file.

use std::fmt::Write as _;

use meshcheck_suites::Report;
use quick_xml::escape::escape;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};

use crate::report::{ReportError, junit};

/// The counts that suites have.
const COUNTS: [&str; 4] = ["tests", "skipped", "errors", "failures"];

/// Writes the verdicts on several files, each with its name, as one document.
pub(super) fn junit_of_files<'r>(
    reports: impl IntoIterator<Item = (&'r str, &'r Report)>,
) -> Result<String, ReportError> {
    let mut all = Suite::default();
    let mut suites = String::new();
    for (name, report) in reports {
        let suite =
            Suite::read(&junit(report)?).map_err(|error| ReportError::Format(error.to_string()))?;
        let name = escape(name);
        let attributes = suite.attributes(&COUNTS);
        let _ = writeln!(
            suites,
            "    <testsuite name=\"{name}\"{attributes}>{}\n    </testsuite>",
            suite.cases
        );
        all.add(suite.counts, suite.time);
    }
    // The schema has no attribute for what was skipped here, as it has on suites.
    let attributes = all.attributes(&["tests", "errors", "failures"]);
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"meshcheck\"{attributes}>\n{suites}</testsuites>\n"
    ))
}

/// All cases of one file.
#[derive(Default)]
struct Suite {
    counts: [u64; COUNTS.len()],
    time: f64,
    cases: String,
}

impl Suite {
    /// Reads the cases of all sections.
    fn read(document: &str) -> Result<Self, quick_xml::Error> {
        let mut suite = Self::default();
        let mut reader = Reader::from_str(document);
        let mut cases = Writer::new(Vec::new());
        let mut depth = 0;
        loop {
            let event = reader.read_event()?;
            match &event {
                Event::Eof => break,
                Event::Start(start) if start.name().as_ref() == b"testsuite" => suite.count(start),
                _ => {}
            }
            let is_case = |start: &BytesStart<'_>| start.name().as_ref() == b"testcase";
            let begins =
                matches!(&event, Event::Start(start) | Event::Empty(start) if is_case(start));
            if begins {
                cases.get_mut().extend_from_slice(b"\n        ");
            }
            let is_inside = depth > 0 || begins;
            match &event {
                Event::Start(_) if is_inside => depth += 1,
                Event::End(_) if is_inside => depth -= 1,
                _ => {}
            }
            if is_inside {
                cases.write_event(event)?;
            }
        }
        suite.cases = String::from_utf8_lossy(&cases.into_inner()).into_owned();
        Ok(suite)
    }

    /// Adds the counts of a section.
    fn count(&mut self, section: &BytesStart<'_>) {
        let value = |name: &str| {
            let attribute = section.try_get_attribute(name).ok().flatten()?;
            String::from_utf8(attribute.value.into_owned()).ok()
        };
        let counts = COUNTS.map(|name| value(name).and_then(|it| it.parse().ok()).unwrap_or(0));
        self.add(counts, value("time").and_then(|it| it.parse().ok()).unwrap_or(0.0));
    }

    fn add(&mut self, counts: [u64; COUNTS.len()], time: f64) {
        for (all, more) in self.counts.iter_mut().zip(counts) {
            *all += more;
        }
        self.time += time;
    }

    fn attributes(&self, names: &[&str]) -> String {
        let mut text = String::new();
        for (name, count) in COUNTS.iter().zip(self.counts).filter(|(name, _)| names.contains(name))
        {
            let _ = write!(text, " {name}=\"{count}\"");
        }
        let _ = write!(text, " time=\"{:.3}\"", self.time);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshcheck_suites::Evidence;

    #[test]
    fn every_file_is_a_suite_with_all_its_cases() {
        let text = include_str!("../../../fixtures/evidence/lab.json");
        let mut evidence: Evidence = serde_json::from_str(text).unwrap();
        let good = meshcheck_suites::judge(&evidence, &[]);
        evidence.demo.services.value_mut().unwrap().clear();
        let failing = meshcheck_suites::judge(&evidence, &[]);
        let text = junit_of_files([("vm1 & <2>.json", &good), ("vm2.json", &failing)]).unwrap();
        let all = quick_junit::Report::deserialize_from_str(&text).unwrap();
        let names: Vec<_> = all.test_suites.iter().map(|suite| suite.name.as_str()).collect();
        assert_eq!(names, ["vm1 & <2>.json", "vm2.json"]);
        assert_eq!(all.tests, 2 * good.claims.len());
        assert_eq!(all.failures, failing.totals.fail);
        for suite in &all.test_suites {
            assert_eq!(suite.test_cases.len(), good.claims.len(), "{text}");
            assert_eq!(suite.tests, suite.test_cases.len());
        }
        // The text of a failure is whole.
        let alone = junit(&failing).unwrap();
        let failure = alone.split("<failure").nth(1).unwrap().split("</failure>").next().unwrap();
        assert!(text.contains(failure), "{text}");
    }
}
