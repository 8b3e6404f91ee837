//! Every port, address and owner, without walking each: one representative for each class that the rules
//! tell apart.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::packet::{Outcome, Packet};
use super::rules::{Match, RuleSet};
use super::walk::outcome;

/// A set of ports, as ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet(Vec<(u16, u16)>);

impl PortSet {
    /// Whether a port is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its first port.
    pub fn first(&self) -> Option<u16> {
        self.0.first().map(|(first, _)| *first)
    }

    /// The ports of this set that are not in a list.
    #[must_use]
    pub fn without(&self, ports: &[u16]) -> Self {
        let mut left = Self::default();
        for (first, last) in &self.0 {
            let mut from = u32::from(*first);
            let mut holes: Vec<_> =
                ports.iter().copied().filter(|port| (*first..=*last).contains(port)).collect();
            holes.sort_unstable();
            for hole in holes {
                left.push(from, u32::from(hole));
                from = u32::from(hole) + 1;
            }
            left.push(from, u32::from(*last) + 1);
        }
        left
    }

    /// Adds the ports from one up to, and without, another that is larger than all before.
    fn push(&mut self, from: u32, to: u32) {
        let (Ok(first), Ok(last)) = (u16::try_from(from), u16::try_from(to.saturating_sub(1)))
        else {
            return;
        };
        if from >= to {
            return;
        }
        match self.0.last_mut() {
            Some((_, end)) if u32::from(*end) + 1 == from => *end = last,
            _ => self.0.push((first, last)),
        }
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let sorted: BTreeSet<u16> = ports.into_iter().collect();
        let mut set = Self::default();
        for port in sorted {
            set.push(port.into(), u32::from(port) + 1);
        }
        set
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

/// Where packets like this one end, for every destination port from 1 to 65535.
pub fn port_outcomes(rules: &RuleSet, packet: &Packet) -> Vec<(PortSet, Outcome)> {
    let mut starts: BTreeSet<u32> = BTreeSet::from([1]);
    for condition in rules.rules().flat_map(|rule| &rule.matches) {
        if let Match::Ports { ranges, .. } | Match::EitherPort { ranges, .. } = condition {
            for (first, last) in ranges {
                starts.insert(u32::from(*first).max(1));
                starts.insert(u32::from(*last) + 1);
            }
        }
    }
    starts.insert(u32::from(u16::MAX) + 1);
    let starts: Vec<_> = starts.into_iter().collect();
    let mut outcomes: Vec<(PortSet, Outcome)> = Vec::new();
    for pair in starts.windows(2) {
        let &[from, to] = pair else { continue };
        let Ok(port) = u16::try_from(from) else { continue };
        let packet = Packet { destination_port: port, ..packet.clone() };
        let outcome = outcome(rules, &packet);
        let at = outcomes.iter().position(|(_, known)| *known == outcome).unwrap_or_else(|| {
            outcomes.push((PortSet::default(), outcome));
            outcomes.len() - 1
        });
        outcomes[at].0.push(from, to);
    }
    outcomes
}

/// One IPv4 address for each class of destinations that the rules tell apart, loopback, multicast and
/// what is no host left out.
pub fn address_classes(rules: &RuleSet) -> Vec<IpAddr> {
    // Documentation, private, public: also without any rule something is tried.
    let mut starts: BTreeSet<u32> = BTreeSet::from([
        Ipv4Addr::new(10, 96, 0, 10).to_bits(),
        Ipv4Addr::new(203, 0, 113, 7).to_bits(),
    ]);
    for condition in rules.rules().flat_map(|rule| &rule.matches) {
        if let Match::Address { network, .. } = condition
            && network.address.is_ipv4()
        {
            let (first, last) = network.bounds();
            starts.extend(u32::try_from(first));
            starts.extend(u32::try_from(last + 1));
        }
    }
    starts
        .into_iter()
        .map(Ipv4Addr::from)
        .filter(|address| {
            !(address.is_loopback() || address.octets()[0] == 0 || address.octets()[0] >= 224)
        })
        .map(IpAddr::V4)
        .collect()
}

/// One number for each class of users and groups that the rules tell apart.
pub fn owner_classes(rules: &RuleSet) -> Vec<u32> {
    let mut starts: BTreeSet<u32> = BTreeSet::from([0, 1000]);
    for condition in rules.rules().flat_map(|rule| &rule.matches) {
        if let Match::User { range: (first, last), .. }
        | Match::Group { range: (first, last), .. } = condition
        {
            starts.insert(*first);
            starts.extend(last.checked_add(1));
        }
    }
    starts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::walk::tests::{inbound, outbound};
    use super::super::{parse, rules_in_log, walk};
    use super::*;
    use proptest::prelude::*;

    const LOG: &str = include_str!("../../../fixtures/observed/istio-1.20.3/istio-init-echo.log");

    #[test]
    fn all_ports_of_the_real_rules_are_known() {
        let rules = rules_in_log(LOG).unwrap().rules;
        let outcomes = port_outcomes(&rules, &inbound(1));
        let of = |outcome: Outcome| {
            outcomes.iter().find(|(_, known)| *known == outcome).unwrap().0.to_string()
        };
        assert_eq!(of(Outcome::Accepted), "15008, 15020-15021, 15090");
        assert_eq!(
            of(Outcome::Redirected { port: 15006 }),
            "1-15007, 15009-15019, 15022-15089, 15091-65535"
        );
        let all = port_outcomes(&rules, &outbound(1, 1));
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].0.to_string(), "1-65535");
    }

    #[test]
    fn a_hole_is_found_wherever_it_is() {
        let rules = parse(
            "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp -m multiport --dports 7,4000:4999 -j RETURN\n\
             -A PREROUTING -p tcp -j REDIRECT --to-ports 15006\nCOMMIT\n",
        )
        .unwrap();
        let outcomes = port_outcomes(&rules, &inbound(1));
        let accepted = outcomes.iter().find(|(_, it)| *it == Outcome::Accepted).unwrap();
        assert_eq!(accepted.0.to_string(), "7, 4000-4999");
        assert_eq!(accepted.0.without(&[7, 4500]).to_string(), "4000-4499, 4501-4999");
    }

    #[test]
    fn classes_have_a_representative_on_each_side() {
        let rules = parse(
            "*nat\n:OUTPUT ACCEPT\n-A OUTPUT -d 10.0.0.0/8 -m owner --uid-owner 5-9 -j RETURN\nCOMMIT\n",
        )
        .unwrap();
        let addresses = address_classes(&rules);
        assert!(addresses.contains(&"10.0.0.0".parse().unwrap()));
        assert!(addresses.contains(&"11.0.0.0".parse().unwrap()));
        assert_eq!(owner_classes(&rules), [0, 5, 10, 1000]);
    }

    proptest! {
        /// The classes say for each port what walking that port says.
        #[test]
        fn classes_agree_with_single_walks(
            ranges in proptest::collection::vec((1u16..2000, 0u16..300), 0..6),
            probes in proptest::collection::vec(1u16..2600, 1..20),
        ) {
            let mut text = String::from("*nat\n:PREROUTING ACCEPT\n");
            for (at, (first, length)) in ranges.iter().enumerate() {
                let target = if at % 2 == 0 { "RETURN" } else { "REDIRECT --to-ports 9" };
                let last = first + length;
                let _ = writeln!(text, "-A PREROUTING -p tcp --dport {first}:{last} -j {target}");
            }
            text.push_str("-A PREROUTING -p tcp -j REDIRECT --to-ports 15006\nCOMMIT\n");
            let rules = parse(&text).unwrap();
            let outcomes = port_outcomes(&rules, &inbound(1));
            for port in probes {
                let single = walk(&rules, &inbound(port)).outcome;
                let class = outcomes.iter().find(|(ports, _)| ports.contains(port)).unwrap();
                prop_assert_eq!(&class.1, &single);
            }
        }
    }
}
