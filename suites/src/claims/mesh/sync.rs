//! Whether every proxy has what istiod holds for it: istiod's own word.

use std::collections::BTreeMap;

use super::super::words::{count, seen};
use super::{runs, sidecar, staying};
use crate::evidence::{Evidence, Pod, ProxySync, SyncState};
use crate::judgement::{Judged, Judgement};

pub(in super::super) fn proxies_in_sync(evidence: &Evidence) -> Judged {
    let what = "istiod's word on the proxies";
    let istiods = seen(&evidence.install.istiod, what, "istiod", || {
        let namespace = &evidence.expectations.istio_namespace;
        let command = evidence.kubectl(&["-n", namespace, "get", "pods", "-l", "app=istiod"]);
        format!("`{command}` shows istiod's pods")
    })?;
    let mut known: BTreeMap<&str, &ProxySync> = BTreeMap::new();
    let mut unseen = None;
    for (istiod, report) in istiods {
        match report.proxies.value() {
            Some(proxies) => {
                known.extend(proxies.iter().map(|proxy| (proxy.proxy.as_str(), proxy)));
            }
            None => {
                unseen = Some(Judgement::unjudged(format!(
                    "istiod {istiod} did not tell of its proxies: {}",
                    report.proxies.reason().unwrap_or_default()
                )));
            }
        }
    }
    let pods = proxied(evidence)?;
    for (pod, is_gateway) in &pods {
        let id = format!("{}.{}", pod.name, pod.namespace);
        match known.get(id.as_str()) {
            Some(proxy) => in_sync(evidence, pod, proxy, *is_gateway)?,
            // An istiod that was not seen may know it.
            None if unseen.is_some() => {}
            None => return Err(unknown(evidence, pod)),
        }
    }
    if let Some(unseen) = unseen {
        return Err(unseen);
    }
    Ok(Judgement::pass(format!(
        "{} in sync with istiod",
        count(pods.len(), "proxy").replace("proxys", "proxies")
    )))
}

/// The pods whose proxies istiod must know, and whether each is a gateway.
fn proxied(evidence: &Evidence) -> Result<Vec<(&Pod, bool)>, Judgement> {
    let mut pods: Vec<_> = staying(evidence)?
        .into_iter()
        .filter(|pod| runs(pod) && sidecar(pod).is_some())
        .map(|pod| (pod, false))
        .collect();
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the pods of namespace {namespace}");
    let system = seen(&evidence.install.pods, &what, &format!("namespace {namespace}"), || {
        format!(
            "`{}` installs Istio",
            evidence.istioctl(&["install", "--set", "profile=default", "-y"])
        )
    })?;
    pods.extend(
        system.iter().filter(|pod| runs(pod) && sidecar(pod).is_some()).map(|it| (it, true)),
    );
    if pods.is_empty() {
        return Err(Judgement::fail("no proxy runs at all")
            .expected("the sidecars of the demo and the gateway's proxy")
            .observed("none")
            .object(format!("namespace {}", evidence.expectations.namespace))
            .hint(super::restart_all(evidence)));
    }
    Ok(pods)
}

fn hint(evidence: &Evidence, pod: &Pod) -> String {
    let id = format!("{}.{}", pod.name, pod.namespace);
    format!("`{}` shows what it lacks", evidence.istioctl(&["proxy-status", &id]))
}

fn unknown(evidence: &Evidence, pod: &Pod) -> Judgement {
    Judgement::fail(format!("istiod does not know the proxy of {}", pod.name))
        .expected("every proxy is connected to istiod")
        .observed("it is in no istiod's list")
        .object(super::super::words::pod_object(pod))
        .hint(format!(
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
    let kinds: [(&str, &SyncState, bool); 4] = [
        ("clusters (CDS)", &proxy.clusters, true),
        ("listeners (LDS)", &proxy.listeners, true),
        ("endpoints (EDS)", &proxy.endpoints, true),
        // A gateway that routes nothing has no routes to be sent.
        ("routes (RDS)", &proxy.routes, !is_gateway),
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
                .object(super::super::words::pod_object(pod))
                .hint(hint(evidence, pod)));
        }
    }
    Ok(())
}
