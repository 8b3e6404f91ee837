//! The namespace of the demo: an echo backend, and a client that sends requests to it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Deployment, Endpoint, ExecAnswer, Observation, Pod, Service};

/// The observations of the section *demo*. The section *mesh* judges the same pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoEvidence {
    /// The wait for rollouts in the namespace; absent where no rollout was in progress.
    pub settling: Observation<Settling>,
    /// All pods of the namespace at the start of the collection.
    pub pods: Observation<Vec<Pod>>,
    /// All pods of the namespace at the end of the collection.
    pub pods_at_end: Observation<Vec<Pod>>,
    /// Its deployments.
    pub deployments: Observation<Vec<Deployment>>,
    /// Its services.
    pub services: Observation<Vec<Service>>,
    /// The endpoints of its services.
    pub endpoints: Observation<Vec<Endpoint>>,
    /// The log of each client pod's container `client`.
    pub client_logs: Observation<Vec<ClientLog>>,
    /// Requests from a client pod to the backend. [`super::MeshEvidence::traffic`] counts these requests.
    pub asked: Observation<Asked>,
}

/// A wait for rollouts to complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Settling {
    /// The rollouts that were in progress at the start of the collection.
    pub awaited: Vec<String>,
    /// The time waited, in milliseconds.
    pub waited_ms: u64,
    /// Whether all of them completed in that time.
    pub settled: bool,
}

/// The last lines of a client's log.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ClientLog {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The last lines, split at newlines. They include curl's progress meter with its carriage returns.
    pub lines: Vec<LogLine>,
    /// The time at which the log was read, by the clock that is closest to the log's.
    #[schemars(with = "String")]
    pub read_at: Timestamp,
    /// Which clock that is.
    pub clock: Clock,
}

/// The clock that gave the time at which a log was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The node's clock, which the log's timestamps also use.
    Node,
    /// The API server's clock.
    ApiServer,
    /// The clock of the machine that collected. Where it is wrong, logs look old.
    Collector,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LogLine {
    /// When the container wrote the line, by the node's clock. A continued line has the time of its beginning.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The line, without its newline.
    pub text: String,
}

/// Requests from a client pod to the backend, by the service's name.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Asked {
    /// The URL.
    pub url: String,
    /// The number of requests.
    pub requests: u32,
    /// The result of the command. It explains missing replies, for example when the image has no curl.
    pub exec: ExecAnswer,
    /// The replies, in order; fewer than requests where some are missing.
    pub replies: Vec<Reply>,
}

/// One reply of the backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Reply {
    /// The status code; 0 where curl got no answer.
    pub status: u16,
    /// The header `server`, empty where there is none.
    pub server: String,
    /// Whether the header `x-envoy-upstream-service-time` is set.
    pub envoy_upstream_time: bool,
    /// The body.
    pub body: String,
    /// The message of curl where there was no answer.
    pub error: String,
}

impl Reply {
    /// Whether the reply is 200 with this text.
    pub fn says(&self, text: &str) -> bool {
        self.status == 200 && text_of(&self.body) == text
    }
}

/// Returns the text of a reply's body without its last newline, which http-echo adds.
pub(crate) fn text_of(body: &str) -> &str {
    body.strip_suffix('\n').unwrap_or(body)
}
