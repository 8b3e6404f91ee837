//! Clusters of meshcheck, made with kind: provisioned, marked, found again, removed.

mod cgroups;
mod config;
pub(crate) mod engine;
mod error;
mod failed_node;
mod freezer;
mod helpers;
mod kind;
mod patches;
mod sweep;
mod template;

use std::net::{IpAddr, UdpSocket};

use meshcheck_suites::evidence::Subject;

pub(crate) use cgroups::check_cgroups;
pub(crate) use engine::addresses as node_addresses;
pub(crate) use error::ClusterError;
pub(crate) use helpers::remove_own_helpers;
pub(crate) use kind::{Provisioned, begin, create};
pub(crate) use sweep::left;
pub(crate) use sweep::{Ended, down, remove, sweep};
pub(crate) use template::Template;

/// Whether the nodes of a cluster are containers of kind on this machine: the engine here has one that
/// publishes the port at which the server was asked. What its context is called does not matter. The engine
/// is asked only where the server's address is one of this machine.
pub(crate) async fn is_kind_here(subject: &Subject) -> bool {
    if !is_of_this_machine(&subject.server) {
        return false;
    }
    match engine::api_servers().await {
        Ok(places) => places.iter().any(|place| is_at(&subject.server, place)),
        Err(_) => false,
    }
}

/// Finds the container of an engine here that publishes the port at which the server was asked.
pub(crate) async fn find_place(server: &str) -> Result<engine::Place, String> {
    let port = server.parse::<http::Uri>().ok().and_then(|uri| uri.port_u16());
    match port.filter(|_| is_of_this_machine(server)) {
        Some(port) => engine::find_publisher(port).await,
        None => Err(format!("{server} is not on this machine")),
    }
}

/// Whether the URL of a server leads to this place.
fn is_at(server: &str, place: &str) -> bool {
    server.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/') == place)
}

/// Whether the URL of a server names an address that this machine has. kind writes no host names.
fn is_of_this_machine(server: &str) -> bool {
    let uri = server.parse::<http::Uri>().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    // The kernel gives a socket the addresses of this machine alone.
    address.is_ok_and(|address| UdpSocket::bind((address, 0)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://127.0.0.1:39255", "127.0.0.1:39255", true)]
    #[case("https://127.0.0.1:39255/", "127.0.0.1:39255", true)]
    #[case("https://[::1]:7", "[::1]:7", true)]
    #[case("https://127.0.0.1:3925", "127.0.0.1:39255", false)]
    #[case("https://vm7.example/127.0.0.1:39255", "127.0.0.1:39255", false)]
    #[case("127.0.0.1:39255", "127.0.0.1:39255", false)]
    fn server_is_found_by_the_address_of_its_url(
        #[case] server: &str,
        #[case] place: &str,
        #[case] at: bool,
    ) {
        assert_eq!(is_at(server, place), at);
    }

    #[rstest]
    #[case("https://127.0.0.1:6443", true)]
    #[case("https://0.0.0.0:6443", true)]
    // Of TEST-NET-1, which no machine has.
    #[case("https://192.0.2.1:6443", false)]
    #[case("https://vm7.example:6443", false)]
    #[case("", false)]
    fn server_with_a_remote_address_is_not_of_this_machine(
        #[case] server: &str,
        #[case] here: bool,
    ) {
        assert_eq!(is_of_this_machine(server), here);
    }
}
