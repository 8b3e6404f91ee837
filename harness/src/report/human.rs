//! The report for people: sections, one line a claim, failures with what to do.

use std::env;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, stdout};

use meshcheck_suites::report::{ClaimReport, PhaseTime};
use meshcheck_suites::{Report, Section, Verdict};

use super::options::{ColorChoice, OutputOptions};
use crate::text::{for_ascii_terminal, for_terminal, truncated};

/// The width where there is no terminal to ask.
const WIDTH: usize = 80;

/// How many columns of one detail are shown. A log line can have millions; the JSON has all of it.
const DETAIL: usize = 800;

/// A pass takes one line or two: the rest is for `--verbose`.
const BRIEF: usize = 110;

/// The same with `--verbose`.
const VERBOSE_DETAIL: usize = 8000;

/// How a report looks.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Style {
    /// Whether to use colour.
    pub color: bool,
    /// Whether to keep to ASCII.
    pub ascii: bool,
    /// Only what does not hold.
    pub quiet: bool,
    /// Also statements, and what was seen where a claim holds.
    pub verbose: bool,
    /// Columns.
    pub width: usize,
}

impl Style {
    /// For standard output as it is, and these options.
    pub fn for_stdout(options: &OutputOptions) -> Self {
        let terminal = stdout().is_terminal();
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = match options.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !no_color,
        };
        let width = if terminal { textwrap::termwidth().clamp(40, 140) } else { WIDTH };
        Self { color, ascii: options.ascii, quiet: options.quiet, verbose: options.verbose, width }
    }

    /// A text of the cluster, as this terminal may get it.
    fn clean(&self, text: &str) -> String {
        if self.ascii { for_ascii_terminal(text) } else { for_terminal(text) }
    }

    /// The same, and not without end.
    fn detail(&self, text: &str) -> String {
        let columns = if self.verbose { VERBOSE_DETAIL } else { DETAIL };
        truncated(
            &self.clean(text),
            columns,
            &format!(" {} (--report json=FILE has all)", self.more()),
        )
    }

    fn more(&self) -> &'static str {
        if self.ascii { "..." } else { "…" }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn mark(&self, verdict: Verdict) -> String {
        let (unicode, ascii, code) = match verdict {
            Verdict::Pass => ("✓", "ok  ", "32"),
            Verdict::Fail => ("✗", "FAIL", "31;1"),
            Verdict::Changed => ("≠", "CHGD", "35;1"),
            Verdict::Unjudged => ("?", "????", "33;1"),
            Verdict::Skipped => ("-", "skip", "2"),
        };
        self.paint(code, if self.ascii { ascii } else { unicode })
    }
}

/// The report as text.
pub fn human(report: &Report, style: Style) -> String {
    let mut text = String::new();
    for section in Section::ALL {
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
        for claim in claims {
            one(&mut text, claim, style);
        }
        text.push('\n');
    }
    notes(&mut text, report, style);
    if !report.phases.is_empty() {
        wrapped(&mut text, &phases(&report.phases), "", "  ", style);
    }
    wrapped(&mut text, &summary(report, style), "", "  ", style);
    text
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
    let indent = if style.ascii { "       " } else { "    " };
    wrapped(text, &words, &first, indent, style);
    let inner = format!("{indent}  ");
    if style.verbose {
        wrapped(text, &format!("claim: {}", style.clean(&claim.statement)), &inner, &inner, style);
    }
    if claim.verdict == Verdict::Pass && !style.verbose {
        return;
    }
    let details = [
        ("object", &claim.object),
        ("expected", &claim.expected),
        ("observed", &claim.observed),
        ("hint", &claim.hint),
    ];
    for (name, detail) in details {
        let Some(detail) = detail else { continue };
        let label = if name == "hint" { style.paint("36", "hint") } else { name.to_owned() };
        if name == "hint" {
            // A command is copied as it is: it is not broken into lines.
            line(text, &format!("{inner}{label}: {}", style.clean(detail)));
        } else {
            let detail = style.detail(detail);
            wrapped(text, &format!("{label}: {detail}"), &inner, &format!("{inner}  "), style);
        }
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
    let mut words = format!("{} claims: ", report.claims.len());
    let counted: Vec<_> = counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, verdict, code)| style.paint(code, &format!("{count} {verdict}")))
        .collect();
    let _ = write!(
        words,
        "{}; {}, Istio {}",
        counted.join(", "),
        style.clean(&report.cluster.context),
        style.clean(&report.istio_version)
    );
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
        let claims = vec![
            claim("prepare::nodes_ready", Verdict::Pass, "1 node is ready"),
            red,
            claim("mesh::init_arguments", Verdict::Changed, "a native sidecar"),
            claim(
                "mesh::proxies_in_sync",
                Verdict::Unjudged,
                "could not look at istiod: forbidden",
            ),
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

    /// A hint is one line, whatever its length; everything else keeps to the width.
    #[test]
    fn nothing_but_hints_is_wider_than_the_terminal() {
        for color in [false, true] {
            let text = human(&sample(), Style { color, width: 60, ..style() });
            for line in text.lines().filter(|line| !line.contains("kubectl")) {
                assert!(textwrap::core::display_width(line) <= 60, "{line}");
            }
        }
    }
}
