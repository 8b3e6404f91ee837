//! What the section *mesh* needs besides the pods: dry runs, init logs, counters.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams, PostParams};
use meshcheck_suites::evidence::{self, CounterPair, DryRun, Observation, Traffic};
use serde_json::json;

use super::list::list;
use super::logs::{self, Keep};
use super::look::{Missing, look};
use super::{Scene, forward, objects};

/// The container that programs the redirection.
pub(super) const INIT: &str = "istio-init";

/// How much of an init container's log is read, in bytes. Seen: 10 KiB.
const INIT_LOG_BYTES: u32 = 256 << 10;

/// Envoy's administration port, open to the pod alone.
const ADMIN: u16 = 15000;

/// A pod as the server would make it in a namespace. Nothing is created.
///
/// # Errors
///
/// When the server refuses.
pub(super) async fn dry_run(scene: &Scene<'_>, namespace: &str) -> Result<DryRun, Missing> {
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), namespace);
    let pod: Pod = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "meshcheck-",
            "labels": { "app.kubernetes.io/managed-by": "meshcheck" }
        },
        "spec": { "containers": [{ "name": "probe", "image": "curlimages/curl" }] }
    }))
    .map_err(|error| Missing::Failed(error.to_string()))?;
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
///
/// # Errors
///
/// When the namespaces cannot be seen, or there is none.
pub(super) async fn unlabelled_namespace(scene: &Scene<'_>) -> Result<String, Missing> {
    use k8s_openapi::api::core::v1::Namespace;
    use kube::ResourceExt as _;
    let api: Api<Namespace> = Api::all(scene.client.clone());
    let unlabelled = |namespace: &Namespace| {
        let labelled = namespace.labels().keys().any(|key| {
            key == "istio-injection"
                || key.split('/').next().is_some_and(|it| it.ends_with("istio.io"))
        });
        let leaves = namespace.metadata.deletion_timestamp.is_some();
        (!labelled && !leaves).then(|| namespace.name_any())
    };
    let names = list(&api, &kube::api::ListParams::default(), unlabelled).await?;
    let mut names: Vec<_> = names
        .into_iter()
        .flatten()
        .filter(|name| {
            !name.starts_with("kube-")
                && *name != scene.expectations.istio_namespace
                && *name != scene.expectations.namespace
        })
        .collect();
    names.sort_by_key(|name| (name != "default", name.clone()));
    names.into_iter().next().ok_or_else(|| {
        Missing::Failed("every namespace carries a label of Istio, so none is left to try".into())
    })
}

/// The logs of the init containers, by pod.
pub(super) async fn init_logs(
    scene: &Scene<'_>,
    pods: &[evidence::Pod],
) -> BTreeMap<String, Observation<String>> {
    let logs = pods.iter().filter(|pod| has_init(pod)).map(|pod| async move {
        let api: Api<Pod> = Api::namespaced(scene.client.clone(), &pod.namespace);
        let keep = Keep::First(INIT_LOG_BYTES);
        let log = logs::read(&api, &pod.name, INIT, keep, LogParams::default());
        let log = look(scene.limit, log).await;
        (pod.name.clone(), log)
    });
    futures::future::join_all(logs).await.into_iter().collect()
}

fn has_init(pod: &evidence::Pod) -> bool {
    pod.init_containers.iter().any(|container| container.name == INIT)
}

/// The sum of `rq_total` over the endpoints of an Envoy cluster.
async fn counter(scene: &Scene<'_>, pod: &evidence::Pod, cluster: &str) -> Result<u64, Missing> {
    let page = forward::page(&scene.client, &pod.namespace, &pod.name, ADMIN, "/clusters").await?;
    sum(&page, cluster).ok_or_else(|| {
        Missing::Absent(format!("the proxy of pod {} has no cluster {cluster}", pod.name))
    })
}

/// The sum in what `/clusters` says: `CLUSTER::ADDRESS:PORT::rq_total::N`. The cluster's subsets, by which a
/// virtual service leads (`outbound|80|v1|HOST`), count as well.
pub(super) fn sum(page: &str, cluster: &str) -> Option<u64> {
    let mut known = false;
    let mut sum: u64 = 0;
    for line in page.lines() {
        let Some((name, rest)) = line.split_once("::") else { continue };
        if !is_of(name, cluster) {
            continue;
        }
        known = true;
        let mut words = rest.rsplit("::");
        let (value, name) = (words.next(), words.next());
        if name == Some("rq_total") {
            sum = sum.saturating_add(value.and_then(|value| value.parse().ok())?);
        }
    }
    known.then_some(sum)
}

/// Whether this is an Envoy cluster, or a subset of it: `DIRECTION|PORT|SUBSET|HOST`.
fn is_of(name: &str, cluster: &str) -> bool {
    let without_subset = |name| -> Option<(&str, &str, &str)> {
        let mut parts = str::splitn(name, 4, '|');
        let (direction, port, _, host) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some((direction, port, host))
    };
    name == cluster
        || without_subset(name).is_some_and(|name| Some(name) == without_subset(cluster))
}

/// Both sides' counters, once.
pub(super) struct Reading {
    outbound: Observation<u64>,
    inbound: Observation<u64>,
}

/// Reads both sides' counters.
pub(super) async fn read(
    scene: &Scene<'_>,
    client: &evidence::Pod,
    backends: &[&evidence::Pod],
) -> Reading {
    let expectations = scene.expectations;
    let (outbound, inbound) = (expectations.outbound_cluster(), expectations.inbound_cluster());
    let all = async {
        let each = backends.iter().map(|pod| counter(scene, pod, &inbound));
        let counts = futures::future::try_join_all(each).await?;
        if counts.is_empty() {
            return Err(Missing::Absent("no backend pod runs".into()));
        }
        Ok(counts.into_iter().sum())
    };
    let (outbound, inbound) =
        tokio::join!(look(scene.limit, counter(scene, client, &outbound)), look(scene.limit, all));
    Reading { outbound, inbound }
}

/// Two readings around requests of our own.
pub(super) fn traffic(
    requests: u32,
    client: &evidence::Pod,
    before: Reading,
    after: Reading,
    scene: &Scene<'_>,
) -> Traffic {
    Traffic {
        requests,
        client_pod: client.name.clone(),
        outbound: CounterPair {
            cluster: scene.expectations.outbound_cluster(),
            before: before.outbound,
            after: after.outbound,
        },
        inbound: CounterPair {
            cluster: scene.expectations.inbound_cluster(),
            before: before.inbound,
            after: after.inbound,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::sum;
    use proptest::prelude::*;

    const PAGE: &str = "\
inbound|5678||::observability_name::inbound|5678||
inbound|5678||::10.244.0.7:5678::cx_total::3
inbound|5678||::10.244.0.7:5678::rq_total::41
inbound|5678||::10.244.0.8:5678::rq_total::1
inbound|56789||::10.244.0.7:56789::rq_total::7
outbound|80||echo::default_priority::max_requests::4294967295
";

    #[test]
    fn the_endpoints_of_one_cluster_are_summed() {
        assert_eq!(sum(PAGE, "inbound|5678||"), Some(42));
        assert_eq!(sum(PAGE, "outbound|80||echo"), Some(0));
        assert_eq!(sum(PAGE, "outbound|80||other"), None);
        let subsets = "outbound|80|v1|echo::10.244.0.7:5678::rq_total::3\noutbound|80|v2|echo::10.244.0.8:5678::rq_total::4\n";
        assert_eq!(sum(&format!("{PAGE}{subsets}"), "outbound|80||echo"), Some(7));
        assert_eq!(sum(subsets, "outbound|81||echo"), None);
        assert_eq!(sum(subsets, "outbound|80||ech"), None);
    }

    proptest! {
        #[test]
        fn any_page_has_a_sum_or_none(
            page in "\\PC*",
            lines in proptest::collection::vec("inbound\\|5678\\|\\|(::|:|rq_total|[0-9]{1,21}|-1|\\PC){0,8}", 0..6),
        ) {
            let _ = sum(&page, "");
            // What is not a number is not taken for one: there is then no sum at all.
            let broken = "inbound|5678||::10.244.0.7:5678::rq_total::many";
            let near = [&lines[..], &[broken.to_owned()]].concat().join("\n");
            prop_assert_eq!(sum(&near, "inbound|5678||"), None);
        }
    }
}
