//! One page for a browser: verdicts, the way of a request, evidence. It asks nothing of any network.

use askama::Template;
use meshcheck_suites::evidence::{Observation, Pod};
use meshcheck_suites::report::{Cause, ClaimReport};
use meshcheck_suites::{Evidence, Report, Verdict};

use super::ReportError;
use crate::text::{for_page, for_xml};

/// How much of a log or of rules the page shows, in characters.
const EXCERPT: usize = 6000;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    facts: String,
    totals: Vec<(&'static str, usize)>,
    notes: Vec<String>,
    /// What to mend first.
    causes: Vec<CauseView>,
    /// What does not hold, or was not seen to hold: for the list at the top.
    open: Vec<ClaimView>,
    path_label: String,
    hops: Vec<Hop>,
    stops: Vec<Stop>,
    sections: Vec<SectionView>,
    pods: Vec<PodView>,
    excerpts: Vec<(String, String)>,
}

struct SectionView {
    name: &'static str,
    claims: Vec<ClaimView>,
}

struct CauseView {
    cause: Link,
    verdict: &'static str,
    summary: String,
    object: Option<String>,
    hint: Option<String>,
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
    details: Vec<(&'static str, String)>,
    open: bool,
}

/// A stage of the way: its words, and the claims that it stands for.
struct Hop {
    from: usize,
    to: usize,
    middle: usize,
    word: &'static str,
    state: &'static str,
}

struct Stop {
    x: usize,
    middle: usize,
    name: &'static str,
}

struct PodView {
    name: String,
    phase: String,
    ready: String,
    restarts: u32,
    containers: String,
}

/// The page.
///
/// # Errors
///
/// When the template cannot be filled, which is a bug.
pub fn html(report: &Report, evidence: Option<&Evidence>) -> Result<String, ReportError> {
    let totals = &report.totals;
    // A preflight comes before there is any way to picture.
    let hops = if report.is_preflight() { Vec::new() } else { hops(report) };
    let page = Page {
        title: format!(
            "{} on Istio {}",
            clean(&report.cluster.context),
            clean(&report.istio_version)
        ),
        facts: format!(
            "{}, Kubernetes {}, looked at {} in {} ms",
            clean(&report.cluster.server),
            clean(report.cluster.kubernetes_version.as_deref().unwrap_or("unknown")),
            clean(&report.cluster.recorded_at),
            report.cluster.collection_ms
        ),
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
        path_label: path_label(&hops),
        hops,
        stops: ["client", "client's sidecar", "echo's sidecar", "echo"]
            .into_iter()
            .enumerate()
            .map(|(at, name)| Stop { x: 10 + at * 213, middle: 80 + at * 213, name })
            .collect(),
        sections: sections(report),
        pods: evidence.map(pods).unwrap_or_default(),
        excerpts: evidence.map(excerpts).unwrap_or_default(),
    };
    // The template engine leaves out the newline at a file's end.
    page.render().map(|text| text + "\n").map_err(|error| ReportError::Format(error.to_string()))
}

fn clean(text: &str) -> String {
    for_xml(&for_page(text))
}

fn sections(report: &Report) -> Vec<SectionView> {
    report
        .sections()
        .into_iter()
        .map(|section| SectionView {
            name: section.word(),
            claims: report
                .claims
                .iter()
                .filter(|claim| claim.section == section)
                .map(|one| claim(report, one))
                .collect(),
        })
        .filter(|section| !section.claims.is_empty())
        .collect()
}

fn link(report: &Report, id: &str) -> Link {
    Link { name: clean(id), here: report.claims.iter().any(|claim| claim.id == id) }
}

fn cause_view(report: &Report, cause: &Cause) -> CauseView {
    CauseView {
        cause: link(report, &cause.claim),
        verdict: cause.verdict.word(),
        summary: clean(&cause.summary),
        object: cause.object.as_deref().map(clean),
        hint: cause.hint.as_deref().map(clean),
        explains: cause.explains.iter().map(|id| link(report, id)).collect(),
    }
}

fn claim(report: &Report, claim: &ClaimReport) -> ClaimView {
    let details = [
        ("object", &claim.object),
        ("expected", &claim.expected),
        ("observed", &claim.observed),
        ("hint", &claim.hint),
    ];
    ClaimView {
        name: clean(&claim.id),
        verdict: claim.verdict.word(),
        because: claim.because.as_deref().map(|id| link(report, id)),
        summary: clean(&claim.summary),
        statement: clean(&claim.statement),
        details: details
            .into_iter()
            .filter_map(|(name, text)| Some((name, clean(text.as_deref()?))))
            .collect(),
        open: !matches!(claim.verdict, Verdict::Pass | Verdict::Skipped),
    }
}

/// The three stages between the client and the backend, with the claims that speak of each.
fn hops(report: &Report) -> Vec<Hop> {
    const STAGES: [(&str, &[&str]); 3] = [
        (
            "redirected to 15001",
            &["mesh::outbound_redirected", "mesh::init_arguments", "mesh::two_containers_per_pod"],
        ),
        (
            "mesh",
            &["mesh::proxies_in_sync", "mesh::traffic_through_proxies", "demo::backend_service"],
        ),
        (
            "redirected to 15006",
            &["mesh::inbound_redirected", "demo::backend_deployment", "demo::backend_replies"],
        ),
    ];
    let state = |ids: &[&str]| {
        let of: Vec<_> = report
            .claims
            .iter()
            .filter(|claim| ids.contains(&claim.id.as_str()))
            .map(|claim| claim.verdict)
            .collect();
        if of.contains(&Verdict::Fail) {
            "broken"
        } else if of.is_empty() || of.iter().any(|it| *it != Verdict::Pass) {
            "unknown"
        } else {
            "whole"
        }
    };
    STAGES
        .into_iter()
        .enumerate()
        .map(|(at, (word, ids))| Hop {
            from: 150 + at * 213,
            to: 223 + at * 213,
            middle: 186 + at * 213,
            word,
            state: state(ids),
        })
        .collect()
}

fn path_label(hops: &[Hop]) -> String {
    let words: Vec<_> = hops.iter().map(|hop| format!("{}: {}", hop.word, hop.state)).collect();
    format!("from the client to the echo backend; {}", words.join(", "))
}

fn pods(evidence: &Evidence) -> Vec<PodView> {
    let of = |pod: &Pod| PodView {
        name: clean(&format!("{}/{}", pod.namespace, pod.name)),
        phase: clean(&pod.phase),
        ready: format!(
            "{}/{}",
            pod.containers.iter().filter(|it| it.ready).count(),
            pod.containers.len()
        ),
        restarts: pod.containers.iter().map(|it| it.restarts).sum(),
        containers: clean(
            &pod.containers.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", "),
        ),
    };
    let lists = [&evidence.demo.pods, &evidence.install.pods];
    lists.into_iter().filter_map(|list| list.value()).flatten().map(of).collect()
}

/// The beginning of a text, and how much of it that is.
fn cut(text: &str) -> String {
    let clean = clean(text);
    match clean.char_indices().nth(EXCERPT) {
        None => clean,
        Some((at, _)) => {
            let shown = clean.get(..at).unwrap_or_default();
            format!("{shown}\n[cut here: {} more bytes are in the evidence]", clean.len() - at)
        }
    }
}

/// What was seen, or why nothing was; nothing where nobody asked.
fn seen(observation: &Observation<String>) -> Option<String> {
    match observation {
        Observation::Seen { value } => Some(cut(value)),
        Observation::Absent { reason } => Some(format!("not there: {}", cut(reason))),
        Observation::Failed { reason } => Some(format!("could not look: {}", cut(reason))),
        Observation::NotAsked { .. } => None,
    }
}

fn excerpts(evidence: &Evidence) -> Vec<(String, String)> {
    let logs = evidence.demo.client_logs.value().into_iter().flatten().map(|log| {
        let lines: Vec<_> =
            log.lines.iter().map(|line| format!("{} {}", line.at, line.text)).collect();
        (format!("log of {}", clean(&log.pod)), cut(&lines.join("\n")))
    });
    let rules =
        evidence.mesh.init_logs.iter().filter_map(|(pod, log)| {
            Some((format!("istio-init's log of {}", clean(pod)), seen(log)?))
        });
    let live = evidence.mesh.live_rules.iter().filter_map(|(pod, rules)| {
        Some((format!("rules in force in {}", clean(pod)), seen(rules)?))
    });
    logs.chain(rules).chain(live).collect()
}

#[cfg(test)]
mod tests {
    use super::super::human::tests::sample;
    use super::*;

    #[test]
    fn hostile_text_is_escaped_and_nothing_is_fetched() {
        let page = html(&sample(), None).unwrap();
        assert!(!page.contains("<script>") && page.contains("script"), "{page}");
        assert!(!page.contains('\u{1b}'));
        for loading in [" src=", "@import", "url(", "<link", "<script", "<iframe"] {
            assert!(!page.contains(loading), "{loading}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn what_does_not_hold_is_a_step_away() {
        let page = html(&sample(), None).unwrap();
        for id in ["mesh::two_containers_per_pod", "mesh::proxies_in_sync"] {
            assert!(page.contains(&format!("href=\"#{id}\"")), "{id}");
            assert!(page.contains(&format!("id=\"{id}\" open")), "{id}");
        }
        assert!(!page.contains("href=\"#prepare::nodes_ready\""), "it holds");
    }

    #[test]
    fn the_cause_stands_first_and_leads_to_what_follows() {
        let page = html(&sample(), None).unwrap();
        let (before, after) = page.split_once("<h2>What to mend first</h2>").unwrap();
        assert!(!before.contains("<h2>"), "nothing stands before it");
        let (first, rest) = after.split_once("<h2>").unwrap();
        for id in ["mesh::two_containers_per_pod", "mesh::proxies_in_sync"] {
            assert!(first.contains(&format!("href=\"#{id}\"")), "{first}");
        }
        assert!(first.contains("rollout restart"), "{first}");
        let because = "because of <a href=\"#mesh::two_containers_per_pod\">";
        assert_eq!(rest.matches(because).count(), 2, "in the list and with the claim");
    }

    /// A cause may be none of the claims that were asked for: there is no place to lead to.
    #[test]
    fn links_lead_to_a_place_or_are_none() {
        let mut report = sample();
        report.claims.remove(1);
        report.causes[0].summary = "<b>bold</b>".into();
        let page = html(&report, None).unwrap();
        assert!(!page.contains("href=\"#mesh::two_containers_per_pod\""), "{page}");
        assert!(page.contains("because of mesh::two_containers_per_pod"), "{page}");
        assert!(!page.contains("<b>bold"), "{page}");
        report.causes.clear();
        assert!(!html(&report, None).unwrap().contains("mend first"));
    }

    #[test]
    fn what_turns_or_hides_text_does_not_reach_the_page() {
        let mut report = sample();
        report.claims[1].observed = Some("a\u{202e}b\u{1b}[31mc\u{200b}\u{0}".into());
        report.cluster.context = "<img onerror=x>\u{202e}".into();
        let page = html(&report, None).unwrap();
        assert!(page.contains("abc") && !page.contains("<img"), "{page}");
        assert!(!page.contains(['\u{202e}', '\u{200b}', '\u{1b}', '\u{0}']));
    }

    #[test]
    fn long_texts_say_that_they_are_cut_and_failed_looks_why() {
        let text = seen(&Observation::seen("é".repeat(EXCERPT + 5))).unwrap();
        assert!(text.ends_with("[cut here: 10 more bytes are in the evidence]"), "{text}");
        let text = seen(&Observation::failed("pods/exec is forbidden")).unwrap();
        assert_eq!(text, "could not look: pods/exec is forbidden");
        assert_eq!(seen(&Observation::not_asked("no")), None);
    }

    #[test]
    fn the_picture_shows_where_it_breaks() {
        let page = html(&sample(), None).unwrap();
        assert!(page.contains("class=\"broken\""), "a pod without sidecar is not redirected");
        // Also for those who do not see the colour.
        assert_eq!(page.matches(">✗ breaks here<").count(), 1);
    }
}
