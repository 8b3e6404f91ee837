//! Whether every proxy has what istiod holds for it: istiod's own word.

use std::collections::BTreeMap;

use super::staying;
use crate::combine::all_hold;
use crate::evidence::{Evidence, Pod, ProxySync, SyncState};
use crate::facts::demo::is_pod_of;
use crate::format::{PROXY, count};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;

pub(in super::super) fn proxies_in_sync(evidence: &Evidence) -> Judged {
    let what = "istiod's word on the proxies";
    let istiods = require(&evidence.install.istiod, what, "istiod", || istiods_hint(evidence))?;
    if istiods.is_empty() {
        return Err(Judgement::fail("no istiod runs that could tell of its proxies")
            .expected("istiod, connected to every proxy")
            .observed("no istiod pod")
            .object("istiod")
            .legacy_hint(istiods_hint(evidence)));
    }
    // A proxy that changed from one istiod to another may be in both lists for a while.
    let mut known: BTreeMap<&str, Vec<&ProxySync>> = BTreeMap::new();
    let mut unseen = None;
    for (istiod, report) in istiods {
        match report.proxies.value() {
            Some(proxies) => {
                for proxy in proxies {
                    known.entry(proxy.proxy.as_str()).or_default().push(proxy);
                }
            }
            None => {
                unseen = Some(Judgement::unjudged(format!(
                    "istiod {istiod} did not tell of its proxies: {}",
                    report.proxies.reason().unwrap_or_default()
                )));
            }
        }
    }
    let judged = |pod: &Pod, is_gateway: bool| -> Judged {
        let id = format!("{}.{}", pod.name, pod.namespace);
        let Some(rows) = known.get(id.as_str()) else {
            // An istiod that was not seen may know it.
            return Err(unseen.clone().unwrap_or_else(|| unknown(evidence, pod)));
        };
        let mut worst = None;
        for row in rows {
            match in_sync(evidence, pod, row, is_gateway) {
                Ok(()) => return Ok(Judgement::pass(pod.name.clone())),
                Err(trouble) => worst = Some(trouble),
            }
        }
        Err(worst.unwrap_or_else(|| unknown(evidence, pod)))
    };
    // What one list proves wrong counts, also where the other could not be read.
    let mut parts: Vec<Judged> = Vec::new();
    for (pods, is_gateway) in [(sidecars(evidence), false), (gateways(evidence), true)] {
        match pods {
            Ok(pods) => parts.extend(pods.into_iter().map(|pod| judged(pod, is_gateway))),
            Err(early) => parts.push(Err(early)),
        }
    }
    parts.extend(unseen.clone().map(Err));
    let proxies = all_hold(parts)?;
    if proxies.is_empty() {
        return Err(Judgement::fail("no proxy runs at all")
            .expected("the sidecars of the demo and the gateway's proxy")
            .observed("none")
            .object(format!("namespace {}", evidence.expectations.namespace))
            .legacy_hint(super::restart_all(evidence)));
    }
    Ok(Judgement::pass(format!(
        "{} in sync with istiod",
        count(proxies.len(), PROXY).replace("proxys", "proxies")
    )))
}

fn istiods_hint(evidence: &Evidence) -> String {
    let namespace = &evidence.expectations.istio_namespace;
    let istiod =
        |labels: &BTreeMap<String, String>| labels.get("app").is_some_and(|it| it == "istiod");
    let deployments = evidence.install.deployments.value().into_iter().flatten();
    if let Some(asleep) =
        deployments.into_iter().find(|one| istiod(&one.template_labels) && one.replicas == 0)
    {
        let name = format!("deployment/{}", asleep.name);
        let command = evidence.kubectl(&["-n", namespace, "scale", &name, "--replicas=1"]);
        return format!("`{command}` starts istiod again");
    }
    let command = evidence.kubectl(&["-n", namespace, "get", "pods", "-l", "app=istiod"]);
    format!("`{command}` shows istiod's pods")
}

/// The demo's pods whose proxies istiod must know.
fn sidecars(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let with_proxy = |pod: &&Pod| pod.is_running() && pod.sidecar().is_some();
    Ok(staying(evidence)?.into_iter().filter(with_proxy).collect())
}

/// The gateways' pods, whose proxies it must know as well.
fn gateways(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the pods of namespace {namespace}");
    let system = require(&evidence.install.pods, &what, &format!("namespace {namespace}"), || {
        format!("`{}` installs Istio", evidence.install_default())
    })?;
    Ok(system.iter().filter(|pod| pod.is_running() && pod.sidecar().is_some()).collect())
}

fn hint(evidence: &Evidence, pod: &Pod) -> String {
    let id = format!("{}.{}", pod.name, pod.namespace);
    format!("`{}` shows what it lacks", evidence.istioctl(&["proxy-status", &id]))
}

fn unknown(evidence: &Evidence, pod: &Pod) -> Judgement {
    Judgement::fail(format!("istiod does not know the proxy of {}", pod.name))
        .expected("every proxy is connected to istiod")
        .observed("it is in no istiod's list")
        .object(Object::pod(pod))
        .legacy_hint(format!(
            "`{}` shows why it does not connect",
            evidence.kubectl(&[
                "-n",
                &pod.namespace,
                "logs",
                &pod.name,
                "-c",
                super::SIDECAR,
                "--tail=30"
            ])
        ))
}

fn in_sync(
    evidence: &Evidence,
    pod: &Pod,
    proxy: &ProxySync,
    is_gateway: bool,
) -> Result<(), Judgement> {
    // A gateway that routes nothing has no routes to be sent; who only answers may be told of nobody else.
    let asks = is_pod_of(evidence, pod, &evidence.expectations.client_deployment);
    let kinds: [(&str, &SyncState, bool); 4] = [
        ("clusters (CDS)", &proxy.clusters, true),
        ("listeners (LDS)", &proxy.listeners, true),
        ("endpoints (EDS)", &proxy.endpoints, asks || is_gateway),
        ("routes (RDS)", &proxy.routes, asks),
    ];
    for (what, state, needed) in kinds {
        let trouble = if state.sent.is_empty() {
            needed.then_some("NOT SENT")
        } else {
            (state.sent != state.acked).then_some("STALE")
        };
        if let Some(trouble) = trouble {
            let acked = if state.acked.is_empty() { "nothing" } else { "an older state" };
            return Err(Judgement::fail(format!("{}'s proxy: {what} are {trouble}", pod.name))
                .expected("everything that istiod sent was acknowledged")
                .observed(format!("{what}: {trouble}, {acked} was acknowledged"))
                .object(Object::pod(pod))
                .legacy_hint(hint(evidence, pod)));
        }
    }
    Ok(())
}
