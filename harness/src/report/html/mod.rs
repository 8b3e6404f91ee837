//! One page for a browser: the outcome, what to fix, the request's path, the claims, the evidence. It fetches
//! nothing and needs no script.

mod card;
mod class;
mod container_logs;
mod diff;
mod evidence;
mod filters;
mod matrix;
mod path;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(crate) use self::class::{
    class_faults, class_head, class_html, class_page, class_policy, class_row, report_policy,
};
pub(crate) use self::matrix::matrix_html;
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use meshcheck_suites::evidence::{BundleFacts, Provider};
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Evidence, Report, Section, Verdict};
use sha2::{Digest as _, Sha256};

pub(super) use self::diff::diff_page;

use self::card::StepView;
use self::evidence::Shown;
use self::path::{Picture, State};
use super::ReportError;
use super::cards::{Card, Group, groups};
use super::outcome::{checked_in, counted, noun, outcome};
use super::style::sign;
use crate::text::{for_page, for_xml};

/// The style, the only thing that the page may use: its policy names the hash of this text.
const STYLE: &str = include_str!("../../../templates/report.css");

/// How much of one text of a claim the page shows, in bytes.
const DETAIL: usize = 4000;

/// The fragment of the tab with the claims that did not pass.
const NOT_PASSED: &str = "not-passed";

/// The class of what holds, but is not proven.
const UNPROVEN: &str = "unproven";

/// How much of a line of a log, in bytes.
const LINE: usize = 400;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'r> {
    style: &'static str,
    style_hash: String,
    outcome: String,
    /// The verdict of the report as a whole.
    worst: Verdict,
    chips: Vec<String>,
    report: &'r Report,
    noun: &'static str,
    notes: &'r [String],
    /// Whether the notes are on an official release.
    is_release: bool,
    setup: Option<String>,
    groups: Vec<Group<'r>>,
    tabs: Vec<Tab>,
    totals: Vec<Total>,
    sections: Vec<SectionView<'r>>,
    pictures: Vec<Picture<'r>>,
    shown: Shown,
    /// The longest phase, in seconds.
    longest: f64,
    version: &'static str,
}

/// A choice of claims: all, those that did not pass, or those with one verdict.
struct Tab {
    /// The class of its colour, and of the claims that it shows.
    class: String,
    name: &'static str,
    /// The fragment of the address that chooses it.
    fragment: &'static str,
    count: usize,
}

/// How many claims have a verdict, as a link to them.
struct Total {
    verdict: Verdict,
    /// The fragment of the address that chooses them.
    fragment: &'static str,
    count: usize,
    unproven: usize,
}

struct SectionView<'r> {
    name: &'static str,
    title: &'static str,
    worst: Verdict,
    /// The class of its colour: its worst verdict, or that a claim is not proven.
    class: String,
    holding: usize,
    claims: Vec<&'r ClaimReport>,
}

/// Formats the report as a page.
///
/// # Errors
///
/// When the template cannot be filled, which is a bug.
pub fn html(report: &Report, evidence: Option<&Evidence>) -> Result<String, ReportError> {
    let shown = evidence.map(|it| evidence::shown(it, rules::traces(it))).unwrap_or_default();
    // There is none before the install, and nothing to draw where nothing was judged.
    let judged =
        |claim: &ClaimReport| !matches!(claim.verdict, Verdict::Unjudged | Verdict::Skipped);
    let has_path = !report.is_preflight() && report.claims.iter().any(judged);
    let page = Page {
        style: STYLE,
        style_hash: hash(STYLE),
        outcome: outcome(report),
        worst: worst_of_report(report),
        chips: chips(report),
        report,
        noun: noun(report),
        notes: report.cluster.bundle.as_ref().map(|it| it.notes.as_slice()).unwrap_or_default(),
        is_release: report.cluster.bundle.as_ref().is_some_and(BundleFacts::is_release),
        setup: report.setup(),
        groups: groups(report),
        tabs: tabs(report),
        totals: totals(report),
        sections: report.sections().into_iter().map(|it| section_view(report, it)).collect(),
        pictures: if has_path { path::pictures(report, evidence) } else { Vec::new() },
        shown,
        longest: report.phases.iter().map(|phase| phase.seconds).fold(0.0, f64::max),
        version: env!("CARGO_PKG_VERSION"),
    };
    // The template engine leaves out the newline at a file's end.
    page.render().map(|text| text + "\n").map_err(|error| ReportError::Format(error.to_string()))
}

/// The hash of a text, as a policy names it.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

impl Page<'_> {
    fn steps(&self, card: &Card<'_>) -> Vec<StepView> {
        card.steps.iter().map(|step| StepView::new(&self.report.cluster, step)).collect()
    }

    /// The card with the details of a claim.
    fn card_of(&self, id: &str) -> Option<&Card<'_>> {
        let mut cards = self.groups.iter().flat_map(|group| &group.cards);
        cards.find(|card| card.ids.contains(&id))
    }

    /// Whether the summary of a claim is not that of other claims on the same card.
    fn has_own_summary(&self, id: &str) -> bool {
        self.card_of(id).is_none_or(|card| card.ids.len() == 1)
    }

    /// The fragment of the place with most details of a claim: its card, or its line.
    fn place_of(&self, id: &str) -> String {
        self.card_of(id).map_or_else(|| clean(id), |card| format!("card-{}", card.number))
    }

    /// The fragment of the tab that is shown until another one is chosen.
    fn default_tab(&self) -> &'static str {
        let is_any_open = self.report.claims.iter().any(|claim| is_open(claim.verdict));
        if is_any_open { NOT_PASSED } else { "all" }
    }

    /// The meaning of the dashed lines of a picture.
    fn dashed(&self, picture: &Picture<'_>) -> Option<String> {
        let numbers: BTreeSet<_> =
            picture.dashed.iter().filter_map(|id| Some(self.card_of(id)?.number)).collect();
        let numbers: Vec<_> = numbers.into_iter().map(|number| number.to_string()).collect();
        let s = if numbers.len() == 1 { "" } else { "s" };
        match (picture.has_dashed, numbers.is_empty()) {
            (false, _) => None,
            (true, true) => Some("Dashed: fails because of another claim. ".to_owned()),
            (true, false) => {
                Some(format!("Dashed: fails because of card{s} {}. ", numbers.join(", ")))
            }
        }
    }
}

/// Whether a verdict leaves something to do.
fn is_open(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Pass | Verdict::Skipped)
}

/// The class of a claim's colour: its verdict, or that it is not proven.
fn class(claim: &ClaimReport) -> String {
    match claim.caveat {
        Some(_) => UNPROVEN.to_owned(),
        None => claim.verdict.to_string(),
    }
}

/// The class of a card's colour: a card of a claim that passes is there because the claim is not proven.
fn card_class(card: &Card<'_>) -> String {
    match card.verdict {
        Verdict::Pass => UNPROVEN.to_owned(),
        verdict => verdict.to_string(),
    }
}

/// The verdicts that occur, from the worst to the best.
fn totals(report: &Report) -> Vec<Total> {
    let total = |verdict, fragment| {
        let count = report.totals.of_verdict(verdict);
        Total { verdict, fragment, count, unproven: 0 }
    };
    let unproven = report.claims.iter().filter(|claim| claim.caveat.is_some()).count();
    let mut all = vec![
        total(Verdict::Fail, "failed"),
        total(Verdict::Changed, "changed"),
        total(Verdict::Unjudged, "unjudged"),
        Total { unproven, ..total(Verdict::Pass, "passed") },
        total(Verdict::Skipped, "skipped"),
    ];
    all.retain(|total| total.count > 0);
    all
}

/// All claims, those that did not pass, then one tab for each verdict that occurs.
fn tabs(report: &Report) -> Vec<Tab> {
    let tab =
        |class: &str, name, fragment, count| Tab { class: class.to_owned(), name, fragment, count };
    let open = report.claims.iter().filter(|claim| is_open(claim.verdict)).count();
    let mut tabs = vec![tab("all", "All", "all", report.claims.len())];
    if open > 0 {
        tabs.push(tab("open", "Not passed", NOT_PASSED, open));
    }
    tabs.extend(totals(report).into_iter().map(|total| {
        let name = match total.verdict {
            Verdict::Fail => "Failed",
            Verdict::Changed => "Changed",
            Verdict::Unjudged => "Unjudged",
            Verdict::Pass => "Passed",
            Verdict::Skipped => "Skipped",
        };
        tab(&total.verdict.to_string(), name, total.fragment, total.count)
    }));
    tabs
}

/// The worst of these verdicts.
fn worst<'c>(claims: impl IntoIterator<Item = &'c ClaimReport>) -> Verdict {
    let badness = |verdict: &Verdict| match verdict {
        Verdict::Skipped => 0,
        Verdict::Pass => 1,
        Verdict::Changed => 2,
        Verdict::Unjudged => 3,
        Verdict::Fail => 4,
    };
    claims.into_iter().map(|it| it.verdict).max_by_key(badness).unwrap_or(Verdict::Skipped)
}

/// The verdict of the report as a whole. A failure that is allowed leaves it green; a report in which nothing
/// holds is unjudged.
fn worst_of_report(report: &Report) -> Verdict {
    match worst(report.claims.iter().filter(|claim| claim.may_fail.is_none())) {
        Verdict::Skipped if report.totals.pass == 0 => Verdict::Unjudged,
        Verdict::Skipped => Verdict::Pass,
        verdict => verdict,
    }
}

fn section_view(report: &Report, section: Section) -> SectionView<'_> {
    let claims: Vec<_> = report.claims.iter().filter(|claim| claim.section == section).collect();
    let worst = worst(claims.iter().copied());
    SectionView {
        name: section.word(),
        title: match section {
            Section::Prepare => "Prepare the cluster: load balancer address, cluster DNS",
            Section::Install => "Install Istio with the default profile, label the namespace",
            Section::Demo => "Deploy the echo backend and the curl client",
            Section::Mesh => "Verify that traffic flows through Envoy",
            Section::Ingress => "Reach the mesh through the ingress gateway",
            Section::Kiali => "Install Kiali and open its console",
            Section::Machine => "The machine that creates the cluster",
            Section::Software => "The software to install",
            Section::Cluster => "The existing cluster",
        },
        worst,
        class: match claims.iter().find(|claim| claim.caveat.is_some()) {
            Some(claim) if worst == Verdict::Pass => class(claim),
            _ => worst.to_string(),
        },
        holding: claims.iter().filter(|claim| claim.verdict == Verdict::Pass).count(),
        claims,
    }
}

/// The environment in short texts.
fn chips(report: &Report) -> Vec<String> {
    let cluster = &report.cluster;
    let version = report.claims.iter().find(|claim| claim.id == "install::istio_version");
    let is_expected = version.is_some_and(|claim| claim.verdict != Verdict::Pass);
    let expected = if is_expected { " expected" } else { "" };
    let mut chips = vec![format!("Istio {}{expected}", report.istio_version)];
    chips.extend(report.caveat.clone());
    chips.extend(cluster.kubernetes_version.iter().map(|version| format!("Kubernetes {version}")));
    let at = cluster.recorded_at.parse::<Timestamp>();
    chips.extend(at.map(|at| at.strftime("%-d %b %Y, %H:%M UTC").to_string()));
    chips.push(match (cluster.provider, cluster.collection_ms) {
        (Provider::None, 0) => "nothing was collected".to_owned(),
        (_, milliseconds) => checked_in(milliseconds),
    });
    chips
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
