//! Requests to an address outside of the cluster: from this machine, or from a container of ours.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use meshcheck_suites::evidence::{HttpAnswer, Observation};
use tokio::net::TcpStream;

use super::curl::Printed;
use super::forward::{self, Answer};
use crate::cluster::engine;
use crate::owner::{self, Owner};
use crate::process::Call;

/// How long this machine waits for an answer before another vantage is tried. The address is on a
/// local network, or one hop away from it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The port of the kubelet on a node. Source:
/// <https://kubernetes.io/docs/reference/networking/ports-and-protocols/>.
const KUBELET_PORT: u16 = 10250;

/// How long a node on this machine may take to accept a connection.
const ROUTE_PATIENCE: Duration = Duration::from_millis(500);

/// This machine, as a vantage.
pub(crate) const HERE: &str = "this machine";

/// `GET` at the gateway's address. Nothing that answers, from wherever it was asked, is absence: it
/// was looked at.
pub(crate) async fn get(
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
    if let Some(node) = nodes.first()
        && !has_route_to(node).await
    {
        let vantage = "a container of ours on the cluster's network";
        match from_container(node, address, port, path, host).await {
            Ok(answer) => return Observation::seen(answer.evidence(request, vantage.into())),
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
) -> Result<Answer, String> {
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
    let status = status.trim().parse().map_err(|_| format!("curl answered `{status}`"))?;
    let mut body = printed.body.as_bytes().to_vec();
    let body_cut = body.len() > HttpAnswer::BODY_LIMIT;
    body.truncate(HttpAnswer::BODY_LIMIT);
    Ok(Answer { status, headers, body, body_cut })
}
