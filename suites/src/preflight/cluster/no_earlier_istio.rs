//! No earlier Istio blocks the install.

use std::fmt::Write as _;

use crate::entry::check;
use crate::evidence::{Evidence, Observation, Pod, Webhook};
use crate::facts::installation::control_plane_elsewhere;
use crate::format::{CRD, DEPLOYMENT, Noun, OBJECT, POD, SERVICE, count, list};
use crate::judgement::{Judged, Judgement, Look as _};
use crate::object::Object;
use crate::preflight::evidence::IstioObject;
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::{Step, cluster, istio, namespaces, pods};

check! {
    /// The tutorial implies a cluster without an earlier Istio.
    ///
    /// ## Why it matters
    /// While a webhook has no service, no pod that it selects can be created. Old objects configure the new mesh.
    ///
    /// ## How it is checked
    /// Lists pods, services, deployments, webhooks, namespaces and objects of Istio's kinds (`list` on each).
    ///
    /// ## What makes it fail
    /// - istiod of another version runs, or istiod is not ready.
    /// - A webhook, deployment, service or object of an earlier Istio is left.
    /// - A namespace that the tutorial uses is being deleted.
    ///
    /// ## How to fix it
    /// Uninstall the earlier Istio if it is not needed. Keep an Istio of the expected version.
    ///
    /// ## Check by hand
    ///     istioctl version
    ///     kubectl get mutatingwebhookconfigurations
    cluster::no_earlier_istio: "no earlier Istio blocks the install",
    needs: ClusterNamed,
    after: server_answers,
}

/// The state of the cluster in which an install works.
const EXPECTED: &str = "no Istio, or the expected version with a ready istiod";

fn judge(evidence: &PreflightEvidence) -> Judged {
    let seen = &evidence.cluster.seen;
    let istiod = find_istiod_pods(seen);
    if !istiod.is_empty() {
        return judge_installed(seen, &istiod);
    }
    // An obstacle fails the check, whatever could not be read.
    if let Some(failure) = find_obstacle(evidence) {
        return Err(failure);
    }
    for look in [
        seen.install.pods.look("the pods of Istio's namespace").map(drop),
        seen.install.deployments.look("the deployments of Istio's namespace").map(drop),
        seen.install.services.look("the services of Istio's namespace").map(drop),
        seen.install.webhooks.look("the mutating webhooks").map(drop),
        seen.install.crds.look("the custom resource definitions").map(drop),
        seen.install.namespaces.look("the namespaces").map(drop),
        evidence.cluster.validating.look("the validating webhooks").map(drop),
        evidence.cluster.terminating.look("the namespaces").map(drop),
    ] {
        look?;
    }
    // Without CRDs there are no objects of Istio; with CRDs they must be listed.
    let objects = &evidence.cluster.istio_objects;
    let has_crds = seen.install.crds.value().is_some_and(|crds| !crds.is_empty());
    if let Some(reason) = objects.reason().filter(|_| has_crds || !objects.is_absent()) {
        return Err(Judgement::unjudged(format!(
            "cannot list the objects of Istio's kinds: {reason}"
        )));
    }
    Ok(Judgement::pass(format_harmless(seen)))
}

/// Returns the pods of istiod in the observed namespaces.
fn find_istiod_pods(seen: &Evidence) -> Vec<&Pod> {
    let pods = seen.install.pods.value().into_iter().flatten();
    pods.filter(|pod| pod.labels.get("app").is_some_and(|app| app == "istiod") && !pod.terminating)
        .collect()
}

/// Judges an installed Istio: it passes with the expected version and a ready istiod.
fn judge_installed(seen: &Evidence, istiod: &[&Pod]) -> Judged {
    let wanted = &seen.expectations.istio_version;
    let Some(pod) = istiod.iter().find(|pod| pod.ready) else {
        let Some(pod) = istiod.first() else {
            return Err(Judgement::unjudged("istiod has no pod"));
        };
        return Err(Judgement::fail("Istio is installed, and no pod of istiod is ready")
            .expected(EXPECTED)
            .observed(format!("{} of istiod, 0 ready", count(istiod.len(), POD)))
            .object(Object::pod(pod))
            .steps([
                pods::describe(seen, pod, "Show why the pod is not ready"),
                istio::uninstall(seen),
            ]));
    };
    match find_version(seen, pod) {
        Some(version) if version == *wanted => Ok(Judgement::pass(format!(
            "Istio {version} is installed and istiod is ready: run `meshcheck check`"
        ))),
        Some(version) => {
            Err(Judgement::fail(format!("Istio {version} is installed, expected {wanted}"))
                .expected(format!("no Istio, or Istio {wanted}"))
                .observed(format!("Istio {version}"))
                .object(Object::pod(pod))
                .steps([istio::check_version(seen, &version), istio::uninstall(seen)]))
        }
        None => Err(Judgement::unjudged(format!(
            "Istio is installed, its version is unknown: {}",
            seen.install.istiod.reason().unwrap_or("istiod did not report it")
        ))),
    }
}

/// Returns the version that istiod reports, else the tag of its image.
fn find_version(seen: &Evidence, pod: &Pod) -> Option<String> {
    let reported = seen.install.istiod.value().and_then(|all| all.get(&pod.name)?.version.value());
    reported.cloned().or_else(|| {
        let image = pod.containers.iter().map(|it| &it.image).find(|it| it.contains("pilot"))?;
        let tag = image.split('@').next()?.rsplit_once(':')?.1;
        Some(tag.trim_end_matches("-distroless").to_owned())
    })
}

/// Finds the first obstacle to an install: the most harmful one first.
fn find_obstacle(evidence: &PreflightEvidence) -> Option<Judgement> {
    let seen = &evidence.cluster.seen;
    let namespace = &seen.expectations.istio_namespace;
    let fail = |summary: String, observed: String, object: String, step: Step| {
        Some(
            Judgement::fail(summary)
                .expected(EXPECTED)
                .observed(observed)
                .object(object)
                .step(step),
        )
    };
    let ending = evidence.cluster.terminating.value().into_iter().flatten();
    let expected = [namespace, &seen.expectations.namespace];
    if let Some(ending) = ending.clone().find(|ending| expected.contains(ending)) {
        let text = "Show the conditions that delay the deletion";
        return Some(
            Judgement::fail(format!("namespace {ending} is being deleted"))
                .expected("Active")
                .observed("Terminating")
                .object(Object::global("namespace", ending))
                .step(namespaces::show_conditions(seen, ending, text)),
        );
    }
    if let Some(place) = control_plane_elsewhere(seen) {
        return Some(
            Judgement::fail(format!("{place}, not in namespace {namespace}"))
                .expected(EXPECTED)
                .observed(place.to_string())
                .object(Object::global("namespace", namespace))
                .steps(istio::set_places(seen)),
        );
    }
    // An istiod that was not read may be the one that these belong to.
    if seen.install.pods.known("the pods of Istio's namespace").is_err() {
        return None;
    }
    let webhooks = seen.install.webhooks.value().into_iter().flatten();
    if let Some(webhook) = webhooks.clone().find(|webhook| is_injector(webhook)) {
        let name = &webhook.configuration;
        return fail(
            format!(
                "webhook {name} of an earlier Istio has no istiod: pods that it selects cannot be created"
            ),
            format!("webhook {name}, no istiod"),
            format!("webhook {name}"),
            istio::uninstall(seen),
        );
    }
    let validating = evidence.cluster.validating.value().into_iter().flatten();
    let istiod = |service: &str| service.starts_with("istiod");
    if let Some(webhook) = validating.clone().find(|it| istiod(&it.service)) {
        let name = &webhook.configuration;
        return fail(
            format!(
                "webhook {name} of an earlier Istio has no istiod: objects of Istio cannot be created"
            ),
            format!("webhook {name}, no istiod"),
            format!("webhook {name}"),
            istio::uninstall(seen),
        );
    }
    let names = |kind: Noun, all: Vec<String>| {
        (!all.is_empty()).then(|| format!("{} ({})", count(all.len(), kind), list(&all)))
    };
    let left: Vec<_> = [
        names(DEPLOYMENT, format_names(&seen.install.deployments, |it| it.name.clone())),
        names(SERVICE, format_names(&seen.install.services, |it| it.name.clone())),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !left.is_empty() {
        return fail(
            format!("namespace {namespace} is not empty, and has no istiod"),
            list(&left),
            format!("namespace {namespace}"),
            istio::uninstall(seen),
        );
    }
    let objects = evidence.cluster.istio_objects.value().map_or(&[][..], Vec::as_slice);
    let first = objects.first()?;
    let IstioObject { resource, namespace, name } = first;
    let all: Vec<_> = objects
        .iter()
        .take(3)
        .map(|it| format!("{} {}/{}", it.resource, it.namespace, it.name))
        .collect();
    fail(
        format!(
            "{} of an earlier Istio would configure the new mesh",
            count(objects.len(), OBJECT)
        ),
        list(&all),
        format!("{resource} {namespace}/{name}"),
        cluster::delete(seen, namespace, resource, name, "Delete the object if it is not needed"),
    )
}

fn format_names<T>(observation: &Observation<Vec<T>>, name: impl Fn(&T) -> String) -> Vec<String> {
    observation.value().into_iter().flatten().map(name).collect()
}

/// Whether a webhook is one of Istio's injectors.
fn is_injector(webhook: &Webhook) -> bool {
    webhook.revision.is_some()
        || webhook.service.as_ref().is_some_and(|service| {
            service.name.starts_with("istiod") || service.path.starts_with("/inject")
        })
}

/// Formats remains of an earlier Istio that do not block an install.
fn format_harmless(seen: &Evidence) -> String {
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
    let mut text = match crds {
        0 => "no Istio is installed".to_owned(),
        number => format!(
            "no Istio is installed; an install reuses {} of an earlier Istio",
            count(number, CRD)
        ),
    };
    if !labelled.is_empty() {
        let _ = write!(text, "; labelled for injection: {}", list(&labelled));
    }
    text
}

#[cfg(test)]
mod cases {
    use std::collections::BTreeMap;

    use crate::entry::cases;
    use crate::evidence::Crd;
    use crate::evidence::Observation;
    use crate::preflight::cluster::changes::*;
    use crate::preflight::evidence::*;
    use crate::testing::healthy;
    use crate::testing::of;

    cases! { PreflightEvidence:
        not_installed(|_| {}, Pass);
        expected_version(installed, Pass);
        another_version(|e| { installed(e); e.cluster.seen.expectations.istio_version = "1.20.3".into(); }, Fail);
        another_version_with_check(|e| { installed(e); e.cluster.seen.expectations.istio_version = "1.20.3".into(); }, Fail);
        version_of_the_image(|e| { installed(e); of(&mut e.cluster.seen.install.istiod).clear(); }, Pass);
        version_unknown(|e| {
            installed(e);
            of(&mut e.cluster.seen.install.istiod).clear();
            istiod(e).containers.clear();
        }, Unjudged);
        not_ready(|e| { installed(e); istiod(e).ready = false; }, Fail);
        webhook_left(without_istiod, Fail);
        webhook_without_revision_left(|e| {
            without_istiod(e);
            for webhook in of(&mut e.cluster.seen.install.webhooks) {
                webhook.revision = None;
            }
        }, Fail);
        webhook_of_an_injector_with_another_name(|e| {
            without_istiod(e);
            for webhook in of(&mut e.cluster.seen.install.webhooks) {
                webhook.revision = None;
                webhook.service.as_mut().unwrap().name = "istio-sidecar-injector".into();
            }
        }, Fail);
        webhook_of_others(|e| {
            without_istiod(e);
            for webhook in of(&mut e.cluster.seen.install.webhooks) {
                webhook.revision = None;
                let service = webhook.service.as_mut().unwrap();
                (service.name, service.path) = ("linkerd-proxy-injector".into(), "/".into());
            }
        }, Pass);
        istiod_in_another_namespace(|e| {
            without_istiod(e);
            let install = &mut e.cluster.seen.install;
            install.mesh_pods = Observation::failed("forbidden");
            of(&mut install.namespaces).insert("mesh".into(), BTreeMap::new());
            for webhook in of(&mut install.webhooks) {
                webhook.service.as_mut().unwrap().namespace = "mesh".into();
            }
        }, Fail);
        validating_webhook_left(|e| {
            without_webhooks(e);
            of(&mut e.cluster.validating).push(ValidatingWebhook {
                configuration: "istio-validator".into(),
                service: "istiod".into(),
                namespace: "istio-system".into(),
            });
        }, Fail);
        validating_webhook_of_others(|e| of(&mut e.cluster.validating).push(ValidatingWebhook {
            configuration: "metallb".into(), service: "webhook".into(), namespace: "metallb-system".into(),
        }), Pass);
        deployments_left(|e| { without_webhooks(e); e.cluster.seen.install.deployments = healthy().install.deployments; }, Fail);
        services_left(|e| { without_webhooks(e); e.cluster.seen.install.services = healthy().install.services; }, Fail);
        objects_left(|e| {
            without_webhooks(e);
            of(&mut e.cluster.istio_objects).push(IstioObject {
                resource: "virtualservices.networking.istio.io".into(),
                namespace: "shop".into(),
                name: "cart".into(),
            });
        }, Fail);
        definitions_left(without_webhooks, Pass);
        one_definition_left(|e| { without_webhooks(e); of(&mut e.cluster.seen.install.crds).truncate(1); }, Pass);
        namespace_labelled(labelled, Pass);
        namespace_terminating(|e| of(&mut e.cluster.terminating).push("istio-system".into()), Fail);
        demo_namespace_terminating(|e| of(&mut e.cluster.terminating).push("client".into()), Fail);
        another_namespace_terminating(|e| of(&mut e.cluster.terminating).push("shop".into()), Pass);
        pods_unknown(|e| e.cluster.seen.install.pods = Observation::failed("forbidden"), Unjudged);
        webhooks_unknown(|e| e.cluster.seen.install.webhooks = Observation::failed("forbidden"), Unjudged);
        objects_absent_with_definitions(|e| { without_webhooks(e); e.cluster.istio_objects = Observation::absent("404"); }, Unjudged);
        objects_unknown(|e| e.cluster.istio_objects = Observation::failed("forbidden"), Unjudged);
        webhook_left_and_namespaces_unknown(|e| { without_istiod(e); e.cluster.seen.install.namespaces = Observation::failed("forbidden"); }, Fail);
        definitions_unknown(|e| e.cluster.seen.install.crds = Observation::<Vec<Crd>>::failed("forbidden"), Unjudged);
    }
}
