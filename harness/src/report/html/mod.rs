//! One page for a browser: verdicts, the way of a request, evidence. It asks nothing of any network, and
//! needs no script.

mod container_logs;
mod evidence;
mod path;
mod rules;
#[cfg(test)]
mod tests;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshcheck_suites::evidence::Provider;
use meshcheck_suites::report::{Cause, ClaimReport};
use meshcheck_suites::{Evidence, Report, Verdict, hint};
use sha2::{Digest as _, Sha256};

use self::evidence::{LogView, PodView};
use self::path::Picture;
use self::rules::TraceView;
use super::ReportError;
use crate::text::{for_page, for_xml};

/// The style, the only thing that the page allows itself to use: its policy names this very text.
const STYLE: &str = include_str!("../../../templates/report.css");

/// How much of one text of a claim the page shows, in bytes.
const DETAIL: usize = 4000;

/// How much of a line of a log, in bytes.
const LINE: usize = 400;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    style: &'static str,
    style_hash: String,
    /// The verdict in two words, for the browser's tab.
    brief: String,
    title: String,
    headline: String,
    /// The word of the worst verdict.
    worst: &'static str,
    facts: String,
    totals: Vec<(&'static str, usize)>,
    notes: Vec<String>,
    /// What to mend first.
    causes: Vec<CauseView>,
    /// What does not hold, or was not seen to hold: for the list at the top.
    open: Vec<ClaimView>,
    pictures: Vec<Picture>,
    sections: Vec<SectionView>,
    pods: Vec<PodView>,
    logs: Vec<LogView>,
    ways: Vec<TraceView>,
    excerpts: Vec<(String, String)>,
    /// What evidence there is besides, where it is too much for a page.
    left_out: Option<String>,
    footer: String,
}

struct SectionView {
    name: &'static str,
    holds: usize,
    claims: Vec<ClaimView>,
}

struct CauseView {
    cause: Link,
    verdict: &'static str,
    summary: String,
    object: Option<String>,
    hint: Vec<HintPart>,
    explains: Vec<Link>,
}

/// A claim by its name. One that was not asked for stands nowhere on the page.
struct Link {
    name: String,
    here: bool,
}

struct ClaimView {
    name: String,
    verdict: &'static str,
    because: Option<Link>,
    summary: String,
    statement: String,
    page: String,
    details: Vec<(&'static str, String)>,
    hint: Vec<HintPart>,
    open: bool,
}

struct HintPart {
    command: bool,
    text: String,
}

/// The page.
///
/// # Errors
///
/// When the template cannot be filled, which is a bug.
pub fn html(report: &Report, evidence: Option<&Evidence>) -> Result<String, ReportError> {
    let totals = &report.totals;
    let shown = evidence.map(|it| evidence::shown(it, rules::traces(it))).unwrap_or_default();
    let (brief, headline, worst) = headline(report);
    let page = Page {
        style: STYLE,
        style_hash: format!("sha256-{}", STANDARD.encode(Sha256::digest(STYLE.as_bytes()))),
        brief,
        title: format!(
            "{} on Istio {}",
            clean(&report.cluster.context),
            clean(&report.istio_version)
        ),
        headline,
        worst,
        facts: facts(report),
        totals: vec![
            ("pass", totals.pass),
            ("fail", totals.fail),
            ("changed", totals.changed),
            ("unjudged", totals.unjudged),
            ("skipped", totals.skipped),
        ],
        notes: report.cluster.bundle.iter().flat_map(|it| &it.notes).map(|it| clean(it)).collect(),
        causes: report.causes.iter().map(|cause| cause_view(report, cause)).collect(),
        open: sections(report)
            .into_iter()
            .flat_map(|section| section.claims)
            .filter(|claim| claim.open)
            .collect(),
        // A preflight comes before there is any way to picture.
        pictures: if report.is_preflight() { Vec::new() } else { path::pictures(report, evidence) },
        sections: sections(report),
        pods: shown.pods,
        logs: shown.logs,
        ways: shown.ways,
        excerpts: shown.excerpts,
        left_out: shown.left_out,
        footer: format!(
            "meshcheck {}. The same evidence gives the same page; --report json=FILE has all of it for scripts.",
            env!("CARGO_PKG_VERSION")
        ),
    };
    // The template engine leaves out the newline at a file's end.
    page.render().map(|text| text + "\n").map_err(|error| ReportError::Format(error.to_string()))
}

/// Text of a cluster, as a page may get it; the template escapes it.
fn clean(text: &str) -> String {
    for_xml(&for_page(text))
}

/// The same, and not without end.
fn detail(text: &str) -> String {
    cut(&clean(text), DETAIL, "the JSON report has all of it")
}

/// The beginning of a text of which a page may get all, and how much of it that is.
fn cut(text: &str, bytes: usize, elsewhere: &str) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes);
    let shown = text.get(..end).unwrap_or_default();
    format!("{shown}\n[cut here, {} bytes more: {elsewhere}]", text.len() - end)
}

fn facts(report: &Report) -> String {
    let cluster = &report.cluster;
    let mut facts = vec![clean(&cluster.server)];
    if let Some(version) = &cluster.kubernetes_version {
        facts.push(format!("Kubernetes {}", clean(version)));
    }
    if !cluster.recorded_at.is_empty() {
        let at = clean(&cluster.recorded_at);
        facts.push(match (cluster.provider, cluster.collection_ms) {
            (Provider::None, 0) => format!("nothing was looked at, {at}"),
            (_, milliseconds) => format!("looked at {at} in {milliseconds} ms"),
        });
    }
    facts.retain(|fact| !fact.is_empty());
    facts.join(", ")
}

/// The outcome in two words, in a sentence, and the word of its worst verdict.
fn headline(report: &Report) -> (String, String, &'static str) {
    let totals = &report.totals;
    let counts = [
        (totals.fail, Verdict::Fail),
        (totals.changed, Verdict::Changed),
        (totals.unjudged, Verdict::Unjudged),
    ];
    let open: Vec<_> = counts.into_iter().filter(|(count, _)| *count > 0).collect();
    let words: Vec<_> = open.iter().map(|(count, verdict)| format!("{count} {verdict}")).collect();
    let number = report.claims.len();
    let Some((_, worst)) = open.first() else {
        let word = if totals.pass == 0 { "nothing was judged" } else { "all holds" };
        let sentence = match totals.skipped {
            0 => format!("All {number} claims hold"),
            skipped => {
                format!("{} of {number} claims hold; {skipped} were not asked for", totals.pass)
            }
        };
        let worst = if totals.pass == 0 { Verdict::Unjudged } else { Verdict::Pass };
        return (word.to_owned(), sentence, worst.word());
    };
    let causes = match report.causes.len() {
        0 => String::new(),
        1 => " (1 cause)".to_owned(),
        causes => format!(" ({causes} causes)"),
    };
    let sentence = format!("{} of {number} claims hold; {}{causes}", totals.pass, words.join(", "));
    (words.join(", "), sentence, worst.word())
}

fn sections(report: &Report) -> Vec<SectionView> {
    report
        .sections()
        .into_iter()
        .map(|section| {
            let claims: Vec<_> =
                report.claims.iter().filter(|claim| claim.section == section).collect();
            SectionView {
                name: section.word(),
                holds: claims.iter().filter(|claim| claim.verdict == Verdict::Pass).count(),
                claims: claims.into_iter().map(|one| claim(report, one)).collect(),
            }
        })
        .filter(|section| !section.claims.is_empty())
        .collect()
}

fn link(report: &Report, id: &str) -> Link {
    Link { name: clean(id), here: report.claims.iter().any(|claim| claim.id == id) }
}

fn hint_parts(hint: Option<&String>) -> Vec<HintPart> {
    let parts = hint.map(|hint| hint::parts(hint)).unwrap_or_default();
    parts
        .into_iter()
        .map(|part| match part {
            hint::Part::Command(text) => HintPart { command: true, text: detail(text) },
            hint::Part::Words(text) => HintPart { command: false, text: detail(text) },
        })
        .collect()
}

fn cause_view(report: &Report, cause: &Cause) -> CauseView {
    CauseView {
        cause: link(report, &cause.claim),
        verdict: cause.verdict.word(),
        summary: detail(&cause.summary),
        object: cause.object.as_deref().map(detail),
        hint: hint_parts(cause.hint.as_ref()),
        explains: cause.explains.iter().map(|id| link(report, id)).collect(),
    }
}

fn claim(report: &Report, claim: &ClaimReport) -> ClaimView {
    let details =
        [("object", &claim.object), ("expected", &claim.expected), ("observed", &claim.observed)];
    ClaimView {
        name: clean(&claim.id),
        verdict: claim.verdict.word(),
        because: claim.because.as_deref().map(|id| link(report, id)),
        summary: detail(&claim.summary),
        statement: clean(&claim.statement),
        page: clean(&claim.page),
        details: details
            .into_iter()
            .filter_map(|(name, text)| Some((name, detail(text.as_deref()?))))
            .collect(),
        hint: hint_parts(claim.hint.as_ref()),
        open: !matches!(claim.verdict, Verdict::Pass | Verdict::Skipped),
    }
}
