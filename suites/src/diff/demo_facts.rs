//! What a reader sees of the demo's namespace: services, pods, containers, replies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::cluster_facts::{deployment, format_service, joined, read};
use super::kinds::Facts;
use super::names::workload;
use crate::evidence::{Container, Evidence, HttpAnswer, Pod};
use crate::facts::injection::demo_labels;
use crate::facts::sidecar::{INIT, SIDECAR, VALIDATION};
use crate::format::{POD, count, excerpt, format_ready_containers};

/// The word for a native sidecar in a list of containers.
pub(super) const NATIVE: &str = "native sidecar";

pub(super) fn namespace_labels(evidence: &Evidence) -> Option<Facts> {
    let namespaces = read(&evidence.install.namespaces)?;
    let name = &evidence.expectations.namespace;
    let Some(labels) = demo_labels(evidence).filter(|_| namespaces.contains_key(name)) else {
        return Some(Facts::new());
    };
    let of_istio = labels.iter().filter(|(key, _)| key.contains("istio"));
    let labels: Vec<_> = of_istio.map(|(key, value)| format!("{key}={value}")).collect();
    let value = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
    Some([(name.clone(), value)].into())
}

pub(super) fn services(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.demo.services)?;
    let fact = |it: &crate::evidence::Service| {
        (format!("{}/{}", it.namespace, it.name), format_service(it))
    };
    Some(all.iter().map(fact).collect())
}

pub(super) fn deployments(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.demo.deployments)?;
    Some(all.iter().map(deployment).collect())
}

/// The pods of the demo's namespace that no deployment owns.
pub(super) fn other_pods(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.demo.pods)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for pod in &all {
        let kind = pod.owner.as_deref().and_then(|it| it.split_once('/')).map(|(kind, _)| kind);
        if kind != Some("ReplicaSet") {
            *counts.entry(workload(pod)).or_default() += 1;
        }
    }
    Some(counts.into_iter().map(|(name, number)| (name, count(number, POD))).collect())
}

/// Collects a value of the current pods of each workload of the demo.
pub(super) fn by_workload(
    evidence: &Evidence,
    value: impl Fn(&Pod) -> Option<String>,
) -> Option<Facts> {
    let all = read(&evidence.demo.pods)?;
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for pod in all.iter().filter(|pod| !pod.terminating && pod.phase != "Succeeded") {
        if let Some(value) = value(pod) {
            values.entry(workload(pod)).or_default().insert(value);
        }
    }
    Some(values.into_iter().map(|(name, values)| (name, joined(values))).collect())
}

pub(super) fn containers(evidence: &Evidence) -> Option<Facts> {
    by_workload(evidence, |pod| Some(format_containers(&pod.containers, &pod.init_containers)))
}

pub(super) fn states(evidence: &Evidence) -> Option<Facts> {
    by_workload(evidence, |pod| {
        Some(format!("READY {}, {}", format_ready_containers(pod), pod.phase))
    })
}

pub(super) fn dry_runs(evidence: &Evidence) -> Option<Facts> {
    let runs = [
        ("a namespace without labels", &evidence.mesh.dry_run_unlabelled),
        ("the demo's namespace", &evidence.mesh.dry_run_labelled),
    ];
    let facts = runs.into_iter().filter_map(|(place, run)| {
        let run = run.value()?;
        Some((place.to_owned(), format_containers(&run.containers, &run.init_containers)))
    });
    Some(facts.collect())
}

fn format_body(body: &str) -> String {
    let body = excerpt(body);
    if body.is_empty() { String::new() } else { format!(" `{body}`") }
}

/// Formats containers by their part: the application's own, and those of Istio.
fn format_containers(containers: &[Container], init_containers: &[Container]) -> String {
    let is_istio = |it: &&Container| [SIDECAR, INIT, VALIDATION].contains(&it.name.as_str());
    let own = containers.iter().filter(|it| !is_istio(it)).count();
    let mut parts = vec![match own {
        1 => "the application".to_owned(),
        number => format!("{number} containers of the application"),
    }];
    parts.extend(containers.iter().filter(is_istio).map(|it| it.name.clone()));
    let mut text = parts.join(" and ");
    for container in init_containers {
        let note =
            if container.is_native_sidecar() { format!(" ({NATIVE})") } else { String::new() };
        let _ = write!(text, ", init {}{note}", container.name);
    }
    text
}

pub(super) fn address_families(evidence: &Evidence) -> Option<Facts> {
    by_workload(evidence, |pod| {
        let families = pod.addresses().map(|it| if it.is_ipv6() { "IPv6" } else { "IPv4" });
        let families: BTreeSet<_> = families.map(str::to_owned).collect();
        (!families.is_empty()).then(|| joined(families))
    })
}

pub(super) fn resources(evidence: &Evidence) -> Option<Facts> {
    let all = read(&evidence.mesh.resources)?;
    let fact = |it: &crate::evidence::MeshResource| {
        let selector: Vec<_> =
            it.selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let pods = if selector.is_empty() { "all".to_owned() } else { selector.join(",") };
        let action = it.action.as_deref().map(|it| format!("{it}, ")).unwrap_or_default();
        (format!("{} {}/{}", it.kind, it.namespace, it.name), format!("{action}pods {pods}"))
    };
    Some(all.iter().map(fact).collect())
}

pub(super) fn replies(evidence: &Evidence) -> Option<Facts> {
    let mut facts = Facts::new();
    if let Some(asked) = evidence.demo.asked.value() {
        let reply = |it: &crate::evidence::Reply| {
            if it.status == 0 {
                return "no answer".to_owned();
            }
            let server = if it.server.is_empty() { "none" } else { &it.server };
            format!("{}{}, server header {server}", it.status, format_body(&it.body))
        };
        if !asked.replies.is_empty() {
            let object = "the backend's reply to the client".to_owned();
            facts.insert(object, joined(asked.replies.iter().map(reply)));
        }
    }
    let mut answer = |object: &str, answer: Option<&HttpAnswer>| {
        if let Some(answer) = answer {
            let answer = format!("{}{}", answer.status, format_body(&answer.body));
            facts.insert(object.to_owned(), answer);
        }
    };
    answer("the gateway's answer to its health check", evidence.ingress.health.value());
    let route = evidence.ingress.route.value();
    answer("the gateway's answer for a routed host", route.and_then(|it| it.routed.value()));
    let unknown = route.and_then(|it| it.unknown_host.value());
    answer("the gateway's answer for an unknown host", unknown);
    Some(facts)
}
