//! The cluster's DNS pods have addresses of the pod network.

use std::net::IpAddr;

use super::require_pods;
use crate::entry::{Effect, claim};
use crate::evidence::{Deployment, Evidence, Observation, Pod};
use crate::facts::scheduling::all_wait_for_nodes;
use crate::format::rollout::format_rollout_trouble;
use crate::format::{format_pod_state, list};
use crate::hint::escape_backquotes;
use crate::judgement::{Judged, Judgement, Look as _, require};
use crate::net::Network;
use crate::object::Object;
use crate::steps::{Step, nodes, pods, workloads};

claim! {
    /// The tutorial says: the pods of the cluster's DNS have addresses of the pod network. It calls the deployment
    /// `kube-dns` and the network Calico's.
    ///
    /// ## Why it matters
    /// A sidecar takes over the traffic of its pod. DNS pods on another network do not answer such a pod.
    ///
    /// ## How it is checked
    /// - Lists the pods and deployments with the label `k8s-app=kube-dns` in `kube-system`.
    /// - Lists the nodes and Calico's IP pools, where they exist.
    /// - Every running DNS pod must have an address of an enabled pool, or of a node's pod range.
    /// - Some networks (Cilium, clouds) use neither. There, DNS pods must have addresses like the pods of mesh and demo.
    ///
    /// It needs `list` on each of these.
    ///
    /// ## What makes it fail
    /// - No DNS pod runs or is ready. If the pods wait for a node, `nodes_ready` is the cause.
    /// - kube-proxy, or another pod of the node's network, is not ready. Then DNS does not reach the API server.
    /// - A DNS pod uses its node's network.
    /// - A DNS pod has an address outside the pod network, for example of the network plug-in before.
    ///
    /// The claim is unjudged where other pods also have addresses outside the known ranges, and DNS has still others. It is
    /// unjudged too where names are resolved without such pods, as on OpenShift.
    ///
    /// ## How to fix it
    /// - 0 replicas: scale the deployment up.
    /// - Wrong address: restart the deployment to get new addresses. If the pod uses its node's network, set
    ///   `hostNetwork` to false.
    /// - Not ready: read the log of the pod. "Loop detected" means that CoreDNS forwards requests to itself.
    ///
    /// ## Check by hand
    ///     kubectl -n kube-system get deployments,pods -o wide -l k8s-app=kube-dns
    prepare::dns_on_pod_network: "the cluster's DNS pods have addresses of the pod network",
    needs: Reading,
    stops: [Network],
    caused_by: [nodes_ready if dns_waits_for_nodes],
    holds_without: [
        ("/cluster/calico_pools", "without Calico the nodes define the pod network"),
    ],
}

const NAMESPACE: &str = "kube-system";
const LABEL: &str = "k8s-app=kube-dns";

/// The ranges of the pod network, and their source.
struct PodNetwork {
    ranges: Vec<Network>,
    source: String,
    /// Whether the ranges are those of the network's own controller. A node's pod range is only a proposal, which
    /// some networks do not follow.
    certain: bool,
}

fn judge(evidence: &Evidence) -> Judged {
    let object = format!("pods with label {LABEL} in {NAMESPACE}");
    let dns = require(&evidence.cluster.dns, "the cluster's DNS", &object, || show(evidence))?;
    let deployment = dns.deployments.first();
    let expected = "a ready DNS pod, with an address of the pod network";
    let running: Vec<_> = dns.pods.iter().filter(|pod| pod.is_running()).collect();
    if running.is_empty() {
        return Err(not_running(evidence, deployment, &dns.pods).expected(expected));
    }
    if running.iter().all(|pod| !pod.ready) {
        return Err(not_ready(evidence, running[0]).expected("Running and ready"));
    }
    if let Some(pod) = running.iter().find(|pod| pod.host_network) {
        return Err(Judgement::fail(format!(
            "DNS pod {} uses its node's network, not the pod network",
            pod.name
        ))
        .expected(expected)
        .observed(format!("hostNetwork: true, with the node's address {}", format_address(pod)))
        .object(Object::pod(pod))
        .step(deployment.map_or_else(
            || show(evidence),
            |deployment| {
                let text = "Move the DNS pods to the pod network";
                workloads::leave_host_network(evidence, deployment, text)
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
                "DNS has {address}, in a node's pod range and in no Calico pool; no other pod \
                 shows which range is used"
            )));
        }
        if is_alone {
            require_pods(evidence)?;
            return Err(if is_in(&network.ranges, address) {
                outside(evidence, deployment, pod, "the network of other pods")
            } else {
                Judgement::unjudged(format!(
                    "range of the pod network unknown: other pods have addresses outside {} too",
                    network.source
                ))
            });
        }
        // Only the nodes' pod ranges show whether Calico's pool is unused.
        evidence.cluster.nodes.look("the nodes")?;
        return Err(outside(evidence, deployment, pod, &network.source));
    }
    let addresses: Vec<_> = running.iter().map(|pod| format_address(pod)).collect();
    let name = deployment.map_or("DNS", |deployment| deployment.name.as_str());
    Ok(Judgement::pass(format!("{name} has {} in {}", list(&addresses), network.source)))
}

/// Lists the deployments and pods of DNS.
fn show(evidence: &Evidence) -> Step {
    let text = "List the deployments and pods of cluster DNS";
    workloads::list_all(evidence, NAMESPACE, &["-o", "wide", "-l", LABEL], text)
}

fn format_address(pod: &Pod) -> String {
    pod.ip.clone().unwrap_or_else(|| "no address".to_owned())
}

fn not_running(evidence: &Evidence, deployment: Option<&Deployment>, pods: &[Pod]) -> Judgement {
    if let Some(pod) = pods.iter().find(|pod| !pod.terminating) {
        return Judgement::fail("no DNS pod runs, service names do not resolve")
            .observed(format!("pod {} is {}", pod.name, format_pod_state(pod)))
            .object(Object::pod(pod))
            .steps(pods::diagnose(evidence, pod));
    }
    let replies = evidence.demo.asked.value().into_iter().flat_map(|asked| &asked.replies);
    if replies.into_iter().any(|reply| reply.status != 0) {
        return Judgement::unjudged(format!(
            "DNS runs elsewhere: names resolve, but no pod in {NAMESPACE} has the label {LABEL}"
        ));
    }
    if deployment.is_none()
        && let Err(judgement) = require_no_other_dns(evidence)
    {
        return judgement;
    }
    // A preflight sends no request: then the missing pods decide.
    if let Observation::Failed { reason } = &evidence.demo.asked {
        return Judgement::unjudged(format!(
            "no pod in {NAMESPACE} has the label {LABEL}, and cannot read whether names resolve: {reason}"
        ));
    }
    let Some(deployment) = deployment else {
        return Judgement::fail(format!(
            "cluster DNS is missing: no deployment or pod has the label {LABEL}"
        ))
        .observed("no deployment, no pod")
        .object(format!("pods with label {LABEL} in {NAMESPACE}"))
        .step(show(evidence));
    };
    let name = &deployment.name;
    let (state, step) = if deployment.replicas == 0 {
        let text = "Scale the deployment to 2 replicas";
        ("is scaled to 0", workloads::scale(evidence, NAMESPACE, name, 2, text))
    } else {
        let text = "Show why the deployment has no pods";
        ("has no pods", workloads::describe(evidence, NAMESPACE, name, text))
    };
    Judgement::fail(format!("DNS deployment {name} {state}, service names do not resolve"))
        .observed(format_rollout_trouble(deployment).unwrap_or_else(|| "no pod".to_owned()))
        .object(Object::deployment(deployment))
        .step(step)
}

/// Requires that no proxy is connected to istiod, which proxies find by its name. A connection outlives DNS: a request that
/// shows that names are not resolved decides.
fn require_no_other_dns(evidence: &Evidence) -> Result<(), Judgement> {
    let mut replies = evidence.demo.asked.value().into_iter().flat_map(|asked| &asked.replies);
    if replies.any(|reply| reply.error.contains("resolve")) {
        return Ok(());
    }
    let istiods = || evidence.install.istiod.value().into_iter().flat_map(|all| all.values());
    if istiods().filter_map(|it| it.proxies.value()).flatten().next().is_some() {
        return Err(Judgement::unjudged(format!(
            "DNS runs elsewhere: proxies find istiod by its name, but no pod in {NAMESPACE} has the label {LABEL}"
        )));
    }
    let what = "whether proxies find istiod by its name";
    evidence.install.istiod.known(what)?;
    istiods().try_for_each(|it| it.proxies.known(what))
}

/// Fails because no running DNS pod is ready. DNS gets ready only when it reaches the API server, through kube-proxy
/// and the pod network.
fn not_ready(evidence: &Evidence, dns: &Pod) -> Judgement {
    let state = format!("pod {} is {}", dns.name, format_pod_state(dns));
    let network = &evidence.cluster.network_pods;
    let of_node = |pod: &&Pod| pod.node == dns.node && !pod.terminating && !pod.ready;
    if let Some(pod) = network.value().into_iter().flatten().find(of_node) {
        let reason = format!("pod {} is {}", pod.name, format_pod_state(pod));
        let summary = format!("no DNS pod is ready, and pod {} of its node is not", pod.name);
        return Judgement::fail(summary)
            .observed(format!("{state}; {reason}"))
            .object(Object::pod(pod))
            .steps(pods::diagnose(evidence, pod));
    }
    let judgement = Judgement::fail("no DNS pod is ready, service names do not resolve")
        .observed(format_pod_state(dns))
        .object(Object::pod(dns));
    let own = pods::diagnose(evidence, dns);
    if network.value().is_some() {
        return judgement.steps(own);
    }
    let text = "Check that kube-proxy and the pod network are ready: DNS needs both";
    let others = vec![
        pods::list(evidence, NAMESPACE, &["-o", "wide"], text),
        pods::show_kube_proxy_log(evidence),
    ];
    // A crashed container has the reason in its log. One that runs waits for the API server.
    let has_crashed = dns.containers.iter().any(|it| it.last_termination.is_some());
    let steps = if has_crashed { [own, others] } else { [others, own] };
    judgement.steps(steps.concat())
}

fn outside(
    evidence: &Evidence,
    deployment: Option<&Deployment>,
    pod: &Pod,
    network: &str,
) -> Judgement {
    let step = deployment.map_or_else(
        || show(evidence),
        |deployment| {
            let name = &deployment.name;
            let tutorials = if name == "kube-dns" { "" } else { " (kube-dns in the tutorial)" };
            let text = format!(
                "Restart deployment {}{tutorials} so that its pods get new addresses",
                escape_backquotes(name)
            );
            workloads::restart(evidence, NAMESPACE, &format!("deployment/{name}"), text)
        },
    );
    let address = format_address(pod);
    Judgement::fail(format!("DNS pod {} has {address}, outside the pod network", pod.name))
        .expected(format!("an address in {network}"))
        .observed(address)
        .object(Object::pod(pod))
        .step(step)
}

fn pod_network(evidence: &Evidence, dns: &[&Pod]) -> Result<PodNetwork, Judgement> {
    let pools = match &evidence.cluster.calico_pools {
        Observation::Absent { .. } => &[][..],
        pools => require(pools, "Calico's IP pools", "", Vec::new)?.as_slice(),
    };
    // Calico without pools leaves addresses to another plug-in, which uses the nodes' ranges.
    if !pools.is_empty() {
        let enabled: Vec<_> =
            pools.iter().filter(|pool| !pool.disabled).map(|pool| pool.cidr.as_str()).collect();
        let source = format!("Calico's enabled pools ({})", list(&enabled));
        let ranges = parse_ranges(&enabled)?;
        // Where Calico only enforces policies (canal), it creates a pool too, and no pod uses it.
        let of_dns = dns.iter().filter_map(|pod| pod.ip.as_ref()?.parse().ok());
        let is_unused = others_are_outside(evidence, &ranges)
            && of_dns.clone().all(|address| !is_in(&ranges, address))
            && other_addresses(evidence)
                .chain(of_dns)
                .all(|address| is_of_a_node(evidence, address));
        if is_unused {
            require_pods(evidence)?;
        } else {
            return Ok(PodNetwork { ranges, source, certain: true });
        }
    }
    let nodes = require(&evidence.cluster.nodes, "the nodes", "the nodes", || {
        nodes::list(evidence, "List the nodes")
    })?;
    let ranges: Vec<_> =
        nodes.iter().flat_map(|node| &node.pod_cidrs).map(String::as_str).collect();
    if ranges.is_empty() && other_addresses(evidence).next().is_none() {
        return Err(Judgement::unjudged(
            "range of the pod network unknown: no Calico pool, no pod range on a node, no other pod",
        ));
    }
    if other_addresses(evidence).next().is_none() {
        require_pods(evidence)?;
    }
    let source = format!("the nodes' pod ranges ({})", list(&ranges));
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

/// Lists the addresses of other pods on the pod network.
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
    // One ready pod is enough, unless its address is wrong.
    !pods.clone().any(Pod::is_running_and_ready) && all_wait_for_nodes(effect.evidence, pods)
}

#[cfg(test)]
mod cases;
