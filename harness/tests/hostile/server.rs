//! A small API server on the loopback, and what stands in between: answers that come late, in pieces,
//! in part, without end, or as something else.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::case::Place;

/// A request, as far as anybody looks at it.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Its path, without the question mark and what follows.
    pub(crate) path: String,
    pub(crate) query: String,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            body: body.into(),
        }
    }

    /// An error as an API server words it.
    pub(crate) fn status(code: u16, message: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code,
            "reason": "", "metadata": {}
        });
        Self::new(code, body.to_string())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// How an answer reaches who asked.
pub(crate) enum Way {
    /// As it should.
    Whole(Reply),
    /// After a while.
    Late(Duration, Reply),
    /// In pieces of so many bytes, with a pause after each.
    Trickling(usize, Duration, Reply),
    /// The announced length, half of the body, and the end of the connection.
    Half(Reply),
    /// Not at all: the connection is closed.
    Closed,
    /// Not at all: nothing is said until the client gives up.
    Silence,
    /// With an interim answer after each pause, and never another one.
    Interim(Duration),
    /// These bytes instead.
    Raw(Vec<u8>),
    /// A head, a beginning, and then the same piece so many times, and an end.
    Repeated {
        head: String,
        before: String,
        piece: fn(usize) -> String,
        times: usize,
        after: String,
    },
}

type Script = dyn Fn(&Request) -> Way + Send + Sync;

/// A server. Its threads end with the process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
}

impl Server {
    /// Answers by a script.
    pub(crate) fn start(script: impl Fn(&Request) -> Way + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", None, script)
    }

    /// Answers by a script, at an address, encrypted where a configuration is given.
    pub(crate) fn on(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&Request) -> Way + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let script: Arc<Script> = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, tls) = (Arc::clone(&script), tls.clone());
                thread::spawn(move || {
                    // A client that goes away is no fault of the server's.
                    let _ = match tls {
                        None => serve(stream, &script),
                        Some(tls) => ServerConnection::new(tls)
                            .map_err(std::io::Error::other)
                            .and_then(|session| serve(StreamOwned::new(session, stream), &script)),
                    };
                });
            }
        });
        Self { address, scheme }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// A kubeconfig that leads here.
    pub(crate) fn kubeconfig(&self, place: &Place) -> PathBuf {
        place.file("kubeconfig", kubeconfig(&self.url(), "", "token: abc"))
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

/// Answers what comes over one connection, one after the other.
fn serve(stream: impl Read + Write, script: &Arc<Script>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream)? {
        let way = script(&request);
        if !answer(stream.get_mut(), way)? {
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
    let length = lines.iter().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<u64>().ok()
    });
    std::io::copy(&mut stream.take(length.unwrap_or_default()), &mut std::io::sink())?;
    let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let (path, query) = match words.next().unwrap_or_default() {
        target if target.contains('?') => target.split_once('?').unwrap_or_default(),
        target => (target, ""),
    };
    Ok(Some(Request { method, path: path.to_owned(), query: query.to_owned() }))
}

fn head(reply: &Reply) -> String {
    let mut head =
        format!("HTTP/1.1 {} Scripted\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// Answers; whether the connection goes on.
fn answer(stream: &mut (impl Read + Write), way: Way) -> std::io::Result<bool> {
    let goes_on = match way {
        Way::Whole(reply) => {
            stream.write_all(&[head(&reply).into_bytes(), reply.body].concat())?;
            true
        }
        Way::Late(time, reply) => {
            pause(time);
            stream.write_all(&[head(&reply).into_bytes(), reply.body].concat())?;
            true
        }
        Way::Trickling(size, time, reply) => {
            stream.write_all(head(&reply).as_bytes())?;
            for piece in reply.body.chunks(size) {
                stream.write_all(piece)?;
                stream.flush()?;
                pause(time);
            }
            true
        }
        Way::Half(reply) => {
            stream.write_all(head(&reply).as_bytes())?;
            stream.write_all(&reply.body[..reply.body.len() / 2])?;
            false
        }
        Way::Closed => false,
        Way::Silence => {
            // Until the client gives up.
            let _ = stream.read(&mut [0; 1]);
            false
        }
        Way::Interim(time) => loop {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            stream.flush()?;
            pause(time);
        },
        Way::Raw(bytes) => {
            stream.write_all(&bytes)?;
            false
        }
        Way::Repeated { head, before, piece, times, after } => {
            stream.write_all(head.as_bytes())?;
            stream.write_all(before.as_bytes())?;
            for number in 0..times {
                stream.write_all(piece(number).as_bytes())?;
            }
            stream.write_all(after.as_bytes())?;
            false
        }
    };
    stream.flush()?;
    Ok(goes_on)
}

/// Lets time pass: what is slow is the case itself.
pub(crate) fn pause(time: Duration) {
    // Nobody sends: the receiver is a clock.
    let (_sender, clock) = mpsc::channel::<()>();
    let _ = clock.recv_timeout(time);
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A listener that accepts and never says a word.
pub(crate) fn black_hole() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let held: Vec<TcpStream> = listener.incoming().flatten().collect();
        drop(held);
    });
    address
}
