//! Where the addresses of the cluster's DNS pods come from.

use std::net::IpAddr;

use crate::evidence::{Deployment, Evidence, Observation, Pod};
use crate::format::rollout::format_rollout_trouble;
use crate::format::{format_pod_state, list};
use crate::hint::said;
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::net::Network;
use crate::object::Object;
use crate::steps;

const NAMESPACE: &str = "kube-system";
const LABEL: &str = "k8s-app=kube-dns";

/// The ranges of the pod network, and who says so.
struct PodNetwork {
    ranges: Vec<Network>,
    words: String,
    /// Whether the network's own controller says so. What a node has in its specification is
    /// only a proposal, which some networks do not follow.
    certain: bool,
}

pub(in super::super) fn dns_on_pod_network(evidence: &Evidence) -> Judged {
    let object = format!("pods with label {LABEL} in {NAMESPACE}");
    let show =
        evidence.kubectl(&["-n", NAMESPACE, "get", "deployments,pods", "-o", "wide", "-l", LABEL]);
    let dns = require(&evidence.cluster.dns, "the cluster's DNS", &object, || {
        format!("`{show}` shows what there is")
    })?;
    let deployment = dns.deployments.first();
    let expected = "running DNS pods with addresses of the pod network";
    let running: Vec<_> = dns.pods.iter().filter(|pod| pod.is_running()).collect();
    if running.is_empty() {
        return Err(not_running(evidence, deployment, &dns.pods, &show).expected(expected));
    }
    if running.iter().all(|pod| !pod.ready) {
        let pod = running[0];
        return Err(Judgement::fail("no DNS pod is ready: names are not resolved")
            .expected(expected)
            .observed(format!("{} is {}", pod.name, format_pod_state(pod)))
            .object(Object::pod(pod))
            .legacy_hint(steps::joined(steps::pods::diagnose(evidence, pod))));
    }
    if let Some(pod) = running.iter().find(|pod| pod.host_network) {
        let hint = deployment.map_or(format!("`{show}` shows where it is"), |deployment| {
            let patch = r#"{"spec":{"template":{"spec":{"hostNetwork":false}}}}"#;
            let name = &deployment.name;
            let command =
                evidence.kubectl(&["-n", NAMESPACE, "patch", "deployment", name, "-p", patch]);
            format!("`{command}` moves it to the pod network")
        });
        return Err(Judgement::fail(
            "a DNS pod lives in its node's network, not in the pod network",
        )
        .expected(expected)
        .observed(format!("{} has its node's address {}", pod.name, address_of(pod)))
        .object(Object::pod(pod))
        .legacy_hint(hint));
    }
    let network = pod_network(evidence, &running)?;
    for pod in &running {
        let Some(address) = pod.ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok()) else {
            return Err(Judgement::unjudged(format!("DNS pod {} has no address yet", pod.name)));
        };
        if is_in(&network.ranges, address) {
            continue;
        }
        if network.certain && others(evidence).next().is_none() && is_of_a_node(evidence, address) {
            return Err(Judgement::unjudged(format!(
                "a DNS pod has {address}, of its nodes' pod ranges, and Calico has pools: before \
                 another pod has an address, nobody says which of them gives it"
            )));
        }
        if !network.certain && others_are_outside_too(evidence, &network.ranges) {
            return Err(Judgement::unjudged(format!(
                "the addresses of other pods are not in {} either: this cluster's network does \
                 not say where its addresses come from",
                network.words
            )));
        }
        return Err(outside(evidence, deployment, pod, &network.words, &show));
    }
    let addresses: Vec<_> = running.iter().map(|pod| address_of(pod)).collect();
    let name = deployment.map_or("DNS", |deployment| deployment.name.as_str());
    Ok(Judgement::pass(format!("{name} has {}, in {}", list(&addresses), network.words)))
}

fn address_of(pod: &Pod) -> String {
    pod.ip.clone().unwrap_or_else(|| "no address".to_owned())
}

fn not_running(
    evidence: &Evidence,
    deployment: Option<&Deployment>,
    pods: &[Pod],
    show: &str,
) -> Judgement {
    if let Some(pod) = pods.iter().find(|pod| !pod.terminating) {
        return Judgement::fail("no DNS pod runs: names are not resolved")
            .observed(format!("{} is {}", pod.name, format_pod_state(pod)))
            .object(Object::pod(pod))
            .legacy_hint(steps::joined(steps::pods::diagnose(evidence, pod)));
    }
    let replies = evidence.demo.asked.value().into_iter().flat_map(|asked| &asked.replies);
    if replies.into_iter().any(|reply| reply.status != 0) {
        return Judgement::unjudged(format!(
            "no pod with the label {LABEL} runs in {NAMESPACE}, and names are resolved: by a DNS elsewhere"
        ));
    }
    let Some(deployment) = deployment else {
        return Judgement::fail(format!(
            "there is no cluster DNS: nothing carries the label {LABEL}"
        ))
        .observed("no deployment and no pod")
        .object(format!("pods with label {LABEL} in {NAMESPACE}"))
        .legacy_hint(format!("`{show}` shows what there is"));
    };
    let name = format!("deployment/{}", deployment.name);
    let scale = evidence.kubectl(&["-n", NAMESPACE, "scale", &name, "--replicas=2"]);
    let describe = evidence.kubectl(&["-n", NAMESPACE, "describe", &name]);
    Judgement::fail(format!(
        "no DNS pod runs: {} has none, and names are not resolved",
        deployment.name
    ))
    .observed(format_rollout_trouble(deployment).unwrap_or_else(|| "no pod".to_owned()))
    .object(Object::deployment(deployment))
    .legacy_hint(if deployment.replicas == 0 {
        format!("`{scale}` starts it again")
    } else {
        format!("`{describe}` shows why")
    })
}

fn outside(
    evidence: &Evidence,
    deployment: Option<&Deployment>,
    pod: &Pod,
    words: &str,
    show: &str,
) -> Judgement {
    let hint = deployment.map_or(format!("`{show}` shows where it is"), |deployment| {
        let name = format!("deployment/{}", deployment.name);
        let command = evidence.kubectl(&["-n", NAMESPACE, "rollout", "restart", &name]);
        let called = if deployment.name == "kube-dns" {
            String::new()
        } else {
            format!(" (here DNS is called {}, not kube-dns)", said(&deployment.name))
        };
        format!("`{command}` gives its pods new addresses{called}")
    });
    Judgement::fail(format!("a DNS pod's address is not of the pod network: {}", address_of(pod)))
        .expected(format!("an address in {words}"))
        .observed(address_of(pod))
        .object(Object::pod(pod))
        .legacy_hint(hint)
}

fn pod_network(evidence: &Evidence, dns: &[&Pod]) -> Result<PodNetwork, Judgement> {
    let pools = match &evidence.cluster.calico_pools {
        Observation::Absent { .. } => &[][..],
        pools => require(pools, "Calico's IP pools", "", String::new)?.as_slice(),
    };
    // Calico without pools leaves addresses to another plugin, which goes by the nodes' ranges.
    if !pools.is_empty() {
        let enabled: Vec<_> =
            pools.iter().filter(|pool| !pool.disabled).map(|pool| pool.cidr.as_str()).collect();
        let words = format!("Calico's enabled pools ({})", list(&enabled));
        let ranges = parse(&enabled)?;
        // Where Calico only keeps policies (canal), it makes a pool all the same, and nobody uses it.
        let of_dns = dns.iter().filter_map(|pod| pod.ip.as_ref()?.parse().ok());
        let is_unused = others_are_outside_too(evidence, &ranges)
            && of_dns.clone().all(|address| !is_in(&ranges, address))
            && others(evidence).chain(of_dns).all(|address| is_of_a_node(evidence, address));
        if !is_unused {
            return Ok(PodNetwork { ranges, words, certain: true });
        }
    }
    let nodes = require(&evidence.cluster.nodes, "the nodes", "the nodes", || {
        format!("`{}`", evidence.kubectl(&["get", "nodes"]))
    })?;
    let ranges: Vec<_> =
        nodes.iter().flat_map(|node| &node.pod_cidrs).map(String::as_str).collect();
    if ranges.is_empty() {
        return Err(Judgement::unjudged(
            "there are no Calico pools, and no node says which range of the pod network it has",
        ));
    }
    let words = format!("the nodes' pod ranges ({})", list(&ranges));
    Ok(PodNetwork { ranges: parse(&ranges)?, words, certain: false })
}

fn parse(ranges: &[&str]) -> Result<Vec<Network>, Judgement> {
    ranges
        .iter()
        .map(|range| range.parse().map_err(|error| Judgement::unjudged(format!("{error}"))))
        .collect()
}

fn is_in(ranges: &[Network], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}

/// The addresses of other pods on the pod network.
fn others(evidence: &Evidence) -> impl Iterator<Item = IpAddr> {
    let others = [&evidence.install.pods, &evidence.demo.pods];
    let pods = others.into_iter().filter_map(Observation::value).flatten();
    pods.filter(|pod| !pod.host_network).filter_map(|pod| pod.ip.as_ref()?.parse().ok())
}

/// Whether there are other pods on the pod network, and none of them is in these ranges.
fn others_are_outside_too(evidence: &Evidence, ranges: &[Network]) -> bool {
    let mut addresses = others(evidence).peekable();
    addresses.peek().is_some() && addresses.all(|address| !is_in(ranges, address))
}

/// Whether an address is in the pod range of a node.
fn is_of_a_node(evidence: &Evidence, address: IpAddr) -> bool {
    let nodes = evidence.cluster.nodes.value().into_iter().flatten();
    let mut ranges = nodes.flat_map(|node| &node.pod_cidrs).filter_map(|range| range.parse().ok());
    ranges.any(|range: Network| range.contains(address))
}
