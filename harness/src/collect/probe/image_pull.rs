//! Whether a node can pull an image: tried with a pod of meshcheck, in a namespace of meshcheck.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use meshcheck_suites::evidence::Observation;
use meshcheck_suites::preflight::evidence::Pull;
use serde_json::json;
use tokio::time::Instant;

use super::namespace::OwnNamespace;
use crate::collect::api::observe::{Missing, ended};
use crate::wait::Wait;

/// How long a pull of the smallest image may take.
const CEILING: Duration = Duration::from_secs(45);

/// How long a new namespace may take to get the account that pods need. Seen: below a second.
const ACCOUNT: Duration = Duration::from_secs(5);

/// Has this node pull this image.
pub(crate) async fn pull(
    client: &Client,
    node: &str,
    image: &str,
    cluster_is_ours: bool,
) -> Observation<Pull> {
    let tried = async {
        let namespace = OwnNamespace::create(client, "pull", &BTreeMap::new()).await?;
        let outcome = try_it(client, &namespace.name, node, image).await;
        namespace.remove(cluster_is_ours).await?;
        outcome
    };
    ended(tried.await)
}

async fn try_it(
    client: &Client,
    namespace: &str,
    node: &str,
    image: &str,
) -> Result<Pull, Missing> {
    const NAME: &str = "probe";
    let start = Instant::now();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod: Pod = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": NAME, "annotations": { "sidecar.istio.io/inject": "false" } },
        "spec": {
            // The node that lacks it, whatever the scheduler thinks of it.
            "nodeName": node,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "containers": [super::container(NAME, image)]
        }
    }))?;
    created(&pods, &pod).await?;
    let ask = || async {
        match pods.get(NAME).await {
            Ok(pod) => outcome(&pod),
            Err(error) => (None, crate::chain(&error)),
        }
    };
    let waiting = Wait::new(format_args!("the image {image}"), CEILING);
    let (came, words) = waiting.last(ask, |(came, _)| came.is_some()).await.unwrap_or_default();
    let waited_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    pods.delete(NAME, &DeleteParams::default()).await?;
    match came {
        Some(came) => Ok(Pull { image: image.to_owned(), came, waited_ms, words }),
        // A slow line is no closed one.
        None => Err(Missing::Failed(format!(
            "{image} had not come after {} s, and no error was told ({words})",
            CEILING.as_secs()
        ))),
    }
}

/// Creates the pod, as soon as the namespace has the account that it runs under.
async fn created(pods: &Api<Pod>, pod: &Pod) -> Result<(), Missing> {
    let create = || async { pods.create(&PostParams::default(), pod).await };
    let account_is_missing = |error: &kube::Error| crate::chain(error).contains("serviceaccount");
    let done = |created: &kube::Result<Pod>| !created.as_ref().is_err_and(account_is_missing);
    let late = || Missing::Failed(format!("the pod was not taken within {} s", ACCOUNT.as_secs()));
    let created = Wait::new("the pod to be taken", ACCOUNT).last(create, done).await;
    created.ok_or_else(late)?.map(drop).map_err(Missing::from)
}

/// Whether the image came, as soon as that is known; and what is reported of it.
fn outcome(pod: &Pod) -> (Option<bool>, String) {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    let Some(status) = statuses.and_then(|all| all.first()) else {
        return (None, "the node has not looked at it yet".into());
    };
    of_container(status)
}

fn of_container(status: &ContainerStatus) -> (Option<bool>, String) {
    let state = status.state.clone().unwrap_or_default();
    if state.running.is_some() || state.terminated.is_some() {
        return (Some(true), "it was started".into());
    }
    let waiting = state.waiting.unwrap_or_default();
    let reason = waiting.reason.unwrap_or_default();
    let message = waiting.message.unwrap_or_default();
    let words = format!("{reason}: {message}").trim_end_matches(": ").to_owned();
    let answer = match reason.as_str() {
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "RegistryUnavailable"
        | "ImageInspectError" => Some(false),
        // It is there; that this container of meshcheck cannot be started is another matter.
        "CreateContainerError"
        | "CreateContainerConfigError"
        | "RunContainerError"
        | "CrashLoopBackOff" => Some(true),
        _ => None,
    };
    (answer, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(json!({ "running": {} }), Some(true))]
    #[case(json!({ "terminated": { "exitCode": 1 } }), Some(true))]
    #[case(json!({ "waiting": { "reason": "ErrImagePull", "message": "no such host" } }), Some(false))]
    #[case(json!({ "waiting": { "reason": "ImagePullBackOff" } }), Some(false))]
    #[case(json!({ "waiting": { "reason": "RunContainerError" } }), Some(true))]
    #[case(json!({ "waiting": { "reason": "ContainerCreating" } }), None)]
    #[case(json!({}), None)]
    fn container_state_shows_whether_the_image_was_pulled(
        #[case] state: serde_json::Value,
        #[case] came: Option<bool>,
    ) {
        let pod = json!({
            "metadata": {},
            "status": { "containerStatuses": [{
                "name": "probe", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
                "state": state
            }] }
        });
        assert_eq!(outcome(&serde_json::from_value(pod).unwrap()).0, came);
    }
}
