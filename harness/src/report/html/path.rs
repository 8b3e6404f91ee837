//! The path of a request as a picture: stops and the links between them, istiod and the namespace, and the one
//! place where it breaks.

mod seen;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use meshcheck_suites::evidence::Expectations;
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{CLAIMS, Evidence, Report, Stop, Verdict};

use self::seen::{answers, break_of, is_without_sidecar};
use super::clean;
use crate::text::truncated;

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

const WEBHOOK: &str = "install::injection_webhook";
/// The claims about the control plane. Those that name a workload are about its sidecar, or about the gateway.
const CONTROL_PLANE: [&str; 4] = [
    "install::control_plane_running",
    "install::default_profile",
    "install::istio_version",
    WEBHOOK,
];
const NAMESPACE: &str = "install::namespace_labelled";

/// The claims that hold where a request arrives.
const ARRIVES: [&str; 2] = ["demo::backend_replies", "ingress::routes_into_mesh"];
/// The claim about the configuration of the sidecars. One without it still forwards requests.
const IN_SYNC: &str = "mesh::proxies_in_sync";

/// The claim that can hold without a proof that the gateway of this mesh answered.
const ANSWERS: &str = "ingress::address_answers";

/// How many columns of a name are shown.
const NAME: usize = 40;

/// One path, from its beginning to its end.
pub(super) struct Picture<'r> {
    pub(super) title: &'static str,
    /// The same as text, for readers who do not see it.
    pub(super) label: String,
    /// istiod and the namespace; the path from outside has neither.
    pub(super) around: Option<[PartView<'r>; 2]>,
    pub(super) parts: Vec<PartView<'r>>,
    /// The answers to requests of this check.
    pub(super) answers: Option<String>,
    /// The part that breaks, and the claim that says why.
    pub(super) broken: Option<(String, &'r ClaimReport)>,
    pub(super) has_dashed: bool,
    /// The claims that explain the dashed parts.
    pub(super) dashed: BTreeSet<&'r str>,
    /// The meaning of the other lines that occur.
    pub(super) legend: String,
}

pub(super) struct PartView<'r> {
    /// `stop` or `link`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) note: String,
    pub(super) state: State,
    /// Whether requests pass it.
    is_on_path: bool,
    /// The failing claims that no other one explains.
    roots: Vec<&'r ClaimReport>,
    /// The claims that explain the failing ones.
    causes: Vec<&'r str>,
}

/// The place of a part in the mesh.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Istiod,
    Namespace,
    At(Stop),
}

/// The state of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// It works.
    Whole,
    /// It was not checked, or could not be.
    Unseen,
    /// A request does not come so far.
    After,
    /// It fails because of something else.
    Affected,
    /// The pods have no sidecar: it does not exist.
    Missing,
    /// It is the place where the request fails.
    Broken,
}

impl State {
    /// Its class on the page.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Unseen => "unseen",
            Self::After => "after",
            Self::Affected => "affected",
            Self::Missing => "missing",
            Self::Broken => "broken",
        }
    }

    /// Its words in the picture and in the description.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Whole => "works",
            Self::Unseen => "not checked",
            Self::After => "not reached",
            Self::Affected => "affected",
            Self::Missing => "missing",
            Self::Broken => "fails",
        }
    }

    fn of_claim(claim: &ClaimReport) -> Self {
        match claim.verdict {
            // The mesh does its work.
            Verdict::Pass | Verdict::Changed => Self::Whole,
            Verdict::Unjudged | Verdict::Skipped => Self::Unseen,
            Verdict::Fail if claim.because.is_some() => Self::Affected,
            Verdict::Fail => Self::Broken,
        }
    }
}

fn name_of(place: Place, names: &Expectations) -> String {
    let Place::At(stop) = place else {
        let is_istiod = place == Place::Istiod;
        return if is_istiod {
            "istiod".to_owned()
        } else {
            format!("namespace {}", names.namespace)
        };
    };
    let name = match stop {
        Stop::Client => "client",
        Stop::OutboundRules => "iptables 15001",
        Stop::ClientSidecar => "client's sidecar",
        Stop::Network => "network, DNS",
        Stop::Service => "service",
        Stop::InboundRules => "iptables 15006",
        Stop::BackendSidecar => "backend's sidecar",
        Stop::BackendPort => return format!("port {}", names.backend.port),
        Stop::Backend => "backend",
        Stop::Outside => "you",
        Stop::LoadBalancer => "load balancer",
        Stop::Gateway => "gateway",
        Stop::Route => "route",
    };
    name.to_owned()
}

fn note_of(place: Place, state: State, report: &Report, names: &Expectations) -> String {
    let sync = report.claims.iter().find(|claim| claim.id == IN_SYNC).map(|claim| claim.verdict);
    let sync = sync.filter(|_| state == State::Whole);
    match place {
        Place::At(Stop::Client) => names.client_deployment.clone(),
        Place::At(Stop::Backend) => names.backend_deployment.clone(),
        Place::At(Stop::Service) => {
            format!("{}:{}", names.backend_service, names.backend.service_port)
        }
        Place::At(Stop::Gateway) => names.gateway.clone(),
        Place::At(Stop::ClientSidecar | Stop::BackendSidecar) if state == State::Missing => {
            "no sidecar".to_owned()
        }
        Place::At(Stop::ClientSidecar | Stop::BackendSidecar) => match sync {
            Some(Verdict::Pass | Verdict::Changed) => "Envoy, in sync".to_owned(),
            Some(Verdict::Fail) => "Envoy, not in sync".to_owned(),
            _ => "Envoy".to_owned(),
        },
        Place::At(Stop::Outside) => "outside of the mesh".to_owned(),
        Place::Istiod => "configures the sidecars".to_owned(),
        _ => String::new(),
    }
}

/// Whether it stays unproven that this mesh's gateway answers.
fn is_unproven(claim: &ClaimReport) -> bool {
    claim.id == ANSWERS && claim.caveat.is_some()
}

fn is_of_control_plane(claim: &ClaimReport) -> bool {
    CONTROL_PLANE.contains(&claim.id.as_str())
}

/// Whether a claim is about a place, whichever object it names.
fn is_of(place: Place, claim: &ClaimReport, evidence: Option<&Evidence>) -> bool {
    match place {
        // A webhook that fails for another reason, like a missing label, is not istiod's failure.
        Place::Istiod if claim.id == WEBHOOK => claim.because.is_none(),
        Place::Istiod => is_of_control_plane(claim),
        Place::Namespace => claim.id == NAMESPACE,
        Place::At(Stop::Gateway | Stop::ClientSidecar | Stop::BackendSidecar)
            if is_of_control_plane(claim) =>
        {
            true
        }
        // Requests pass a sidecar with an old configuration, or with one that istiod did not confirm.
        Place::At(Stop::ClientSidecar | Stop::BackendSidecar | Stop::Gateway)
            if claim.id == IN_SYNC && claim.because.is_some() =>
        {
            false
        }
        Place::At(stop) if let Some(at) = break_of(claim, evidence) => stop == at,
        Place::At(stop) => CLAIMS.iter().any(|it| it.id == claim.id && it.stops.contains(&stop)),
    }
}

/// Whether a verdict is about this place: about its workload, or about none in particular.
fn names_place(place: Place, claim: &ClaimReport, names: &Expectations) -> bool {
    let object = claim.object.as_deref().unwrap_or_default();
    let workloads = [&names.client_deployment, &names.backend_deployment, &names.gateway];
    let own = match place {
        Place::Istiod | Place::Namespace => None,
        Place::At(Stop::Client | Stop::OutboundRules | Stop::ClientSidecar) => Some(workloads[0]),
        Place::At(Stop::Backend | Stop::InboundRules | Stop::BackendSidecar) => Some(workloads[1]),
        Place::At(Stop::Gateway) => Some(workloads[2]),
        Place::At(_) => return true,
    };
    own.is_some_and(|own| object.contains(own.as_str()))
        || (own.is_none() || !is_of_control_plane(claim))
            && !workloads.iter().any(|it| object.contains(it.as_str()))
}

/// Draws the pictures of this report: from the client to the backend, and from outside.
pub(super) fn pictures<'r>(report: &'r Report, evidence: Option<&Evidence>) -> Vec<Picture<'r>> {
    let tutorial = Expectations::of_the_tutorial("", "");
    let names = evidence.map_or(&tutorial, |evidence| &evidence.expectations);
    let mut inside = picture("Request path", &INSIDE, report, names, evidence);
    inside.answers = evidence.and_then(answers);
    vec![inside, picture("Ingress path", &FROM_OUTSIDE, report, names, evidence)]
}

fn picture<'r>(
    title: &'static str,
    path: &[Stop],
    report: &'r Report,
    names: &Expectations,
    evidence: Option<&Evidence>,
) -> Picture<'r> {
    let view = |place, kind| part(place, kind, report, names, evidence);
    let is_inside = path.contains(&Stop::Client);
    let mut around =
        is_inside.then(|| [view(Place::Istiod, "stop"), view(Place::Namespace, "stop")]);
    let kinds = ["stop", "link"].into_iter().cycle();
    let mut parts: Vec<_> =
        path.iter().zip(kinds).map(|(stop, kind)| view(Place::At(*stop), kind)).collect();
    let arrives = report.claims.iter().any(|claim| {
        claim.id == ARRIVES[usize::from(!is_inside)] && claim.verdict == Verdict::Pass
    });
    let broken = keep_one_break(report, &mut parts, around.as_mut(), arrives);
    let mut label = title.to_owned();
    for (at, part) in around.iter().flatten().chain(&parts).enumerate() {
        let comma = if at == 0 { ":" } else { "," };
        let _ = write!(label, "{comma} {} {}", part.name, part.state.description());
    }
    let unseen = parts.iter().filter(|part| part.state == State::Unseen).count();
    let dotted = match (!is_inside && report.claims.iter().any(is_unproven), unseen) {
        (false, _) => "Dotted: not checked.",
        (true, 1) => "Dotted: not proven.",
        (true, _) => "Dotted: not checked or not proven.",
    };
    let lines = [(State::Unseen, dotted), (State::After, "Grey: not reached.")];
    let all = || around.iter().flatten().chain(&parts);
    let occurs = |state| all().any(|part| part.state == state);
    let legend: Vec<_> =
        lines.into_iter().filter(|(state, _)| occurs(*state)).map(|it| it.1).collect();
    let legend = legend.join(" ");
    let dashed: Vec<_> =
        all().filter(|part| matches!(part.state, State::Affected | State::Missing)).collect();
    let has_dashed = !dashed.is_empty();
    let dashed = dashed
        .into_iter()
        .flat_map(|part| {
            let roots = part.roots.iter().map(|claim| claim.id.as_str());
            part.causes.iter().copied().chain(roots)
        })
        .collect();
    Picture { title, label, around, parts, answers: None, broken, has_dashed, dashed, legend }
}

fn part<'r>(
    place: Place,
    kind: &'static str,
    report: &'r Report,
    names: &Expectations,
    evidence: Option<&Evidence>,
) -> PartView<'r> {
    let (about, others): (Vec<_>, Vec<_>) = report
        .claims
        .iter()
        .filter(|claim| claim.verdict != Verdict::Skipped && is_of(place, claim, evidence))
        .partition(|claim| break_of(claim, evidence).is_some() || names_place(place, claim, names));
    let is_whole = |claim: &&ClaimReport| State::of_claim(claim) == State::Whole;
    // A verdict names one object: where it names another one, this one was not checked.
    let is_unseen = others.iter().any(|claim| !is_whole(claim) && !is_of_control_plane(claim));
    let is_unseen =
        is_unseen || place == Place::At(Stop::Gateway) && report.claims.iter().any(is_unproven);
    let is_missing =
        matches!(place, Place::At(stop) if evidence.is_some_and(|it| is_without_sidecar(it, stop)));
    let state = match about.iter().map(|claim| State::of_claim(claim)).max() {
        _ if is_missing => State::Missing,
        Some(State::Whole) if is_unseen => State::Unseen,
        Some(state) => state,
        None if place == Place::At(Stop::Outside) => State::Whole,
        None => State::Unseen,
    };
    let causes = about.iter().filter_map(|claim| claim.because.as_deref()).collect();
    let is_mtls = |claim: &&ClaimReport| break_of(claim, evidence) == Some(Stop::InboundRules);
    let name = if place == Place::At(Stop::InboundRules) && about.iter().any(is_mtls) {
        "mTLS".to_owned()
    } else {
        name_of(place, names)
    };
    let short = |text: &str| truncated(&clean(text).replace('\n', " "), NAME, "…");
    PartView {
        kind,
        name: short(&name),
        note: short(&note_of(place, state, report, names)),
        state,
        is_on_path: matches!(place, Place::At(_)),
        causes,
        roots: about.into_iter().filter(|it| State::of_claim(it) == State::Broken).collect(),
    }
}

/// Leaves one part broken: the one of the first cause. Parts before it work, unless they have another cause. Parts
/// behind it are not reached, unless requests arrive nevertheless.
fn keep_one_break<'r>(
    report: &Report,
    parts: &mut [PartView<'r>],
    around: Option<&mut [PartView<'r>; 2]>,
    arrives: bool,
) -> Option<(String, &'r ClaimReport)> {
    let first_cause = |part: &PartView| {
        let is_root = |id: &str| part.roots.iter().any(|claim| claim.id == id);
        let causes = &report.causes;
        causes.iter().position(|cause| is_root(&cause.claim)).unwrap_or(causes.len())
    };
    let around: &mut [PartView<'r>] = around.map_or(&mut [], |it| it.as_mut_slice());
    let all = parts.iter().chain(around.iter()).enumerate();
    let broken = all
        .filter(|(_, part)| part.state == State::Broken)
        .min_by_key(|(at, part)| (first_cause(part), *at))
        .map(|(at, _)| at);
    let on_path = broken.filter(|at| *at < parts.len());
    let found = parts.iter().chain(around.iter()).nth(broken?);
    let found = found.and_then(|part| Some((part.name.clone(), *part.roots.first()?)));
    let behind = parts.get(on_path.unwrap_or_default()..).unwrap_or_default();
    let behind: BTreeSet<_> =
        behind.iter().flat_map(|part| &part.roots).map(|claim| claim.id.as_str()).collect();
    for (at, part) in parts.iter_mut().chain(around.iter_mut()).enumerate() {
        part.state = match (part.state, on_path) {
            (State::Broken, _) if broken == Some(at) => State::Broken,
            (State::Missing, _) => State::Missing,
            // It fails because requests do not arrive.
            (State::Affected, Some(here))
                if at < here && part.causes.iter().all(|it| behind.contains(it)) =>
            {
                State::Whole
            }
            (_, Some(here)) if at > here && part.is_on_path && !arrives => State::After,
            (State::Broken, _) => State::Affected,
            (state, _) => state,
        };
    }
    found
}
