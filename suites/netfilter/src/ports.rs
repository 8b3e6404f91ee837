//! Sets of ports.

use std::collections::BTreeSet;
use std::fmt;

/// A set of ports, as ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSet(Vec<(u16, u16)>);

impl PortSet {
    /// Returns all ports but 0, which no traffic uses.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(1, u16::MAX)])
    }

    /// Whether a port is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the first port.
    pub fn first(&self) -> Option<u16> {
        self.0.first().map(|(first, _)| *first)
    }

    /// Returns the first port that is in both sets.
    pub fn first_common(&self, other: &Self) -> Option<u16> {
        // It begins a range of one of them.
        let begins = self.0.iter().chain(&other.0).map(|(first, _)| *first);
        begins.filter(|port| self.contains(*port) && other.contains(*port)).min()
    }

    /// Returns the ports of this set that are not in a list.
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

    /// Adds the ports from `from` to before `to`. They must be larger than all ports in the set.
    pub(crate) fn push(&mut self, from: u32, to: u32) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn some_ports() -> impl Strategy<Value = Vec<u16>> {
        // Close together, so that ranges come up, and both ends.
        proptest::collection::vec(prop_oneof![0u16..12, 65_530u16..=65_535], 0..12)
    }

    #[test]
    fn adjacent_ports_print_as_one_range() {
        let ports = PortSet::from_iter([65_535, 1, 4, 2, 3]);
        assert_eq!(ports.to_string(), "1-4, 65535");
        assert_eq!(PortSet::default().to_string(), "none");
    }

    proptest! {
        #[test]
        fn set_contains_its_ports_without_those_removed(one in some_ports(), other in some_ports()) {
            let set = one.iter().copied().collect::<PortSet>();
            let rest = set.without(&other);
            for port in (0..14).chain(65_528..=65_535) {
                prop_assert_eq!(set.contains(port), one.contains(&port));
                prop_assert_eq!(rest.contains(port), one.contains(&port) && !other.contains(&port));
            }
            prop_assert_eq!(set.first(), one.iter().min().copied());
            let common = one.iter().filter(|port| other.contains(port)).min().copied();
            prop_assert_eq!(set.first_common(&other.iter().copied().collect()), common);
        }
    }
}
