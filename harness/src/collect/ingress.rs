//! What the section *ingress* needs: the gateway's address, asked from outside of the mesh.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use meshcheck_suites::evidence::{HttpAnswer, Observation, Service};

use tokio::net::TcpStream;

use super::curl::Printed;
use super::{Scene, forward};
use crate::cluster::engine;
use crate::owner::{self, Owner};
use crate::process::Call;

/// The gateway's port for health.
const HEALTH_PORT: u16 = 15021;

/// The gateway's path for health.
const HEALTH_PATH: &str = "/healthz/ready";

/// How long this machine waits for an answer before another vantage is tried. The address is on a
/// local network, or one hop away from it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The port of the kubelet on a node. Source:
/// <https://kubernetes.io/docs/reference/networking/ports-and-protocols/>.
const KUBELET_PORT: u16 = 10250;

/// How long a node on this machine may take to accept a connection.
const ROUTE_PATIENCE: Duration = Duration::from_millis(500);

/// This machine, as a vantage.
pub(super) const HERE: &str = "this machine";

/// The gateway's first address.
pub(super) fn address<'a>(
    scene: &Scene<'_>,
    services: &'a Observation<Vec<Service>>,
) -> Observation<&'a str> {
    let name = &scene.expectations.gateway;
    match services {
        Observation::Seen { value } => {
            let Some(gateway) = value.iter().find(|service| service.name == *name) else {
                return Observation::absent(format!("there is no service {name}"));
            };
            match gateway.load_balancer_addresses.first() {
                Some(address) => Observation::seen(address),
                None => Observation::absent(format!("the service {name} has no address")),
            }
        }
        Observation::Absent { reason } => Observation::absent(reason.clone()),
        Observation::Failed { reason } | Observation::NotAsked { reason } => {
            Observation::failed(reason.clone())
        }
    }
}

/// Asks the gateway for its health: from this machine, or from a container on the cluster's network
/// where this machine has no route to it.
pub(super) async fn health(
    scene: &Scene<'_>,
    services: &Observation<Vec<Service>>,
    nodes: &[String],
) -> Observation<HttpAnswer> {
    let address = match address(scene, services) {
        Observation::Seen { value } => value,
        Observation::Absent { reason } => return Observation::absent(reason),
        Observation::Failed { reason } | Observation::NotAsked { reason } => {
            return Observation::failed(reason);
        }
    };
    get(scene, address, HEALTH_PORT, HEALTH_PATH, None, nodes).await
}

/// `GET` at the gateway's address. Nothing that answers, from wherever it was asked, is absence: it
/// was looked at.
pub(super) async fn get(
    scene: &Scene<'_>,
    address: &str,
    port: u16,
    path: &str,
    host: Option<&str>,
    nodes: &[String],
) -> Observation<HttpAnswer> {
    let request = format!("GET http://{}{path}", authority(address, port));
    let request = match host {
        Some(host) => format!("{request} (host {host})"),
        None => request,
    };
    let mut reasons = Vec::new();
    match resolve(address, port).await {
        Ok(socket) => {
            let named = host.map_or_else(|| authority(address, port), str::to_owned);
            let limit = HttpAnswer::BODY_LIMIT;
            match forward::get_from_here(socket, &named, path, limit, PATIENCE).await {
                Ok(answer) => return Observation::seen(answer.evidence(request, HERE.into())),
                Err(reason) => reasons.push(format!("from {HERE}: {reason}")),
            }
        }
        Err(reason) => reasons.push(format!("from {HERE}: {reason}")),
    }
    // A node answers for the address also where nobody else reaches it: it is not asked. Another
    // container on the cluster's network stands in where this machine has no route to that network.
    if let Some(node) = nodes.first().filter(|_| scene.nodes_are_containers)
        && !has_route_to(node).await
    {
        let vantage = "a container of ours on the cluster's network";
        match from_container(node, address, port, path, host).await {
            Ok(mut answer) => {
                answer.request = request;
                answer.vantage = vantage.into();
                return Observation::seen(answer);
            }
            Err(reason) => reasons.push(format!("from {vantage}: {reason}")),
        }
    }
    Observation::absent(format!("nothing answers {request}: {}", reasons.join("; ")))
}

fn authority(address: &str, port: u16) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{address}:{port}"),
    }
}

async fn resolve(address: &str, port: u16) -> Result<SocketAddr, String> {
    if let Ok(address) = address.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let lookup = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((address, port))).await;
    match lookup {
        Ok(Ok(mut found)) => found.next().ok_or_else(|| format!("{address} has no address")),
        Ok(Err(error)) => Err(format!("looking up {address}: {error}")),
        Err(_) => Err(format!("looking up {address} took too long")),
    }
}

/// Whether this machine reaches a node of kind at its own address. Docker's virtual machine on other
/// systems keeps its networks to itself.
async fn has_route_to(node: &str) -> bool {
    let Ok((address, _)) = engine::addresses(node).await else { return false };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let attempt = TcpStream::connect(SocketAddr::new(address, KUBELET_PORT));
    match tokio::time::timeout(ROUTE_PATIENCE, attempt).await {
        Ok(Ok(_)) => true,
        // Who refuses was reached.
        Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

/// The same request with the curl of a node's image, in a container of ours that is gone at its end.
async fn from_container(
    node: &str,
    address: &str,
    port: u16,
    path: &str,
    host: Option<&str>,
) -> Result<HttpAnswer, String> {
    let url = format!("http://{}{path}", authority(address, port));
    let image = engine::image_of(node).await.map_err(|error| error.to_string())?;
    let maker = format!("{}={}", owner::LABEL, Owner::this());
    let mut call = Call::docker().args([
        "run",
        "--rm",
        "--label",
        &maker,
        "--network",
        &engine::network_name(),
        "--entrypoint",
        "curl",
        &image,
        "-sS",
        "-i",
        "--max-time",
        "3",
        "-w",
        "\n%{http_code}",
        &url,
    ]);
    if let Some(host) = host {
        call = call.arg("-H").arg(format!("Host: {host}"));
    }
    let output = call.within(Duration::from_secs(5)).output().await;
    let output = output.map_err(|error| error.to_string())?;
    let (body, status) = output.rsplit_once('\n').unwrap_or(("", &output));
    let printed = Printed::parse(body);
    let headers = HttpAnswer::HEADERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), printed.header(name)?.to_owned())))
        .collect();
    let mut body = printed.body.to_owned();
    let body_cut = body.len() > HttpAnswer::BODY_LIMIT;
    if body_cut {
        body.truncate(body.floor_char_boundary(HttpAnswer::BODY_LIMIT));
    }
    let status = status.trim().parse().map_err(|_| format!("curl answered `{status}`"))?;
    Ok(HttpAnswer { status, headers, body, body_cut, ..HttpAnswer::default() })
}
