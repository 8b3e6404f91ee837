//! Every connection that the rules tell apart, not only every port: from where, by whom, over what.

use serde::Serialize;

use super::classes::{
    group_classes, interface_classes, peers, port_outcomes, source_port_classes, user_classes,
};
use super::packet::{Hook, Outcome, Packet};
use super::ports::PortSet;
use super::rules::{RuleSet, Side};

/// The destination ports at which some packet has this outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Where these packets end.
    pub outcome: Outcome,
    /// The ports. One may stand at several outcomes: then it depends on the rest of the packet.
    pub ports: PortSet,
    /// One such packet, to the first of the ports that were found for it, for walking its way.
    pub example: Packet,
}

/// Where every packet like this one ends, whatever its ports are, and
///
/// - arriving: whatever its source and the interface at which it arrives;
/// - leaving: whatever its destination, its user and group, and the interface by which it leaves.
///
/// Only packets that `wanted` takes count: to leave out the proxy's user, for example. Addresses and
/// the interface of a packet on `lo` stay as they are: what a host says to itself has no other.
/// Destination ports are all from 1 to 65535.
pub fn coverage(
    rules: &RuleSet,
    template: &Packet,
    wanted: impl Fn(&Packet) -> bool,
) -> Vec<Covered> {
    let mut found: Vec<Covered> = Vec::new();
    for packet in variants(rules, template).into_iter().filter(wanted) {
        for (ports, outcome) in port_outcomes(rules, &packet) {
            if let Some(known) = found.iter_mut().find(|known| known.outcome == outcome) {
                known.ports = known.ports.union(&ports);
            } else {
                let destination_port = ports.first().unwrap_or_default();
                let example = Packet { destination_port, ..packet.clone() };
                found.push(Covered { outcome, ports, example });
            }
        }
    }
    found
}

/// The packet, once for each class of everything but its destination port.
fn variants(rules: &RuleSet, template: &Packet) -> Vec<Packet> {
    let mut packets = vec![template.clone()];
    if template.interface != "lo" {
        let outbound = template.hook == Hook::Outbound;
        let (side, own) = if outbound {
            (Side::Destination, template.destination)
        } else {
            (Side::Source, template.source)
        };
        let mut addresses = peers(rules, side, own);
        addresses.push(own);
        packets = each(&packets, &addresses, |packet, address| {
            if outbound {
                packet.destination = *address;
            } else {
                packet.source = *address;
            }
        });
        let interfaces = interface_classes(rules, &template.interface);
        packets =
            each(&packets, &interfaces, |packet, name| name.clone_into(&mut packet.interface));
    }
    if template.user.is_some() {
        packets = each(&packets, &user_classes(rules), |packet, user| packet.user = Some(*user));
    }
    if template.group.is_some() {
        packets =
            each(&packets, &group_classes(rules), |packet, group| packet.group = Some(*group));
    }
    each(&packets, &source_port_classes(rules, template.source_port), |packet, port| {
        packet.source_port = *port;
    })
}

fn each<T>(packets: &[Packet], values: &[T], set: impl Fn(&mut Packet, &T)) -> Vec<Packet> {
    let with = |packet: &Packet, value: &T| {
        let mut packet = packet.clone();
        set(&mut packet, value);
        packet
    };
    packets.iter().flat_map(|packet| values.iter().map(move |value| with(packet, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rules_in_log, walk};
    use rstest::rstest;

    const LOG: &str = include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");
    const PROXY: Option<u32> = Some(1337);

    fn application(packet: &Packet) -> bool {
        packet.user != PROXY && packet.group != PROXY
    }

    fn told(rules: &RuleSet, hook: Hook) -> Vec<String> {
        let found = coverage(rules, &Packet::first(hook), application);
        for covered in &found {
            assert_eq!(walk(rules, &covered.example).outcome, covered.outcome);
        }
        found.iter().map(|it| format!("{}: {}", it.outcome, it.ports)).collect()
    }

    #[test]
    fn the_real_rules_redirect_everything_else() {
        let rules = rules_in_log(LOG).unwrap().rules;
        assert_eq!(
            told(&rules, Hook::Inbound),
            [
                "redirected to port 15006: 1-15007, 15009-15019, 15022-15089, 15091-65535",
                "let through: 15008, 15020-15021, 15090",
            ]
        );
        assert_eq!(told(&rules, Hook::Outbound), ["redirected to port 15001: 1-65535"]);
    }

    #[rstest]
    #[case::source("-s 192.168.0.0/16", Hook::Inbound)]
    #[case::source_port("-p tcp --sport 1000:1999", Hook::Inbound)]
    #[case::interface("-i eth1", Hook::Inbound)]
    #[case::destination("-d 0.0.0.0/5", Hook::Outbound)]
    #[case::user("-m owner --uid-owner 7", Hook::Outbound)]
    #[case::group_of_another_user("-m owner ! --uid-owner 7 --gid-owner 8", Hook::Outbound)]
    #[case::out_interface("-o net+", Hook::Outbound)]
    #[case::either_port("-p tcp -m multiport --ports 99", Hook::Inbound)]
    fn a_hole_for_some_packets_is_found(#[case] condition: &str, #[case] hook: Hook) {
        let chain = if hook == Hook::Inbound { "ISTIO_INBOUND" } else { "ISTIO_OUTPUT" };
        let (start, end) = LOG.split_at(LOG.rfind(":ISTIO_REDIRECT - [0:0]").unwrap());
        let hole = format!("-A {chain} {condition} -j RETURN\n");
        let rules = rules_in_log(&format!("{start}{hole}{end}")).unwrap().rules;
        let all = coverage(&rules, &Packet::first(hook), application);
        let through = all.iter().find(|it| it.outcome == Outcome::Accepted).unwrap();
        assert!(through.ports.contains(80) || through.ports.contains(99), "{}", through.ports);
    }
}
