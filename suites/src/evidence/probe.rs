//! Answers to requests and commands of meshcheck.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An answer to an HTTP request.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The request: `GET http://172.18.255.250:15021/healthz/ready`.
    pub request: String,
    /// Where the request came from: `this machine`, `a container on the cluster's network`, `a port-forward to pod
    /// kiali-…`.
    pub vantage: String,
    /// The status code.
    pub status: u16,
    /// The headers that claims need, names in lower case: `location`, `server`, `content-type`,
    /// `x-envoy-upstream-service-time`.
    pub headers: BTreeMap<String, String>,
    /// The beginning of the body, at most [`HttpAnswer::BODY_LIMIT`] bytes.
    pub body: String,
    /// Whether the body was longer.
    pub body_cut: bool,
}

impl HttpAnswer {
    /// The maximum number of bytes of a body: replies and redirects are shorter, and claims need only the beginning of a
    /// page.
    pub const BODY_LIMIT: usize = 2048;

    /// The names of the headers that are kept. Others can hold cookies and tokens.
    pub const HEADERS: [&str; 5] =
        ["content-type", "location", "server", "via", "x-envoy-upstream-service-time"];
}

/// The result of a command in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ExecAnswer {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The command with its arguments.
    pub command: Vec<String>,
    /// The exit code; 126 and 127 can mean that the program could not be started.
    pub exit_code: i32,
    /// The standard output, at most 16 KiB.
    pub stdout: String,
    /// The standard error, at most 16 KiB.
    pub stderr: String,
}
