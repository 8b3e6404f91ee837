//! All outbound traffic is redirected to the sidecar, the sidecar's own is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::claims::by_name::nodes_ready::{self, no_node_answers};
use crate::claims::by_name::{init_arguments, namespace_labelled, two_containers_per_pod};
use crate::claims::mesh::demo_pods::has_no_injected_pods;
use crate::claims::mesh::init_container::{arguments_of_named_pod, has_no_init_container};
use crate::claims::mesh::question::{
    LOOPBACK, PodRules, Question, TUNNEL_PORT, format_ports, judge_each_pod,
};
use crate::claims::mesh::{INBOUND_PORT, OUTBOUND_PORT, PROXY_ID};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::facts::injection::demo_namespace_is_missing;
use crate::judgement::{Judged, Judgement};
use meshcheck_netfilter::{
    Family, Hook, Outcome, Packet, PortSet, address_classes, address_classes_with, group_classes,
    user_classes, walk,
};

claim! {
    /// The tutorial says: "This setup allows all inbound and outbound traffic from the client application to be proxied
    /// through the Envoy sidecar". This claim is about the outbound half, and about the sidecar's own traffic.
    ///
    /// ## Why it matters
    /// Outbound traffic that bypasses the sidecar has no routing, no mutual TLS and no metrics. Traffic of the sidecar
    /// that is redirected comes back to it for ever.
    ///
    /// ## How it is checked
    /// Reads the rules that `istio-init` printed in its log, those of IPv6 too where the pod has such an address, and
    /// follows packets through them as the kernel does, for
    /// every address, port, user, group and interface that the rules tell apart:
    /// the application's traffic ends at 15001; traffic of user or group 1337 leaves; loopback traffic stays; traffic of
    /// the sidecar to its own pod ends at 15006; traffic from 127.0.0.6 reaches the application. DNS may end at 15053.
    /// It needs `list` on `pods` and `get` on `pods/log` in the demo's namespace.
    ///
    /// ## What makes it fail
    /// - A rule excludes a port, an address range, a user or an interface, or leads to another port.
    /// - A rule for user or group 1337, for loopback or for 127.0.0.6 is missing.
    ///
    /// Rules with a match or target that is not known leave the claim unjudged.
    /// So does a log that is cut off. Where no log
    /// shows rules, as with Istio's CNI plug-in, those in force are judged, and the report says so.
    ///
    /// ## How to fix it
    /// - The init container's arguments exclude it (`init_arguments`): remove the annotation from the template.
    /// - The pod has an address of IPv6, and `istio-init` sets no rules for it: set `ISTIO_DUAL_STACK`.
    /// - The log of `istio-init` is gone: restart the deployment.
    /// - No pod has a sidecar (`two_containers_per_pod`): fix that first.
    /// - No node answers (`nodes_ready`): fix the node, because logs come from its kubelet.
    ///
    /// ## Check by hand
    ///     kubectl -n client logs NAME -c istio-init
    mesh::outbound_redirected: "all outbound traffic is redirected to the sidecar, the sidecar's own is not",
    needs: Reading,
    stops: [OutboundRules],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        two_containers_per_pod if has_no_injected_pods,
        init_arguments if has_no_init_container,
        init_arguments if arguments_exclude_outbound,
    ],
    judge: |evidence| judge_each_pod(evidence, judge_outbound),
}

/// The port on which DNS is asked.
const DNS_PORT: u16 = 53;
/// The port of the sidecar's DNS proxy.
/// Source: <https://istio.io/latest/docs/ops/deployment/application-requirements/>.
const DNS_CAPTURE_PORT: u16 = 15053;

/// The address from which the proxy calls its own application.
/// Source: `InboundPassthroughBindIpv4` and `…Ipv6` in Istio's `pilot/pkg/networking/core`.
fn passthrough(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(127, 0, 0, 6).into(),
        Family::V6 => Ipv6Addr::from(6).into(),
    }
}

/// Judges where the outbound packets of a pod end.
pub(super) fn judge_outbound(pod_rules: &PodRules<'_>) -> Judged {
    all_hold([
        judge_application(pod_rules),
        judge_proxy(pod_rules),
        judge_loopback(pod_rules),
        judge_proxy_to_own_pod(pod_rules),
        judge_proxy_to_application(pod_rules),
    ])?;
    let destination_port = pod_rules.evidence.expectations.backend.service_port;
    let packet = Packet { destination_port, ..pod_rules.first_packet(Hook::Outbound) };
    let trace = walk(&pod_rules.rules, &packet);
    Ok(Judgement::pass(format!(
        "port {destination_port}: {}; so is every other port and address, and the proxy's own traffic leaves",
        trace.summary()
    )))
}

/// Whether these ports are DNS's alone.
fn is_dns(ports: &PortSet) -> bool {
    ports.without(&[DNS_PORT]).is_empty()
}

/// Whether DNS ends at the proxy that answers it where the mesh captures DNS (`ISTIO_META_DNS_CAPTURE`).
fn is_captured_dns(ports: &PortSet, outcome: &Outcome) -> bool {
    *outcome == Outcome::Redirected { port: DNS_CAPTURE_PORT } && is_dns(ports)
}

/// What the application sends, to any address and port, as any user but the proxy's, ends at the proxy.
fn judge_application(pod_rules: &PodRules<'_>) -> Judged {
    let rules = &pod_rules.rules;
    let template = pod_rules.first_packet(Hook::Outbound);
    let mut packets = Vec::new();
    for destination in sample_destinations(pod_rules) {
        for user in user_classes(rules).into_iter().filter(|user| *user != PROXY_ID) {
            for group in group_classes(rules).into_iter().filter(|group| *group != PROXY_ID) {
                let (user, group) = (Some(user), Some(group));
                packets.push(Packet { destination, user, group, ..template.clone() });
            }
        }
    }
    let expected = format!("every address and port ends at {OUTBOUND_PORT}");
    Question { traffic: "outbound traffic", expected: &expected, packets }.judge(
        pod_rules,
        |ports, outcome| {
            let redirected = *outcome == Outcome::Redirected { port: OUTBOUND_PORT };
            redirected || is_captured_dns(ports, outcome)
        },
        |_, ports, outcome| {
            format!("the application's traffic to {} is {outcome}", format_ports(ports))
        },
    )
}

/// Returns a destination for each class of addresses that the rules distinguish: the backend's service first.
fn sample_destinations(pod_rules: &PodRules<'_>) -> Vec<IpAddr> {
    let Evidence { demo, expectations, .. } = pod_rules.evidence;
    let services = demo.services.value().into_iter().flatten();
    let known: Vec<_> = services
        .filter(|service| service.name == expectations.backend_service)
        .filter_map(|service| service.cluster_ip.as_deref()?.parse().ok())
        .collect();
    address_classes_with(&pod_rules.rules, pod_rules.family, &known)
}

/// User and group of the proxy's traffic: both are the proxy's, or only one of them.
const OWNERS: [(u32, u32); 3] = [(PROXY_ID, PROXY_ID), (PROXY_ID, 1000), (1000, PROXY_ID)];

fn sent_by(packet: &Packet, (user, group): (u32, u32)) -> Packet {
    Packet { user: Some(user), group: Some(group), ..packet.clone() }
}

/// What the proxy sends leaves, whether its user or its group tells; or it would send to itself for ever.
fn judge_proxy(pod_rules: &PodRules<'_>) -> Judged {
    let template = pod_rules.first_packet(Hook::Outbound);
    let to = |destination| {
        let packet = Packet { destination, ..template.clone() };
        OWNERS.map(|owner| sent_by(&packet, owner))
    };
    let packets =
        address_classes(&pod_rules.rules, pod_rules.family).into_iter().flat_map(to).collect();
    let expected = format!("traffic of user or group {PROXY_ID} leaves as it is");
    Question { traffic: "the proxy's traffic", expected: &expected, packets }.judge(
        pod_rules,
        |_, outcome| *outcome == Outcome::Accepted,
        |packet, ports, outcome| {
            let (user, group) = (packet.user.unwrap_or(0), packet.group.unwrap_or(0));
            let ports = format_ports(ports);
            format!("the proxy's own traffic (user {user}, group {group}) to {ports} is {outcome}")
        },
    )
}

/// A packet that stays in the pod: from this address, or the pod's own, to this one, or the pod's own.
fn loopback_packet(
    pod_rules: &PodRules<'_>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
) -> Packet {
    let packet = pod_rules.first_packet(Hook::Outbound);
    Packet {
        source: source.unwrap_or(packet.source),
        destination: destination.unwrap_or(packet.source),
        interface: LOOPBACK.into(),
        to_this_host: true,
        ..packet
    }
}

/// What the application sends to itself stays there, by the pod's address as well. Where the mesh captures
/// DNS, questions are led to a proxy of its, over loopback too.
fn judge_loopback(pod_rules: &PodRules<'_>) -> Judged {
    let localhost = Some(pod_rules.family.localhost());
    let packets = vec![
        loopback_packet(pod_rules, localhost, localhost),
        loopback_packet(pod_rules, None, None),
    ];
    let expected = "traffic over the loopback interface stays as it is";
    Question { traffic: "loopback traffic", expected, packets }.judge(
        pod_rules,
        |ports, outcome| {
            let redirected = *outcome == Outcome::Redirected { port: OUTBOUND_PORT };
            *outcome == Outcome::Accepted
                || is_captured_dns(ports, outcome)
                || redirected && is_dns(ports)
        },
        |packet, ports, outcome| {
            let (ports, to) = (format_ports(ports), packet.destination);
            format!("traffic to {ports} of {to} over loopback is {outcome}")
        },
    )
}

/// What the proxy sends to its own pod (the application has called a service, and its own pod is
/// behind it) is inbound traffic like any other: past the proxy it would reach the application as
/// the mesh's encryption has it. Tunnels and DNS have ways of their own.
fn judge_proxy_to_own_pod(pod_rules: &PodRules<'_>) -> Judged {
    let packet = loopback_packet(pod_rules, None, None);
    let packets = OWNERS[..2].iter().map(|owner| sent_by(&packet, *owner)).collect();
    let expected = format!("the proxy's traffic to its own pod ends at {INBOUND_PORT}");
    let others = |ports: &PortSet| ports.without(&[TUNNEL_PORT, DNS_PORT]);
    Question { traffic: "the proxy's traffic to its own pod", expected: &expected, packets }.judge(
        pod_rules,
        |ports, outcome| {
            *outcome == Outcome::Redirected { port: INBOUND_PORT } || others(ports).is_empty()
        },
        |_, ports, outcome| {
            let ports = format_ports(&others(ports));
            format!("the proxy's traffic to {ports} of its own pod is {outcome}")
        },
    )
}

/// What the proxy hands to its application comes from an address of its own, by which the rules
/// know it: redirected, it would come back to the proxy for ever.
fn judge_proxy_to_application(pod_rules: &PodRules<'_>) -> Judged {
    let passthrough = passthrough(pod_rules.family);
    let packet = loopback_packet(pod_rules, Some(passthrough), None);
    let packets = OWNERS.iter().map(|owner| sent_by(&packet, *owner)).collect();
    let expected = format!("traffic from {passthrough} reaches the application as it is");
    let traffic = "what the proxy hands to its application";
    Question { traffic, expected: &expected, packets }.judge(
        pod_rules,
        |_, outcome| *outcome == Outcome::Accepted,
        |_, ports, outcome| format!("{traffic}'s port {ports} is {outcome}: a loop"),
    )
}

/// The init container of the pod that is named excludes outbound traffic.
fn arguments_exclude_outbound(effect: &Effect<'_, Evidence>) -> bool {
    arguments_of_named_pod(effect).is_some_and(|read| {
        read.outbound_ranges != "*"
            || !read.outbound_ranges_excluded.is_empty()
            || !read.outbound_ports_excluded.is_empty()
            || read.outbound_port != OUTBOUND_PORT.to_string()
            || read.proxy_uid != PROXY_ID.to_string()
    })
}

#[cfg(test)]
mod cases {
    use crate::claims::mesh::changes::{
        LOG_1_20, LOG_1_22, change_log, cni, dual_stack, insert_rule, log_in_json, log_is_gone,
        logged_ip, remove_rules, replace_logs, version_6_only,
    };
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::of;

    const CHAIN: &str = "ISTIO_OUTPUT";

    /// The rules of `ISTIO_META_DNS_CAPTURE`, as far as they are for TCP.
    /// Source: `tools/istio-iptables/pkg/capture/run.go` of Istio 1.20.
    fn capture_dns(log: &str) -> String {
        let mut log = log.to_owned();
        for id in ["uid", "gid"] {
            let all = format!("-A ISTIO_OUTPUT -o lo -m owner ! --{id}-owner 1337 -j RETURN");
            let but_dns = format!(
                "-A ISTIO_OUTPUT -o lo -p tcp -m tcp ! --dport 53 -m owner ! --{id}-owner 1337 -j RETURN"
            );
            assert!(log.contains(&all), "{all}");
            log = log.replace(&all, &but_dns);
        }
        let last = "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN";
        let dns = "-A ISTIO_OUTPUT -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053";
        assert!(log.contains(last));
        log.replace(last, &format!("{dns}\n{last}"))
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        log_of_istio_1_20(|e| replace_logs(e, LOG_1_20), Pass);
        log_of_istio_1_22(|e| replace_logs(e, LOG_1_22), Pass);
        port_left_out(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 80 -j RETURN"), Fail);
        range_left_out(|e| insert_rule(e, CHAIN, "-d 10.96.0.0/12 -j RETURN"), Fail);
        one_address_left_out(|e| insert_rule(e, CHAIN, "-d 192.0.2.9/32 -j RETURN"), Fail);
        a_user_left_out(|e| insert_rule(e, CHAIN, "-m owner --uid-owner 2000 -j RETURN"), Fail);
        a_group_left_out(|e| insert_rule(e, CHAIN, "-m owner --gid-owner 2000 -j RETURN"), Fail);
        a_group_left_out_by_proxy_config(|e| {
            insert_rule(e, CHAIN, "-m owner --gid-owner 1000 -j RETURN");
            let value = "proxyMetadata:\n  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"1000\"\n";
            for pod in of(&mut e.demo.pods) { pod.annotations.insert("proxy.istio.io/config".into(), value.into()); }
        }, Fail);
        one_of_several_settings(|e| {
            insert_rule(e, CHAIN, "-m owner --gid-owner 1000 -j RETURN");
            let value = "concurrency: 2\nproxyMetadata:\n  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"1000\"\n";
            for pod in of(&mut e.demo.pods) { pod.annotations.insert("proxy.istio.io/config".into(), value.into()); }
        }, Fail);
        own_source_left_out(|e| { let ip = logged_ip(e); insert_rule(e, CHAIN, &format!("-s {ip}/32 -o eth0 -p tcp -j RETURN")); }, Fail);
        the_proxy_is_kept_from_one_address(|e| insert_rule(e, CHAIN, "-d 192.0.2.9/32 -p tcp -j ISTIO_REDIRECT"), Fail);
        a_user_of_another_group_left_out(|e| insert_rule(e, CHAIN, "-m owner --uid-owner 2000 ! --gid-owner 2000 -j RETURN"), Fail);
        a_source_port_left_out(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --sport 1000 -j RETURN"), Fail);
        another_interface_left_out(|e| insert_rule(e, CHAIN, "-o net1 -j RETURN"), Fail);
        another_host_over_loopback(|e| insert_rule(e, CHAIN, "-o lo -m addrtype ! --dst-type LOCAL -p tcp -j ISTIO_REDIRECT"), Pass);
        past_itself_by_its_group(|e| { let ip = logged_ip(e); insert_rule(e, CHAIN, &format!("-o lo -d {ip}/32 -m owner --uid-owner 1337 --gid-owner 1337 ! -s 127.0.0.6/32 -j RETURN")); }, Fail);
        past_itself(|e| remove_rules(e, "-m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT"), Fail);
        dropped_to_itself(|e| insert_rule(e, CHAIN, "-o lo -p tcp -m tcp --dport 5678 -m owner --uid-owner 1337 ! -s 127.0.0.6/32 -j DROP"), Fail);
        interface_left_out(|e| insert_rule(e, CHAIN, "-o eth0 -j RETURN"), Fail);
        no_user_rule(|e| remove_rules(e, "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN"), Fail);
        no_group_rule(|e| remove_rules(e, "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN"), Fail);
        loopback(|e| insert_rule(e, CHAIN, "-o lo -p tcp -j ISTIO_REDIRECT"), Fail);
        other_target(|e| change_log(e, |log| log.replace("--to-ports 15001", "--to-ports 15006")), Fail);
        unknown_target(|e| insert_rule(e, CHAIN, "-p tcp -j SYNPROXY"), Unjudged);
        no_log(|e| *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"), Unjudged);
        both_families(dual_stack, Pass);
        version_6_only(version_6_only, Pass);
        version_6_is_not_redirected(|e| { dual_stack(e); replace_logs(e, LOG_1_22); }, Fail);
        version_6_has_other_rules(|e| { dual_stack(e); change_log(e, |log| log.replace("-A ISTIO_OUTPUT -s ::6/128 -o lo -j RETURN\n", "")); }, Fail);
        log_in_json(log_in_json, Pass);
        log_cut_at_its_head(|e| change_log(e, |log| log[log.rfind("-A ISTIO_OUTPUT").unwrap()..].into()), Unjudged);
        log_is_gone(|e| { log_is_gone(e); e.mesh.live_rules.clear(); }, Unjudged);
        log_is_gone_rules_in_force(log_is_gone, Pass);
        cni(cni, Pass);
        cni_not_read(|e| { cni(e); e.mesh.live_rules.clear(); }, Unjudged);
        cni_flushed(|e| { cni(e); e.mesh.live_rules.values_mut().for_each(|it| of(it).clear()); }, Fail);
        dns_captured_by_istio(|e| change_log(e, capture_dns), Pass);
        more_than_dns_over_loopback(|e| change_log(e, |log| capture_dns(log).replace("! --dport 53 -m", "! --dport 53:54 -m")), Fail);
        one_pod_wrong_one_unseen(|e| { insert_rule(e, CHAIN, "-p tcp -m tcp --dport 80 -j RETURN"); *e.mesh.init_logs.values_mut().last().unwrap() = Observation::failed("no answer"); }, Fail);
        dns_captured(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 53 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Pass);
        more_than_dns_captured(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 53:54 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Fail);
        own_address(|e| remove_rules(e, "-o lo -m owner !"), Fail);
        loop_to_the_application(|e| remove_rules(e, "-s 127.0.0.6/32"), Fail);
        wrong_beside_the_unknown(|e| { insert_rule(e, CHAIN, "-p tcp -m tcp --dport 9000 -j RETURN"); insert_rule(e, CHAIN, "-p tcp -m tcp --dport 7 -m set --match-set good dst -j RETURN"); }, Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}
