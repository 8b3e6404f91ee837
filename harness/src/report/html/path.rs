//! The path of a request as a picture: stops and the links between them, each with the claims that speak
//! of it, and the place where it breaks.

use meshcheck_suites::evidence::Expectations;
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{CLAIMS, Evidence, Report, Stop, Verdict};

use super::{Link, clean, link};
use crate::text::truncated;

/// Whether a claim speaks of a stop.
fn speaks_of(claim: &ClaimReport, stop: Stop) -> bool {
    CLAIMS.iter().any(|it| it.id == claim.id && it.stops.contains(&stop))
}

/// Stops and links, by turns.
const INSIDE: [Stop; 9] = [
    Stop::Client,
    Stop::OutboundRules,
    Stop::ClientSidecar,
    Stop::Network,
    Stop::Service,
    Stop::InboundRules,
    Stop::BackendSidecar,
    Stop::BackendPort,
    Stop::Backend,
];
const FROM_OUTSIDE: [Stop; 5] =
    [Stop::Outside, Stop::LoadBalancer, Stop::Gateway, Stop::Route, Stop::Service];

/// How many columns of a name fit into a stop.
const NAME: usize = 19;

/// One path, from its beginning to its end.
pub(super) struct Picture {
    pub(super) title: &'static str,
    /// The same in words, for those who do not see it.
    pub(super) label: String,
    pub(super) parts: Vec<PartView>,
    /// The claims that do not hold, by part.
    pub(super) open: Vec<OpenClaim>,
}

pub(super) struct PartView {
    /// `stop` or `link`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) note: String,
    pub(super) state: &'static str,
    pub(super) mark: &'static str,
}

/// A claim that does not hold, and the part that it speaks of.
pub(super) struct OpenClaim {
    pub(super) part: &'static str,
    pub(super) verdict: &'static str,
    pub(super) claim: Link,
    pub(super) because: Option<Link>,
}

fn name_of(stop: Stop) -> &'static str {
    match stop {
        Stop::Client => "client",
        Stop::OutboundRules => "iptables: 15001",
        Stop::ClientSidecar => "client's sidecar",
        Stop::Network => "DNS, mesh",
        Stop::Service => "service",
        Stop::InboundRules => "iptables: 15006",
        Stop::BackendSidecar => "backend's sidecar",
        Stop::BackendPort => "port 5678",
        Stop::Backend => "backend",
        Stop::Outside => "you",
        Stop::LoadBalancer => "load balancer",
        Stop::Gateway => "gateway",
        Stop::Route => "route",
    }
}

fn note_of(stop: Stop, names: &Expectations) -> &str {
    match stop {
        Stop::Client => &names.client_deployment,
        Stop::Backend => &names.backend_deployment,
        Stop::Service => &names.backend_service,
        Stop::Gateway => &names.gateway,
        Stop::ClientSidecar | Stop::BackendSidecar => "Envoy",
        Stop::Outside => "outside of the mesh",
        _ => "",
    }
}

/// The workload that it belongs to, where its claims speak of several.
fn workload_of(stop: Stop, names: &Expectations) -> Option<&str> {
    match stop {
        Stop::Client | Stop::OutboundRules | Stop::ClientSidecar => Some(&names.client_deployment),
        Stop::Backend | Stop::InboundRules | Stop::BackendSidecar => {
            Some(&names.backend_deployment)
        }
        Stop::Gateway => Some(&names.gateway),
        _ => None,
    }
}

/// Whether this claim speaks of this part. One that names the object of another workload does not.
fn is_about(stop: Stop, claim: &ClaimReport, names: &Expectations) -> bool {
    let Some(workload) = workload_of(stop, names) else { return true };
    let object = claim.object.as_deref().unwrap_or_default();
    let workloads = [&names.client_deployment, &names.backend_deployment, &names.gateway];
    object.contains(workload) || !workloads.iter().any(|it| object.contains(it.as_str()))
}

/// How a part is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Whole,
    Unseen,
    Follows,
    Broken,
}

impl State {
    /// Its class on the page, its words, and its mark in the picture.
    fn shown(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Whole => ("whole", "holds", ""),
            Self::Unseen => ("unseen", "not seen", ""),
            Self::Follows => ("follows", "fails because of something else", "follows"),
            Self::Broken => ("broken", "breaks here", "✗ breaks here"),
        }
    }

    /// What a verdict alone says of a part. *Changed*: the mesh does what it is to do.
    fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass | Verdict::Changed => Self::Whole,
            Verdict::Unjudged | Verdict::Skipped => Self::Unseen,
            Verdict::Fail => Self::Broken,
        }
    }

    fn of_claim(claim: &ClaimReport) -> Self {
        match Self::of_verdict(claim.verdict) {
            Self::Broken if claim.because.is_some() => Self::Follows,
            state => state,
        }
    }
}

/// The pictures of this report: from the client to the backend, and in from outside.
pub(super) fn pictures(report: &Report, evidence: Option<&Evidence>) -> Vec<Picture> {
    let tutorial = Expectations::of_the_tutorial("", "");
    let names = evidence.map_or(&tutorial, |evidence| &evidence.expectations);
    vec![
        picture("from the client to the backend", &INSIDE, report, names),
        picture("in from outside", &FROM_OUTSIDE, report, names),
    ]
}

fn picture(title: &'static str, path: &[Stop], report: &Report, names: &Expectations) -> Picture {
    let mut picture = Picture { title, label: String::new(), parts: Vec::new(), open: Vec::new() };
    let mut words = Vec::new();
    for (part, kind) in path.iter().zip(["stop", "link"].into_iter().cycle()) {
        let speaks = |claim: &&ClaimReport| speaks_of(claim, *part);
        let (claims, of_others): (Vec<_>, Vec<_>) =
            report.claims.iter().filter(speaks).partition(|claim| is_about(*part, claim, names));
        let is_open = |claim: &&ClaimReport| State::of_verdict(claim.verdict) > State::Whole;
        // A verdict names one object. That it is another's is no word that this one is well.
        let least = if of_others.iter().any(is_open) { State::Unseen } else { State::Whole };
        let state = match claims.iter().map(|claim| State::of_claim(claim)).max() {
            Some(state) => state.max(least),
            None if *part == Stop::Outside => State::Whole,
            None => State::Unseen,
        };
        let (class, spoken, mark) = state.shown();
        words.push(format!("{}: {spoken}", name_of(*part)));
        picture.open.extend(claims.into_iter().filter(is_open).map(|claim| OpenClaim {
            part: name_of(*part),
            verdict: claim.verdict.word(),
            claim: link(report, &claim.id),
            because: claim.because.as_deref().map(|id| link(report, id)),
        }));
        let note = clean(note_of(*part, names)).replace('\n', " ");
        picture.parts.push(PartView {
            kind,
            name: name_of(*part).to_owned(),
            note: truncated(&note, NAME, "…"),
            state: class,
            mark,
        });
    }
    picture.label = format!("{title}: {}", words.join(", "));
    picture
}
