//! JUnit for CI servers: a suite a section, a case a claim.

use std::fmt::Write as _;

use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{CLAIMS, Claim, Pattern, Report, Section, Verdict};
use quick_junit::{NonSuccessKind, Property, TestCase, TestCaseStatus, TestSuite};

use crate::events::Phase;
use crate::text::for_xml;

/// The verdicts as JUnit's XML.
pub fn junit(report: &Report) -> String {
    let suites = report.sections().into_iter().filter_map(|section| {
        let cases: Vec<_> =
            report.claims.iter().filter(|claim| claim.section == section).map(case).collect();
        (!cases.is_empty()).then(|| suite(section, cases))
    });
    let mut document = quick_junit::Report::new("meshcheck");
    for mut suite in suites {
        let facts = [
            ("istio_version", Some(&report.istio_version)),
            ("cluster", Some(&report.cluster.name)),
            ("context", Some(&report.cluster.context)),
            ("kubernetes_version", report.cluster.kubernetes_version.as_ref()),
            ("recorded_at", Some(&report.cluster.recorded_at)),
        ];
        for (name, value) in facts {
            if let Some(value) = value {
                suite.add_property(Property::new(name, for_xml(value)));
            }
        }
        for note in report.cluster.bundle.iter().flat_map(|bundle| &bundle.notes) {
            suite.add_property(Property::new("note", for_xml(note)));
        }
        document.add_test_suite(suite);
    }
    written(&document)
}

/// Where a run ended, and why.
pub(super) fn ended(phase: Option<Phase>, reason: &str) -> String {
    match phase {
        Some(phase) => format!("the run ended in phase {phase}: {reason}"),
        None => reason.to_owned(),
    }
}

/// JUnit's XML for a run that ended before it judged: every claim asked for is an error that says
/// in which phase, where that is known, and why.
pub fn died(phase: Option<Phase>, reason: &str, only: &[Pattern]) -> String {
    let asked = |claim: &&Claim| only.is_empty() || only.iter().any(|it| it.matches(claim));
    let names: Vec<_> =
        CLAIMS.iter().filter(asked).map(|claim| (claim.id, claim.section())).collect();
    died_of(phase, reason, &names)
}

/// The same of whatever was asked for, by id and section.
pub(super) fn died_of(
    phase: Option<Phase>,
    reason: &str,
    names: &[(&'static str, Section)],
) -> String {
    let text = format!("not judged: {}", ended(phase, reason));
    let mut document = quick_junit::Report::new("meshcheck");
    for section in Section::ALL.into_iter().chain(Section::PREFLIGHT) {
        let cases: Vec<_> = names
            .iter()
            .filter(|(_, of)| *of == section)
            .map(|(id, _)| named(id, section, status(NonSuccessKind::Error, "unjudged", &text)))
            .collect();
        if !cases.is_empty() {
            document.add_test_suite(suite(section, cases));
        }
    }
    written(&document)
}

fn suite(section: Section, cases: Vec<TestCase>) -> TestSuite {
    let mut suite = TestSuite::new(format!("meshcheck.{section}"));
    suite.add_test_cases(cases);
    suite
}

fn case(claim: &ClaimReport) -> TestCase {
    let details = [
        ("object", &claim.object),
        ("expected", &claim.expected),
        ("observed", &claim.observed),
        ("hint", &claim.hint),
    ];
    // The first line is the message, often all that a CI server shows.
    let mut text = match &claim.because {
        Some(because) => format!("because of {because}: {}", claim.summary),
        None => claim.summary.clone(),
    };
    for (name, detail) in details {
        if let Some(detail) = detail {
            let _ = write!(text, "\n{name}: {detail}");
        }
    }
    let status = match claim.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        // Servers know no failure that may be: as one it would fail their build.
        verdict if claim.may_fail.is_some() && verdict != Verdict::Skipped => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(for_xml(&format!("{verdict}, {}", claim.summary)));
            skipped
        }
        Verdict::Skipped => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(for_xml(&claim.summary));
            skipped
        }
        Verdict::Unjudged => status(NonSuccessKind::Error, "unjudged", &text),
        Verdict::Changed => status(NonSuccessKind::Failure, "changed", &text),
        Verdict::Fail => status(NonSuccessKind::Failure, "fail", &text),
    };
    named(&claim.id, claim.section, status)
}

fn named(id: &str, section: Section, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(id, status);
    case.set_classname(format!("meshcheck.{section}"));
    case
}

fn status(kind: NonSuccessKind, word: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let text = for_xml(text);
    status.set_type(word);
    status.set_message(text.lines().next().unwrap_or_default());
    status.set_description(text);
    status
}

fn written(document: &quick_junit::Report) -> String {
    // Fails only where XML's own rules are broken, and `for_xml` keeps them.
    document.to_string().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::human::tests::sample;
    use super::*;

    #[test]
    fn verdicts_become_what_ci_servers_know() {
        let xml = junit(&sample());
        assert!(xml.contains("<failure") && xml.contains("type=\"changed\""), "{xml}");
        assert!(xml.contains("<error") && xml.contains("<skipped"), "{xml}");
        assert!(xml.contains("&lt;script&gt;") && !xml.contains('\u{1b}'), "{xml}");
        assert!(xml.contains("hint: kubectl"), "{xml}");
    }

    #[test]
    fn the_message_of_a_consequence_names_its_cause() {
        let xml = junit(&sample());
        let message = "message=\"because of mesh::two_containers_per_pod: could not look";
        assert_eq!(xml.matches(message).count(), 1, "{xml}");
    }

    #[test]
    fn a_run_that_died_names_every_claim_and_the_reason() {
        let xml = died(None, "no docker & no hope", &[]);
        assert_eq!(xml.matches("<error").count(), CLAIMS.len());
        assert!(xml.contains("no docker &amp; no hope"));
    }

    #[test]
    fn a_run_that_died_names_the_phase_and_only_what_was_asked_for() {
        let xml =
            died(Some(Phase::Istio), "timed\u{0} out", &["mesh::*redirected".parse().unwrap()]);
        assert_eq!(xml.matches("<error").count(), 2);
        assert!(xml.contains("the run ended in phase istio: timed out"), "{xml}");
    }

    #[test]
    fn it_is_valid_xml_whatever_the_cluster_says() {
        let mut report = sample();
        let hostile: String = (0..0x300).filter_map(char::from_u32).collect();
        for claim in &mut report.claims {
            claim.summary = format!("]]> <![CDATA[ & {hostile}");
            claim.observed = Some(hostile.clone() + "\u{fffe}\u{ffff}\u{202e}");
        }
        report.cluster.context = hostile.clone();
        for xml in [junit(&report), died(None, &hostile, &[])] {
            let read = quick_junit::Report::deserialize_from_str(&xml);
            assert!(read.is_ok(), "{read:?}");
        }
    }

    #[test]
    fn the_lab_s_notes_are_properties() {
        let xml = junit(&sample());
        assert!(xml.contains("name=\"note\" value=\"Istio is a commit"), "{xml}");
        assert!(xml.contains("name=\"istio_version\" value=\"1.20.3\""), "{xml}");
    }
}
