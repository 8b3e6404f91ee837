//! All inbound traffic is redirected to the sidecar.

use crate::claims::by_name::nodes_ready::no_node_answers;
use crate::claims::mesh::demo_pods::has_no_injected_pods;
use crate::claims::mesh::init_container::{arguments_of_named_pod, has_no_log_of_rules};
use crate::claims::mesh::question::{
    PodRules, Question, TUNNEL_PORT, format_ports, judge_each_pod,
};
use crate::claims::mesh::{INBOUND_PORT, OWN_PORTS};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::facts::injection::demo_namespace_is_missing;
use crate::format::list;
use crate::judgement::{Judged, Judgement};
use meshcheck_netfilter::{Hook, Outcome, Packet, PortSet, address_classes, walk};

claim! {
    /// The tutorial says: "This setup allows all inbound and outbound traffic from the client application to be proxied
    /// through the Envoy sidecar". This claim is about the inbound half.
    ///
    /// ## Why it matters
    /// Inbound traffic that bypasses the sidecar is not decrypted, not authorized and not measured. With mutual TLS,
    /// requests to such a port fail.
    ///
    /// ## How it is checked
    /// Reads the iptables rules in the log of `istio-init`, those of IPv6 too where the pod has such an address.
    /// Simulates packets as the kernel handles them: from every source, through every interface and to every port that
    /// the rules distinguish. Every port is redirected to 15006. The sidecar's own ports 15020, 15021 and 15090 are not
    /// redirected; port 15008 (HBONE) may be.
    /// It needs `list` on `pods` and `get` on `pods/log` in the demo's namespace.
    ///
    /// ## What makes it fail
    /// - A rule excludes a port, a source or an interface, or precedes the rule that redirects.
    /// - A jump or the redirection itself is missing, or redirects to another port.
    /// - One of the sidecar's own ports is redirected or dropped.
    ///
    /// The claim is unjudged where a rule has an unknown match, and where the log is cut off. Without a log of rules, as
    /// with Istio's CNI plug-in, the rules in force are judged, and the report says so.
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
    mesh::inbound_redirected: "all inbound traffic is redirected to the sidecar",
    needs: Reading,
    stops: [InboundRules],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        two_containers_per_pod if has_no_injected_pods,
        init_arguments if has_no_log_of_rules,
        init_arguments if arguments_exclude_inbound,
    ],
    judge: |evidence| judge_each_pod(evidence, judge_inbound),
}

/// Judges the results of inbound packets of a pod.
pub(super) fn judge_inbound(pod_rules: &PodRules<'_>) -> Judged {
    let rules = &pod_rules.rules;
    let expected = format!(
        "redirected to port {INBOUND_PORT}, except the sidecar's own ports {}",
        list(&OWN_PORTS.map(|port| port.to_string()))
    );
    let template = pod_rules.first_packet(Hook::Inbound);
    let sources = [template.source].into_iter().chain(address_classes(rules, pod_rules.family));
    let packets = sources.map(|source| Packet { source, ..template.clone() }).collect();
    let question = Question { traffic: "inbound traffic", expected: &expected, packets };
    // The port of the tunnel may be redirected or not.
    let others = |ports: &PortSet| ports.without(&OWN_PORTS).without(&[TUNNEL_PORT]);
    let own = |ports: &PortSet| -> Vec<u16> {
        OWN_PORTS.into_iter().filter(|port| ports.contains(*port)).collect()
    };
    all_hold([
        question.judge(
            pod_rules,
            |ports, outcome| {
                *outcome == Outcome::Redirected { port: INBOUND_PORT } || others(ports).is_empty()
            },
            |_, ports, outcome| {
                format!("inbound traffic to {} is {outcome}", format_ports(&others(ports)))
            },
        ),
        question.judge(
            pod_rules,
            |ports, outcome| *outcome == Outcome::Accepted || own(ports).is_empty(),
            |_, ports, outcome| {
                let own: PortSet = own(ports).into_iter().collect();
                format!("traffic to the sidecar's own {} is {outcome}", format_ports(&own))
            },
        ),
    ])?;
    let port = pod_rules.evidence.expectations.backend.port;
    let trace = walk(rules, &Packet { destination_port: port, ..template });
    let own: PortSet = OWN_PORTS.into_iter().collect();
    Ok(Judgement::pass(format!(
        "port {port}: {}; all other ports too, except the sidecar's own {own}",
        trace.summary()
    )))
}

/// Whether the init container of the named pod excludes inbound traffic.
fn arguments_exclude_inbound(effect: &Effect<'_, Evidence>) -> bool {
    arguments_of_named_pod(effect).is_some_and(|read| {
        read.inbound_ports != "*"
            || read.inbound_ports_excluded != OWN_PORTS.map(|port| port.to_string()).into()
            || read.inbound_port != INBOUND_PORT.to_string()
            || read.mode != "REDIRECT"
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
    use crate::testing::{demo_pod, of};

    const CHAIN: &str = "ISTIO_INBOUND";

    cases! { Evidence:
        healthy(|_| {}, Pass);
        log_of_istio_1_20(|e| replace_logs(e, LOG_1_20), Pass);
        log_of_istio_1_22(|e| replace_logs(e, LOG_1_22), Pass);
        log_of_istio_1_31(|e| replace_logs(e, LOG_1_31), Pass);
        log_of_istio_1_31_in_json(|e| { replace_logs(e, LOG_1_31); log_in_json(e); }, Pass);
        native_nftables(native_nftables, Unjudged);
        native_nftables_by_cni(|e| { native_nftables(e); cni(e); }, Unjudged);
        native_nftables_and_log_is_gone(|e| { native_nftables(e); log_is_gone(e); }, Unjudged);
        port_excluded(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 5678 -j RETURN"), Fail);
        log_names_no_family(|e| { demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()); change_log(e, |log| log.replace("ENABLE_INBOUND_IPV6=false", "")); for log in e.mesh.init_logs.values_mut() { *of(log) = of(log).replace("ENABLE_INBOUND_IPV6=false", ""); } }, Unjudged);
        both_families(dual_stack, Pass);
        version_6_only(version_6_only, Pass);
        version_6_is_not_redirected(|e| { dual_stack(e); replace_logs(e, LOG_1_22); }, Fail);
        port_excluded_for_version_6(|e| { dual_stack(e); insert_rule(e, CHAIN, "-p tcp -m tcp --dport 9000 -j RETURN"); }, Fail);
        log_in_json(log_in_json, Pass);
        log_cut_at_its_head(|e| change_log(e, |log| log[log.rfind("-A ISTIO_OUTPUT").unwrap()..].into()), Unjudged);
        log_is_gone(|e| { log_is_gone(e); e.mesh.live_rules.clear(); }, Unjudged);
        log_is_gone_rules_in_force(log_is_gone, Pass);
        cni(cni, Pass);
        cni_rules_not_read(|e| { cni(e); e.mesh.live_rules.clear(); }, Unjudged);
        cni_flushed(|e| { cni(e); e.mesh.live_rules.values_mut().for_each(|it| of(it).clear()); }, Fail);
        port_range_excluded(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 9000:9010 -j RETURN"), Fail);
        port_redirected_by_its_own_rule(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 5678 -j REDIRECT --to-ports 15006"), Pass);
        own_address_excluded(|e| { let ip = logged_ip(e); insert_rule(e, CHAIN, &format!("-d {ip}/32 -p tcp -j RETURN")); }, Fail);
        no_init_container(|e| { e.mesh.init_logs.clear(); e.mesh.live_rules.clear(); for pod in of(&mut e.demo.pods) { pod.init_containers.clear(); } }, Unjudged);
        jump_missing(|e| remove_rules(e, "-A PREROUTING"), Fail);
        redirected_to_another_port(|e| change_log(e, |log| log.replace("--to-ports 15006", "--to-ports 15001")), Fail);
        no_pod_started(|e| for pod in of(&mut e.demo.pods) { pod.phase = "Pending".into(); }, Fail);
        no_pod_started_without_sidecars(|e| for pod in of(&mut e.demo.pods) { pod.phase = "Pending".into(); pod.containers.retain(|it| it.name != "istio-proxy"); }, Fail);
        own_port_redirected(|e| remove_rules(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15090"), Fail);
        rules_reordered(|e| insert_rule(e, CHAIN, "-p tcp -j ISTIO_IN_REDIRECT"), Fail);
        own_port_dropped(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 15021 -j DROP"), Fail);
        no_tunnel_rule(|e| remove_rules(e, "-A ISTIO_INBOUND -p tcp -m tcp --dport 15008"), Pass);
        too_many_packets_to_simulate(|e| change_log(e, |log| {
            let more = |port: u16| format!("-A ISTIO_INBOUND -s 10.0.{}.0/24 -p tcp -m tcp --dport {port} -j ISTIO_IN_REDIRECT\n", port % 256);
            let more: String = (1..400).map(more).collect();
            let at = log.rfind("-A ISTIO_INBOUND").unwrap();
            format!("{}{more}{}", &log[..at], &log[at..])
        }), Unjudged);
        unknown_match(|e| insert_rule(e, CHAIN, "-p tcp -m set --match-set good src -j RETURN"), Unjudged);
        unknown_match_of_another_protocol(|e| insert_rule(e, CHAIN, "-p udp -m set --match-set good src -j RETURN"), Pass);
        no_rules(|e| change_log(e, |_| "nothing".into()), Unjudged);
        log_with_requested_rules_only(|e| change_log(e, |log| log[..log.find("# Generated").unwrap()].into()), Unjudged);
        log_cut_off(|e| change_log(e, |log| log[..log.rfind("-A ISTIO_OUTPUT").unwrap()].into()), Unjudged);
        no_log(|e| *e.mesh.init_logs.values_mut().next().unwrap() = Observation::failed("pods/log is forbidden"), Unjudged);
        log_not_read(|e| e.mesh.init_logs.clear(), Unjudged);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        source_port_excluded(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --sport 1000 -j RETURN"), Fail);
        another_interface_excluded(|e| insert_rule(e, CHAIN, "-i net1 -j RETURN"), Fail);
        another_protocol_excluded(|e| insert_rule(e, CHAIN, "-p udp -j RETURN"), Pass);
        kubevirt(|e| { insert_rule(e, CHAIN, "-i docker0 -j ISTIO_REDIRECT"); insert_rule(e, CHAIN, "-p udp -m udp --sport 53 -j RETURN"); }, Fail);
        source_range_excluded(|e| insert_rule(e, CHAIN, "-s 192.0.2.0/24 -p tcp -j RETURN"), Fail);
        excluded_port_beside_an_unknown_match(|e| { insert_rule(e, CHAIN, "-p tcp -m tcp --dport 9000 -j RETURN"); insert_rule(e, CHAIN, "-p tcp -m tcp --dport 7 -m set --match-set good src -j RETURN"); }, Fail);
        unknown_match_of_the_tunnel(|e| insert_rule(e, CHAIN, "-p tcp -m tcp --dport 15008 -m set --match-set good src -j RETURN"), Pass);
    }
}
