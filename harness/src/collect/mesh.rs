//! What the section *mesh* needs besides the pods: dry runs, init logs, the rules in force.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, LogParams, PostParams};
use meshcheck_suites::evidence::{self, DryRun, MeshEvidence, Observation};
use serde_json::json;

use super::api::list::list_all;
use super::api::logs::{self, Keep};
use super::api::objects;
use super::api::observe::{Missing, needed, observe};
use super::context::CollectContext;
use super::probe::container;
use super::{live_rules, mesh_resources};

/// The container that programs the redirection.
pub(super) const INIT: &str = "istio-init";

/// How long the API server waits for a webhook, ten seconds, and a little more for its own answer.
const WEBHOOK_LIMIT: Duration = Duration::from_secs(12);

/// How much of an init container's log is read, in bytes. Seen: 10 KiB.
const INIT_LOG_BYTES: u32 = 256 << 10;

/// Looks at all of it at once but the traffic, which is counted around the requests of the demo.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    pods: &Observation<Vec<evidence::Pod>>,
) -> MeshEvidence {
    let seen = pods.value().map_or(&[][..], Vec::as_slice);
    // A webhook that does not answer has the API server wait for it.
    let limit = context.limit.max(WEBHOOK_LIMIT);
    let unlabelled =
        observe(limit, async { dry_run(context, &unlabelled_namespace(context).await?).await });
    let labelled = observe(limit, async {
        if pods.is_absent() {
            needed(pods)?;
        }
        dry_run(context, &context.expectations.namespace).await
    });
    let labelled =
        context.awaited("the injection webhook, as long as the API server does", limit, labelled);
    let certificate_ends = observe(context.limit, mesh_resources::certificate_ends(context, pods));
    let resources = observe(context.limit, mesh_resources::resources(context));
    let (
        init_logs,
        (live_rules, live_rules_v6),
        dry_run_unlabelled,
        dry_run_labelled,
        certificate_ends,
        resources,
    ) = tokio::join!(
        context.timed("init logs", init_logs(context, seen)),
        context.timed("live rules", live_rules::collect(context, seen)),
        context.timed("dry run outside", unlabelled),
        context.timed("dry run inside", labelled),
        context.timed("certificates", certificate_ends),
        context.timed("mesh resources", resources),
    );
    MeshEvidence {
        dry_run_unlabelled,
        dry_run_labelled,
        init_logs,
        live_rules,
        certificate_ends,
        resources,
        live_rules_v6,
        ..MeshEvidence::default()
    }
}

/// A pod as the server would make it in a namespace. Nothing is created.
async fn dry_run(context: &CollectContext<'_>, namespace: &str) -> Result<DryRun, Missing> {
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let pod: Pod = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "meshcheck-",
            "labels": { "app.kubernetes.io/managed-by": "meshcheck" }
        },
        "spec": { "containers": [container("probe", "curlimages/curl")] }
    }))?;
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let made = pods.create(&parameters, &pod).await?;
    let spec = made.spec.filter(|spec| !spec.containers.is_empty());
    let spec = spec.ok_or_else(|| {
        Missing::Failed("the API server's answer to a dry run is a pod without containers".into())
    })?;
    let (containers, init_containers) = objects::containers(&spec, None);
    Ok(DryRun { namespace: namespace.to_owned(), containers, init_containers })
}

/// A namespace that nothing asks Istio to inject into: `default` where it may be, else any other that
/// is not the system's.
async fn unlabelled_namespace(context: &CollectContext<'_>) -> Result<String, Missing> {
    let unlabelled = |namespace: &Namespace| {
        let labelled = namespace.labels().keys().any(|key| {
            key == "istio-injection"
                || key.split('/').next().is_some_and(|it| it.ends_with("istio.io"))
        });
        let leaves = namespace.metadata.deletion_timestamp.is_some();
        (!labelled && !leaves).then(|| namespace.name_any())
    };
    let names = list_all(&context.client, unlabelled).await?;
    let mut names: Vec<_> = names
        .into_iter()
        .flatten()
        .filter(|name| {
            !name.starts_with("kube-")
                && *name != context.expectations.istio_namespace
                && *name != context.expectations.namespace
        })
        .collect();
    names.sort_by_key(|name| (name != "default", name.clone()));
    names.into_iter().next().ok_or_else(|| {
        Missing::Failed("every namespace carries a label of Istio, so none is left to try".into())
    })
}

/// The logs of the init containers, by pod.
async fn init_logs(
    context: &CollectContext<'_>,
    pods: &[evidence::Pod],
) -> BTreeMap<String, Observation<String>> {
    let logs = pods.iter().filter(|pod| has_init(pod)).map(|pod| async move {
        let api: Api<Pod> = Api::namespaced(context.client.clone(), &pod.namespace);
        let keep = Keep::First(INIT_LOG_BYTES);
        let log = logs::read(&api, &pod.name, INIT, keep, LogParams::default());
        let log = observe(context.limit, log).await;
        (pod.name.clone(), log)
    });
    futures::future::join_all(logs).await.into_iter().collect()
}

fn has_init(pod: &evidence::Pod) -> bool {
    pod.init_containers.iter().any(|container| container.name == INIT)
}
