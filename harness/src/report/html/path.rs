//! The path of a request as a picture: stops and the links between them, each with the claims that speak
//! of it, and the place where it breaks.

use meshcheck_suites::evidence::Expectations;
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Evidence, Report, Verdict};

use super::{Link, clean, link};
use crate::text::truncated;

/// The claims that speak of a part of the path.
fn claims_of(part: Part) -> &'static [&'static str] {
    match part {
        Part::Client => &["demo::client_deployment", "demo::client_logs_show_reply"],
        Part::ClientRules => {
            &["mesh::outbound_redirected", "mesh::init_arguments", "mesh::live_rules"]
        }
        Part::ClientSidecar | Part::BackendSidecar => {
            &["mesh::two_containers_per_pod", "mesh::pods_ready", "mesh::proxies_in_sync"]
        }
        Part::Network => &["prepare::dns_on_pod_network", "mesh::traffic_through_proxies"],
        Part::Service => &["demo::backend_service"],
        Part::BackendRules => {
            &["mesh::inbound_redirected", "mesh::init_arguments", "mesh::live_rules"]
        }
        Part::Port => &["demo::backend_replies"],
        Part::Backend => &["demo::backend_deployment"],
        Part::Outside => &[],
        Part::LoadBalancer => &[
            "prepare::load_balancer_address_free",
            "prepare::no_competing_load_balancer",
            "ingress::external_address",
            "ingress::address_answers",
        ],
        Part::Gateway => &["ingress::service_is_load_balancer", "mesh::proxies_in_sync"],
        Part::Route => &["ingress::routes_into_mesh"],
    }
}

/// A stop or a link.
#[derive(Clone, Copy)]
enum Part {
    Client,
    ClientRules,
    ClientSidecar,
    Network,
    Service,
    BackendRules,
    BackendSidecar,
    Port,
    Backend,
    Outside,
    LoadBalancer,
    Gateway,
    Route,
}

/// Stops and links, by turns.
const INSIDE: [Part; 9] = [
    Part::Client,
    Part::ClientRules,
    Part::ClientSidecar,
    Part::Network,
    Part::Service,
    Part::BackendRules,
    Part::BackendSidecar,
    Part::Port,
    Part::Backend,
];
const FROM_OUTSIDE: [Part; 5] =
    [Part::Outside, Part::LoadBalancer, Part::Gateway, Part::Route, Part::Service];

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

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ClientRules => "iptables: 15001",
            Self::ClientSidecar => "client's sidecar",
            Self::Network => "DNS, mesh",
            Self::Service => "service",
            Self::BackendRules => "iptables: 15006",
            Self::BackendSidecar => "backend's sidecar",
            Self::Port => "port 5678",
            Self::Backend => "backend",
            Self::Outside => "you",
            Self::LoadBalancer => "load balancer",
            Self::Gateway => "gateway",
            Self::Route => "route",
        }
    }

    fn note(self, names: &Expectations) -> &str {
        match self {
            Self::Client => &names.client_deployment,
            Self::Backend => &names.backend_deployment,
            Self::Service => &names.backend_service,
            Self::Gateway => &names.gateway,
            Self::ClientSidecar | Self::BackendSidecar => "Envoy",
            Self::Outside => "outside of the mesh",
            _ => "",
        }
    }

    /// The workload that it belongs to, where its claims speak of several.
    fn workload(self, names: &Expectations) -> Option<&str> {
        match self {
            Self::Client | Self::ClientRules | Self::ClientSidecar => {
                Some(&names.client_deployment)
            }
            Self::Backend | Self::BackendRules | Self::BackendSidecar => {
                Some(&names.backend_deployment)
            }
            Self::Gateway => Some(&names.gateway),
            _ => None,
        }
    }

    /// Whether this claim speaks of this part. One that names the object of another workload does not.
    fn is_meant(self, claim: &ClaimReport, names: &Expectations) -> bool {
        let Some(workload) = self.workload(names) else { return true };
        let object = claim.object.as_deref().unwrap_or_default();
        let workloads = [&names.client_deployment, &names.backend_deployment, &names.gateway];
        object.contains(workload) || !workloads.iter().any(|it| object.contains(it.as_str()))
    }
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

fn picture(title: &'static str, path: &[Part], report: &Report, names: &Expectations) -> Picture {
    let mut picture = Picture { title, label: String::new(), parts: Vec::new(), open: Vec::new() };
    let mut words = Vec::new();
    for (part, kind) in path.iter().zip(["stop", "link"].into_iter().cycle()) {
        let speaks = |claim: &&ClaimReport| claims_of(*part).contains(&claim.id.as_str());
        let (claims, of_others): (Vec<_>, Vec<_>) =
            report.claims.iter().filter(speaks).partition(|claim| part.is_meant(claim, names));
        let is_open = |claim: &&ClaimReport| State::of_verdict(claim.verdict) > State::Whole;
        // A verdict names one object. That it is another's is no word that this one is well.
        let least = if of_others.iter().any(is_open) { State::Unseen } else { State::Whole };
        let state = match claims.iter().map(|claim| State::of_claim(claim)).max() {
            Some(state) => state.max(least),
            None if claims_of(*part).is_empty() => State::Whole,
            None => State::Unseen,
        };
        let (class, spoken, mark) = state.shown();
        words.push(format!("{}: {spoken}", part.name()));
        picture.open.extend(claims.into_iter().filter(is_open).map(|claim| OpenClaim {
            part: part.name(),
            verdict: claim.verdict.word(),
            claim: link(report, &claim.id),
            because: claim.because.as_deref().map(|id| link(report, id)),
        }));
        let note = clean(part.note(names)).replace('\n', " ");
        picture.parts.push(PartView {
            kind,
            name: part.name().to_owned(),
            note: truncated(&note, NAME, "…"),
            state: class,
            mark,
        });
    }
    picture.label = format!("{title}: {}", words.join(", "));
    picture
}
