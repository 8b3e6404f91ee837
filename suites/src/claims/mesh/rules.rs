//! Where packets end: the rules in the init container's log, walked, and compared with those in force.

use std::net::{IpAddr, Ipv4Addr};

use super::super::parts::all_hold;
use super::super::words::{count, list, pod_object};
use super::{INBOUND_PORT, INIT, OUTBOUND_PORT, OWN_PORTS, PROXY_ID, TUNNEL_PORT, injected};
use crate::evidence::{Evidence, Observation, Pod};
use crate::iptables::{
    Hook, Outcome, Packet, PortSet, Printed, RuleSet, address_classes, differences, owner_classes,
    parse, port_outcomes, rules_in_log, walk,
};
use crate::judgement::{Judged, Judgement};

/// The port that the demo's backend listens on: the way that is told.
const BACKEND_PORT: u16 = 5678;
/// The port that the demo's client asks.
const SERVICE_PORT: u16 = 80;
/// How many differences are told; more say nothing more.
const TOLD: usize = 4;

pub(in super::super) fn inbound_redirected(evidence: &Evidence) -> Judged {
    each(evidence, |pod, rules| inbound(evidence, pod, rules))
}

pub(in super::super) fn outbound_redirected(evidence: &Evidence) -> Judged {
    each(evidence, |pod, rules| outbound(evidence, pod, rules))
}

fn each(evidence: &Evidence, judge: impl Fn(&Pod, &RuleSet) -> Judged) -> Judged {
    let pods = injected(evidence)?;
    let number = pods.len();
    let parts: Vec<_> = pods
        .into_iter()
        .map(|pod| logged(evidence, pod).and_then(|rules| judge(pod, &rules)))
        .collect();
    let words = all_hold(parts)?;
    let way = words.first().cloned().unwrap_or_default();
    Ok(Judgement::pass(format!("{}: {way}", count(number, "pod"))))
}

/// The rules that a pod's init container has logged.
fn logged(evidence: &Evidence, pod: &Pod) -> Result<RuleSet, Judgement> {
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
        .hint(show())),
        Err(error) => {
            Err(Judgement::unjudged(format!("{}'s {INIT}: {error}", pod.name)).hint(show()))
        }
    }
}

/// The first packet of a connection, as the demo's pods see it.
fn packet(pod: &Pod, hook: Hook) -> Packet {
    let own = pod.ip.as_deref().and_then(|ip| ip.parse().ok());
    let own: IpAddr = own.unwrap_or(IpAddr::V4(Ipv4Addr::new(10, 244, 0, 250)));
    let other = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 251));
    let outbound = hook == Hook::Outbound;
    Packet {
        hook,
        source: if outbound { own } else { other },
        destination: if outbound { other } else { own },
        destination_port: SERVICE_PORT,
        ..Packet::first(hook)
    }
}

fn unjudged(pod: &Pod, what: &str, rule: &str, why: &str) -> Judgement {
    Judgement::unjudged(format!("{}: {what} cannot be followed: {why}: `{rule}`", pod.name))
        .object(pod_object(pod))
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
        .object(pod_object(pod))
        .hint(super::injection::change(evidence, pod))
}

fn inbound(evidence: &Evidence, pod: &Pod, rules: &RuleSet) -> Judged {
    let redirected = Outcome::Redirected { port: INBOUND_PORT };
    let template = packet(pod, Hook::Inbound);
    let expected =
        format!("every port ends at {INBOUND_PORT}, but for the sidecar's own {OWN_PORTS:?}");
    let mut left_alone = PortSet::default();
    for (ports, outcome) in port_outcomes(rules, &template) {
        // The tunnel's port is the proxy's own business: redirected or left alone.
        let ports = ports.without(&[TUNNEL_PORT]);
        match &outcome {
            Outcome::Unjudged { rule, why } if !ports.is_empty() => {
                return Err(unjudged(pod, "inbound traffic", rule, why));
            }
            outcome if *outcome == redirected => {
                if let Some(port) = OWN_PORTS.iter().find(|port| ports.contains(**port)) {
                    let summary =
                        format!("{}: the sidecar's own port {port} is redirected", pod.name);
                    let observed = format!("{port} {outcome}");
                    return Err(wrong(evidence, pod, summary, &expected, observed));
                }
            }
            outcome => {
                let lost = ports.without(&OWN_PORTS);
                if !lost.is_empty() {
                    let summary =
                        format!("{}: inbound traffic to port {lost} is {outcome}", pod.name);
                    let way = lost.first().map(|port| {
                        walk(rules, &Packet { destination_port: port, ..template.clone() })
                            .summary()
                    });
                    return Err(wrong(evidence, pod, summary, &expected, way.unwrap_or_default()));
                }
                if *outcome != Outcome::Accepted && !ports.is_empty() {
                    let summary =
                        format!("{}: the sidecar's own port {ports} is {outcome}", pod.name);
                    return Err(wrong(evidence, pod, summary, &expected, outcome.to_string()));
                }
                left_alone = ports;
            }
        }
    }
    let way = walk(rules, &Packet { destination_port: BACKEND_PORT, ..template });
    Ok(Judgement::pass(format!(
        "port {BACKEND_PORT}: {}; so is every other but {left_alone}",
        way.summary()
    )))
}

fn outbound(evidence: &Evidence, pod: &Pod, rules: &RuleSet) -> Judged {
    all_hold([
        application(evidence, pod, rules),
        proxy(evidence, pod, rules),
        itself(evidence, pod, rules),
    ])?;
    let way = walk(rules, &packet(pod, Hook::Outbound));
    Ok(Judgement::pass(format!(
        "port {SERVICE_PORT}: {}; so is every other port and address, and the proxy's own traffic leaves",
        way.summary()
    )))
}

/// What the application sends, to any address and port, as any user but the proxy's, ends at the proxy.
fn application(evidence: &Evidence, pod: &Pod, rules: &RuleSet) -> Judged {
    let expected = format!("every address and port ends at {OUTBOUND_PORT}");
    for address in address_classes(rules) {
        for owner in owner_classes(rules).into_iter().filter(|owner| *owner != PROXY_ID) {
            let template = Packet {
                destination: address,
                user: Some(owner),
                group: Some(owner),
                ..packet(pod, Hook::Outbound)
            };
            for (ports, outcome) in port_outcomes(rules, &template) {
                match &outcome {
                    Outcome::Redirected { port: OUTBOUND_PORT } => {}
                    Outcome::Unjudged { rule, why } => {
                        return Err(unjudged(pod, "outbound traffic", rule, why));
                    }
                    outcome => {
                        let summary = format!(
                            "{}: the application's traffic to port {ports} of {address} is {outcome}",
                            pod.name
                        );
                        let port = ports.first().unwrap_or_default();
                        let way =
                            walk(rules, &Packet { destination_port: port, ..template.clone() });
                        return Err(wrong(evidence, pod, summary, &expected, way.summary()));
                    }
                }
            }
        }
    }
    Ok(Judgement::pass(String::new()))
}

/// What the proxy sends leaves, whether its user or its group tells; or it would send to itself for ever.
fn proxy(evidence: &Evidence, pod: &Pod, rules: &RuleSet) -> Judged {
    let expected = format!("traffic of user or group {PROXY_ID} leaves as it is");
    for address in address_classes(rules) {
        for (user, group) in [(PROXY_ID, PROXY_ID), (PROXY_ID, 1000), (1000, PROXY_ID)] {
            let template = Packet {
                destination: address,
                user: Some(user),
                group: Some(group),
                ..packet(pod, Hook::Outbound)
            };
            for (ports, outcome) in port_outcomes(rules, &template) {
                match &outcome {
                    Outcome::Accepted => {}
                    Outcome::Unjudged { rule, why } => {
                        return Err(unjudged(pod, "the proxy's traffic", rule, why));
                    }
                    outcome => {
                        let summary = format!(
                            "{}: the proxy's own traffic (user {user}, group {group}) to port {ports} is {outcome}",
                            pod.name
                        );
                        let port = ports.first().unwrap_or_default();
                        let way =
                            walk(rules, &Packet { destination_port: port, ..template.clone() });
                        return Err(wrong(evidence, pod, summary, &expected, way.summary()));
                    }
                }
            }
        }
    }
    Ok(Judgement::pass(String::new()))
}

/// What the application sends to itself stays there.
fn itself(evidence: &Evidence, pod: &Pod, rules: &RuleSet) -> Judged {
    let expected = "traffic to 127.0.0.1 stays as it is";
    let template = Packet {
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        destination: IpAddr::V4(Ipv4Addr::LOCALHOST),
        interface: "lo".into(),
        to_this_host: true,
        ..packet(pod, Hook::Outbound)
    };
    for (ports, outcome) in port_outcomes(rules, &template) {
        match &outcome {
            Outcome::Accepted => {}
            Outcome::Unjudged { rule, why } => {
                return Err(unjudged(pod, "loopback traffic", rule, why));
            }
            outcome => {
                let summary =
                    format!("{}: traffic to port {ports} of 127.0.0.1 is {outcome}", pod.name);
                return Err(wrong(evidence, pod, summary, expected, outcome.to_string()));
            }
        }
    }
    Ok(Judgement::pass(String::new()))
}

pub(in super::super) fn live_rules(evidence: &Evidence) -> Judged {
    let pods = injected(evidence)?;
    let number = pods.len();
    let parts: Vec<_> = pods.into_iter().map(|pod| live(evidence, pod)).collect();
    all_hold(parts)?;
    Ok(Judgement::pass(format!("{}: in force is what the log shows", count(number, "pod"))))
}

fn live(evidence: &Evidence, pod: &Pod) -> Judged {
    let live = match evidence.mesh.live_rules.get(&pod.name) {
        Some(Observation::Seen { value }) => value,
        Some(Observation::NotAsked { reason }) => {
            return Err(Judgement::skipped(format!("the rules in force: {reason}")));
        }
        Some(other) => {
            return Err(Judgement::unjudged(format!(
                "could not look at the rules in force in {}: {}",
                pod.name,
                other.reason().unwrap_or_default()
            )));
        }
        None => {
            return Err(Judgement::unjudged(format!(
                "the rules in force in {} were not read",
                pod.name
            )));
        }
    };
    let hint = || super::renew(evidence, pod);
    // A network namespace without any rules prints nothing.
    let live = match parse(live) {
        Ok(live) => live,
        Err(crate::iptables::ParseError::Empty) => RuleSet::default(),
        Err(error) => {
            return Err(Judgement::unjudged(format!(
                "the rules in force in {}: {error}",
                pod.name
            )));
        }
    };
    let found = differences(&logged(evidence, pod)?, &live);
    if found.is_empty() {
        return Ok(Judgement::pass(String::new()));
    }
    let told: Vec<_> = found.iter().take(TOLD).map(ToString::to_string).collect();
    let more = match found.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Err(Judgement::fail(format!("{}: other rules are in force than the log shows", pod.name))
        .expected(format!("the rules in the log of {INIT}"))
        .observed(format!("{}{more}", list(&told)))
        .object(pod_object(pod))
        .hint(hint()))
}
