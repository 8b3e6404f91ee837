//! Where packets end: the rules in the init container's log, walked.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr};

use super::{INBOUND_PORT, INIT, OUTBOUND_PORT, OWN_PORTS, PROXY_ID, TUNNEL_PORT, injected};
use crate::combine::all_hold;
use crate::evidence::{Evidence, Observation, Pod};
use crate::format::{POD, count, list};
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use meshcheck_netfilter::{
    Hook, Outcome, Packet, PortSet, Printed, RuleSet, Walk, address_classes, group_classes,
    interface_classes, port_outcomes, rules_in_log, source_port_classes, user_classes, walk, work,
};

/// The port on which DNS is asked.
const DNS_PORT: u16 = 53;
/// The interface by which a pod reaches itself.
const LOOPBACK: &str = "lo";
/// The port of the sidecar's DNS proxy.
/// Source: <https://istio.io/latest/docs/ops/deployment/application-requirements/>.
const DNS_CAPTURE_PORT: u16 = 15053;
/// Rules that are asked at most, in all walks of one kind together: some seconds. The rules of a
/// sidecar need a thousandth of it.
const MOST_WORK: usize = 20_000_000;
/// The address from which the proxy calls its own application.
/// Source: `InboundPassthroughBindIpv4` in Istio's `pilot/pkg/networking/core`.
const PASSTHROUGH: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

pub(in super::super) fn inbound_redirected(evidence: &Evidence) -> Judged {
    each(evidence, inbound)
}

pub(in super::super) fn outbound_redirected(evidence: &Evidence) -> Judged {
    each(evidence, outbound)
}

/// A pod whose rules are judged.
struct Asked<'a> {
    evidence: &'a Evidence,
    pod: &'a Pod,
    rules: &'a RuleSet,
    /// The first packet that ended where it should not.
    wrong: OnceCell<Packet>,
}

impl<'a> Asked<'a> {
    fn new(evidence: &'a Evidence, pod: &'a Pod, rules: &'a RuleSet) -> Self {
        Self { evidence, pod, rules, wrong: OnceCell::new() }
    }
}

/// The way of one packet through the rules that a pod's init container has logged: what a report
/// shows beside the verdicts of `mesh::inbound_redirected` and `mesh::outbound_redirected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The pod.
    pub pod: String,
    /// The packet: the demo's usual one; where another one ends at a wrong place, that one.
    pub packet: Packet,
    /// Whether packets end where they should.
    pub right: bool,
    /// Where the packet ends, and every rule that it came by. Lines have the log's numbers.
    pub walk: Walk,
    /// The lines of the log that print the rules, with their numbers from 1.
    pub lines: Vec<(usize, String)>,
}

/// The ways that are worth a look: inbound and outbound, for each pod with a sidecar whose log shows
/// its rules. Rules that cannot be judged have none.
pub fn ways(evidence: &Evidence) -> Vec<Way> {
    let pods = injected(evidence).unwrap_or_default();
    pods.into_iter()
        .filter_map(|pod| Some((pod, logged(evidence, pod).ok()?)))
        .filter(|(_, rules)| work(rules) <= MOST_WORK)
        .flat_map(|(pod, rules)| {
            [Hook::Inbound, Hook::Outbound].map(|hook| way(evidence, pod, &rules, hook))
        })
        .collect()
}

fn way(evidence: &Evidence, pod: &Pod, rules: &RuleSet, hook: Hook) -> Way {
    let asked = Asked::new(evidence, pod, rules);
    let judged = match hook {
        Hook::Inbound => inbound(&asked),
        Hook::Outbound => outbound(&asked),
    };
    let usual = match hook {
        Hook::Inbound => {
            Packet { destination_port: evidence.expectations.backend.port, ..packet(pod, hook) }
        }
        Hook::Outbound => packet(pod, hook),
    };
    let packet = asked.wrong.into_inner().unwrap_or(usual);
    Way {
        pod: pod.name.clone(),
        right: judged.is_ok(),
        walk: walk(rules, &packet),
        packet,
        lines: printed(evidence, pod, rules),
    }
}

/// The lines of the log that print these rules: from the first table's head to the last one's `COMMIT`.
fn printed(evidence: &Evidence, pod: &Pod, rules: &RuleSet) -> Vec<(usize, String)> {
    let log = evidence.mesh.init_logs.get(&pod.name).and_then(Observation::value);
    let lines: Vec<_> = log.map(|log| log.lines().map(str::trim).collect()).unwrap_or_default();
    let at = || rules.rules().map(|rule| rule.line);
    let (Some(first), Some(last)) = (at().min(), at().max()) else { return Vec::new() };
    let head = lines.iter().take(first).rposition(|line| line.starts_with('*'));
    let end = lines.iter().skip(last).position(|line| *line == "COMMIT");
    let (head, end) = (head.unwrap_or(first - 1), end.map_or(last, |more| last + more + 1));
    lines
        .iter()
        .enumerate()
        .take(end)
        .skip(head)
        .map(|(number, line)| (number + 1, (*line).to_owned()))
        .collect()
}

fn each(evidence: &Evidence, judge: impl Fn(&Asked<'_>) -> Judged) -> Judged {
    let pods = injected(evidence)?;
    let number = pods.len();
    let parts: Vec<_> = pods
        .into_iter()
        .map(|pod| {
            let rules = logged(evidence, pod)?;
            if work(&rules) > MOST_WORK {
                return Err(Judgement::unjudged(format!(
                    "{}: the rules tell more packets apart than can be followed",
                    pod.name
                ))
                .object(Object::pod(pod)));
            }
            judge(&Asked::new(evidence, pod, &rules))
        })
        .collect();
    let words = all_hold(parts)?;
    let way = words.first().cloned().unwrap_or_default();
    Ok(Judgement::pass(format!("{}: {way}", count(number, POD))))
}

/// The rules that a pod's init container has logged: those of IPv4. Of a pod with another address they tell
/// nothing.
pub(super) fn logged(evidence: &Evidence, pod: &Pod) -> Result<RuleSet, Judgement> {
    if let Some(IpAddr::V6(address)) = pod.ip.as_deref().and_then(|ip| ip.parse().ok()) {
        return Err(Judgement::unjudged(format!(
            "{} has the address {address}: rules for IPv6 are not judged here",
            pod.name
        ))
        .object(Object::pod(pod)));
    }
    let show = || {
        let arguments = ["-n", &pod.namespace, "logs", &pod.name, "-c", INIT];
        format!("`{}` shows its log", evidence.kubectl(&arguments))
    };
    let log = match evidence.mesh.init_logs.get(&pod.name) {
        Some(Observation::Seen { value }) => value,
        Some(other) => {
            return Err(Judgement::unjudged(format!(
                "could not look at the log of {}'s {INIT}: {}",
                pod.name,
                other.reason().unwrap_or_default()
            )));
        }
        None if pod.init_containers.iter().any(|container| container.name == INIT) => {
            return Err(Judgement::unjudged(format!(
                "the log of {}'s {INIT} was not read",
                pod.name
            )));
        }
        None => {
            return Err(Judgement::unjudged(format!(
                "{} has no {INIT} whose log would show the rules",
                pod.name
            )));
        }
    };
    match rules_in_log(log) {
        Ok(logged) if logged.printed == Printed::InForce => Ok(logged.rules),
        // Rules that were asked for and perhaps not set prove nothing.
        Ok(_) => Err(Judgement::unjudged(format!(
            "{}'s {INIT} logged the rules that it asked for, and not those that were set then",
            pod.name
        ))
        .legacy_hint(show())),
        Err(error) => {
            Err(Judgement::unjudged(format!("{}'s {INIT}: {error}", pod.name)).legacy_hint(show()))
        }
    }
}

/// The first packet of a connection, as the demo's pods see it.
fn packet(pod: &Pod, hook: Hook) -> Packet {
    // The rules that are walked are those of IPv4.
    let own = pod.ip.as_deref().and_then(|ip| ip.parse().ok());
    let own = IpAddr::V4(own.unwrap_or(Ipv4Addr::new(10, 244, 0, 250)));
    let other = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 251));
    let outbound = hook == Hook::Outbound;
    Packet {
        source: if outbound { own } else { other },
        destination: if outbound { other } else { own },
        ..Packet::first(hook)
    }
}

fn unjudged(pod: &Pod, what: &str, rule: &str, why: &str) -> Judgement {
    Judgement::unjudged(format!("{}: {what} cannot be followed: {why}: `{rule}`", pod.name))
        .object(Object::pod(pod))
}

fn wrong(
    evidence: &Evidence,
    pod: &Pod,
    summary: String,
    expected: &str,
    observed: String,
) -> Judgement {
    Judgement::fail(summary)
        .expected(expected)
        .observed(observed)
        .object(Object::pod(pod))
        .legacy_hint(super::injection::change(evidence, pod))
}

/// One question to the rules: where all these packets must end.
struct Question<'a> {
    /// Whose traffic it is: `inbound traffic`.
    what: &'a str,
    expected: &'a str,
    packets: Vec<Packet>,
}

impl Question<'_> {
    /// The packets, by every interface and from every source port that the rules tell apart: the
    /// usual ones first.
    fn everywhere(&self, rules: &RuleSet) -> Vec<Packet> {
        let mut all = self.packets.clone();
        for packet in &self.packets {
            let interfaces = match packet.interface.as_str() {
                LOOPBACK => vec![LOOPBACK.to_owned()],
                usual => interface_classes(rules, usual),
            };
            for source_port in source_port_classes(rules, packet.source_port) {
                for interface in interfaces.clone() {
                    let other = Packet { source_port, interface, ..packet.clone() };
                    if other != *packet {
                        all.push(other);
                    }
                }
            }
        }
        all
    }

    /// Asks for every port of every packet. `right` says whether ports that end there are right;
    /// `summary` says what is wrong with those that are not.
    fn ask(
        &self,
        asked: &Asked<'_>,
        right: impl Fn(&PortSet, &Outcome) -> bool,
        summary: impl Fn(&Packet, &PortSet, &Outcome) -> String,
    ) -> Judged {
        let Asked { evidence, pod, rules, .. } = *asked;
        let mut unseen = None;
        for packet in &self.everywhere(rules) {
            for (ports, outcome) in port_outcomes(rules, packet) {
                if right(&ports, &outcome) {
                    continue;
                }
                // What cannot be followed for one port does not hide what is wrong with another.
                if let Outcome::Unjudged { rule, why } = &outcome {
                    unseen.get_or_insert_with(|| unjudged(pod, self.what, rule, why));
                    continue;
                }
                let port = ports.first().unwrap_or_default();
                let first = Packet { destination_port: port, ..packet.clone() };
                let way = walk(rules, &first);
                let _ = asked.wrong.set(first);
                let summary = summary(packet, &ports, &outcome);
                let summary = format!("{}: {summary}{}", pod.name, unusual(packet));
                return Err(wrong(evidence, pod, summary, self.expected, way.summary()));
            }
        }
        unseen.map_or_else(|| Ok(Judgement::pass(String::new())), Err)
    }
}

/// How a packet came that did not come as packets usually do.
fn unusual(packet: &Packet) -> String {
    let usual = Packet::first(packet.hook);
    let mut words = Vec::new();
    if packet.source_port != usual.source_port {
        words.push(format!("from source port {}", packet.source_port));
    }
    if packet.interface != usual.interface && packet.interface != LOOPBACK {
        words.push(format!("by interface {}", packet.interface));
    }
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

fn inbound(asked: &Asked<'_>) -> Judged {
    let Asked { evidence, pod, rules, .. } = *asked;
    let expected =
        format!("every port ends at {INBOUND_PORT}, but for the sidecar's own {OWN_PORTS:?}");
    let template = packet(pod, Hook::Inbound);
    let sources = [template.source].into_iter().chain(address_classes(rules));
    let packets: Vec<_> = sources.map(|source| Packet { source, ..template.clone() }).collect();
    let question = |packets| Question { what: "inbound traffic", expected: &expected, packets };
    // The tunnel's port is the proxy's own business: redirected or left alone.
    let others = |ports: &PortSet| ports.without(&OWN_PORTS).without(&[TUNNEL_PORT]);
    let from = |packet: &Packet| {
        if packet.source == template.source {
            String::new()
        } else {
            format!(" from {}", packet.source)
        }
    };
    all_hold([
        question(packets.clone()).ask(
            asked,
            |ports, outcome| {
                *outcome == Outcome::Redirected { port: INBOUND_PORT } || others(ports).is_empty()
            },
            |packet, ports, outcome| {
                format!("inbound traffic to port {}{} is {outcome}", others(ports), from(packet))
            },
        ),
        question(packets).ask(
            asked,
            |ports, outcome| *outcome == Outcome::Accepted || own(ports).is_empty(),
            |packet, ports, outcome| {
                let own = own(ports).iter().map(ToString::to_string).collect::<Vec<_>>();
                format!("the sidecar's own port {}{} is {outcome}", list(&own), from(packet))
            },
        ),
    ])?;
    let port = evidence.expectations.backend.port;
    let way = walk(rules, &Packet { destination_port: port, ..template });
    let own: PortSet = OWN_PORTS.into_iter().collect();
    Ok(Judgement::pass(format!(
        "port {port}: {}; so is every other but the sidecar's own {own}",
        way.summary()
    )))
}

/// Which of the sidecar's own ports are among these.
fn own(ports: &PortSet) -> Vec<u16> {
    OWN_PORTS.into_iter().filter(|port| ports.contains(*port)).collect()
}

/// Whether these ports are DNS's alone, and end at the proxy that answers DNS where the mesh is
/// told to (`ISTIO_META_DNS_CAPTURE`).
fn dns_captured(ports: &PortSet, outcome: &Outcome) -> bool {
    *outcome == Outcome::Redirected { port: DNS_CAPTURE_PORT }
        && ports.without(&[DNS_PORT]).is_empty()
}

fn outbound(asked: &Asked<'_>) -> Judged {
    let Asked { evidence, pod, rules, .. } = *asked;
    all_hold([
        application(asked),
        proxy(asked),
        itself(asked),
        back_to_itself(asked),
        behind_the_proxy(asked),
    ])?;
    let destination_port = evidence.expectations.backend.service_port;
    let packet = Packet { destination_port, ..packet(pod, Hook::Outbound) };
    let way = walk(rules, &packet);
    Ok(Judgement::pass(format!(
        "port {}: {}; so is every other port and address, and the proxy's own traffic leaves",
        packet.destination_port,
        way.summary()
    )))
}

/// What the application sends, to any address and port, as any user but the proxy's, ends at the proxy.
fn application(asked: &Asked<'_>) -> Judged {
    let Asked { pod, rules, .. } = *asked;
    let template = packet(pod, Hook::Outbound);
    let mut packets = Vec::new();
    for destination in address_classes(rules) {
        for user in user_classes(rules).into_iter().filter(|user| *user != PROXY_ID) {
            for group in group_classes(rules).into_iter().filter(|group| *group != PROXY_ID) {
                let (user, group) = (Some(user), Some(group));
                packets.push(Packet { destination, user, group, ..template.clone() });
            }
        }
    }
    let expected = format!("every address and port ends at {OUTBOUND_PORT}");
    Question { what: "outbound traffic", expected: &expected, packets }.ask(
        asked,
        |ports, outcome| {
            *outcome == Outcome::Redirected { port: OUTBOUND_PORT } || dns_captured(ports, outcome)
        },
        |packet, ports, outcome| {
            let to = packet.destination;
            format!("the application's traffic to port {ports} of {to} is {outcome}")
        },
    )
}

/// What the proxy sends leaves, whether its user or its group tells; or it would send to itself for ever.
fn proxy(asked: &Asked<'_>) -> Judged {
    let Asked { pod, rules, .. } = *asked;
    let template = packet(pod, Hook::Outbound);
    let mut packets = Vec::new();
    for destination in address_classes(rules) {
        for (user, group) in [(PROXY_ID, PROXY_ID), (PROXY_ID, 1000), (1000, PROXY_ID)] {
            let (user, group) = (Some(user), Some(group));
            packets.push(Packet { destination, user, group, ..template.clone() });
        }
    }
    let expected = format!("traffic of user or group {PROXY_ID} leaves as it is");
    Question { what: "the proxy's traffic", expected: &expected, packets }.ask(
        asked,
        |_, outcome| *outcome == Outcome::Accepted,
        |packet, ports, outcome| {
            let (user, group) = (packet.user.unwrap_or(0), packet.group.unwrap_or(0));
            format!(
                "the proxy's own traffic (user {user}, group {group}) to port {ports} is {outcome}"
            )
        },
    )
}

/// A packet that stays in the pod.
fn over_loopback(pod: &Pod, source: IpAddr, destination: IpAddr) -> Packet {
    Packet {
        source,
        destination,
        interface: LOOPBACK.into(),
        to_this_host: true,
        ..packet(pod, Hook::Outbound)
    }
}

/// What the application sends to itself stays there, by the pod's address as well. Where the mesh captures
/// DNS, questions are led to a proxy of its, over loopback too.
fn itself(asked: &Asked<'_>) -> Judged {
    let pod = asked.pod;
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let own = packet(pod, Hook::Outbound).source;
    let packets = vec![over_loopback(pod, localhost, localhost), over_loopback(pod, own, own)];
    let expected = "traffic over the loopback interface stays as it is";
    Question { what: "loopback traffic", expected, packets }.ask(
        asked,
        |ports, outcome| {
            let at_the_proxy = *outcome == Outcome::Redirected { port: OUTBOUND_PORT };
            *outcome == Outcome::Accepted
                || dns_captured(ports, outcome)
                || at_the_proxy && ports.without(&[DNS_PORT]).is_empty()
        },
        |packet, ports, outcome| {
            format!("traffic to port {ports} of {} over loopback is {outcome}", packet.destination)
        },
    )
}

/// What the proxy sends to its own pod (the application has called a service, and its own pod is
/// behind it) is inbound traffic like any other: past the proxy it would reach the application as
/// the mesh's encryption has it. Tunnels and DNS have ways of their own.
fn back_to_itself(asked: &Asked<'_>) -> Judged {
    let pod = asked.pod;
    let own = packet(pod, Hook::Outbound).source;
    let sent =
        |group| Packet { user: Some(PROXY_ID), group: Some(group), ..over_loopback(pod, own, own) };
    let expected = format!("the proxy's traffic to its own pod ends at {INBOUND_PORT}");
    let packets = vec![sent(PROXY_ID), sent(1000)];
    let others = |ports: &PortSet| ports.without(&[TUNNEL_PORT, DNS_PORT]);
    Question { what: "the proxy's traffic to its own pod", expected: &expected, packets }.ask(
        asked,
        |ports, outcome| {
            *outcome == Outcome::Redirected { port: INBOUND_PORT } || others(ports).is_empty()
        },
        |_, ports, outcome| {
            format!("the proxy's traffic to port {} of its own pod is {outcome}", others(ports))
        },
    )
}

/// What the proxy hands to its application comes from an address of its own, by which the rules
/// know it: redirected, it would come back to the proxy for ever.
fn behind_the_proxy(asked: &Asked<'_>) -> Judged {
    let pod = asked.pod;
    let own = packet(pod, Hook::Outbound).source;
    let handed = |user, group| Packet {
        user: Some(user),
        group: Some(group),
        ..over_loopback(pod, PASSTHROUGH, own)
    };
    let packets = vec![handed(PROXY_ID, PROXY_ID), handed(PROXY_ID, 1000), handed(1000, PROXY_ID)];
    let expected = format!("traffic from {PASSTHROUGH} reaches the application as it is");
    Question { what: "what the proxy hands to its application", expected: &expected, packets }.ask(
        asked,
        |_, outcome| *outcome == Outcome::Accepted,
        |_, ports, outcome| {
            format!("what the proxy hands to its application's port {ports} is {outcome}: a loop")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{Way, ways};
    use crate::evidence::{Evidence, Observation};
    use crate::testing::healthy;
    use meshcheck_netfilter::{Hook, Outcome};

    fn changed(change: impl Fn(&str) -> String) -> Evidence {
        let mut evidence = healthy();
        for log in evidence.mesh.init_logs.values_mut() {
            let text = log.value().unwrap();
            *log = Observation::seen(change(text));
        }
        evidence
    }

    fn first(ways: &[Way], hook: Hook) -> &Way {
        ways.iter().find(|way| way.packet.hook == hook).unwrap()
    }

    #[test]
    fn each_pod_with_a_sidecar_has_two_ways_that_stand_in_its_log() {
        let ways = ways(&healthy());
        assert_eq!(ways.len(), 4);
        for way in &ways {
            assert!(way.right, "{way:?}");
            assert_eq!(way.lines.first().unwrap().1, "*nat");
            assert_eq!(way.lines.last().unwrap().1, "COMMIT");
            for step in &way.walk.trail {
                assert!(way.lines.contains(&(step.line, step.rule.clone())), "{step:?}");
            }
        }
        let inbound = first(&ways, Hook::Inbound);
        assert_eq!(inbound.packet.destination_port, 5678);
        assert_eq!(inbound.walk.outcome, Outcome::Redirected { port: 15006 });
    }

    /// The packet that is shown is the one that the verdict speaks of.
    #[test]
    fn a_packet_that_ends_at_a_wrong_place_is_the_one_that_is_shown() {
        let accept = "\n-A ISTIO_INBOUND -p tcp -m tcp --dport 8080 -j RETURN\n-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT";
        let rule = "\n-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT";
        let ways = ways(&changed(|log| log.replace(rule, accept)));
        let inbound = first(&ways, Hook::Inbound);
        assert!(!inbound.right);
        assert_eq!(inbound.packet.destination_port, 8080);
        assert_eq!(inbound.walk.outcome, Outcome::Accepted);
        assert!(first(&ways, Hook::Outbound).right);
    }

    #[test]
    fn where_there_are_no_rules_there_is_no_way() {
        assert_eq!(ways(&changed(|_| "nothing".to_owned())), []);
    }
}
