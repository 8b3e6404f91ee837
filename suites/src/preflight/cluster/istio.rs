//! What an earlier Istio has left: one that runs and is well is no leftover.

use super::super::evidence::{IstioObject, PreflightEvidence};
use crate::evidence::{Evidence, Observation, Pod, Webhook};
use crate::format::{DEPLOYMENT, Noun, OBJECT, POD, SERVICE, count, list};
use crate::judgement::{Judged, Judgement, Look as _};

/// What Istio's own kinds are called before an install of nobody's: nothing is.
const EXPECTED: &str = "no Istio, or the one of the tutorial, running";

pub(in super::super) fn no_earlier_istio(evidence: &PreflightEvidence) -> Judged {
    let seen = &evidence.cluster.seen;
    let istiod = istiod_pods(seen);
    if !istiod.is_empty() {
        return installed(seen, &istiod);
    }
    // What is there tells, whatever could not be looked at.
    if let Some(trace) = in_the_way(evidence) {
        return Err(trace);
    }
    for look in [
        seen.install.pods.look("the pods of Istio's namespace").map(drop),
        seen.install.deployments.look("the deployments of Istio's namespace").map(drop),
        seen.install.services.look("the services of Istio's namespace").map(drop),
        seen.install.webhooks.look("the mutating webhooks").map(drop),
        seen.install.crds.look("the kinds of objects that the server knows").map(drop),
        seen.install.namespaces.look("the namespaces").map(drop),
        evidence.cluster.validating.look("the validating webhooks").map(drop),
        evidence.cluster.terminating.look("the namespaces").map(drop),
    ] {
        look?;
    }
    // Without their kinds there are no objects; with them, only a look can tell.
    if seen.install.crds.value().is_some_and(|crds| !crds.is_empty())
        && evidence.cluster.istio_objects.value().is_none()
    {
        let reason = evidence.cluster.istio_objects.reason().unwrap_or_default();
        return Err(Judgement::unjudged(format!(
            "could not look for objects of Istio's kinds: {reason}"
        )));
    }
    if let Observation::Failed { reason } = &evidence.cluster.istio_objects {
        return Err(Judgement::unjudged(format!(
            "could not look for objects of Istio's kinds: {reason}"
        )));
    }
    Ok(Judgement::pass(harmless(seen)))
}

/// The pods that are istiod, in whatever namespace was looked at.
fn istiod_pods(seen: &Evidence) -> Vec<&Pod> {
    let pods = seen.install.pods.value().into_iter().flatten();
    pods.filter(|pod| pod.labels.get("app").is_some_and(|app| app == "istiod") && !pod.terminating)
        .collect()
}

/// An istiod is there: well and of the version that is asked for, it is no leftover.
fn installed(seen: &Evidence, istiod: &[&Pod]) -> Judged {
    let wanted = &seen.expectations.istio_version;
    let Some(pod) = istiod.iter().find(|pod| pod.ready) else {
        let pod = istiod.first().map_or("", |pod| &pod.name);
        let describe =
            seen.kubectl(&["-n", &seen.expectations.istio_namespace, "describe", "pod", pod]);
        return Err(Judgement::fail("an istiod is there that is not ready")
            .expected(EXPECTED)
            .observed(format!("{} not ready", count(istiod.len(), POD)))
            .object(format!("pod {}/{pod}", seen.expectations.istio_namespace))
            .legacy_hint(format!("`{describe}` shows why; {}", removal(seen))));
    };
    match version(seen, pod) {
        Some(version) if version == *wanted => Ok(Judgement::pass(format!(
            "Istio {version} is installed already, and istiod is ready: `meshcheck check` tells the rest"
        ))),
        Some(version) => {
            let check = seen.meshcheck("check", &["--istio", &version]);
            Err(Judgement::fail(format!("Istio {version} is installed, not {wanted}"))
                .expected(EXPECTED)
                .observed(format!("istiod {version}"))
                .object(format!("pod {}/{}", pod.namespace, pod.name))
                .legacy_hint(format!("`{check}` judges it, if it is to stay; {}", removal(seen))))
        }
        None => Err(Judgement::unjudged(format!(
            "an Istio is installed, and does not tell its version: {}",
            seen.install.istiod.reason().unwrap_or("istiod was not asked")
        ))),
    }
}

/// What the pod says of itself, else what its image is tagged with.
fn version(seen: &Evidence, pod: &Pod) -> Option<String> {
    let said = seen.install.istiod.value().and_then(|all| all.get(&pod.name)?.version.value());
    said.cloned().or_else(|| {
        let image = pod.containers.iter().map(|it| &it.image).find(|it| it.contains("pilot"))?;
        let tag = image.split('@').next()?.rsplit_once(':')?.1;
        Some(tag.trim_end_matches("-distroless").to_owned())
    })
}

/// How an Istio that is there is taken away.
fn removal(seen: &Evidence) -> String {
    let uninstall = seen.istioctl(&["uninstall", "--purge", "-y"]);
    let namespace = &seen.expectations.istio_namespace;
    let delete = seen.kubectl(&["delete", "namespace", namespace, "--ignore-not-found"]);
    format!("`{uninstall} && {delete}` removes all of it, if nobody needs it")
}

/// The first thing that is in the way of an install, what breaks most first.
fn in_the_way(evidence: &PreflightEvidence) -> Option<Judgement> {
    let seen = &evidence.cluster.seen;
    let namespace = &seen.expectations.istio_namespace;
    let fail = |what: String, observed: String, object: String, hint: String| {
        Some(
            Judgement::fail(what)
                .expected(EXPECTED)
                .observed(observed)
                .object(object)
                .legacy_hint(hint),
        )
    };
    let ending = evidence.cluster.terminating.value().into_iter().flatten();
    let ours = [namespace, &seen.expectations.namespace];
    if let Some(ending) = ending.clone().find(|ending| ours.contains(ending)) {
        let show =
            seen.kubectl(&["get", "namespace", ending, "-o", "jsonpath={.status.conditions}"]);
        return fail(
            format!("the namespace {ending} is being removed, and not gone yet"),
            "Terminating".into(),
            format!("namespace {ending}"),
            format!("`{show}` shows what it waits for; in a minute it may be gone"),
        );
    }
    let webhooks = seen.install.webhooks.value().into_iter().flatten();
    if let Some(webhook) = webhooks.clone().find(|webhook| of_istio(webhook)) {
        let name = &webhook.configuration;
        return fail(
            format!(
                "the webhook {name} of an earlier Istio is left: nobody answers it, and no pod is created where it is asked"
            ),
            format!("{name}, and no istiod"),
            format!("webhook {name}"),
            removal(seen),
        );
    }
    let validating = evidence.cluster.validating.value().into_iter().flatten();
    let istiod = |service: &str| service.starts_with("istiod");
    if let Some(webhook) = validating.clone().find(|it| istiod(&it.service)) {
        let name = &webhook.configuration;
        return fail(
            format!(
                "the webhook {name} of an earlier Istio is left: nobody answers it, and no object of Istio is taken"
            ),
            format!("{name}, and no istiod"),
            format!("webhook {name}"),
            removal(seen),
        );
    }
    let names = |kind: Noun, all: Vec<String>| {
        (!all.is_empty()).then(|| format!("{} ({})", count(all.len(), kind), list(&all)))
    };
    let left: Vec<_> = [
        names(DEPLOYMENT, named(&seen.install.deployments, |it| it.name.clone())),
        names(SERVICE, named(&seen.install.services, |it| it.name.clone())),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !left.is_empty() {
        return fail(
            format!("the namespace {namespace} is not empty, and no istiod is in it"),
            list(&left),
            format!("namespace {namespace}"),
            removal(seen),
        );
    }
    let objects = evidence.cluster.istio_objects.value().map_or(&[][..], Vec::as_slice);
    let first = objects.first()?;
    let IstioObject { resource, namespace, name } = first;
    let delete = seen.kubectl(&["-n", namespace, "delete", resource, name]);
    let all: Vec<_> = objects
        .iter()
        .take(3)
        .map(|it| format!("{} {}/{}", it.resource, it.namespace, it.name))
        .collect();
    fail(
        format!("{} of an earlier Istio would configure the new one", count(objects.len(), OBJECT)),
        list(&all),
        format!("the {resource} {namespace}/{name}"),
        format!("`{delete}` removes it, if nobody needs it"),
    )
}

fn named<T>(observation: &Observation<Vec<T>>, name: impl Fn(&T) -> String) -> Vec<String> {
    observation.value().into_iter().flatten().map(name).collect()
}

/// Whether a webhook is an injector of Istio's.
fn of_istio(webhook: &Webhook) -> bool {
    webhook.revision.is_some()
        || webhook.service.as_ref().is_some_and(|service| {
            service.name.starts_with("istiod") || service.path.starts_with("/inject")
        })
}

/// What is left and does no harm, in words.
fn harmless(seen: &Evidence) -> String {
    let crds = seen.install.crds.value().map_or(0, Vec::len);
    let labelled: Vec<_> = seen
        .install
        .namespaces
        .value()
        .into_iter()
        .flatten()
        .filter(|(_, labels)| {
            labels.get("istio-injection").is_some_and(|value| value == "enabled")
                || labels.contains_key("istio.io/rev")
        })
        .map(|(name, _)| name.clone())
        .collect();
    let mut words = match crds {
        0 => "there is no trace of Istio".to_owned(),
        number => format!(
            "of an earlier Istio {} left, without objects: an install takes them over",
            if number == 1 {
                "1 kind of objects is".to_owned()
            } else {
                format!("{number} kinds of objects are")
            }
        ),
    };
    if !labelled.is_empty() {
        use std::fmt::Write as _;
        let _ = write!(
            words,
            "; {} labelled for injection already: {}",
            if labelled.len() == 1 { "a namespace is" } else { "namespaces are" },
            list(&labelled)
        );
    }
    words
}
