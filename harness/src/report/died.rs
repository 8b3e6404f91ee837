//! The reports of a command that ended before it judged anything: in each of them every claim asked for is
//! unjudged, and says why. The report of an earlier run, maybe a green one, does not stay in its place.

use jiff::Timestamp;
use meshcheck_suites::evidence::{Expectations, Provider};
use meshcheck_suites::preflight::evidence::PreflightEvidence;
use meshcheck_suites::redact::text;
use meshcheck_suites::report::{ClaimReport, ClusterFacts, PhaseTime, REPORT_SCHEMA, Totals};
use meshcheck_suites::steps::{Purpose, Step};
use meshcheck_suites::{Evidence, Judgement, Pattern, Report, Subject};

use super::emit::files;
use super::{OutputOptions, ReportError};
use crate::events::Phase;
use crate::source::DEFAULT_ISTIO;

/// How a command ended that judged nothing.
#[derive(Debug, Clone, Default)]
pub struct Died {
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// In which phase, where that is known.
    pub phase: Option<Phase>,
    /// How long the phases took until then.
    pub phases: Vec<PhaseTime>,
}

/// What was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// The tutorial's claims: all, or those that any of the patterns asks for.
    Claims(Vec<Pattern>),
    /// The checks of a preflight, in the same way.
    Checks(Vec<Pattern>),
}

/// Writes the reports of a command that ended before it judged.
///
/// # Errors
///
/// The first file that could not be written; the others are.
pub fn emit_died(
    died: &Died,
    selected: &Selected,
    options: &OutputOptions,
) -> Result<(), ReportError> {
    files(&died_report(died, selected), None, options)
}

/// Returns the report of a command that ended before it judged: every selected claim is unjudged, and says why.
pub(crate) fn died_report(died: &Died, selected: &Selected) -> Report {
    let reason = match died.phase {
        Some(phase) => format!("the run ended in phase {phase}: {}", died.reason),
        None => died.reason.clone(),
    };
    // The words of the world may quote what it was asked with: a proxy's URL with a password.
    let mut judgement = Judgement::unjudged(text(&format!("not judged: {reason}")));
    let hint = died.hint.as_deref().map(text);
    judgement.steps.extend(hint.map(|hint| Step::advice(Purpose::Fix, hint)));
    let claims = match selected {
        Selected::Claims(only) => rows::<Evidence>(only, &judgement),
        Selected::Checks(only) => rows::<PreflightEvidence>(only, &judgement),
    };
    Report {
        schema: REPORT_SCHEMA,
        istio_version: DEFAULT_ISTIO.to_owned(),
        cluster: ClusterFacts {
            name: "no cluster".into(),
            provider: Provider::None,
            context: "no cluster".into(),
            context_is_current: false,
            kubeconfig: None,
            server: String::new(),
            kubernetes_version: None,
            recorded_at: Timestamp::now().to_string(),
            collection_ms: 0,
            bundle: None,
        },
        caveat: None,
        totals: Totals::of(&claims),
        claims,
        causes: Vec::new(),
        phases: died.phases.clone(),
    }
}

/// Everything that was asked for, with the same judgement.
fn rows<E: Subject>(only: &[Pattern], judgement: &Judgement) -> Vec<ClaimReport> {
    let tutorial = Expectations::of_the_tutorial(DEFAULT_ISTIO, "");
    let entries = E::entries().iter().filter(|entry| entry.is_asked(only));
    entries.map(|entry| ClaimReport::new(entry, &tutorial, judgement.clone())).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::{Kind, ReportFile, junit};
    use meshcheck_suites::{CLAIMS, preflight};
    use rstest::rstest;

    /// The report of a command that died.
    pub(crate) fn dead(reason: &str, phase: Option<Phase>, selected: &Selected) -> Report {
        died_report(&Died { reason: reason.into(), phase, ..Died::default() }, selected)
    }

    const CLAIMS_ALL: Selected = Selected::Claims(Vec::new());
    const CHECKS_ALL: Selected = Selected::Checks(Vec::new());

    /// A run that died leaves no report in which anything holds, whatever stood there before.
    #[rstest]
    #[case(CLAIMS_ALL, CLAIMS.len())]
    #[case(CHECKS_ALL, preflight::CHECKS.len())]
    fn every_report_of_a_run_that_died_says_so(#[case] selected: Selected, #[case] number: usize) {
        let place = tempfile::tempdir().unwrap();
        let kinds = [(Kind::Html, "r.html"), (Kind::Json, "r.json"), (Kind::Junit, "r.xml")];
        let reports = kinds.map(|(kind, name)| {
            let path = place.path().join(name);
            std::fs::write(&path, "all green").unwrap();
            ReportFile { kind, path }
        });
        let options = OutputOptions { reports: reports.to_vec(), ..OutputOptions::default() };
        let died = Died {
            reason: "no docker & no hope; token=s3cret-s3cret".into(),
            hint: Some("start it: `systemctl start docker`".into()),
            phase: Some(Phase::Cluster),
            phases: vec![PhaseTime { phase: "total".into(), seconds: 2.5 }],
        };
        emit_died(&died, &selected, &options).unwrap();
        let read = |name: &str| std::fs::read_to_string(place.path().join(name)).unwrap();
        for (_, name) in kinds {
            let text = read(name);
            assert!(text.contains("the run ended in phase cluster: no docker"), "{name}: {text}");
            assert!(text.contains("systemctl start docker"), "{name}: {text}");
            assert!(!text.contains("all green") && !text.contains("s3cret-s3cret"), "{name}");
        }
        let report: Report = serde_json::from_str(&read("r.json")).unwrap();
        assert_eq!((report.totals.unjudged, report.claims.len()), (number, number));
        assert_eq!(report.exit_code(), 3);
        assert_eq!(report.phases, died.phases);
        assert_eq!(read("r.html").matches("class=\"claim is-unjudged\"").count(), number);
        let junit = read("r.xml");
        assert_eq!(junit.matches("<error").count(), number, "{junit}");
        assert_eq!(junit.matches("<testcase").count(), number, "{junit}");
    }

    #[test]
    fn report_contains_only_selected_claims() {
        let claims = Selected::Claims(vec!["mesh::*redirected".parse().unwrap()]);
        let xml = junit(&dead("timed\u{0} out", Some(Phase::Istio), &claims)).unwrap();
        assert_eq!(xml.matches("<error").count(), 2);
        assert!(xml.contains("the run ended in phase istio: timed out"), "{xml}");
        let memory = Pattern::parse::<preflight::evidence::PreflightEvidence>("machine::memory");
        let checks = Selected::Checks(vec![memory.unwrap()]);
        let xml = junit(&dead("no such context", None, &checks)).unwrap();
        assert_eq!(xml.matches("<error").count(), 1);
        assert!(xml.contains("message=\"not judged: no such context\""), "{xml}");
    }
}
