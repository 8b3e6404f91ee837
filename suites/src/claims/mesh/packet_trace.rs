//! The path of a packet through the rules of a pod, for the report.

use crate::claims::by_name::inbound_redirected::judge_inbound;
use crate::claims::by_name::outbound_redirected::judge_outbound;
use crate::claims::mesh::demo_pods::injected_pods;
use crate::claims::mesh::pod_rules::{RulesSource, by_family, printed_lines};
use crate::claims::mesh::question::PodRules;
use crate::evidence::Evidence;
use meshcheck_netfilter::{Hook, Packet, Walk, walk};

/// The path of one packet through the rules of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketTrace {
    /// The pod.
    pub pod: String,
    /// The packet: the demo's usual one, or the first one with a wrong result.
    pub packet: Packet,
    /// Whether all packets have the expected result.
    pub right: bool,
    /// The result of the packet, and every rule that it passed. Lines have the numbers of `lines`.
    pub walk: Walk,
    /// The source of the rules.
    pub source: RulesSource,
    /// The lines of the rules, with their numbers from 1.
    pub lines: Vec<(usize, String)>,
}

/// Traces an inbound and an outbound packet for each pod with a sidecar. Rules that cannot be judged have no trace.
pub fn packet_traces(evidence: &Evidence) -> Vec<PacketTrace> {
    let pods = injected_pods(evidence).unwrap_or_default();
    by_family(pods)
        .into_iter()
        .flat_map(|(pod, family)| [Hook::Inbound, Hook::Outbound].map(|hook| (pod, family, hook)))
        .filter_map(|(pod, family, hook)| {
            Some(trace(PodRules::of(evidence, pod, family).ok()?, hook))
        })
        .collect()
}

fn trace(pod_rules: PodRules<'_>, hook: Hook) -> PacketTrace {
    let usual = pod_rules.first_packet(hook);
    let (judged, usual) = match hook {
        Hook::Inbound => {
            let destination_port = pod_rules.evidence.expectations.backend.port;
            (judge_inbound(&pod_rules), Packet { destination_port, ..usual })
        }
        Hook::Outbound => (judge_outbound(&pod_rules), usual),
    };
    let PodRules { evidence, pod, family, rules, source, wrong } = pod_rules;
    let packet = wrong.into_inner().unwrap_or(usual);
    PacketTrace {
        pod: pod.name.clone(),
        right: judged.is_ok(),
        walk: walk(&rules, &packet),
        packet,
        lines: printed_lines(evidence, pod, (&rules, source, family)),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::{PacketTrace, packet_traces};
    use crate::claims::mesh::changes::insert_rule;
    use crate::evidence::Observation;
    use crate::testing::healthy;
    use meshcheck_netfilter::{Hook, Outcome};

    fn first(traces: &[PacketTrace], hook: Hook) -> &PacketTrace {
        traces.iter().find(|trace| trace.packet.hook == hook).unwrap()
    }

    #[test]
    fn each_pod_with_a_sidecar_has_two_traces_of_lines_in_its_log() {
        let traces = packet_traces(&healthy());
        assert_eq!(traces.len(), 4);
        for trace in &traces {
            assert!(trace.right, "{trace:?}");
            assert_eq!(trace.lines.first().unwrap().1, "*nat");
            assert_eq!(trace.lines.last().unwrap().1, "COMMIT");
            for step in &trace.walk.trail {
                assert!(trace.lines.contains(&(step.line, step.rule.clone())), "{step:?}");
            }
        }
        let inbound = first(&traces, Hook::Inbound);
        assert_eq!(inbound.packet.destination_port, 5678);
        assert_eq!(inbound.walk.outcome, Outcome::Redirected { port: 15006 });
    }

    #[test]
    fn packet_with_a_wrong_result_is_traced() {
        let mut evidence = healthy();
        insert_rule(&mut evidence, "ISTIO_INBOUND", "-p tcp -m tcp --dport 8080 -j RETURN");
        let traces = packet_traces(&evidence);
        let inbound = first(&traces, Hook::Inbound);
        assert!(!inbound.right);
        assert_eq!(inbound.packet.destination_port, 8080);
        assert_eq!(inbound.walk.outcome, Outcome::Accepted);
        assert!(first(&traces, Hook::Outbound).right);
    }

    #[test]
    fn log_without_rules_has_no_trace() {
        let mut evidence = healthy();
        for log in evidence.mesh.init_logs.values_mut() {
            *log = Observation::seen("nothing".to_owned());
        }
        assert_eq!(packet_traces(&evidence), []);
    }
}
