//! What a label, a webhook, a missing sidecar and its redirection explain.

use super::super::mesh::{
    INIT, INJECT, SIDECAR, has_sidecar, injected, refuses_sidecar, staying, told_words,
};
use super::Case;
use super::demo::is_in_trouble;
use super::install::says_that_the_webhook_fails;
use crate::claims::Claim;
use crate::evidence::{CounterPair, Deployment, DryRun, Evidence, Observation, Pod};
use crate::facts::demo::{find_wrong_reply, is_pod_of};
use crate::facts::workload::is_in_restart_loop;
use crate::judgement::Verdict;
use crate::object::Object;
use meshcheck_netfilter::arguments;

use crate::claims::install::namespace_labelled::label_is_wrong;
pub(crate) use crate::facts::injection::demo_namespace_is_missing as namespace_is_missing;

/// Whether the claim on dry runs fails by the one in the demo's namespace.
fn fails_inside(case: &Case<'_>) -> bool {
    let outside = case.evidence.mesh.dry_run_unlabelled.value();
    outside.is_some_and(|run| !has_sidecar(run))
}

/// Whether a pod that is made now gets no sidecar, or cannot be made.
fn nothing_is_injected(dry_run: &Observation<DryRun>) -> bool {
    match dry_run {
        Observation::Seen { value } => !has_sidecar(value),
        Observation::Absent { .. } | Observation::NotAsked { .. } => false,
        Observation::Failed { reason } => says_that_the_webhook_fails(reason),
    }
}

pub(crate) fn dry_run_misses_the_label(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let dry_run = &evidence.mesh.dry_run_labelled;
    fails_inside(case)
        && (namespace_is_missing(evidence) || label_is_wrong(case) && nothing_is_injected(dry_run))
}

pub(crate) fn dry_run_misses_the_webhook(case: &Case<'_>) -> bool {
    fails_inside(case)
        && !label_is_wrong(case)
        && nothing_is_injected(&case.evidence.mesh.dry_run_labelled)
}

/// The demo's pods that have no sidecar, where there are some and nothing else is wrong with the number of
/// containers in any pod.
fn without_sidecar(evidence: &Evidence) -> Option<Vec<&Pod>> {
    let (without, with): (Vec<_>, Vec<_>) =
        staying(evidence).ok()?.into_iter().partition(|pod| pod.sidecar().is_none());
    let one = |pod: &&Pod| pod.containers.iter().filter(|it| it.name != SIDECAR).count() == 1;
    (!without.is_empty() && with.iter().all(one)).then_some(without)
}

/// Whether nothing is wrong with the demo's pods but that some have no sidecar, without having
/// refused it.
fn only_without_sidecar(evidence: &Evidence) -> bool {
    without_sidecar(evidence).is_some_and(|pods| !pods.iter().any(|pod| refuses_sidecar(pod)))
}

pub(crate) fn pods_miss_the_label(case: &Case<'_>) -> bool {
    only_without_sidecar(case.evidence)
        && label_is_wrong(case)
        && nothing_is_injected(&case.evidence.mesh.dry_run_labelled)
}

pub(crate) fn pods_miss_the_webhook(case: &Case<'_>) -> bool {
    only_without_sidecar(case.evidence)
        && !label_is_wrong(case)
        && nothing_is_injected(&case.evidence.mesh.dry_run_labelled)
}

/// The template of a deployment keeps injection away, and only its pods have no sidecar.
pub(crate) fn template_refuses_the_sidecar(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let refuses = |pod: &Pod| {
        pod.labels.contains_key(INJECT)
            && owner(evidence, pod).is_some_and(|owner| {
                owner.template_labels.get(INJECT) == pod.labels.get(INJECT)
                    && case.object_of(&crate::claims::install::injection_webhook::CLAIM)
                        == Some(Object::deployment(owner).to_string().as_str())
            })
    };
    without_sidecar(evidence).is_some_and(|pods| pods.iter().all(|pod| refuses(pod)))
}

/// The deployment of the demo that a pod belongs to.
fn owner<'e>(evidence: &'e Evidence, pod: &Pod) -> Option<&'e Deployment> {
    let deployments = evidence.demo.deployments.value()?;
    deployments.iter().find(|deployment| deployment.selects(pod))
}

/// Whether a pod is not well by itself: neither for the lack of a sidecar nor for one too many.
fn is_ill(evidence: &Evidence, pod: &Pod) -> bool {
    let mut containers = pod.all_containers();
    pod.phase != "Running"
        || !pod.ready
        || pod.counted_containers().any(|container| !container.ready)
        || containers.any(|it| is_in_restart_loop(it, evidence.moment()))
}

/// Whether the pod that a verdict names is ill together with its deployment, and no other pod gives the
/// verdict a reason of its own; or there is no pod at all.
fn pods_are_ill(case: &Case<'_>, name: &str) -> bool {
    let evidence = case.evidence;
    let expectations = &evidence.expectations;
    if case.judgement.verdict != Verdict::Fail {
        return false;
    }
    let Ok(pods) = staying(evidence) else {
        return no_pod_runs(case) && is_in_trouble(evidence, name);
    };
    let explained = |pod: &Pod| {
        if !is_ill(evidence, pod) {
            return pod.counted_containers().count() == 2
                || pod.sidecar().is_none()
                    && case.fails(&crate::claims::mesh::two_containers_per_pod::CLAIM);
        }
        let owners = [
            (&expectations.backend_deployment, &crate::claims::demo::backend_deployment::CLAIM),
            (&expectations.client_deployment, &crate::claims::demo::client_deployment::CLAIM),
        ];
        owners.into_iter().any(|(owner, claim)| {
            is_pod_of(evidence, pod, owner) && is_in_trouble(evidence, owner) && case.fails(claim)
        })
    };
    let named = pods.iter().find(|pod| case.is_about(&Object::pod(pod)));
    // Two containers are judged in pods that run; the verdict is about their state only without any.
    let about_state = case.id == "mesh::pods_ready" || !pods.iter().any(|pod| pod.is_running());
    about_state
        && named.is_some_and(|pod| {
            is_ill(evidence, pod)
                && sidecar_is_no_matter(case, pod)
                && is_pod_of(evidence, pod, name)
        })
        && is_in_trouble(evidence, name)
        && pods.iter().all(|pod| explained(pod))
}

/// A pod that does not run has its containers asked for: without a sidecar among them, that is the verdict.
fn sidecar_is_no_matter(case: &Case<'_>, pod: &Pod) -> bool {
    case.id == "mesh::pods_ready" || pod.sidecar().is_some()
}

pub(crate) fn backend_pods_are_ill(case: &Case<'_>) -> bool {
    pods_are_ill(case, &case.evidence.expectations.backend_deployment)
}

pub(crate) fn client_pods_are_ill(case: &Case<'_>) -> bool {
    pods_are_ill(case, &case.evidence.expectations.client_deployment)
}

/// Nothing but the number of their containers keeps pods from being READY 2/2.
pub(crate) fn pods_have_only_another_number(case: &Case<'_>) -> bool {
    let pods = staying(case.evidence).unwrap_or_default();
    let other_number = |pod: &&Pod| pod.counted_containers().count() != 2;
    pods.iter().any(other_number) && pods.iter().all(|pod| !is_ill(case.evidence, pod))
}

/// The namespace is there, and no pod in it.
pub(crate) fn no_pod_runs(case: &Case<'_>) -> bool {
    case.evidence.demo.pods.value().is_some() && staying(case.evidence).is_err()
}

pub(crate) fn no_pod_is_injected(case: &Case<'_>) -> bool {
    case.evidence.demo.pods.value().is_some() && injected(case.evidence).is_err()
}

/// A pod without the init container has no log of rules: so it is with a CNI plug-in.
pub(crate) fn no_container_redirects(case: &Case<'_>) -> bool {
    let pods = injected(case.evidence).unwrap_or_default();
    let has_init = |pod: &&Pod| pod.init_containers.iter().any(|it| it.name == INIT);
    let logs = &case.evidence.mesh.init_logs;
    let read = |pod: &Pod| logs.get(&pod.name).is_some_and(|log| log.value().is_some());
    case.judgement.verdict == Verdict::Unjudged
        && pods.iter().any(|pod| !has_init(pod))
        && pods.iter().all(|pod| !has_init(pod) || read(pod))
}

/// The init container of the pod whose rules are wrong was told so, for this direction.
pub(crate) fn rules_are_as_told(case: &Case<'_>) -> bool {
    let pods = injected(case.evidence).unwrap_or_default();
    let Some(pod) = pods.into_iter().find(|pod| case.is_about(&Object::pod(pod))) else {
        return false;
    };
    let Some(init) = pod.init_containers.iter().find(|it| it.name == INIT) else { return false };
    let told = arguments(&told_words(init));
    let own = ["15020", "15021", "15090"].map(str::to_owned).into();
    case.judgement.verdict == Verdict::Fail
        && if case.id == "mesh::inbound_redirected" {
            told.inbound_ports != "*"
                || told.inbound_ports_excluded != own
                || told.inbound_port != "15006"
                || told.mode != "REDIRECT"
        } else {
            told.outbound_ranges != "*"
                || !told.outbound_ranges_excluded.is_empty()
                || !told.outbound_ports_excluded.is_empty()
                || told.outbound_port != "15001"
                || told.proxy_uid != "1337"
        }
}

/// The pods between which traffic was counted.
fn on_the_way(evidence: &Evidence, backend: bool) -> Vec<&Pod> {
    let Some(traffic) = evidence.mesh.traffic.value() else { return Vec::new() };
    let pods = evidence.demo.pods.value().into_iter().flatten().filter(|pod| pod.is_running());
    pods.filter(|pod| {
        if backend {
            is_pod_of(evidence, pod, &evidence.expectations.backend_deployment)
        } else {
            pod.name == traffic.client_pod
        }
    })
    .collect()
}

/// A counter that was not there, or did not move.
fn stands_still(pair: &CounterPair) -> bool {
    match (pair.before.value(), pair.after.value()) {
        (Some(before), Some(after)) => before == after,
        _ => true,
    }
}

pub(crate) fn traffic_meets_no_sidecar(case: &Case<'_>) -> bool {
    let evidence = case.evidence;
    let Some(traffic) = evidence.mesh.traffic.value() else { return false };
    [(false, &traffic.outbound), (true, &traffic.inbound)].into_iter().any(|(backend, pair)| {
        stands_still(pair)
            && on_the_way(evidence, backend).iter().any(|pod| pod.sidecar().is_none())
    })
}

/// What the caller's proxy says where it encrypts and the backend's proxy is not there to decrypt.
const TLS_ERROR: &str = "TLS_error";

/// Whether a claim names a pod of the backend, and requests ended where encrypted traffic meets an
/// application that does not understand it.
fn nobody_decrypts(case: &Case<'_>, redirection: &Claim) -> bool {
    let evidence = case.evidence;
    let named = case.object_of(redirection);
    let backend = on_the_way(evidence, true);
    let routed = evidence.ingress.route.value().and_then(|route| route.routed.value());
    let told = match case.id {
        "ingress::routes_into_mesh" => routed.map(|answer| &answer.body),
        _ => find_wrong_reply(evidence).map(|reply| &reply.body),
    };
    case.judgement.verdict == Verdict::Fail
        && told.is_some_and(|body| body.contains(TLS_ERROR))
        && backend.into_iter().any(|pod| named == Some(Object::pod(pod).to_string().as_str()))
}

pub(crate) fn live_rules_lead_past_the_proxy(case: &Case<'_>) -> bool {
    nobody_decrypts(case, &crate::claims::mesh::live_rules::CLAIM)
}

pub(crate) fn rules_lead_past_the_proxy(case: &Case<'_>) -> bool {
    nobody_decrypts(case, &crate::claims::mesh::inbound_redirected::CLAIM)
}

/// Whether the first of these claims names a pod on the way, whose counter has not moved.
fn goes_beside(case: &Case<'_>, redirection: &Claim, backend: bool) -> bool {
    let Some(traffic) = case.evidence.mesh.traffic.value() else { return false };
    let pair = if backend { &traffic.inbound } else { &traffic.outbound };
    let seen = pair.before.value().is_some() && pair.after.value().is_some();
    let named = case.object_of(redirection);
    case.judgement.verdict == Verdict::Fail
        && seen
        && stands_still(pair)
        && on_the_way(case.evidence, backend).into_iter().any(|pod| {
            named == Some(Object::pod(pod).to_string().as_str()) && pod.sidecar().is_some()
        })
}

pub(crate) fn traffic_leaves_beside_the_proxy(case: &Case<'_>) -> bool {
    goes_beside(case, &crate::claims::mesh::outbound_redirected::CLAIM, false)
}

pub(crate) fn traffic_enters_beside_the_proxy(case: &Case<'_>) -> bool {
    goes_beside(case, &crate::claims::mesh::inbound_redirected::CLAIM, true)
}
