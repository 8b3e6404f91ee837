//! Answers to requests of our own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An answer to an HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// What was asked: `GET http://172.18.255.250:15021/healthz/ready`.
    pub request: String,
    /// From where: `this machine`, `a container on the cluster's network`, `a port-forward to
    /// pod kiali-…`.
    pub vantage: String,
    /// The status code.
    pub status: u16,
    /// The headers that claims need, names in lower case: `location`, `server`, `content-type`,
    /// `x-envoy-upstream-service-time`.
    pub headers: BTreeMap<String, String>,
    /// The body's beginning, at most [`HttpAnswer::BODY_LIMIT`] bytes.
    pub body: String,
    /// Whether the body went on.
    pub body_cut: bool,
}

impl HttpAnswer {
    /// How much of a body is kept, in bytes: replies and redirects are shorter, consoles are not
    /// needed whole.
    pub const BODY_LIMIT: usize = 2048;

    /// The names of the headers that are kept. No other header gets into evidence: cookies and
    /// tokens travel there.
    pub const HEADERS: [&str; 5] =
        ["content-type", "location", "server", "via", "x-envoy-upstream-service-time"];
}

/// The end of a command that ran in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecAnswer {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The command, as it was started.
    pub command: Vec<String>,
    /// Its exit code; 126 and 127 also where the program could not be started.
    pub exit_code: i32,
    /// What it wrote to standard output, at most 16 KiB.
    pub stdout: String,
    /// What it wrote to standard error, at most 16 KiB.
    pub stderr: String,
}
