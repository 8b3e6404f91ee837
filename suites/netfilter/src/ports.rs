//! Sets of ports.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// A set of ports, as ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

    /// The ports of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all: Vec<_> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut set = Self::default();
        let mut from = 0;
        for (first, last) in all {
            // What an earlier range already covers is not added again.
            from = from.max(u32::from(first));
            set.push(from, u32::from(last) + 1);
            from = from.max(u32::from(last) + 1);
        }
        set
    }

    /// How many ports are in it.
    pub fn count(&self) -> usize {
        self.0.iter().map(|(first, last)| usize::from(last - first) + 1).sum()
    }

    /// Adds the ports from one up to, and without, another that is larger than all before.
    pub(super) fn push(&mut self, from: u32, to: u32) {
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
    fn ranges_that_touch_are_one() {
        let low = PortSet::from_iter([1, 2, 5]);
        let high = PortSet::from_iter([3, 4, 65_535]);
        assert_eq!(low.union(&high).to_string(), "1-5, 65535");
        assert_eq!(PortSet::default().to_string(), "none");
    }

    proptest! {
        #[test]
        fn they_are_sets(one in some_ports(), other in some_ports()) {
            let (first, second) =
                (one.iter().copied().collect::<PortSet>(), other.iter().copied().collect::<PortSet>());
            let union = first.union(&second);
            let rest = first.without(&other);
            for port in (0..14).chain(65_528..=65_535) {
                let (in_one, in_other) = (one.contains(&port), other.contains(&port));
                prop_assert_eq!(first.contains(port), in_one);
                prop_assert_eq!(union.contains(port), in_one || in_other);
                prop_assert_eq!(rest.contains(port), in_one && !in_other);
            }
            prop_assert_eq!(&union, &second.union(&first));
            prop_assert_eq!(first.count(), one.iter().collect::<BTreeSet<_>>().len());
            prop_assert_eq!(first.first(), one.iter().min().copied());
        }
    }
}
