//! Ranges of IP addresses.

use std::net::IpAddr;
use std::str::FromStr;

/// A range in CIDR notation: `10.244.0.0/24`, `fd00:10:244::/56`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no range of addresses")]
pub struct NotANetwork(pub String);

impl Network {
    /// Whether an address lies in it. An address of the other family never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                let bits = |ip: u32| ip.checked_shr(shift).unwrap_or(0);
                bits(network.into()) == bits(address.into())
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                let bits = |ip: u128| ip.checked_shr(shift).unwrap_or(0);
                bits(network.into()) == bits(address.into())
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let parse = || {
            let (address, prefix) = text.trim().split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            (prefix <= most).then_some(Self { address, prefix })
        };
        parse().ok_or_else(|| NotANetwork(text.to_owned()))
    }
}

/// Whether an address is of a private or link-local range, or of the one that providers share (RFC 6598).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let [first, second, ..] = it.octets();
            it.is_private() || it.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(it) => it.is_unique_local() || it.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, is_private};
    use rstest::rstest;
    use std::net::IpAddr;

    #[rstest]
    #[case("10.0.0.1", true)]
    #[case("100.64.0.1", true)]
    #[case("100.127.0.1", true)]
    #[case("100.128.0.1", false)]
    #[case("101.64.0.1", false)]
    #[case("203.0.113.9", false)]
    #[case("fd00::1", true)]
    #[case("fe80::1", true)]
    #[case("2001:db8::1", false)]
    fn private_ranges_are_known(#[case] address: IpAddr, #[case] private: bool) {
        assert_eq!(is_private(address), private);
    }

    #[rstest]
    #[case("10.244.0.0/24", "10.244.0.255", true)]
    #[case("10.244.0.0/24", "10.244.1.0", false)]
    #[case("10.244.0.7/24", "10.244.0.1", true)]
    #[case("0.0.0.0/0", "203.0.113.9", true)]
    #[case("10.1.2.3/32", "10.1.2.3", true)]
    #[case("10.1.2.3/32", "10.1.2.2", false)]
    #[case("fd00:10:244::/56", "fd00:10:244:ff::1", true)]
    #[case("fd00:10:244::/56", "fd00:10:244:100::1", false)]
    #[case("::/0", "fd00::1", true)]
    #[case("::/0", "10.0.0.1", false)]
    #[case("0.0.0.0/0", "::1", false)]
    fn range_contains_its_addresses(
        #[case] network: Network,
        #[case] address: &str,
        #[case] inside: bool,
    ) {
        assert_eq!(network.contains(address.parse().unwrap()), inside);
    }

    #[rstest]
    #[case("10.244.0.0")]
    #[case("10.244.0.0/33")]
    #[case("fd00::/129")]
    #[case("pods/24")]
    #[case("10.244.0.0/-1")]
    #[case("")]
    fn malformed_range_is_refused(#[case] text: &str) {
        assert!(text.parse::<Network>().is_err());
    }
}
