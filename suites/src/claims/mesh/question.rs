//! Questions to the rules of a pod: where a set of packets must end.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};

use crate::claims::mesh::demo_pods::injected_pods;
use crate::claims::mesh::logged_rules::logged_rules;
use crate::combine::all_hold;
use crate::evidence::{Evidence, Pod};
use crate::format::{POD, count};
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps::injection;
use meshcheck_netfilter::{
    Hook, Outcome, Packet, PortSet, RuleSet, interface_classes, port_outcomes, source_port_classes,
    walk, work,
};

/// The interface by which a pod reaches itself.
pub(super) const LOOPBACK: &str = "lo";
/// Other proxies' encrypted traffic for this one (HBONE).
pub(super) const TUNNEL_PORT: u16 = 15008;
/// The number of rules that are tried at most, in all walks of one kind together: some seconds. The rules of a
/// sidecar need a thousandth of it.
const MAX_WORK: usize = 20_000_000;

/// A pod whose rules are judged.
pub(super) struct PodRules<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) pod: &'a Pod,
    pub(super) rules: RuleSet,
    /// The first packet that ended at a wrong place.
    pub(super) wrong: OnceCell<Packet>,
}

impl<'a> PodRules<'a> {
    /// The rules in the log of a pod, where they can be judged.
    pub(super) fn of(evidence: &'a Evidence, pod: &'a Pod) -> Result<Self, Judgement> {
        let rules = logged_rules(evidence, pod)?;
        if work(&rules) > MAX_WORK {
            let summary =
                format!("{}: the rules tell more packets apart than can be followed", pod.name);
            return Err(Judgement::unjudged(summary).object(Object::pod(pod)));
        }
        Ok(Self { evidence, pod, rules, wrong: OnceCell::new() })
    }

    /// The first packet of a connection between the pod and another one.
    pub(super) fn first_packet(&self, hook: Hook) -> Packet {
        // The rules that are walked are those of IPv4.
        let own = self.pod.ip.as_deref().and_then(|ip| ip.parse().ok());
        let own = IpAddr::V4(own.unwrap_or(Ipv4Addr::new(10, 244, 0, 250)));
        let other = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 251));
        let (source, destination) = match hook {
            Hook::Inbound => (other, own),
            Hook::Outbound => (own, other),
        };
        Packet { source, destination, ..Packet::first(hook) }
    }
}

/// Judges the rules of each pod with a sidecar.
pub(super) fn judge_each_pod(
    evidence: &Evidence,
    judge: impl Fn(&PodRules<'_>) -> Judged,
) -> Judged {
    let pods = injected_pods(evidence)?;
    let judged = pods.iter().map(|pod| judge(&PodRules::of(evidence, pod)?));
    let summaries = all_hold(judged)?;
    let first = summaries.first().map_or("", String::as_str);
    Ok(Judgement::pass(format!("{}: {first}", count(pods.len(), POD))))
}

/// One question to the rules: where all these packets must end.
pub(super) struct Question<'a> {
    /// The traffic: `inbound traffic`.
    pub(super) traffic: &'a str,
    pub(super) expected: &'a str,
    pub(super) packets: Vec<Packet>,
}

impl Question<'_> {
    /// The packets, by every interface and from every source port that the rules tell apart: the
    /// usual ones first.
    fn all_packets(&self, rules: &RuleSet) -> Vec<Packet> {
        let mut all = self.packets.clone();
        for packet in &self.packets {
            let interfaces = match packet.interface.as_str() {
                LOOPBACK => vec![LOOPBACK.to_owned()],
                usual => interface_classes(rules, usual),
            };
            for source_port in source_port_classes(rules, packet.source_port) {
                let of_port = interfaces.iter().map(|it| Packet {
                    source_port,
                    interface: it.clone(),
                    ..packet.clone()
                });
                all.extend(of_port.filter(|other| other != packet));
            }
        }
        all
    }

    /// Judges every port of every packet. `is_right` decides whether ports may end there; `summary` says what is
    /// wrong with those that may not.
    pub(super) fn judge(
        &self,
        pod_rules: &PodRules<'_>,
        is_right: impl Fn(&PortSet, &Outcome) -> bool,
        summary: impl Fn(&Packet, &PortSet, &Outcome) -> String,
    ) -> Judged {
        let PodRules { evidence, pod, rules, wrong } = pod_rules;
        let mut unjudged = None;
        for packet in &self.all_packets(rules) {
            for (ports, outcome) in port_outcomes(rules, packet) {
                if is_right(&ports, &outcome) {
                    continue;
                }
                // What cannot be followed for one port does not hide what is wrong with another.
                if let Outcome::Unjudged { rule, why } = &outcome {
                    unjudged.get_or_insert_with(|| self.unjudged(pod, rule, why));
                    continue;
                }
                let destination_port = ports.first().unwrap_or_default();
                let first = Packet { destination_port, ..packet.clone() };
                let observed = walk(rules, &first).summary();
                let _ = wrong.set(first);
                let summary = summary(packet, &ports, &outcome);
                let origin = format_unusual_origin(packet);
                return Err(Judgement::fail(format!("{}: {summary}{origin}", pod.name))
                    .expected(self.expected)
                    .observed(observed)
                    .object(Object::pod(pod))
                    .steps(injection::restore_redirection(evidence, pod)));
            }
        }
        unjudged.map_or_else(|| Ok(Judgement::pass(String::new())), Err)
    }

    fn unjudged(&self, pod: &Pod, rule: &str, why: &str) -> Judgement {
        let Pod { name, .. } = pod;
        let traffic = self.traffic;
        Judgement::unjudged(format!("{name}: {traffic} cannot be followed: {why}: `{rule}`"))
            .object(Object::pod(pod))
    }
}

/// Where a packet came from that did not come as packets usually do.
fn format_unusual_origin(packet: &Packet) -> String {
    let usual = Packet::first(packet.hook);
    let mut parts = Vec::new();
    if packet.source_port != usual.source_port {
        parts.push(format!("from source port {}", packet.source_port));
    }
    if packet.interface != usual.interface && packet.interface != LOOPBACK {
        parts.push(format!("by interface {}", packet.interface));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
