//! Commands in containers.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachParams;
use kube::{Api, Client};
use meshcheck_suites::evidence::{self, ExecAnswer};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::observe::Missing;

/// How much of a command's output is kept, in bytes.
const OUTPUT_LIMIT: u64 = 16 << 10;

/// Runs a command in a container, to its end.
pub(crate) async fn exec(
    client: &Client,
    pod: &evidence::Pod,
    container: &str,
    command: &[&str],
) -> Result<ExecAnswer, Missing> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
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
