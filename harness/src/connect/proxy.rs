//! Which proxy leads to the API server: the kubeconfig's, else the environment's, as `kubectl` decides it.

use std::net::IpAddr;

use http::Uri;

/// The proxy to use. `named` is the kubeconfig's own, which is always used; `from_environment` is that of
/// `HTTPS_PROXY`, which is for encrypted servers elsewhere only, and never for those in `NO_PROXY`. (The
/// client's library compares `NO_PROXY` with the proxy's address, not with the server's.)
pub(super) fn choose(
    server: &Uri,
    named: Option<&str>,
    from_environment: Option<Uri>,
    exceptions: &str,
) -> Option<Uri> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return named.parse().ok();
    }
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = server.port_u16().unwrap_or(443);
    let excepted = server.scheme_str() != Some("https") || excepts(exceptions, host, port);
    from_environment.filter(|_| !excepted)
}

/// `NO_PROXY`, in either case.
pub(super) fn exceptions() -> String {
    let value = std::env::var("NO_PROXY").ok().filter(|value| !value.is_empty());
    value.or_else(|| std::env::var("no_proxy").ok()).unwrap_or_default()
}

/// Whether one of these exceptions, as in `NO_PROXY`, means a host.
pub(crate) fn excepts(exceptions: &str, host: &str, port: u16) -> bool {
    is_this_machine(host)
        || exceptions.split(',').any(|exception| matches(exception.trim(), host, port))
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether one entry of `NO_PROXY` means this host: `*`, an address, a range, a domain (which means its
/// hosts as well, and with a dot in front only these); each may name a port.
fn matches(exception: &str, host: &str, port: u16) -> bool {
    if exception == "*" {
        return true;
    }
    if let (Some((network, bits)), Ok(address)) = (exception.split_once('/'), host.parse()) {
        return in_range(address, network, bits).unwrap_or_default();
    }
    let (name, wanted) = match exception.rsplit_once(':') {
        // More than one colon: an IPv6 address without a port.
        Some((name, number)) if !name.contains(':') => (name, number.parse::<u16>().ok()),
        _ => (exception, None),
    };
    if name.is_empty() || wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    let (host, name) = (host.to_ascii_lowercase(), name.to_ascii_lowercase());
    let domain = name.trim_start_matches("*.").trim_start_matches('.');
    let below = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    below || (host == domain && !name.starts_with(['.', '*']))
}

fn in_range(address: IpAddr, network: &str, bits: &str) -> Option<bool> {
    let bits: u32 = bits.parse().ok()?;
    Some(match (address, network.parse().ok()?) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or_default();
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or_default();
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://api.example.com:6443", "", true)]
    // A kind cluster: no proxy leads to this machine.
    #[case("https://127.0.0.1:6443", "", false)]
    #[case("https://[::1]:6443", "", false)]
    #[case("https://localhost:6443", "", false)]
    #[case("http://10.0.0.5:8001", "", false)]
    #[case("https://10.1.2.3:6443", "10.0.0.0/8", false)]
    #[case("https://10.1.2.3:6443", "192.168.0.0/16, 10.1.2.3", false)]
    #[case("https://11.1.2.3:6443", "10.0.0.0/8", true)]
    #[case("https://[fd00::5]:6443", "fd00::/8", false)]
    #[case("https://api.example.com:6443", "example.com", false)]
    #[case("https://api.example.com:6443", ".example.com", false)]
    #[case("https://example.com:6443", ".example.com", true)]
    #[case("https://notexample.com:6443", "example.com", true)]
    #[case("https://api.example.com:6443", "api.example.com:6443", false)]
    #[case("https://api.example.com:6443", "api.example.com:443", true)]
    #[case("https://api.example.com:6443", "*", false)]
    #[case("https://10.1.2.3:6443", "10.0.0.0/99,10.0.0.0/x,,/", true)]
    fn proxy_of_the_environment_is_used_for_remote_servers_only(
        #[case] server: &str,
        #[case] exceptions: &str,
        #[case] used: bool,
    ) {
        let proxy: Uri = "http://proxy.example:3128".parse().unwrap();
        let chosen = choose(&server.parse().unwrap(), None, Some(proxy), exceptions);
        assert_eq!(chosen.is_some(), used);
    }

    #[test]
    fn proxy_of_the_kubeconfig_is_always_used() {
        let proxy: Uri = "http://proxy.example:3128".parse().unwrap();
        let server = "https://127.0.0.1:6443".parse().unwrap();
        let chosen = choose(&server, Some("http://other.example:1"), Some(proxy), "*");
        assert_eq!(chosen.unwrap(), "http://other.example:1");
    }

    proptest! {
        #[test]
        fn random_proxy_exceptions_cause_no_panic(
            exceptions in "([*./:,a-z0-9\\[\\]-]{0,20}|\\PC{0,20})",
            host in "([a-z0-9.]{0,12}|[0-9a-f:]{0,20}|\\PC{0,8})",
            port in any::<u16>(),
        ) {
            for exception in exceptions.split(',') {
                matches(exception, &host, port);
            }
            prop_assert!(matches("*", &host, port));
        }
    }
}
