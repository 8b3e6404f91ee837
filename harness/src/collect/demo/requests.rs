//! Requests of meshcheck from the client to the backend.

use jiff::Timestamp;
use meshcheck_suites::evidence::{self, Asked, Reply};

use super::application;
use crate::collect::api::curl::Printed;
use crate::collect::api::exec::exec;
use crate::collect::api::observe::Missing;
use crate::collect::context::CollectContext;

/// How many requests of meshcheck go from the client to the backend.
/// With as many, chance (1 in 4096) hardly ever hides one of two backends that has no sidecar.
pub(super) const REQUESTS: u32 = 12;

/// Stands between the answers in the output of [`script`]. Nothing that the backend says holds it by
/// accident.
const MARK: &str = "--meshcheck-answer--";

/// After so many requests without an answer no more are made: each takes its time.
const SILENT: u32 = 2;

/// The script that asks the backend a number of times, tells the node's time first, and never fails.
fn script(url: &str, requests: u32) -> String {
    let words = "\\n%{http_code}\\n%{errormsg}\\n";
    format!(
        "date -u +%s; command -v curl >/dev/null || exit 127; i=0; silent=0; \
         while [ $i -lt {requests} ] && [ $silent -lt {SILENT} ]; do i=$((i+1)); echo '{MARK}'; \
         curl -sS -i --max-time 3 -w '{words}' '{url}' || silent=$((silent+1)); \
         done 2>/dev/null; true"
    )
}

/// Asks the backend from a client pod, and what time it is there.
pub(super) async fn ask(
    context: &CollectContext<'_>,
    pod: &evidence::Pod,
) -> Result<(Asked, Option<Timestamp>), Missing> {
    let url = format!("http://{}", context.expectations.backend_address());
    let container = application(context, pod)
        .ok_or_else(|| Missing::Absent(format!("pod {} has no application", pod.name)))?;
    let script = script(&url, REQUESTS);
    let exec = exec(&context.client, pod, container, &["sh", "-c", &script]).await?;
    let now = exec.stdout.lines().next().and_then(|line| line.trim().parse().ok());
    let now = now.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let replies = exec.stdout.split(MARK).skip(1).map(reply).collect::<Vec<_>>();
    let mut exec = exec;
    if replies.len() == REQUESTS as usize {
        // Everything that it said is in the replies.
        exec.stdout = String::new();
    }
    Ok((Asked { url, requests: REQUESTS, exec, replies }, now))
}

/// One answer of curl: headers, an empty line, the body, then what `-w` wrote.
fn reply(text: &str) -> Reply {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut tail = text.rsplitn(3, '\n');
    let error = tail.next().unwrap_or_default().to_owned();
    let status = tail.next().unwrap_or_default().trim().parse().unwrap_or_default();
    let rest = tail.next().unwrap_or_default();
    let printed = Printed::parse(rest);
    Reply {
        status,
        server: printed.header("server").unwrap_or_default().to_owned(),
        envoy_upstream_time: printed.header("x-envoy-upstream-service-time").is_some(),
        body: printed.body.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answer_of_curl_is_parsed() {
        let text = "\nHTTP/1.1 200 OK\r\nserver: envoy\r\nX-Envoy-Upstream-Service-Time: 1\r\n\r\n\
                    Hello from backend service\n\n200\n\n";
        let reply = reply(text);
        assert_eq!((reply.status, reply.server.as_str()), (200, "envoy"));
        assert!(reply.envoy_upstream_time);
        assert_eq!(reply.body, "Hello from backend service\n");
        assert_eq!(reply.error, "");
    }

    #[test]
    fn missing_answer_keeps_the_reason_of_curl() {
        let reply = reply("\n\n000\nCould not resolve host: echo-service\n");
        assert_eq!((reply.status, reply.body.as_str()), (0, ""));
        assert_eq!(reply.error, "Could not resolve host: echo-service");
    }

    #[test]
    fn interim_answer_is_ignored() {
        let reply = reply(
            "\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\nserver: envoy\r\n\r\nno\n503\n\n",
        );
        assert_eq!(
            (reply.status, reply.body.as_str(), reply.server.as_str()),
            (503, "no", "envoy")
        );
    }

    proptest! {
        #[test]
        fn random_output_of_curl_causes_no_panic(
            text in "\\PC*",
            near in "(HTTP/1\\.1 (100|200|503)( OK)?\r\n|server: envoy|:|\r\n|\n|Hello|[0-9]{1,6}|\\PC){0,12}",
        ) {
            for text in [&text, &near] {
                let reply = reply(text);
                prop_assert!(text.contains(&reply.body) && text.contains(&reply.error));
                prop_assert!(text.contains(&reply.server));
            }
        }
    }
}
