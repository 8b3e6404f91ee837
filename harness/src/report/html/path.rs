//! The way of a request as a picture: stops and what lies between them, each with the claims that speak
//! of it, and the place where it breaks.

use meshcheck_suites::evidence::Expectations;
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Evidence, Report, Verdict};

use super::{Link, clean, link};
use crate::text::truncated;

/// How many columns of a name fit into a stop.
const NAME: usize = 19;
/// The picture's width, and that of a line between two stops.
const WIDTH: usize = 960;
const GAP: usize = 78;
/// From one stop to the next in the tall picture.
const STEP: usize = 96;

/// One way, from its beginning to its end.
pub(super) struct Picture {
    pub(super) title: &'static str,
    /// The same in words, for those who do not see it.
    pub(super) label: String,
    pub(super) nodes: Vec<Place>,
    pub(super) edges: Vec<Place>,
    /// The width of a stop.
    pub(super) width: usize,
    /// The height of the tall picture.
    pub(super) height: usize,
    /// The claims that do not hold, by place.
    pub(super) words: Vec<Word>,
}

/// A stop, or what lies between two.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) state: &'static str,
    pub(super) mark: Option<&'static str>,
    pub(super) mark_class: &'static str,
    pub(super) x: usize,
    pub(super) x_middle: usize,
    pub(super) x_end: usize,
    pub(super) y: usize,
    pub(super) y_end: usize,
}

/// A claim that does not hold, and the place that it speaks of.
pub(super) struct Word {
    pub(super) place: String,
    pub(super) verdict: &'static str,
    pub(super) claim: Link,
    pub(super) because: Option<Link>,
}

/// A place before it is judged.
struct Part {
    name: String,
    note: String,
    /// The claims that speak of it.
    claims: &'static [&'static str],
    /// The workload that it belongs to, where its claims speak of several.
    workload: Option<String>,
}

/// How a place is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Whole,
    Unseen,
    Follows,
    Broken,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Unseen => "unseen",
            Self::Follows => "follows",
            Self::Broken => "broken",
        }
    }

    fn spoken(self) -> &'static str {
        match self {
            Self::Whole => "holds",
            Self::Unseen => "not seen",
            Self::Follows => "fails because of something else",
            Self::Broken => "breaks here",
        }
    }
}

/// The pictures of this report: from the client to the backend, and in from outside.
pub(super) fn pictures(report: &Report, evidence: Option<&Evidence>) -> Vec<Picture> {
    let names = Names::of(evidence);
    vec![
        picture("from the client to the backend", report, &names, &inside(&names)),
        picture("in from outside", report, &names, &outside(&names)),
    ]
}

/// What the demo's objects are called.
struct Names {
    client: String,
    backend: String,
    service: String,
    gateway: String,
}

impl Names {
    fn of(evidence: Option<&Evidence>) -> Self {
        let tutorial = Expectations::of_the_tutorial("", "");
        let names = evidence.map_or(&tutorial, |evidence| &evidence.expectations);
        Self {
            client: names.client_deployment.clone(),
            backend: names.backend_deployment.clone(),
            service: names.backend_service.clone(),
            gateway: names.gateway.clone(),
        }
    }

    fn workloads(&self) -> [&str; 3] {
        [&self.client, &self.backend, &self.gateway]
    }
}

fn part(name: &str, note: &str, claims: &'static [&'static str]) -> Part {
    Part { name: name.to_owned(), note: note.to_owned(), claims, workload: None }
}

impl Part {
    /// The same, of one workload's pods.
    fn of(self, workload: &str) -> Self {
        Self { workload: Some(workload.to_owned()), ..self }
    }

    /// Whether this claim speaks of this place. One that names the object of another place does not.
    fn is_meant(&self, claim: &ClaimReport, names: &Names) -> bool {
        let Some(workload) = &self.workload else { return true };
        let object = claim.object.as_deref().unwrap_or_default();
        object.contains(workload.as_str())
            || !names.workloads().iter().any(|it| object.contains(it))
    }
}

const SIDECAR: &[&str] =
    &["mesh::two_containers_per_pod", "mesh::pods_ready", "mesh::proxies_in_sync"];

/// Stops and what lies between them, by turns.
fn inside(names: &Names) -> Vec<Part> {
    let Names { client, backend, service, .. } = names;
    vec![
        part("client", client, &["demo::client_deployment", "demo::client_logs_show_reply"])
            .of(client),
        part(
            "iptables: 15001",
            "",
            &["mesh::outbound_redirected", "mesh::init_arguments", "mesh::live_rules"],
        )
        .of(client),
        part("client's sidecar", "Envoy", SIDECAR).of(client),
        part("DNS, mesh", "", &["prepare::dns_on_pod_network", "mesh::traffic_through_proxies"]),
        part("service", service, &["demo::backend_service"]),
        part(
            "iptables: 15006",
            "",
            &["mesh::inbound_redirected", "mesh::init_arguments", "mesh::live_rules"],
        )
        .of(backend),
        part("backend's sidecar", "Envoy", SIDECAR).of(backend),
        part("port 5678", "", &["demo::backend_replies"]),
        part("backend", backend, &["demo::backend_deployment"]).of(backend),
    ]
}

fn outside(names: &Names) -> Vec<Part> {
    let Names { service, gateway, .. } = names;
    vec![
        part("you", "outside of the mesh", &[]),
        part(
            "load balancer",
            "",
            &[
                "prepare::load_balancer_address_free",
                "prepare::no_competing_load_balancer",
                "ingress::external_address",
                "ingress::address_answers",
            ],
        ),
        part("gateway", gateway, &["ingress::service_is_load_balancer", "mesh::proxies_in_sync"])
            .of(gateway),
        part("route", "", &["ingress::routes_into_mesh"]),
        part("service", service, &["demo::backend_service"]),
    ]
}

fn picture(title: &'static str, report: &Report, names: &Names, parts: &[Part]) -> Picture {
    let stops = parts.len().div_ceil(2);
    let width = WIDTH.saturating_sub(GAP * (stops - 1) + 4) / stops;
    let mut picture = Picture {
        title,
        label: String::new(),
        nodes: Vec::new(),
        edges: Vec::new(),
        width,
        height: STEP * (stops - 1) + 52,
        words: Vec::new(),
    };
    let mut spoken = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let (claims, of_others): (Vec<_>, Vec<_>) = report
            .claims
            .iter()
            .filter(|claim| part.claims.contains(&claim.id.as_str()))
            .partition(|claim| part.is_meant(claim, names));
        // A verdict names one object. That it is another's is no word that this one is well.
        let silent = of_others.iter().any(|claim| state_of_verdict(claim.verdict) > State::Whole);
        let least = if silent { State::Unseen } else { State::Whole };
        let state = match claims.iter().map(|claim| state(claim)).max() {
            Some(state) => state.max(least),
            None if part.claims.is_empty() => State::Whole,
            None => State::Unseen,
        };
        spoken.push(format!("{}: {}", part.name, state.spoken()));
        for claim in
            claims.into_iter().filter(|claim| state_of_verdict(claim.verdict) > State::Whole)
        {
            picture.words.push(Word {
                place: part.name.clone(),
                verdict: claim.verdict.word(),
                claim: link(report, &claim.id),
                because: claim.because.as_deref().map(|id| link(report, id)),
            });
        }
        let place = place(part, state, at, width);
        if at % 2 == 0 { picture.nodes.push(place) } else { picture.edges.push(place) }
    }
    picture.label = format!("{title}: {}", spoken.join(", "));
    picture
}

fn place(part: &Part, state: State, at: usize, width: usize) -> Place {
    let (stop, is_stop) = (at / 2, at.is_multiple_of(2));
    let left = 2 + stop * (width + GAP);
    let (x, x_end) =
        if is_stop { (left, left + width) } else { (left + width, left + width + GAP - 9) };
    let top = 2 + stop * STEP;
    let (y, y_end) = if is_stop { (top, top + 48) } else { (top + 48, top + STEP - 9) };
    let (mark, mark_class) = match state {
        State::Broken => (Some("✗ breaks here"), "here"),
        State::Follows => (Some("follows"), "after"),
        State::Whole | State::Unseen => (None, ""),
    };
    let name = |text: &str| truncated(&clean(text).replace('\n', " "), NAME, "…");
    Place {
        name: name(&part.name),
        note: name(&part.note),
        state: state.word(),
        mark,
        mark_class,
        x,
        x_middle: usize::midpoint(x, x_end),
        x_end,
        y,
        y_end,
    }
}

fn state(claim: &ClaimReport) -> State {
    match state_of_verdict(claim.verdict) {
        State::Broken if claim.because.is_some() => State::Follows,
        state => state,
    }
}

/// What a verdict alone says of a place. *Changed*: the mesh does what it is to do.
fn state_of_verdict(verdict: Verdict) -> State {
    match verdict {
        Verdict::Pass | Verdict::Changed => State::Whole,
        Verdict::Unjudged | Verdict::Skipped => State::Unseen,
        Verdict::Fail => State::Broken,
    }
}
