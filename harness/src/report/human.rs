//! The report for people: what to mend first, then sections, one line a claim, failures with what to do.

use std::fmt::Write as _;

use meshcheck_suites::report::{Cause, ClaimReport, PhaseTime};
use meshcheck_suites::{Report, Verdict};

use super::style::Style;
use crate::text::truncated;

/// A pass takes one line or two: the rest is for `--verbose`.
const BRIEF: usize = 110;

/// The report as text.
pub fn human(report: &Report, style: Style) -> String {
    let mut text = String::new();
    causes(&mut text, &report.causes, style);
    for section in report.sections() {
        let claims: Vec<_> = report
            .claims
            .iter()
            .filter(|claim| claim.section == section)
            .filter(|claim| !style.quiet || !holds(claim))
            .collect();
        if claims.is_empty() {
            continue;
        }
        line(&mut text, &style.paint("1", section.word()));
        if let Some(why) = left_out(&claims).filter(|_| report.is_preflight() && !style.verbose) {
            let mark = format!("  {} ", style.mark(Verdict::Skipped));
            let words = format!("all {}: {}", claims.len(), style.detail(why));
            wrapped(&mut text, &words, &mark, style.indent(), style);
        } else {
            for claim in claims {
                one(&mut text, claim, style);
            }
        }
        text.push('\n');
    }
    notes(&mut text, report, style);
    if !report.phases.is_empty() {
        wrapped(&mut text, &phases(&report.phases), "", "  ", style);
    }
    wrapped(&mut text, &facts(report, style), "", "  ", style);
    // The last line is one line, whatever its width: logs are searched for it.
    line(&mut text, &summary(report, style));
    text
}

/// What is at the root of what does not hold, and what follows from it.
fn causes(text: &mut String, causes: &[Cause], style: Style) {
    if causes.is_empty() {
        return;
    }
    line(text, &style.paint("1", "what to mend first"));
    let indent = style.indent();
    let inner = format!("{indent}  ");
    for cause in causes {
        let words = format!("{}: {}", style.clean(&cause.claim), style.detail(&cause.summary));
        let first = format!("  {} ", style.mark(cause.verdict));
        wrapped(text, &words, &first, indent, style);
        let object = cause.object.as_deref();
        detail(text, "object", object, style);
        detail(text, "hint", cause.hint.as_deref(), style);
        if !cause.explains.is_empty() {
            let explains = style.clean(&cause.explains.join(", "));
            let words = format!("follows from it: {explains}");
            wrapped(text, &words, &inner, &format!("{inner}  "), style);
        }
    }
    text.push('\n');
}

/// Why all of these were left out, where it is one reason: it is said once.
fn left_out<'r>(claims: &[&'r ClaimReport]) -> Option<&'r str> {
    let [first, _, ..] = claims else { return None };
    let same = |it: &&ClaimReport| it.verdict == Verdict::Skipped && it.summary == first.summary;
    claims.iter().all(same).then_some(first.summary.as_str())
}

fn holds(claim: &ClaimReport) -> bool {
    matches!(claim.verdict, Verdict::Pass | Verdict::Skipped)
}

fn one(text: &mut String, claim: &ClaimReport, style: Style) {
    let name = claim.id.split_once("::").map_or(claim.id.as_str(), |(_, name)| name);
    let first = format!("  {} ", style.mark(claim.verdict));
    let words = if claim.verdict == Verdict::Pass && !style.verbose {
        format!(
            "{name}: {}",
            truncated(&style.clean(&claim.summary), BRIEF, &format!(" {}", style.more()))
        )
    } else {
        format!("{name}: {}", style.detail(&claim.summary))
    };
    let indent = style.indent();
    wrapped(text, &words, &first, indent, style);
    let inner = format!("{indent}  ");
    if style.verbose {
        wrapped(text, &format!("claim: {}", style.clean(&claim.statement)), &inner, &inner, style);
    }
    if claim.verdict == Verdict::Pass && !style.verbose {
        return;
    }
    if let Some(because) = &claim.because {
        let words = format!("because of {}", style.clean(because));
        wrapped(text, &words, &inner, &format!("{inner}  "), style);
        if !style.verbose {
            // What to do about it stands with the cause.
            return;
        }
    }
    let details = [
        ("object", &claim.object),
        ("expected", &claim.expected),
        ("observed", &claim.observed),
        ("hint", &claim.hint),
    ];
    for (name, words) in details {
        detail(text, name, words.as_deref(), style);
    }
}

/// One detail of a claim, where there is one.
fn detail(text: &mut String, name: &str, words: Option<&str>, style: Style) {
    let Some(words) = words else { return };
    let inner = format!("{}  ", style.indent());
    if name == "hint" {
        // A command is copied as it is: it is not broken into lines.
        let label = style.paint("36", "hint");
        line(text, &format!("{inner}{label}: {}", style.clean(words)));
    } else {
        let words = format!("{name}: {}", style.detail(words));
        wrapped(text, &words, &inner, &format!("{inner}  "), style);
    }
}

fn notes(text: &mut String, report: &Report, style: Style) {
    let Some(bundle) = &report.cluster.bundle else { return };
    if bundle.notes.is_empty() || style.quiet {
        return;
    }
    line(text, &style.paint("1", "this software is not the official release as it is"));
    for note in &bundle.notes {
        wrapped(text, &style.detail(note), "  - ", "    ", style);
    }
    text.push('\n');
}

/// The seconds of each phase, on one line.
pub fn phases(phases: &[PhaseTime]) -> String {
    let each: Vec<_> =
        phases.iter().map(|phase| format!("{} {:.1}", phase.phase, phase.seconds)).collect();
    format!("seconds: {}", each.join(", "))
}

fn summary(report: &Report, style: Style) -> String {
    let totals = &report.totals;
    let counts = [
        (totals.pass, Verdict::Pass, "32"),
        (totals.fail, Verdict::Fail, "31;1"),
        (totals.changed, Verdict::Changed, "35;1"),
        (totals.unjudged, Verdict::Unjudged, "33;1"),
        (totals.skipped, Verdict::Skipped, "2"),
    ];
    let number = report.claims.len();
    let thing = if report.is_preflight() { "check" } else { "claim" };
    let mut words = format!("{number} {thing}{}: ", if number == 1 { "" } else { "s" });
    let counted: Vec<_> = counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, verdict, code)| style.paint(code, &format!("{count} {verdict}")))
        .collect();
    let causes = match report.causes.len() {
        0 => String::new(),
        1 => " (1 cause)".to_owned(),
        number => format!(" ({number} causes)"),
    };
    let context = style.clean(&report.cluster.context);
    let _ = write!(words, "{}{causes}; {context}", counted.join(", "));
    words
}

/// What was looked at, and how long that took.
fn facts(report: &Report, style: Style) -> String {
    let mut words = format!("Istio {}", style.clean(&report.istio_version));
    if let Some(version) = &report.cluster.kubernetes_version {
        let _ = write!(words, ", Kubernetes {}", style.clean(version));
    }
    let milliseconds = report.cluster.collection_ms;
    let _ = write!(words, ", looked at in {}.{} s", milliseconds / 1000, milliseconds / 100 % 10);
    words
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

fn wrapped(text: &mut String, words: &str, first: &str, rest: &str, style: Style) {
    let options = textwrap::Options::new(style.width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    line(text, &textwrap::fill(words, options));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use meshcheck_suites::Section;
    use meshcheck_suites::evidence::{BundleFacts, Provider};
    use meshcheck_suites::report::{ClusterFacts, Totals};

    pub(in crate::report) fn sample() -> Report {
        let claim = |id: &str, verdict, summary: &str| ClaimReport {
            id: id.into(),
            section: Section::ALL
                .into_iter()
                .find(|section| id.starts_with(section.word()))
                .unwrap(),
            statement: format!("the statement of {id}"),
            verdict,
            summary: summary.into(),
            expected: None,
            observed: None,
            object: None,
            hint: None,
            because: None,
            may_fail: None,
        };
        let mut red = claim(
            "mesh::two_containers_per_pod",
            Verdict::Fail,
            "pod echo-1 has one container: it was created before the namespace was labelled",
        );
        red.expected = Some("the application and istio-proxy".into());
        red.observed = Some("echo\u{1b}[31m <script>alert(1)</script>".into());
        red.object = Some("pod client/echo-1".into());
        red.hint = Some("kubectl --context kind-x -n client rollout restart deployment/echo-deployment, then check again".into());
        let mut unjudged = claim(
            "mesh::proxies_in_sync",
            Verdict::Unjudged,
            "could not look at istiod: forbidden",
        );
        unjudged.because = Some(red.id.clone());
        unjudged.hint = Some("`istioctl proxy-status`".into());
        let causes = vec![Cause {
            claim: red.id.clone(),
            explains: vec![unjudged.id.clone()],
            verdict: red.verdict,
            summary: red.summary.clone(),
            object: red.object.clone(),
            hint: red.hint.clone(),
        }];
        let claims = vec![
            claim("prepare::nodes_ready", Verdict::Pass, "1 node is ready"),
            red,
            claim("mesh::init_arguments", Verdict::Changed, "a native sidecar"),
            unjudged,
            claim("ingress::routes_into_mesh", Verdict::Skipped, "needs --active"),
        ];
        Report {
            schema: 1,
            istio_version: "1.20.3".into(),
            cluster: ClusterFacts {
                name: "x".into(),
                provider: Provider::Existing,
                context: "kind-x".into(),
                server: "https://127.0.0.1:6443".into(),
                kubernetes_version: Some("v1.29.2".into()),
                recorded_at: "2026-01-01T00:00:00Z".into(),
                collection_ms: 420,
                bundle: Some(BundleFacts {
                    origin: "lab".into(),
                    key: "0".into(),
                    install_set: Vec::new(),
                    notes: vec!["Istio is a commit of the main branch".into()],
                }),
            },
            totals: Totals::of(&claims),
            claims,
            causes,
            phases: vec![PhaseTime { phase: "cluster".into(), seconds: 14.25 }],
        }
    }

    fn style() -> Style {
        Style { color: false, ascii: false, quiet: false, verbose: false, width: 80 }
    }

    #[test]
    fn it_reads_well_at_80_columns() {
        insta::assert_snapshot!(human(&sample(), style()));
    }

    #[test]
    fn quiet_leaves_out_what_holds() {
        insta::assert_snapshot!(human(&sample(), Style { quiet: true, ascii: true, ..style() }));
    }

    #[test]
    fn nothing_from_the_cluster_reaches_the_terminal_raw() {
        let text = human(&sample(), style());
        assert!(!text.contains('\u{1b}'), "an escape sequence got through");
        assert!(human(&sample(), Style { color: true, ..style() }).contains("\u{1b}[31;1m✗"));
    }

    /// Every character of a report may come from a cluster: none of them is beyond ASCII then.
    #[test]
    fn ascii_means_ascii() {
        let mut report = sample();
        report.claims[1].observed = Some("é\n世界 …".into());
        report.claims[0].summary = "ü ".repeat(200);
        report.cluster.context = "kïnd".into();
        let text = human(&report, Style { ascii: true, verbose: true, ..style() });
        assert!(text.is_ascii(), "{text}");
    }

    #[test]
    fn verbose_shows_statements_and_what_was_seen() {
        let mut report = sample();
        report.claims[0].observed = Some("node x-control-plane: Ready".into());
        let text = human(&report, Style { verbose: true, ..style() });
        assert!(text.contains("claim: the statement of prepare::nodes_ready"), "{text}");
        assert!(text.contains("observed: node x-control-plane: Ready"), "{text}");
        assert!(!human(&report, style()).contains("x-control-plane"));
    }

    #[test]
    fn a_log_line_without_end_does_not_fill_the_terminal() {
        let mut report = sample();
        report.claims[1].observed = Some("x".repeat(10_000_000));
        let text = human(&report, style());
        assert!(text.len() < 5000, "{}", text.len());
        assert!(text.contains("--report json=FILE has all"), "the reader is told");
    }

    /// What to do stands with the cause; what else there is to know, where all is asked for.
    #[test]
    fn a_consequence_names_its_cause_and_leaves_the_rest_to_it() {
        let text = human(&sample(), style());
        assert!(text.starts_with("what to mend first\n"), "{text}");
        assert!(text.contains("because of mesh::two_containers_per_pod\n"), "{text}");
        assert!(!text.contains("proxy-status"), "{text}");
        assert!(text.contains("(1 cause);"), "{text}");
        let text = human(&sample(), Style { verbose: true, ..style() });
        assert!(text.contains("hint: `istioctl proxy-status`"), "{text}");
    }

    #[test]
    fn where_nothing_is_to_be_mended_nothing_is_said_of_it() {
        let mut report = sample();
        report.causes.clear();
        let text = human(&report, style());
        assert!(!text.contains("mend") && !text.contains("cause)"), "{text}");
    }

    /// A hint and the summary are one line, whatever their length; everything else keeps to the width.
    #[test]
    fn nothing_but_hints_and_the_last_line_is_wider_than_the_terminal() {
        for color in [false, true] {
            let text = human(&sample(), Style { color, width: 60, ..style() });
            let last = text.lines().last().unwrap();
            assert!(last.contains("5 claims: ") && last.ends_with("kind-x"), "{last}");
            for line in text.lines().filter(|line| !line.contains("kubectl") && *line != last) {
                assert!(textwrap::core::display_width(line) <= 60, "{line}");
            }
        }
    }
}
