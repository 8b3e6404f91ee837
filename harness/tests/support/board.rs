//! A board that is served, and requests to it as bytes.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::run::{RECORDED, recorded};
use super::sandbox::Sandbox;
use super::wait::wait_until;

/// The token of every board of the tests.
pub(crate) const TOKEN: &str = "0123456789abcdefghij";

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Evidence on which all holds.
pub(crate) fn healthy() -> Vec<u8> {
    std::fs::read(RECORDED).unwrap()
}

/// Evidence without the demo's services.
pub(crate) fn broken() -> Vec<u8> {
    let mut evidence = recorded();
    evidence["demo"]["services"]["value"] = serde_json::json!([]);
    serde_json::to_vec(&evidence).unwrap()
}

/// The answer to a request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The program that serves a board.
pub(crate) struct Board {
    sandbox: Sandbox,
    child: Child,
    address: String,
    errors: Arc<Mutex<String>>,
    arguments: Vec<String>,
}

impl Drop for Board {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Board {
    /// Starts a board on loopback.
    pub(crate) fn start(inventory: &str, arguments: &[&str]) -> Self {
        Self::listening("127.0.0.1:0", inventory, arguments)
    }

    /// Starts a board on this address.
    pub(crate) fn listening(address: &str, inventory: &str, arguments: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        sandbox.file("token", TOKEN);
        let hosts = inventory.replace(',', "\n") + "\n";
        sandbox.file("hosts", hosts);
        let mut all = vec![address.to_owned()];
        all.extend(arguments.iter().map(|&it| it.to_owned()));
        all.extend(["--history".to_owned(), "history".to_owned()]);
        let (child, address, errors) = serve(&sandbox, &all);
        Self { sandbox, child, address, errors, arguments: all }
    }

    pub(crate) fn restart(&mut self) {
        // Readers come back to the same address.
        self.arguments[0] = self.arguments[0].replace(":0", &format!(":{}", self.port()));
        (self.child, self.address, self.errors) = serve(&self.sandbox, &self.arguments);
    }

    /// The call of another board in the same place.
    pub(crate) fn command(&self, address: &str, inventory: &str, arguments: &[&str]) -> Command {
        let mut command = command(&self.sandbox, address);
        command.arg(inventory).args(arguments);
        command
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The peak of its resident memory, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit(':').next().unwrap()
    }

    /// Where its history is.
    pub(crate) fn history(&self) -> PathBuf {
        self.sandbox.at("history")
    }

    /// What it has written to standard error.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a head and a body as they are.
    pub(crate) fn ask(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(head.as_bytes()).unwrap();
        // A board that refuses a body does not read it.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.get(9..12).and_then(|it| it.parse().ok());
        Answer {
            status: status.unwrap_or_else(|| panic!("no answer: {answer:?}")),
            head: format!("{head}\r\n"),
            body: body.to_owned(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(
            &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
            b"",
        )
    }

    pub(crate) fn put(&self, name: &str, body: &[u8]) -> Answer {
        let head = format!(
            "PUT /records/{name} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        self.ask(&head, body)
    }

    /// Waits until the page has a text.
    pub(crate) fn wait_for(&self, text: &str) -> Answer {
        wait_until(text, PATIENCE, || {
            let page = self.get("/");
            if page.body.contains(text) { Ok(page) } else { Err(page.body) }
        })
    }
}

fn command(sandbox: &Sandbox, address: &str) -> Command {
    let mut command = sandbox.meshcheck(&["class", "--serve", address, "--token-file", "token"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn serve(sandbox: &Sandbox, arguments: &[String]) -> (Child, String, Arc<Mutex<String>>) {
    let mut command = command(sandbox, &arguments[0]);
    let mut child = command.arg("hosts").args(&arguments[1..]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    let port = loop {
        let mut line = String::new();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended: {text}");
        text.push_str(&line);
        if let Some(url) = line.strip_prefix("board: http://") {
            let host = url.split('/').next().unwrap();
            break host.rsplit(':').next().unwrap().to_owned();
        }
    };
    let errors = Arc::new(Mutex::new(text));
    let shared = Arc::clone(&errors);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            shared.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    (child, format!("127.0.0.1:{port}"), errors)
}

/// Reads from a stream until a text has come.
pub(crate) fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    while !all.contains(text) {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "it ended: {all}");
        all.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    all
}

/// The lines of an output.
pub(crate) fn lines(output: impl Read) -> impl Iterator<Item = String> {
    BufReader::new(output).lines().map_while(Result::ok)
}
