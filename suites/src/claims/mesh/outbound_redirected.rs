//! All outbound traffic is redirected to the sidecar, except the sidecar's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::claims::by_name::nodes_ready::no_node_answers;
use crate::claims::mesh::demo_pods::has_no_injected_pods;
use crate::claims::mesh::init_container::{arguments_of_named_pod, has_no_log_of_rules};
use crate::claims::mesh::question::{
    DNS_PORT, LOOPBACK, PodRules, Question, TUNNEL_PORT, format_ports, judge_each_pod,
};
use crate::claims::mesh::{INBOUND_PORT, OUTBOUND_PORT, PROXY_ID};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::sidecar::has_validation;
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
    /// that is redirected returns to it in an endless loop.
    ///
    /// ## How it is checked
    /// Reads the iptables rules in the log of `istio-init`, those of IPv6 too where the pod has such an address.
    /// Simulates packets as the kernel handles them, for every address, port, user, group and interface that the rules
    /// distinguish:
    /// - Traffic of the application is redirected to 15001. DNS may be redirected to 15053. Istio's CNI plug-in excludes
    ///   port 15020 in every pod.
    /// - Traffic of user or group 1337, loopback traffic and traffic from 127.0.0.6 is not redirected.
    /// - Traffic of the sidecar to its own pod is redirected to 15006.
    ///
    /// It needs `list` on `pods` and `get` on `pods/log` in the demo's namespace.
    ///
    /// ## What makes it fail
    /// - A rule excludes a port, an address range, a user or an interface, or redirects to another port.
    /// - A rule for user or group 1337, for loopback or for 127.0.0.6 is missing.
    ///
    /// The claim is unjudged where a rule has an unknown match or target, and where the log is cut off. Without a log of
    /// rules, as with Istio's CNI plug-in, the rules in force are judged, and the report says so.
    ///
    /// ## How to fix it
    /// - The init container's arguments exclude it (`init_arguments`): remove the annotation from the pod template.
    /// - The pod has an address of IPv6, and `istio-init` sets no rules for it: set `ISTIO_DUAL_STACK`.
    /// - The log of `istio-init` is gone: restart the deployment.
    /// - No pod has a sidecar (`two_containers_per_pod`): fix that first.
    /// - No node answers (`nodes_ready`): fix the node, because logs come from its kubelet.
    ///
    /// ## Check by hand
    ///     kubectl -n client logs NAME -c istio-init
    mesh::outbound_redirected: "all outbound traffic is redirected to the sidecar, except the sidecar's own",
    needs: Reading,
    stops: [OutboundRules],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        two_containers_per_pod if has_no_injected_pods,
        init_arguments if has_no_log_of_rules,
        init_arguments if arguments_exclude_outbound,
    ],
    judge: |evidence| judge_each_pod(evidence, judge_outbound),
}

/// The port of the sidecar's DNS proxy.
/// Source: <https://istio.io/latest/docs/ops/deployment/application-requirements/>.
const DNS_CAPTURE_PORT: u16 = 15053;

/// The port that Istio's CNI plug-in excludes from the redirection of outbound traffic, where no annotation says another one.
/// Source: `defaultRedirectExcludePort` in `cni/pkg/plugin/sidecar_redirect.go` of Istio 1.24.
const EXCLUDED_BY_PLUG_IN: u16 = 15020;

/// The source address of the proxy's traffic to its own application.
/// Source: `InboundPassthroughBindIpv4` and `…Ipv6` in Istio's `pilot/pkg/networking/core`.
fn passthrough(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(127, 0, 0, 6).into(),
        Family::V6 => Ipv6Addr::from(6).into(),
    }
}

/// Judges the results of outbound packets of a pod.
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
    let to_excluded = Packet { destination_port: EXCLUDED_BY_PLUG_IN, ..packet };
    let is_excluded = walk(&pod_rules.rules, &to_excluded).outcome == Outcome::Accepted;
    let but = if is_excluded {
        format!(", nor port {EXCLUDED_BY_PLUG_IN}, which the CNI plug-in excludes")
    } else {
        String::new()
    };
    Ok(Judgement::pass(format!(
        "port {destination_port}: {}; all other ports and addresses too, but not the proxy's own traffic{but}",
        trace.summary()
    )))
}

/// Whether the port of DNS is the only one.
fn is_dns(ports: &PortSet) -> bool {
    ports.without(&[DNS_PORT]).is_empty()
}

/// Whether DNS is redirected to the sidecar's DNS proxy (`ISTIO_META_DNS_CAPTURE`).
fn is_captured_dns(ports: &PortSet, outcome: &Outcome) -> bool {
    *outcome == Outcome::Redirected { port: DNS_CAPTURE_PORT } && is_dns(ports)
}

/// Judges traffic of the application: to any address and port, of any user but the proxy's, it is redirected.
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
    let expected = format!("redirected to port {OUTBOUND_PORT}, for all addresses and ports");
    let others = |ports: &PortSet| without_excluded(pod_rules, ports);
    Question { traffic: "outbound traffic", expected: &expected, packets }.judge(
        pod_rules,
        |ports, outcome| {
            let redirected = *outcome == Outcome::Redirected { port: OUTBOUND_PORT };
            let is_excluded = *outcome == Outcome::Accepted && others(ports).is_empty();
            redirected || is_captured_dns(ports, outcome) || is_excluded
        },
        |_, ports, outcome| {
            format!("outbound traffic to {} is {outcome}", format_ports(&others(ports)))
        },
    )
}

/// Returns the ports without the one that Istio's CNI plug-in excludes, where it sets the rules.
fn without_excluded(pod_rules: &PodRules<'_>, ports: &PortSet) -> PortSet {
    let is_plug_in = has_validation(pod_rules.pod);
    ports.without(if is_plug_in { &[EXCLUDED_BY_PLUG_IN] } else { &[] })
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

/// Judges traffic of the proxy, known by its user or its group: redirected, it would return to the proxy in a loop.
fn judge_proxy(pod_rules: &PodRules<'_>) -> Judged {
    let template = pod_rules.first_packet(Hook::Outbound);
    let to = |destination| {
        let packet = Packet { destination, ..template.clone() };
        OWNERS.map(|owner| sent_by(&packet, owner))
    };
    let packets =
        address_classes(&pod_rules.rules, pod_rules.family).into_iter().flat_map(to).collect();
    let expected = format!("not redirected, for traffic of user or group {PROXY_ID}");
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

/// Returns a packet over loopback. Without an address, source or destination is the pod's own.
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

/// Judges traffic of the application to itself, by the pod's address too: it is not redirected. Where the mesh captures
/// DNS, requests to DNS are redirected over loopback too.
fn judge_loopback(pod_rules: &PodRules<'_>) -> Judged {
    let localhost = Some(pod_rules.family.localhost());
    let packets = vec![
        loopback_packet(pod_rules, localhost, localhost),
        loopback_packet(pod_rules, None, None),
    ];
    let expected = "not redirected, for traffic over the loopback interface";
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

/// Judges traffic of the proxy to its own pod, which the application sends where its own pod is an endpoint of a service:
/// it is inbound traffic. Without redirection the application would get encrypted traffic. Tunnel and DNS differ.
fn judge_proxy_to_own_pod(pod_rules: &PodRules<'_>) -> Judged {
    let packet = loopback_packet(pod_rules, None, None);
    let packets = OWNERS[..2].iter().map(|owner| sent_by(&packet, *owner)).collect();
    let expected =
        format!("redirected to port {INBOUND_PORT}, for the proxy's traffic to its own pod");
    let others =
        |ports: &PortSet| without_excluded(pod_rules, ports).without(&[TUNNEL_PORT, DNS_PORT]);
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

/// Judges traffic of the proxy to its application, which has a source address of its own: redirected, it would return to
/// the proxy in a loop.
fn judge_proxy_to_application(pod_rules: &PodRules<'_>) -> Judged {
    let passthrough = passthrough(pod_rules.family);
    let packet = loopback_packet(pod_rules, Some(passthrough), None);
    let packets = OWNERS.iter().map(|owner| sent_by(&packet, *owner)).collect();
    let expected = format!("not redirected, for traffic from {passthrough}");
    let traffic = "the proxy's traffic to its application";
    Question { traffic, expected: &expected, packets }.judge(
        pod_rules,
        |_, outcome| *outcome == Outcome::Accepted,
        |_, ports, outcome| format!("{traffic} on {} is {outcome}: a loop", format_ports(ports)),
    )
}

/// Whether the init container of the named pod excludes outbound traffic.
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
        LOG_1_20, LOG_1_22, LOG_1_31, change_log, cni, dual_stack, insert_rule, log_in_json,
        log_is_gone, logged_ip, native_nftables, remove_rules, replace_logs, version_6_only,
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

    /// Excludes an outbound port in the rules in force, before all other rules of the chain as the plug-in does.
    fn exclude_in_force(evidence: &mut Evidence, port: u16) {
        for rules in evidence.mesh.live_rules.values_mut().map(of) {
            let first = rules.find("-A ISTIO_OUTPUT").unwrap();
            for protocol in ["udp", "tcp"] {
                let rule = format!(
                    "-A ISTIO_OUTPUT -p {protocol} -m {protocol} --dport {port} -j RETURN\n"
                );
                rules.insert_str(first, &rule);
            }
        }
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        log_of_istio_1_20(|e| replace_logs(e, LOG_1_20), Pass);
        log_of_istio_1_22(|e| replace_logs(e, LOG_1_22), Pass);
        log_of_istio_1_31(|e| replace_logs(e, LOG_1_31), Pass);
        log_of_istio_1_31_in_json(|e| { replace_logs(e, LOG_1_31); log_in_json(e); }, Pass);
        native_nftables(native_nftables, Unjudged);
        native_nftables_by_cni(|e| { native_nftables(e); cni(e); }, Unjudged);
        native_nftables_and_log_is_gone(|e| { native_nftables(e); log_is_gone(e); }, Unjudged);
        port_excluded(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 80 -j RETURN"), Fail);
        range_excluded(|e| insert_rule(e, CHAIN, "-d 10.96.0.0/12 -j RETURN"), Fail);
        small_range_excluded(|e| insert_rule(e, CHAIN, "-d 192.0.2.0/24 -j RETURN"), Fail);
        address_excluded(|e| insert_rule(e, CHAIN, "-d 192.0.2.9/32 -j RETURN"), Fail);
        user_excluded(|e| insert_rule(e, CHAIN, "-m owner --uid-owner 2000 -j RETURN"), Fail);
        group_excluded(|e| insert_rule(e, CHAIN, "-m owner --gid-owner 2000 -j RETURN"), Fail);
        group_excluded_by_proxy_config(|e| {
            insert_rule(e, CHAIN, "-m owner --gid-owner 1000 -j RETURN");
            let value = "proxyMetadata:\n  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"1000\"\n";
            for pod in of(&mut e.demo.pods) { pod.annotations.insert("proxy.istio.io/config".into(), value.into()); }
        }, Fail);
        group_excluded_beside_other_settings(|e| {
            insert_rule(e, CHAIN, "-m owner --gid-owner 1000 -j RETURN");
            let value = "concurrency: 2\nproxyMetadata:\n  ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE: \"1000\"\n";
            for pod in of(&mut e.demo.pods) { pod.annotations.insert("proxy.istio.io/config".into(), value.into()); }
        }, Fail);
        own_source_excluded(|e| { let ip = logged_ip(e); insert_rule(e, CHAIN, &format!("-s {ip}/32 -o eth0 -p tcp -j RETURN")); }, Fail);
        proxy_redirected_for_one_address(|e| insert_rule(e, CHAIN, "-d 192.0.2.9/32 -p tcp -j ISTIO_REDIRECT"), Fail);
        user_of_another_group_excluded(|e| insert_rule(e, CHAIN, "-m owner --uid-owner 2000 ! --gid-owner 2000 -j RETURN"), Fail);
        source_port_excluded(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --sport 1000 -j RETURN"), Fail);
        another_interface_excluded(|e| insert_rule(e, CHAIN, "-o net1 -j RETURN"), Fail);
        other_hosts_redirected_over_loopback(|e| insert_rule(e, CHAIN, "-o lo -m addrtype ! --dst-type LOCAL -p tcp -j ISTIO_REDIRECT"), Pass);
        own_pod_excluded_by_group(|e| { let ip = logged_ip(e); insert_rule(e, CHAIN, &format!("-o lo -d {ip}/32 -m owner --uid-owner 1337 --gid-owner 1337 ! -s 127.0.0.6/32 -j RETURN")); }, Fail);
        own_pod_not_redirected(|e| remove_rules(e, "-m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT"), Fail);
        own_pod_dropped(|e| insert_rule(e, CHAIN, "-o lo -p tcp -m tcp --dport 5678 -m owner --uid-owner 1337 ! -s 127.0.0.6/32 -j DROP"), Fail);
        interface_excluded(|e| insert_rule(e, CHAIN, "-o eth0 -j RETURN"), Fail);
        user_rule_missing(|e| remove_rules(e, "-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN"), Fail);
        group_rule_missing(|e| remove_rules(e, "-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN"), Fail);
        loopback_redirected(|e| insert_rule(e, CHAIN, "-o lo -p tcp -j ISTIO_REDIRECT"), Fail);
        redirected_to_another_port(|e| change_log(e, |log| log.replace("--to-ports 15001", "--to-ports 15006")), Fail);
        unknown_target(|e| insert_rule(e, CHAIN, "-p tcp -j SYNPROXY"), Unjudged);
        no_log(|e| *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"), Unjudged);
        both_families(dual_stack, Pass);
        version_6_only(version_6_only, Pass);
        version_6_is_not_redirected(|e| { dual_stack(e); replace_logs(e, LOG_1_22); }, Fail);
        version_6_passthrough_rule_missing(|e| { dual_stack(e); change_log(e, |log| log.replace("-A ISTIO_OUTPUT -s ::6/128 -o lo -j RETURN\n", "")); }, Fail);
        log_in_json(log_in_json, Pass);
        log_cut_at_its_head(|e| change_log(e, |log| log[log.rfind("-A ISTIO_OUTPUT").unwrap()..].into()), Unjudged);
        logs_cut_at_their_heads(|e| {
            for log in e.mesh.init_logs.values_mut() { let log = of(log); log.replace_range(..log.rfind("-A ISTIO_OUTPUT").unwrap(), ""); }
        }, Unjudged);
        log_is_gone(|e| { log_is_gone(e); e.mesh.live_rules.clear(); }, Unjudged);
        log_is_gone_rules_in_force(log_is_gone, Pass);
        cni(cni, Pass);
        cni_excludes_its_port(|e| { cni(e); exclude_in_force(e, 15020); }, Pass);
        cni_excludes_another_port(|e| { cni(e); exclude_in_force(e, 15020); exclude_in_force(e, 80); }, Fail);
        port_of_cni_excluded_by_istio_init(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 15020 -j RETURN"), Fail);
        cni_rules_not_read(|e| { cni(e); e.mesh.live_rules.clear(); }, Unjudged);
        cni_flushed(|e| { cni(e); e.mesh.live_rules.values_mut().for_each(|it| of(it).clear()); }, Fail);
        dns_captured_by_istio(|e| change_log(e, capture_dns), Pass);
        more_than_dns_over_loopback(|e| change_log(e, |log| capture_dns(log).replace("! --dport 53 -m", "! --dport 53:54 -m")), Fail);
        port_excluded_beside_a_log_not_read(|e| { insert_rule(e, CHAIN, "-p tcp -m tcp --dport 80 -j RETURN"); *e.mesh.init_logs.values_mut().last().unwrap() = Observation::failed("no answer"); }, Fail);
        dns_captured(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 53 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Pass);
        more_than_dns_captured(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 53:54 -m owner ! --uid-owner 1337 -m owner ! --gid-owner 1337 -j REDIRECT --to-ports 15053"), Fail);
        own_address_redirected(|e| remove_rules(e, "-o lo -m owner !"), Fail);
        passthrough_rule_missing(|e| remove_rules(e, "-s 127.0.0.6/32"), Fail);
        excluded_port_beside_an_unknown_match(|e| { insert_rule(e, CHAIN, "-p tcp -m tcp --dport 9000 -j RETURN"); insert_rule(e, CHAIN, "-p tcp -m tcp --dport 7 -m set --match-set good dst -j RETURN"); }, Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}
