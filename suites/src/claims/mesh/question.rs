//! Simulates packets through the rules of a pod, and compares where they end.

use std::cell::OnceCell;
use std::net::IpAddr;

use crate::claims::mesh::demo_pods::{all_pods_hold, injected_pods};
use crate::claims::mesh::pod_rules::{RulesSource, by_family, format_families, judged_rules};
use crate::claims::mesh::{INBOUND_PORT, OUTBOUND_PORT, OWN_PORTS, PROXY_ID};
use crate::evidence::{Evidence, Pod};
use crate::format::{POD, count};
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps::injection;
use meshcheck_netfilter::{
    Family, Fit, Hook, Outcome, Packet, PortSet, RuleSet, Step, Walk, address_classes,
    group_classes, interface_classes, port_outcomes, source_port_classes, user_classes, walk, work,
};

/// The interface by which a pod reaches itself.
pub(super) const LOOPBACK: &str = "lo";
/// The port for encrypted traffic from other proxies (HBONE).
pub(super) const TUNNEL_PORT: u16 = 15008;
/// The port of DNS.
pub(super) const DNS_PORT: u16 = 53;
/// The maximum number of rules that all walks of one kind try: some seconds. The rules of a sidecar need a thousandth of
/// it.
const MAX_WORK: usize = 20_000_000;

/// A pod whose rules are judged.
pub(super) struct PodRules<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) pod: &'a Pod,
    pub(super) family: Family,
    pub(super) rules: RuleSet,
    pub(super) source: RulesSource,
    /// The first packet with a wrong result.
    pub(super) wrong: OnceCell<Packet>,
}

impl<'a> PodRules<'a> {
    /// Returns the rules of a pod for one family, where they can be judged.
    pub(super) fn of(
        evidence: &'a Evidence,
        pod: &'a Pod,
        family: Family,
    ) -> Result<Self, Judgement> {
        let (rules, source) = judged_rules(evidence, pod, family)?;
        if work(&rules, family) > MAX_WORK {
            let summary =
                format!("pod {}: the rules distinguish too many packets to simulate", pod.name);
            return Err(Judgement::unjudged(summary).object(Object::pod(pod)));
        }
        Ok(Self { evidence, pod, family, rules, source, wrong: OnceCell::new() })
    }

    /// Returns the first packet of a connection between the pod and another one.
    pub(super) fn first_packet(&self, hook: Hook) -> Packet {
        let mut packet = Packet::first(hook, self.family);
        let own = self.pod.addresses().find(|address| Family::of(*address) == self.family);
        if let Some(own) = own {
            match hook {
                Hook::Inbound => packet.destination = own,
                Hook::Outbound => packet.source = own,
            }
        }
        packet
    }
}

/// Judges the rules of each pod with a sidecar.
pub(super) fn judge_each_pod(
    evidence: &Evidence,
    judge: impl Fn(&PodRules<'_>) -> Judged,
) -> Judged {
    let pods = injected_pods(evidence)?;
    let number = count(pods.len(), POD);
    let all = by_family(pods);
    let mut in_force = false;
    let summaries = all_pods_hold(all.iter().map(|(pod, family)| {
        let judged = PodRules::of(evidence, pod, *family).and_then(|rules| {
            in_force |= rules.source == RulesSource::InForce;
            judge(&rules)
        });
        (*pod, judged)
    }))?;
    let first = summaries.first().map_or("", String::as_str);
    let v6 = format_families(&all);
    let source = if in_force { ", by the rules in force, because no log shows them" } else { "" };
    Ok(Judgement::pass(format!("{number}{v6}{source}: {first}")))
}

/// A set of packets, and the place where they must end.
pub(super) struct Question<'a> {
    /// The traffic: `inbound traffic`.
    pub(super) traffic: &'a str,
    pub(super) expected: &'a str,
    pub(super) packets: Vec<Packet>,
}

impl Question<'_> {
    /// Returns the packets, through every interface and from every source port that the rules distinguish. The usual ones
    /// come first.
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

    /// Judges every port of every packet. `is_right` decides whether ports may end there; `summary` describes the ports that
    /// may not.
    pub(super) fn judge(
        &self,
        pod_rules: &PodRules<'_>,
        is_right: impl Fn(&PortSet, &Outcome) -> bool,
        summary: impl Fn(&Packet, &PortSet, &Outcome) -> String,
    ) -> Judged {
        let PodRules { evidence, pod, rules, wrong, family, source } = pod_rules;
        let mut unjudged = None;
        for packet in &self.all_packets(rules) {
            for (ports, outcome) in port_outcomes(rules, packet) {
                if is_right(&ports, &outcome) {
                    continue;
                }
                // A port that cannot be simulated does not hide a wrong result of another one.
                if let Outcome::Unjudged { rule, why } = &outcome {
                    unjudged.get_or_insert_with(|| self.unjudged(pod, rule, why));
                    continue;
                }
                let destination_port = ports.first().unwrap_or_default();
                let first = Packet { destination_port, ..packet.clone() };
                let details = find_details(rules, &first);
                let source = match source {
                    RulesSource::Log => "",
                    RulesSource::InForce => "rules in force: ",
                };
                let walk = walk(rules, &first);
                let observed = format!("{source}{}{}", walk.summary(), format_decision(&walk));
                let _ = wrong.set(first);
                let summary = summary(packet, &ports, &outcome);
                let steps = if *family == Family::V6 && rules.tables.is_empty() {
                    injection::redirect_ipv6(evidence)
                } else {
                    injection::restore_redirection(evidence, pod)
                };
                let summary = add_details(&summary, &details);
                return Err(Judgement::fail(format!("pod {}: {summary}", pod.name))
                    .expected(self.expected)
                    .observed(observed)
                    .object(Object::pod(pod))
                    .steps(steps));
            }
        }
        unjudged.map_or_else(|| Ok(Judgement::pass(String::new())), Err)
    }

    fn unjudged(&self, pod: &Pod, rule: &str, why: &str) -> Judgement {
        let Pod { name, .. } = pod;
        let traffic = self.traffic;
        Judgement::unjudged(format!("pod {name}: cannot simulate {traffic}: rule `{rule}`: {why}"))
            .object(Object::pod(pod))
    }
}

/// Formats ports for a sentence. Ports that the proxy or DNS uses do not count for "all ports".
pub(super) fn format_ports(ports: &PortSet) -> String {
    let reserved = [&OWN_PORTS[..], &[TUNNEL_PORT, DNS_PORT]].concat();
    if ports.without(&reserved) == PortSet::all().without(&reserved) {
        return "all ports".to_owned();
    }
    let is_one = ports.first().is_some_and(|first| ports.without(&[first]).is_empty());
    format!("{} {ports}", if is_one { "port" } else { "ports" })
}

/// Adds the properties of a packet to a headline. They replace "to all ports": `outbound traffic to 192.0.2.9 is not
/// redirected`.
fn add_details(summary: &str, details: &[String]) -> String {
    let Some((traffic, outcome)) = summary.split_once(" is ").filter(|_| !details.is_empty())
    else {
        return summary.to_owned();
    };
    match traffic.strip_suffix(" to all ports") {
        Some(traffic) => format!("{traffic} {} is {outcome}", details.join(" ")),
        None => format!("{traffic} ({}) is {outcome}", details.join(", ")),
    }
}

/// Returns the properties of a packet that decide its result, and no others.
fn find_details(rules: &RuleSet, packet: &Packet) -> Vec<String> {
    let trace = walk(rules, packet);
    let outcome = &trace.outcome;
    let rule = deciding_rule(&trace).map_or("", |step| step.rule.as_str());
    let decides = |mut others: Vec<Packet>| {
        others.retain(|other| other != packet);
        others.iter().any(|other| walk(rules, other).outcome != *outcome)
    };
    let usual = Packet::first(packet.hook, Family::of(packet.source));
    let loopback = packet.interface == LOOPBACK;
    let is_proxy = packet.user == Some(PROXY_ID) || packet.group == Some(PROXY_ID);
    let addresses = || address_classes(rules, Family::of(packet.source)).into_iter();
    let owners = |numbers: Vec<u32>, change: fn(&mut Packet, u32)| {
        let numbers = numbers.into_iter().filter(|it| *it != PROXY_ID);
        let change = |it| {
            let mut other = packet.clone();
            change(&mut other, it);
            other
        };
        numbers.map(change).collect()
    };
    let mut parts = Vec::new();
    if let (Some(user), Some(group), false) = (packet.user, packet.group, is_proxy) {
        let by_user = decides(owners(user_classes(rules), |it, user| it.user = Some(user)));
        let by_group = decides(owners(group_classes(rules), |it, group| it.group = Some(group)));
        match (by_user, by_group) {
            (true, true) => parts.push(format!("of processes of user {user} in group {group}")),
            (true, false) => parts.push(format!("of processes of user {user}")),
            (false, true) => parts.push(format!("of processes in group {group}")),
            (false, false) => {}
        }
    }
    let (source, destination) = (packet.source, packet.destination);
    let from = |source: IpAddr| Packet { source, ..packet.clone() };
    let to = |destination: IpAddr| Packet { destination, ..packet.clone() };
    if packet.hook == Hook::Inbound && decides(addresses().map(from).collect()) {
        parts.push(format!("from {}", format_range(rule, "-s", source)));
    }
    if packet.hook == Hook::Outbound && !loopback && decides(addresses().map(to).collect()) {
        parts.push(format!("to {}", format_range(rule, "-d", destination)));
    }
    if decides(vec![Packet { source_port: usual.source_port, ..packet.clone() }]) {
        parts.push(format!("from source port {}", packet.source_port));
    }
    let (own_side, own, interface) = match packet.hook {
        Hook::Inbound => ("-d", destination, "-i"),
        Hook::Outbound => ("-s", source, "-o"),
    };
    let names_own = option_value(rule, own_side)
        .is_some_and(|_| format_range(rule, own_side, own) == own.to_string());
    if !loopback && names_own {
        let to = if packet.hook == Hook::Inbound { "to" } else { "from" };
        parts.push(format!("{to} the pod's own address"));
    }
    if !loopback
        && (option_value(rule, interface).is_some()
            || decides(vec![Packet { interface: usual.interface, ..packet.clone() }]))
    {
        parts.push(format!("through interface {}", packet.interface));
    }
    if source.is_ipv6() {
        parts.push("over IPv6".to_owned());
    }
    parts
}

/// Returns the value of an option of a rule, where it is not negated.
fn option_value<'r>(rule: &'r str, option: &str) -> Option<&'r str> {
    let words: Vec<_> = rule.split_whitespace().collect();
    let at = words.iter().position(|word| *word == option)?;
    let is_negated = at.checked_sub(1).is_some_and(|before| words[before] == "!");
    words.get(at + 1).copied().filter(|_| !is_negated)
}

/// Formats the addresses for which a rule decides: the range of its option, or this address.
fn format_range(rule: &str, option: &str, address: IpAddr) -> String {
    let whole = if address.is_ipv4() { "/32" } else { "/128" };
    let range = option_value(rule, option).map(|range| range.strip_suffix(whole).unwrap_or(range));
    range.map_or_else(|| address.to_string(), ToOwned::to_owned)
}

/// Formats the rule that decided the result; nothing where a packet reached the end of all chains. Where Istio's chain
/// redirects to its usual port, the rule that jumps to this chain decides.
fn format_decision(walk: &Walk) -> String {
    deciding_rule(walk).map_or_else(String::new, |step| format!(" by rule `{}`", step.rule))
}

fn deciding_rule(walk: &Walk) -> Option<&Step> {
    let ended = matches!(walk.outcome, Outcome::Dropped | Outcome::Rejected);
    let mut steps = walk.trail.iter().filter(|step| ended || step.table == "nat");
    let last = steps.next_back().filter(|step| step.fit == Fit::Matched)?;
    let port = match last.chain.as_str() {
        "ISTIO_REDIRECT" => Some(OUTBOUND_PORT),
        "ISTIO_IN_REDIRECT" => Some(INBOUND_PORT),
        _ => None,
    };
    let is_usual = port.is_some_and(|port| walk.outcome == Outcome::Redirected { port });
    let jump = steps.rfind(|step| step.fit == Fit::Matched).filter(|_| is_usual);
    Some(jump.unwrap_or(last))
}
