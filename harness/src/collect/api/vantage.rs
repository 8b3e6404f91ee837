//! Requests to addresses outside of the cluster, from this machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use meshcheck_suites::evidence::{HttpAnswer, Observation};

use super::container::Container;
use super::forward::{self, Answer};

/// How long this machine waits for an answer before another vantage is tried. The address is on a
/// local network, or one hop away from it.
const PATIENCE: Duration = Duration::from_secs(2);

/// This machine, as a vantage.
pub(crate) const HERE: &str = "this machine";

/// An address that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// As the service has it: an IP address, or a name.
    pub(crate) named: String,
    pub(crate) ip: IpAddr,
}

/// What is asked of an address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) port: u16,
    pub(crate) path: &'a str,
    /// The host that is asked for; the address itself where there is none.
    pub(crate) host: Option<&'a str>,
}

impl Question<'_> {
    /// `GET http://172.18.255.251:80/ (host example.test)`
    pub(crate) fn request(&self, address: &Address) -> String {
        let Address { named, ip } = address;
        let mut request = format!("GET http://{}{}", authority(named, self.port), self.path);
        if *named != ip.to_string() {
            request = format!("{request} (at {ip})");
        }
        match self.host {
            Some(host) => format!("{request} (host {host})"),
            None => request,
        }
    }

    /// Whether an answer is that of this address.
    pub(crate) fn is_request(&self, address: &Address, answer: &HttpAnswer) -> bool {
        self.request(address) == answer.request
    }

    pub(crate) fn named_host(&self, address: &Address) -> String {
        self.host.map_or_else(|| authority(&address.named, self.port), str::to_owned)
    }
}

/// The IP addresses of what a service names, and why a name has none.
pub(crate) async fn resolve_all<'a>(
    names: impl Iterator<Item = &'a str>,
) -> (Vec<Address>, Vec<String>) {
    let (mut addresses, mut reasons) = (Vec::new(), Vec::new());
    for named in names {
        match resolve(named).await {
            Ok(found) => {
                let address = |ip| Address { named: named.to_owned(), ip };
                addresses.extend(found.into_iter().map(address));
            }
            Err(reason) => reasons.push(reason),
        }
    }
    (addresses, reasons)
}

async fn resolve(named: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(ip) = named.parse() {
        return Ok(vec![ip]);
    }
    let lookup = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((named, 0))).await;
    let found = lookup
        .map_err(|_| format!("looking up {named} took too long"))?
        .map_err(|error| format!("looking up {named}: {error}"))?;
    let mut ips = Vec::new();
    for ip in found.map(|it| it.ip()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    if ips.is_empty() { Err(format!("{named} has no address")) } else { Ok(ips) }
}

pub(crate) fn authority(address: &str, port: u16) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{address}:{port}"),
    }
}

/// The first answer of any of the addresses: from this machine, else from a container of meshcheck. Nothing that answers, from
/// wherever it was asked, is absence: it was read.
pub(crate) async fn get(
    addresses: &[Address],
    question: Question<'_>,
    container: Option<&Container>,
) -> Observation<HttpAnswer> {
    let mut reasons = match from_here(addresses, question).await {
        Ok(answer) => return Observation::seen(answer),
        Err(reason) => vec![reason],
    };
    if let Some(container) = container {
        match container.get(addresses, question).await {
            Ok(answer) => return Observation::seen(answer),
            Err(silence) => reasons.push(silence.reason()),
        }
    }
    Observation::absent(no_answer(addresses, question, &reasons))
}

/// That nothing answers, and why.
pub(crate) fn no_answer(
    addresses: &[Address],
    question: Question<'_>,
    reasons: &[String],
) -> String {
    let request = addresses.first().map(|address| question.request(address)).unwrap_or_default();
    format!("nothing answers {request}: {}", reasons.join("; "))
}

/// The first answer that this machine gets; otherwise why there is none.
pub(crate) async fn from_here(
    addresses: &[Address],
    question: Question<'_>,
) -> Result<HttpAnswer, String> {
    let asked = addresses.iter().map(|address| ask_from_here(address, question));
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut reasons = Vec::new();
    while let Some(ended) = asked.next().await {
        match ended {
            Ok((address, answer)) => {
                return Ok(answer.evidence(question.request(address), HERE.into()));
            }
            Err(reason) => reasons.push(reason),
        }
    }
    Err(format!("from {HERE}: {}", format_reasons(reasons)))
}

async fn ask_from_here<'a>(
    address: &'a Address,
    question: Question<'_>,
) -> Result<(&'a Address, Answer), (IpAddr, String)> {
    let socket = SocketAddr::new(address.ip, question.port);
    let host = question.named_host(address);
    let limit = HttpAnswer::BODY_LIMIT;
    let answer = forward::get_from_here(socket, &host, question.path, limit, PATIENCE).await;
    answer.map_err(|reason| (address.ip, reason)).map(|answer| (address, answer))
}

/// The reasons of several addresses, each with its address; that of one alone.
pub(crate) fn format_reasons(mut reasons: Vec<(IpAddr, String)>) -> String {
    reasons.sort_unstable();
    match reasons.as_slice() {
        [(_, only)] => only.clone(),
        all => all.iter().map(|(ip, it)| format!("{ip}: {it}")).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const HEALTH: Question<'static> = Question { port: 0, path: "/healthz/ready", host: None };

    /// A server on this address of this machine that answers every request.
    async fn server(ip: &str) -> u16 {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        });
        port
    }

    fn address(named: &str, ip: &str) -> Address {
        Address { named: named.into(), ip: ip.parse().unwrap() }
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_asked_and_the_answer_names_its_own() {
        let port = server("127.0.0.1").await;
        let both = [address("localhost", "::1"), address("localhost", "127.0.0.1")];
        let question = Question { port, ..HEALTH };
        let answer = from_here(&both, question).await.unwrap();
        let request = format!("GET http://localhost:{port}/healthz/ready (at 127.0.0.1)");
        assert_eq!((answer.request, answer.status, answer.vantage), (request, 200, HERE.into()));
        let silent = from_here(&both[..1], question).await.unwrap_err();
        assert!(silent.starts_with("from this machine: "), "{silent}");
        let silent = get(&[both[0].clone(), address("::1", "::1")], question, None).await;
        let reason = silent.reason().unwrap();
        assert!(silent.is_absent() && reason.matches("::1: ").count() == 2, "{reason}");
    }

    #[tokio::test]
    async fn names_are_looked_up_whole_and_addresses_are_taken_as_they_are() {
        let names = ["192.0.2.7", "localhost", "no-such-name.invalid"];
        let (found, reasons) = resolve_all(names.into_iter()).await;
        assert_eq!(found[0], address("192.0.2.7", "192.0.2.7"));
        assert!(found[1..].iter().all(|it| it.named == "localhost" && it.ip.is_loopback()));
        assert!(reasons[0].starts_with("looking up no-such-name.invalid"), "{reasons:?}");
    }
}
