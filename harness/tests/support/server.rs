//! A scripted HTTP server on the loopback: its answers come late, in pieces, in part, without end, or as
//! something else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

use super::sandbox::Sandbox;
use super::wait::pause;

/// A request as it arrived, with the names of its headers in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Its path, without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// How many requests for the same path and query came before it.
    pub(crate) before: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte that a `Range` asks for.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Delivery {
    /// Whole.
    Whole,
    /// Whole, after a while.
    Late(Duration),
    /// In pieces of so many bytes, with a pause after each.
    Trickle(usize, Duration),
    /// The connection breaks after so many bytes of the body.
    Break(usize),
    /// The same, and the connection is reset. With 0 bytes no head comes either.
    Reset(usize),
    /// Nothing comes any more after so many bytes of the body, until the client gives up.
    Stall(usize),
    /// With a piece after the body so many times, and an end.
    Repeat { piece: fn(usize) -> String, times: usize, end: &'static str },
    /// With `100 Continue` after each pause, and never anything else.
    Interim(Duration),
}

/// What stands before the body of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    WithLength,
    /// The end of the connection is the end of the body.
    WithoutLength,
    /// `101 Switching Protocols`: a WebSocket begins.
    Upgrade,
    None,
}

/// Talks over a WebSocket that has begun: reads what it needs, and returns the bytes to send.
pub(crate) type Talk = Arc<dyn Fn(&mut dyn Read) -> Vec<u8> + Send + Sync>;

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// What makes the body of an upgrade.
    pub(crate) talk: Option<Talk>,
    head: Head,
    delivery: Delivery,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            talk: None,
            head: Head::WithLength,
            delivery: Delivery::Whole,
        }
    }

    /// An answer of an API server.
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, body).header("content-type", "application/json")
    }

    /// An error as an API server words it.
    pub(crate) fn status(code: u16, message: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code,
            "reason": "", "metadata": {}
        });
        Self::json(code, body.to_string())
    }

    /// The head of a WebSocket alone; over that this talks.
    pub(crate) fn upgrade(talk: Talk) -> Self {
        Self { head: Head::Upgrade, talk: Some(talk), ..Self::new(101, "") }
    }

    /// A file as a good server sends it, with ranges and an `ETag`.
    pub(crate) fn file(request: &Request, body: &[u8], tag: &str) -> Self {
        let matches = request.header("if-range").is_none_or(|asked| asked == tag);
        let reply = match request.range_start().filter(|_| matches) {
            Some(start) if start < body.len() => {
                let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
                Self::new(206, &body[start..]).header("content-range", range)
            }
            Some(_) => Self::new(416, ""),
            None => Self::new(200, body),
        };
        reply.header("etag", tag.to_owned())
    }

    /// These bytes, which need be no HTTP, and the end of the connection.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { head: Head::None, ..Self::new(0, bytes) }
    }

    /// No answer: the connection is closed.
    pub(crate) fn closed() -> Self {
        Self::raw("")
    }

    /// No answer until the client gives up.
    pub(crate) fn silent() -> Self {
        Self::raw("").delivery(Delivery::Stall(0))
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Without a length: the end of the connection is the end of the body.
    pub(crate) fn without_length(mut self) -> Self {
        self.head = Head::WithoutLength;
        self
    }

    fn head(&self) -> String {
        if self.head == Head::None {
            return String::new();
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        let _ = match self.head {
            Head::WithLength => write!(head, "content-length: {}\r\n", self.body.len()),
            Head::Upgrade => Ok(()),
            _ => write!(head, "connection: close\r\n"),
        };
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    /// Sends it; returns whether another request may follow.
    fn send(
        mut self,
        request: &Request,
        stream: &mut (impl Read + Write),
        socket: &TcpStream,
    ) -> std::io::Result<bool> {
        match self.delivery {
            Delivery::Late(time) => pause(time),
            Delivery::Reset(bytes) => {
                SockRef::from(socket).set_linger(Some(Duration::ZERO))?;
                if bytes == 0 {
                    return Ok(false);
                }
            }
            _ => {}
        }
        stream.write_all(self.head().as_bytes())?;
        if let Some(talk) = &self.talk {
            stream.flush()?;
            self.body = talk(stream);
        }
        let body = if request.method == "HEAD" { &[] } else { &self.body[..] };
        match self.delivery {
            Delivery::Whole | Delivery::Late(_) => {
                stream.write_all(body)?;
                stream.flush()?;
                if self.head == Head::Upgrade {
                    // The client ends it: what it sends then must not reset the connection.
                    let _ = stream.read(&mut [0; 64]);
                }
                return Ok(self.head == Head::WithLength);
            }
            Delivery::Trickle(size, time) => {
                for piece in body.chunks(size) {
                    stream.write_all(piece)?;
                    stream.flush()?;
                    pause(time);
                }
                return Ok(true);
            }
            Delivery::Break(bytes) | Delivery::Reset(bytes) => {
                stream.write_all(&body[..bytes.min(body.len())])?;
            }
            Delivery::Stall(bytes) => {
                stream.write_all(&body[..bytes.min(body.len())])?;
                stream.flush()?;
                let _ = stream.read(&mut [0; 1]);
            }
            Delivery::Repeat { piece, times, end } => {
                stream.write_all(body)?;
                for number in 0..times {
                    stream.write_all(piece(number).as_bytes())?;
                }
                stream.write_all(end.as_bytes())?;
            }
            Delivery::Interim(time) => loop {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                stream.flush()?;
                pause(time);
            },
        }
        stream.flush()?;
        Ok(false)
    }
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server. Its threads end with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server that answers by a script.
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", None, script)
    }

    /// Starts one at an address, encrypted where a configuration is given.
    pub(crate) fn on(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let script: Arc<Script> = Arc::new(script);
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, tls, log) = (Arc::clone(&script), tls.clone(), Arc::clone(&log));
                let Ok(socket) = stream.try_clone() else { continue };
                thread::spawn(move || {
                    // A client that goes away is no fault of the server's.
                    let _ = match tls {
                        None => serve(stream, &socket, &script, &log),
                        Some(tls) => ServerConnection::new(tls)
                            .map_err(std::io::Error::other)
                            .and_then(|session| {
                                let stream = StreamOwned::new(session, stream);
                                serve(stream, &socket, &script, &log)
                            }),
                    };
                });
            }
        });
        Self { address, scheme, requests }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The requests that have arrived.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn forget_requests(&self) {
        self.requests.lock().unwrap().clear();
    }

    /// Writes a kubeconfig that leads here.
    pub(crate) fn kubeconfig(&self, sandbox: &Sandbox) -> PathBuf {
        sandbox.file("kubeconfig", kubeconfig(&self.url(""), "", "token: abc"))
    }
}

/// A kubeconfig of one context `vm`: with more for its cluster, and for its user.
pub(crate) fn kubeconfig(server: &str, cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: vm\n\
         contexts:\n- name: vm\n  context: {{ cluster: one, user: one }}\n\
         clusters:\n- name: one\n  cluster:\n    server: '{server}'\n    {cluster}\n\
         users:\n- name: one\n  user:\n    {user}\n"
    )
}

/// Answers the requests of a connection, one after the other.
fn serve(
    stream: impl Read + Write,
    socket: &TcpStream,
    script: &Arc<Script>,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read(&mut stream)? {
        {
            let mut log = log.lock().unwrap();
            let same = |it: &&Request| it.path == request.path && it.query == request.query;
            request.before = log.iter().filter(same).count();
            log.push(request.clone());
        }
        let reply = script(&request);
        if !reply.send(&request, stream.get_mut(), socket)? {
            break;
        }
    }
    Ok(())
}

fn read(stream: &mut BufReader<impl Read>) -> std::io::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let headers: BTreeMap<_, _> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = Vec::new();
    stream.take(length.unwrap_or_default()).read_to_end(&mut body)?;
    let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    Ok(Some(Request { method, path, query, headers, body, before: 0 }))
}

/// A port on which nothing listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A listener that accepts, sends this, and nothing else ever.
pub(crate) fn black_hole(greeting: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(greeting);
            open.push(stream);
        }
    });
    address
}
