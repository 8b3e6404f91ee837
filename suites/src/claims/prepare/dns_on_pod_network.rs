//! The cluster's DNS pods have addresses of the pod network.

use std::net::IpAddr;

use crate::claims::by_name::nodes_ready;
use crate::entry::{Effect, claim};
use crate::evidence::{Deployment, Evidence, Observation, Pod};
use crate::facts::scheduling::all_wait_for_nodes;
use crate::format::rollout::format_rollout_trouble;
use crate::format::{format_pod_state, list};
use crate::hint::escape_backquotes;
use crate::judgement::{Judged, Judgement, require};
use crate::net::Network;
use crate::object::Object;
use crate::steps::{Step, nodes, pods, workloads};

claim! {
    /// The tutorial says: the pods of the cluster's DNS have addresses of the pod network. It calls the deployment
    /// `kube-dns` and the network Calico's.
    ///
    /// ## Why it matters
    /// A DNS on another network does not answer pods whose traffic a sidecar takes over.
    ///
    /// ## How it is checked
    /// Lists the pods and deployments with the label `k8s-app=kube-dns` in `kube-system`, the nodes and, where they exist,
    /// Calico's IP pools (`list` on each). Every running DNS pod must have an address of an enabled pool, or of a node's
    /// pod range. Some networks (Cilium, those of clouds) follow neither: where the mesh's and the demo's pods are outside
    /// of them, the DNS pods must have addresses like theirs.
    ///
    /// ## What makes it fail
    /// - No DNS pod runs or is ready. Where the pods wait for a node, `nodes_ready` is the cause.
    /// - kube-proxy, or another pod of the nodes' network, is not ready: then DNS does not reach the API server.
    /// - A DNS pod is in its node's network.
    /// - An address is outside of the pod network, or of the network before, which no other pod uses any more.
    ///
    /// Where other pods are outside too, and the DNS pods have still other addresses, the claim is unjudged.
    ///
    /// ## How to fix it
    /// Scale the deployment up where it has 0 replicas. Restart it to get new addresses. Set `hostNetwork` to false. Read
    /// the log of a DNS pod that is not ready: "Loop detected" means that CoreDNS forwards to itself.
    ///
    /// ## Check by hand
    ///     kubectl -n kube-system get deployments,pods -o wide -l k8s-app=kube-dns
    prepare::dns_on_pod_network: "the cluster's DNS pods have addresses of the pod network",
    needs: Reading,
    stops: [Network],
    caused_by: [nodes_ready if dns_waits_for_nodes],
    holds_without: [
        ("/cluster/calico_pools", "without Calico the nodes say what the pod network is"),
    ],
    judge: judge,
}

const NAMESPACE: &str = "kube-system";
const LABEL: &str = "k8s-app=kube-dns";

/// The ranges of the pod network, and who says so.
struct PodNetwork {
    ranges: Vec<Network>,
    source: String,
    /// Whether the network's own controller says so. What a node has in its specification is
    /// only a proposal, which some networks do not follow.
    certain: bool,
}

fn judge(evidence: &Evidence) -> Judged {
    let object = format!("pods with label {LABEL} in {NAMESPACE}");
    let dns = require(&evidence.cluster.dns, "the cluster's DNS", &object, || {
        show(evidence, "shows what there is")
    })?;
    let deployment = dns.deployments.first();
    let expected = "running DNS pods with addresses of the pod network";
    let running: Vec<_> = dns.pods.iter().filter(|pod| pod.is_running()).collect();
    if running.is_empty() {
        return Err(not_running(evidence, deployment, &dns.pods).expected(expected));
    }
    if running.iter().all(|pod| !pod.ready) {
        return Err(not_ready(evidence, running[0]).expected(expected));
    }
    if let Some(pod) = running.iter().find(|pod| pod.host_network) {
        return Err(Judgement::fail(
            "a DNS pod lives in its node's network, not in the pod network",
        )
        .expected(expected)
        .observed(format!("{} has its node's address {}", pod.name, format_address(pod)))
        .object(Object::pod(pod))
        .step(deployment.map_or_else(
            || show(evidence, "shows where it is"),
            |deployment| {
                workloads::leave_host_network(evidence, deployment, "moves it to the pod network")
            },
        )));
    }
    let mut network = pod_network(evidence, &running)?;
    for pod in &running {
        let Some(address) = pod.ip.as_ref().and_then(|ip| ip.parse::<IpAddr>().ok()) else {
            return Err(Judgement::unjudged(format!("DNS pod {} has no address yet", pod.name)));
        };
        let is_alone = !network.certain && others_are_outside(evidence, &network.ranges);
        if is_alone && is_like_others(evidence, address) {
            network.source = "the network of other pods".into();
            continue;
        }
        if is_in(&network.ranges, address) && !is_alone {
            continue;
        }
        if network.certain
            && other_addresses(evidence).next().is_none()
            && is_of_a_node(evidence, address)
        {
            return Err(Judgement::unjudged(format!(
                "a DNS pod has {address}, of its nodes' pod ranges, and Calico has pools: before \
                 another pod has an address, nobody says which of them gives it"
            )));
        }
        if is_alone && is_in(&network.ranges, address) {
            return Err(outside(evidence, deployment, pod, "the network of other pods"));
        }
        if is_alone {
            return Err(Judgement::unjudged(format!(
                "the addresses of other pods are not in {} either: this cluster's network does \
                 not say where its addresses come from",
                network.source
            )));
        }
        return Err(outside(evidence, deployment, pod, &network.source));
    }
    let addresses: Vec<_> = running.iter().map(|pod| format_address(pod)).collect();
    let name = deployment.map_or("DNS", |deployment| deployment.name.as_str());
    Ok(Judgement::pass(format!("{name} has {}, in {}", list(&addresses), network.source)))
}

/// Lists DNS's deployments and pods.
fn show(evidence: &Evidence, text: &str) -> Step {
    workloads::list_all(evidence, NAMESPACE, &["-o", "wide", "-l", LABEL], text)
}

fn format_address(pod: &Pod) -> String {
    pod.ip.clone().unwrap_or_else(|| "no address".to_owned())
}

fn not_running(evidence: &Evidence, deployment: Option<&Deployment>, pods: &[Pod]) -> Judgement {
    if let Some(pod) = pods.iter().find(|pod| !pod.terminating) {
        return Judgement::fail("no DNS pod runs: names are not resolved")
            .observed(format!("{} is {}", pod.name, format_pod_state(pod)))
            .object(Object::pod(pod))
            .steps(pods::diagnose(evidence, pod));
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
        .step(show(evidence, "shows what there is"));
    };
    Judgement::fail(format!(
        "no DNS pod runs: {} has none, and names are not resolved",
        deployment.name
    ))
    .observed(format_rollout_trouble(deployment).unwrap_or_else(|| "no pod".to_owned()))
    .object(Object::deployment(deployment))
    .step(if deployment.replicas == 0 {
        workloads::scale(evidence, NAMESPACE, &deployment.name, 2, "starts it again")
    } else {
        workloads::describe(evidence, NAMESPACE, &deployment.name, "shows why")
    })
}

/// DNS pods run, and none is ready. kube-proxy and the pod network lead to the API server, without which DNS does not
/// get ready.
fn not_ready(evidence: &Evidence, dns: &Pod) -> Judgement {
    let state = format!("{} is {}", dns.name, format_pod_state(dns));
    let network = &evidence.cluster.network_pods;
    let of_node = |pod: &&Pod| pod.node == dns.node && !pod.terminating && !pod.ready;
    if let Some(pod) = network.value().into_iter().flatten().find(of_node) {
        let reason = format!("{} is {}", pod.name, format_pod_state(pod));
        return Judgement::fail(format!("no DNS pod is ready, and {reason}"))
            .observed(format!("{state}; {reason}"))
            .object(Object::pod(pod))
            .steps(pods::diagnose(evidence, pod));
    }
    let judgement = Judgement::fail("no DNS pod is ready: names are not resolved")
        .observed(state)
        .object(Object::pod(dns))
        .steps(pods::diagnose(evidence, dns));
    if network.value().is_some() {
        return judgement;
    }
    let text = "shows whether kube-proxy and the pod network are ready, without which DNS is not";
    judgement.step(pods::list(evidence, NAMESPACE, &["-o", "wide"], text))
}

fn outside(
    evidence: &Evidence,
    deployment: Option<&Deployment>,
    pod: &Pod,
    network: &str,
) -> Judgement {
    let step = deployment.map_or_else(
        || show(evidence, "shows where it is"),
        |deployment| {
            let name = &deployment.name;
            let differs =
                format!(" (here DNS is called {}, not kube-dns)", escape_backquotes(name));
            let differs = if name == "kube-dns" { "" } else { &differs };
            let text = format!("gives its pods new addresses{differs}");
            workloads::restart(evidence, NAMESPACE, &format!("deployment/{name}"), text)
        },
    );
    Judgement::fail(format!(
        "a DNS pod's address is not of the pod network: {}",
        format_address(pod)
    ))
    .expected(format!("an address in {network}"))
    .observed(format_address(pod))
    .object(Object::pod(pod))
    .step(step)
}

fn pod_network(evidence: &Evidence, dns: &[&Pod]) -> Result<PodNetwork, Judgement> {
    let pools = match &evidence.cluster.calico_pools {
        Observation::Absent { .. } => &[][..],
        pools => require(pools, "Calico's IP pools", "", Vec::new)?.as_slice(),
    };
    // Calico without pools leaves addresses to another plugin, which goes by the nodes' ranges.
    if !pools.is_empty() {
        let enabled: Vec<_> =
            pools.iter().filter(|pool| !pool.disabled).map(|pool| pool.cidr.as_str()).collect();
        let source = format!("Calico's enabled pools ({})", list(&enabled));
        let ranges = parse_ranges(&enabled)?;
        // Where Calico only keeps policies (canal), it makes a pool all the same, and nobody uses it.
        let of_dns = dns.iter().filter_map(|pod| pod.ip.as_ref()?.parse().ok());
        let is_unused = others_are_outside(evidence, &ranges)
            && of_dns.clone().all(|address| !is_in(&ranges, address))
            && other_addresses(evidence)
                .chain(of_dns)
                .all(|address| is_of_a_node(evidence, address));
        if !is_unused {
            return Ok(PodNetwork { ranges, source, certain: true });
        }
    }
    let nodes = require(&evidence.cluster.nodes, "the nodes", "the nodes", || {
        nodes::list(evidence, "shows them")
    })?;
    let ranges: Vec<_> =
        nodes.iter().flat_map(|node| &node.pod_cidrs).map(String::as_str).collect();
    if ranges.is_empty() && other_addresses(evidence).next().is_none() {
        return Err(Judgement::unjudged(
            "there are no Calico pools, and no node says which range of the pod network it has",
        ));
    }
    let source = match ranges.as_slice() {
        [] => "any range that a node names".to_owned(),
        ranges => format!("the nodes' pod ranges ({})", list(ranges)),
    };
    Ok(PodNetwork { ranges: parse_ranges(&ranges)?, source, certain: false })
}

fn parse_ranges(ranges: &[&str]) -> Result<Vec<Network>, Judgement> {
    ranges
        .iter()
        .map(|range| range.parse().map_err(|error| Judgement::unjudged(format!("{error}"))))
        .collect()
}

fn is_in(ranges: &[Network], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}

/// The addresses of other pods on the pod network.
fn other_addresses(evidence: &Evidence) -> impl Iterator<Item = IpAddr> {
    let others = [&evidence.install.pods, &evidence.demo.pods];
    let pods = others.into_iter().filter_map(Observation::value).flatten();
    pods.filter(|pod| !pod.host_network).filter_map(|pod| pod.ip.as_ref()?.parse().ok())
}

/// Whether there are other pods on the pod network, and none of them is in these ranges.
fn others_are_outside(evidence: &Evidence, ranges: &[Network]) -> bool {
    let mut addresses = other_addresses(evidence).peekable();
    addresses.peek().is_some() && addresses.all(|address| !is_in(ranges, address))
}

/// Whether other pods have an address like this one: of the same 2 bytes in IPv4, of the same 6 in IPv6.
fn is_like_others(evidence: &Evidence, address: IpAddr) -> bool {
    let network = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[..2].to_vec(),
        IpAddr::V6(address) => address.octets()[..6].to_vec(),
    };
    other_addresses(evidence).any(|other| network(other) == network(address))
}

/// Whether an address is in the pod range of a node.
fn is_of_a_node(evidence: &Evidence, address: IpAddr) -> bool {
    let nodes = evidence.cluster.nodes.value().into_iter().flatten();
    let mut ranges = nodes.flat_map(|node| &node.pod_cidrs).filter_map(|range| range.parse().ok());
    ranges.any(|range: Network| range.contains(address))
}

fn dns_waits_for_nodes(effect: &Effect<'_, Evidence>) -> bool {
    let dns = effect.evidence.cluster.dns.value();
    let pods = dns.into_iter().flat_map(|dns| &dns.pods).filter(|pod| !pod.terminating);
    // The claim holds with one that is ready, unless that one's address is the trouble.
    !pods.clone().any(Pod::is_running_and_ready) && all_wait_for_nodes(effect.evidence, pods)
}

#[cfg(test)]
mod cases;
