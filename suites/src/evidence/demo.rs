//! The namespace of the demo: an echo backend and a client that asks it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Deployment, Endpoint, ExecAnswer, Observation, Pod, Service};

/// What the section *demo* needs; *mesh* judges the same pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoEvidence {
    /// How long the collection waited for rollouts in the namespace to come to an end, and how
    /// that ended; absent where nothing was rolling out.
    pub settling: Observation<Settling>,
    /// All pods of the namespace, as the collection began.
    pub pods: Observation<Vec<Pod>>,
    /// All pods of the namespace, as the collection ended.
    pub pods_at_end: Observation<Vec<Pod>>,
    /// Its deployments.
    pub deployments: Observation<Vec<Deployment>>,
    /// Its services.
    pub services: Observation<Vec<Service>>,
    /// The endpoints of its services.
    pub endpoints: Observation<Vec<Endpoint>>,
    /// The log of each client pod's container `client`.
    pub client_logs: Observation<Vec<ClientLog>>,
    /// The backend, asked from a client pod: each request of [`super::MeshEvidence::traffic`]
    /// is one of these.
    pub asked: Observation<Asked>,
}

/// A wait for rollouts to come to an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settling {
    /// What was not at rest as the collection began.
    pub awaited: Vec<String>,
    /// How long it was waited for, in milliseconds.
    pub waited_ms: u64,
    /// Whether it came to rest in that time.
    pub settled: bool,
}

/// The end of a client's log, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLog {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The last lines of its log. Each is what stands before a newline: curl's progress meter
    /// with its carriage returns is in there.
    pub lines: Vec<LogLine>,
    /// The time at which the log was read, by a clock as near to the log's as could be had.
    pub read_at: Timestamp,
    /// Whose clock that is.
    pub clock: Clock,
}

/// Whose clock told the time at which a log was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The pod's, which is its node's: that of the log's own timestamps.
    Node,
    /// The API server's.
    ApiServer,
    /// That of the machine that collected: a wrong clock there makes logs look old.
    Collector,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When the container wrote it, by the node's clock. A line that is continued has the time
    /// of its beginning.
    pub at: Timestamp,
    /// The line, without its newline.
    pub text: String,
}

/// The backend, asked a number of times from a client pod, through the service's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The URL.
    pub url: String,
    /// How often.
    pub requests: u32,
    /// The command's end, where it could not be read as answers: no curl in the image, say.
    pub exec: ExecAnswer,
    /// The answers, in order. Fewer than asked where some did not come.
    pub replies: Vec<Reply>,
}

/// One of the backend's answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The status code; 0 where curl got no answer.
    pub status: u16,
    /// The header `server`, empty where there is none.
    pub server: String,
    /// Whether `x-envoy-upstream-service-time` is there.
    pub envoy_upstream_time: bool,
    /// The body.
    pub body: String,
    /// curl's own message where there was no answer.
    pub error: String,
}

impl Reply {
    /// Whether it is 200 with this text.
    pub fn says(&self, text: &str) -> bool {
        self.status == 200 && text_of(&self.body) == text
    }
}

/// The text of a reply's body: http-echo ends its replies with a newline.
pub(crate) fn text_of(body: &str) -> &str {
    body.strip_suffix('\n').unwrap_or(body)
}
