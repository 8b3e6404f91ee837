//! What the section *demo* needs: its objects, the backend asked from the client.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::AttachParams;
use meshcheck_suites::evidence::{self, Asked, ExecAnswer, Observation, Reply};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::curl::Printed;
use super::look::Missing;
use super::{REQUESTS, Scene};

/// How much of a command's output is kept, in bytes.
const OUTPUT_LIMIT: u64 = 16 << 10;

/// Stands between the answers in the output of [`script`]. Nothing that the backend says holds it by
/// accident.
const MARK: &str = "--meshcheck-answer--";

/// The application's container in a pod of the client: not the sidecar.
pub(super) fn application<'p>(scene: &Scene<'_>, pod: &'p evidence::Pod) -> Option<&'p str> {
    let its = &scene.expectations.client.container;
    let mut names = pod.containers.iter().map(|container| container.name.as_str());
    names.clone().find(|name| name == its).or_else(|| names.find(|it| *it != "istio-proxy"))
}

/// Whether a pod belongs to the deployment of this name, or has these labels where that was not seen.
pub(super) fn is_pod_of(
    pod: &evidence::Pod,
    deployments: &Observation<Vec<evidence::Deployment>>,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> bool {
    let mut all = deployments.value().into_iter().flatten();
    let deployment = all.find(|deployment| deployment.name == name);
    deployment.map_or_else(|| pod.has_labels(labels), |it| it.selects(pod))
}

/// Whether a pod belongs to the client's deployment and can be asked.
pub(super) fn clients<'a>(
    scene: &Scene<'_>,
    pods: &'a [evidence::Pod],
    deployments: &Observation<Vec<evidence::Deployment>>,
) -> Vec<&'a evidence::Pod> {
    let expectations = scene.expectations;
    let (name, labels) = (&expectations.client_deployment, &expectations.client.labels);
    let its = |pod: &&evidence::Pod| pod.is_running() && is_pod_of(pod, deployments, name, labels);
    pods.iter().filter(its).collect()
}

/// The script that asks the backend a number of times, tells the node's time first, and never fails.
/// After so many requests without an answer no more are made: each takes its time.
const SILENT: u32 = 2;

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
///
/// # Errors
///
/// When the command cannot be run at all.
pub(super) async fn ask(
    scene: &Scene<'_>,
    pod: &evidence::Pod,
) -> Result<(Asked, Option<Timestamp>), Missing> {
    let url = format!("http://{}", scene.expectations.backend_address());
    let container = application(scene, pod)
        .ok_or_else(|| Missing::Absent(format!("pod {} has no application", pod.name)))?;
    let script = script(&url, REQUESTS);
    let exec = exec(scene, pod, container, &["sh", "-c", &script]).await?;
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

/// Runs a command in a container, to its end.
///
/// # Errors
///
/// When the server refuses, or the connection ends before the command did. A program that cannot be
/// started is an answer, with exit code 126 or 127.
pub(super) async fn exec(
    scene: &Scene<'_>,
    pod: &evidence::Pod,
    container: &str,
    command: &[&str],
) -> Result<ExecAnswer, Missing> {
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), &pod.namespace);
    let parameters =
        AttachParams::default().container(container).stdin(false).stdout(true).stderr(true);
    let mut process = pods.exec(&pod.name, command.iter().copied(), &parameters).await?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let status =
        status.ok_or_else(|| Missing::Failed("the connection ended before the command".into()))?;
    let exit_code = exit_code(&status).ok_or_else(|| {
        let reason = "the command's end was not told".to_owned();
        Missing::Failed(status.message.clone().unwrap_or(reason))
    })?;
    Ok(ExecAnswer {
        pod: pod.name.clone(),
        container: container.to_owned(),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        exit_code,
        stdout,
        stderr: if stderr.is_empty() && exit_code > 125 {
            status.message.unwrap_or_default()
        } else {
            stderr
        },
    })
}

/// The exit code in the end of an exec; 127 where the container's runtime could not start the program.
fn exit_code(status: &Status) -> Option<i32> {
    if status.status.as_deref() == Some("Success") {
        return Some(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes
        .filter(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .find_map(|cause| cause.message.as_ref()?.trim().parse().ok());
    let cannot_start = [
        "executable file not found",
        "no such file or directory",
        "unable to start container process",
    ];
    code.or_else(|| {
        let message = status.message.as_deref().unwrap_or_default();
        cannot_start.iter().any(|it| message.contains(it)).then_some(127)
    })
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What came before an error is worth keeping; the status tells of the error.
        let _ = (&mut pipe).take(OUTPUT_LIMIT).read_to_end(&mut bytes).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_of_curl_is_taken_apart() {
        let text = "\nHTTP/1.1 200 OK\r\nserver: envoy\r\nX-Envoy-Upstream-Service-Time: 1\r\n\r\n\
                    Hello from backend service\n\n200\n\n";
        let reply = reply(text);
        assert_eq!((reply.status, reply.server.as_str()), (200, "envoy"));
        assert!(reply.envoy_upstream_time);
        assert_eq!(reply.body, "Hello from backend service\n");
        assert_eq!(reply.error, "");
    }

    #[test]
    fn no_answer_keeps_curls_reason() {
        let reply = reply("\n\n000\nCould not resolve host: echo-service\n");
        assert_eq!((reply.status, reply.body.as_str()), (0, ""));
        assert_eq!(reply.error, "Could not resolve host: echo-service");
    }

    #[test]
    fn an_interim_answer_is_passed_over() {
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
        fn whatever_curl_prints_is_an_answer(
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
