//! HTTP through port-forwards, and to addresses: one request, what is needed of the answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use meshcheck_suites::evidence::HttpAnswer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::observe::Missing;
use crate::chain;

/// Answers that are read whole are shorter than this: istiod's list of a thousand proxies.
const WHOLE_LIMIT: usize = 8 << 20;

/// An answer, as far as it was read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    pub(crate) body_cut: bool,
}

impl Answer {
    /// An answer of whose body at most `limit` bytes are kept, and of whose headers those that claims need.
    pub(crate) fn new(status: u16, headers: &HeaderMap, mut body: Vec<u8>, limit: usize) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let kept = |name: &&str| {
            Some(((*name).to_owned(), text(headers.get_all(*name).iter().next_back()?.as_bytes())))
        };
        let body_cut = body.len() > limit;
        body.truncate(limit);
        Self {
            status,
            headers: HttpAnswer::HEADERS.iter().filter_map(kept).collect(),
            body,
            body_cut,
        }
    }

    /// What evidence keeps of it.
    pub(crate) fn evidence(self, request: String, vantage: String) -> HttpAnswer {
        HttpAnswer {
            request,
            vantage,
            status: self.status,
            headers: self.headers,
            body: String::from_utf8_lossy(&self.body).into_owned(),
            body_cut: self.body_cut,
        }
    }
}

/// `GET path` over a connection that is there already.
pub(crate) async fn get<S>(
    stream: S,
    host: &str,
    path: &str,
    limit: usize,
) -> Result<Answer, Missing>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: &(dyn std::error::Error + 'static)| Missing::Failed(chain(error));
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // Ended with this function: closing a port-forward properly would cost a second.
    let _driver = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        // What goes wrong is reported by the request.
        let _ = connection.await;
    }));
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, concat!("meshcheck/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let (head, mut rest) = response.into_parts();
    let mut body = Vec::new();
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|error| failed(&error))?;
        body.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        if body.len() > limit {
            break;
        }
    }
    Ok(Answer::new(head.status.as_u16(), &head.headers, body, limit))
}

/// `GET path` on a port of a pod, through a port-forward.
pub(crate) async fn get_from_pod(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
    path: &str,
    limit: usize,
) -> Result<Answer, Missing> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut forward = pods.portforward(pod, &[port]).await?;
    let stream = forward
        .take_stream(port)
        .ok_or_else(|| Missing::Failed("the port-forward has no stream".into()))?;
    let refused = forward.take_error(port);
    match get(stream, &format!("localhost:{port}"), path, limit).await {
        Ok(answer) => Ok(answer),
        Err(missing) => Err(why_no_answer((namespace, pod, port), refused, missing).await),
    }
}

/// Why a port of a pod gave no answer. The port-forward's own word says more than a broken connection:
/// nothing listens there. Without it, the API server may be what broke the connection.
pub(crate) async fn why_no_answer(
    (namespace, pod, port): (&str, &str, u16),
    refused: Option<impl Future<Output = Option<String>>>,
    otherwise: Missing,
) -> Missing {
    let Some(refused) = refused else { return otherwise };
    match tokio::time::timeout(Duration::from_millis(100), refused).await {
        Ok(Some(reason)) => {
            Missing::Absent(format!("pod {namespace}/{pod}, port {port}: {reason}"))
        }
        _ => otherwise,
    }
}

/// A page of a pod, whole and as text.
pub(crate) async fn page(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
    path: &str,
) -> Result<String, Missing> {
    let answer = get_from_pod(client, namespace, pod, port, path, WHOLE_LIMIT).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    if answer.status != 200 {
        let start: String = text.chars().take(200).collect();
        return Err(Missing::Failed(format!("{path} answered {}: {start}", answer.status)));
    }
    if answer.body_cut {
        return Err(Missing::Failed(format!("{path} answered with more than {WHOLE_LIMIT} bytes")));
    }
    Ok(text)
}

/// `GET path` at an address that this machine may have a way to.
pub(crate) async fn get_from_here(
    address: SocketAddr,
    host: &str,
    path: &str,
    limit: usize,
    patience: Duration,
) -> Result<Answer, String> {
    let work = async {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| Missing::Failed(error.to_string()))?;
        get(stream, host, path, limit).await
    };
    // No request to the API server: a test does not shorten it.
    let late = |_| format!("no answer within {} s", patience.as_secs_f64());
    tokio::time::timeout(patience, work).await.map_err(late)?.map_err(Missing::reason)
}
