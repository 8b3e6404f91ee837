//! Waits until something that was installed works. At the ceiling, the error has the last state.

use std::fmt::Write as _;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Event, Pod, Service};
use kube::api::{Api, ListParams, LogParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt as _};
use meshcheck_suites::evidence::{Expectations, selector};

use super::error::unusable;
use super::{InstallError, istio};
use crate::chain;
use crate::events::{Events, Phase};
use crate::wait::{Look, Wait};

/// The labels that select pods.
type Labels = std::collections::BTreeMap<String, String>;

/// How long a deployment may take to be available, images included.
const AVAILABLE_CEILING: Duration = Duration::from_mins(4);
/// What selects Istio's CNI plug-in, in any namespace.
/// Source: `manifests/charts/istio-cni/templates/daemonset.yaml` of Istio.
const CNI_LABEL: &str = "k8s-app=istio-cni-node";
/// The init container of pods whose rules a CNI plug-in sets.
/// Source: `manifests/charts/istio-control/istio-discovery/files/injection-template.yaml` of Istio.
const VALIDATION: &str = "istio-validation";
/// How long istiod may take from nothing to injecting.
const INJECTION_CEILING: Duration = Duration::from_mins(5);
/// How long the load balancer may take to give an address.
const ADDRESS_CEILING: Duration = Duration::from_mins(2);
/// How long the client may take to its first reply, after the first of its pauses.
const REPLY_CEILING: Duration = Duration::from_mins(1);

/// Waits for a condition, and tells each new state. An answer that is an error is a state like others.
pub(super) async fn until<T>(
    (phase, events): (Phase, &Events),
    (what, shown, ceiling): (&str, &str, Duration),
    look: impl AsyncFn() -> Result<Look<T>, kube::Error>,
) -> Result<T, InstallError> {
    let wait = Wait::new(what, ceiling);
    let waited = wait.until_seen(
        |state| events.doing(phase, format!("waiting for {shown}: {state}")),
        || async { look().await.unwrap_or_else(|error| Look::NotYet(chain(&error))) },
    );
    Ok(waited.await?)
}

/// Waits until a deployment is there and available; tells the states of its pods and their last events.
pub(super) async fn deployment(
    client: &Client,
    (namespace, name): (&str, &str),
    listener: (Phase, &Events),
) -> Result<(), InstallError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let what = format!("deployment {namespace}/{name}");
    until(listener, (&what, name, AVAILABLE_CEILING), async || {
        let Some(found) = deployments.get_opt(name).await? else { return Ok(not_there()) };
        let replicas = found.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let status = found.status.unwrap_or_default();
        let available = status.available_replicas.unwrap_or(0);
        let is_observed = status.observed_generation >= found.metadata.generation;
        let is_updated = status.updated_replicas.unwrap_or(0) == replicas;
        if is_observed && is_updated && available == replicas && replicas > 0 {
            return Ok(Look::Ready(()));
        }
        let labels = found.spec.and_then(|spec| spec.selector.match_labels);
        let pods = pods(client, namespace, labels).await;
        Ok(Look::NotYet(format!("{available}/{replicas} available{pods}")))
    })
    .await
}

/// Waits until services can be reached by their addresses: until kube-proxy runs on every node, where the
/// cluster has it. Another plug-in that takes its place tells nobody when it is ready.
pub(super) async fn service_addresses(
    client: &Client,
    listener: (Phase, &Events),
) -> Result<(), InstallError> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), "kube-system");
    // Whoever makes the cluster makes it at once: it is there, or never comes.
    if let Ok(None) = sets.get_opt("kube-proxy").await {
        return Ok(());
    }
    daemon_set(client, ("kube-system", "kube-proxy"), listener).await
}

/// Waits until a daemon set is there and has a ready pod on every node that it is for.
pub(super) async fn daemon_set(
    client: &Client,
    (namespace, name): (&str, &str),
    listener: (Phase, &Events),
) -> Result<(), InstallError> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let what = format!("daemon set {namespace}/{name}");
    until(listener, (&what, name, AVAILABLE_CEILING), async || {
        let Some(found) = sets.get_opt(name).await? else { return Ok(not_there()) };
        let status = found.status.unwrap_or_default();
        let (nodes, ready) = (status.desired_number_scheduled, status.number_ready);
        let is_observed = status.observed_generation >= found.metadata.generation;
        if is_observed && nodes > 0 && ready == nodes {
            return Ok(Look::Ready(()));
        }
        let pods =
            pods(client, namespace, found.spec.and_then(|spec| spec.selector.match_labels)).await;
        Ok(Look::NotYet(format!("{ready}/{nodes} ready{pods}")))
    })
    .await
}

/// Waits until Istio's CNI plug-in has a ready pod on every node: it sets the rules of pods that start later.
pub(super) async fn cni_plugin(client: &Client, events: &Events) -> Result<(), InstallError> {
    let sets: Api<DaemonSet> = Api::all(client.clone());
    let labels = ListParams::default().labels(CNI_LABEL);
    let what = ("Istio's CNI plug-in", "Istio's CNI plug-in", AVAILABLE_CEILING);
    let (namespace, name) = until((Phase::Demo, events), what, async || {
        let found = sets.list_metadata(&labels).await?.items.into_iter().next();
        let place =
            |set: PartialObjectMeta<_>| (set.namespace().unwrap_or_default(), set.name_any());
        Ok(found.map_or_else(not_there, |set| Look::Ready(place(set))))
    })
    .await?;
    daemon_set(client, (&namespace, &name), (Phase::Demo, events)).await
}

fn not_there<T>() -> Look<T> {
    Look::NotYet("it is not there".into())
}

/// What holds the pods with these labels up, and the last event of each.
async fn pods(client: &Client, namespace: &str, labels: Option<Labels>) -> String {
    let labels: Vec<_> =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let Ok(list) = pods.list(&ListParams::default().labels(&labels.join(","))).await else {
        return String::new();
    };
    let mut text = String::new();
    for pod in list {
        let status = pod.status.as_ref();
        let statuses = status
            .into_iter()
            .flat_map(|status| {
                status.init_container_statuses.iter().chain(&status.container_statuses).flatten()
            })
            .filter_map(|container| {
                let waiting = container.state.as_ref()?.waiting.as_ref()?;
                Some(format!("{} {}", container.name, waiting.reason.as_deref()?))
            });
        let reasons: Vec<_> = statuses.collect();
        let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or("Unknown");
        let _ = write!(text, "; pod {} {phase}", pod.name_any());
        if !reasons.is_empty() {
            let _ = write!(text, " ({})", reasons.join(", "));
        }
        if let Some(event) = last_warning(client, namespace, &pod.name_any()).await {
            let _ = write!(text, ": {event}");
        }
    }
    text
}

async fn last_warning(client: &Client, namespace: &str, pod: &str) -> Option<String> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let fields = format!("involvedObject.kind=Pod,involvedObject.name={pod},type=Warning");
    let found = events.list(&ListParams::default().fields(&fields)).await.ok()?;
    let last = found.items.into_iter().max_by_key(|event| event.last_timestamp.clone())?;
    Some(format!("{}: {}", last.reason.unwrap_or_default(), last.message.unwrap_or_default()))
}

/// What sets the rules of a new pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirection {
    /// Its init container.
    InitContainer,
    /// Istio's CNI plug-in on its node.
    CniPlugin,
}

/// Waits until a pod in the demo's namespace would get a sidecar: istiod runs, its webhook is
/// registered and answers. Nothing is created. Hands out what would set the pod's rules.
pub(super) async fn injection(
    client: &Client,
    names: &Expectations,
    events: &Events,
) -> Result<Redirection, InstallError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &names.namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let probe: Pod = serde_json::from_value(serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "meshcheck-" },
        "spec": { "containers": [{ "name": "probe", "image": "probe" }] }
    }))
    .map_err(unusable("a probe"))?;
    let what = ("sidecars to be injected", "injection", INJECTION_CEILING);
    until((Phase::Demo, events), what, async || match pods.create(&dry_run, &probe).await {
        Ok(pod) => {
            let state = || Look::NotYet("a pod would get no sidecar".into());
            Ok(redirection(&pod).map_or_else(state, Look::Ready))
        }
        Err(error) => Ok(Look::NotYet(not_called(&chain(&error)))),
    })
    .await
}

/// What sets the rules of an injected pod; none where it has no sidecar.
fn redirection(pod: &Pod) -> Option<Redirection> {
    let spec = pod.spec.as_ref()?;
    let all = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let has = |name| all().any(|container| container.name == name);
    let by_plugin =
        || if has(VALIDATION) { Redirection::CniPlugin } else { Redirection::InitContainer };
    has("istio-proxy").then(by_plugin)
}

/// Why no pod can be made, as text that do not alarm: until all parts of a new mesh have found one another the
/// API server does not reach istiod.
fn not_called(words: &str) -> String {
    match words.split_once("failed to call webhook: ") {
        Some((_, why)) => format!("the API server does not reach istiod yet ({why})"),
        None => words.to_owned(),
    }
}

/// Waits until the ingress gateway has an address.
pub(super) async fn gateway_address(client: &Client, events: &Events) -> Result<(), InstallError> {
    let services: Api<Service> = Api::namespaced(client.clone(), istio::NAMESPACE);
    let what = ("an address for istio-ingressgateway", "an address", ADDRESS_CEILING);
    until((Phase::Address, events), what, async || {
        let Some(service) = services.get_opt("istio-ingressgateway").await? else {
            return Ok(Look::NotYet("the service is not there".into()));
        };
        let balancer = service.status.and_then(|status| status.load_balancer);
        let ingress = balancer.and_then(|balancer| balancer.ingress).unwrap_or_default();
        let pending = || Look::NotYet("it is pending".into());
        Ok(if ingress.is_empty() { pending() } else { Look::Ready(()) })
    })
    .await
}

/// Waits until the client has shown its first reply; tells the end of its log.
pub(super) async fn first_reply(
    client: &Client,
    names: &Expectations,
    events: &Events,
) -> Result<(), InstallError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &names.namespace);
    let labels = ListParams::default().labels(&selector(&names.client.labels));
    let ceiling = REPLY_CEILING + Duration::from_secs(names.client_interval_seconds.into());
    let parameters = LogParams {
        container: Some(names.client.container.clone()),
        tail_lines: Some(20),
        ..LogParams::default()
    };
    let what = "the client's first reply";
    until((Phase::Demo, events), (what, what, ceiling), async || {
        let list = pods.list(&labels).await?;
        let Some(pod) = list.items.first() else {
            return Ok(Look::NotYet("there is no client pod".into()));
        };
        let log = pods.logs(&pod.name_any(), &parameters).await?;
        Ok(match log.lines().last() {
            _ if log.contains(&names.reply) => Look::Ready(()),
            None => Look::NotYet("its log is empty".into()),
            Some(line) => Look::NotYet(format!("its log ends: {}", line.trim())),
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::{Redirection, not_called, redirection};

    #[rstest]
    #[case::sidecar(&["istio-init"], &["app", "istio-proxy"], Some(Redirection::InitContainer))]
    #[case::native(&["istio-init", "istio-proxy"], &["app"], Some(Redirection::InitContainer))]
    #[case::plugin(&["istio-validation"], &["app", "istio-proxy"], Some(Redirection::CniPlugin))]
    #[case::native_plugin(&["istio-validation", "istio-proxy"], &["app"], Some(Redirection::CniPlugin))]
    #[case::no_sidecar(&[], &["app"], None)]
    fn init_containers_tell_what_sets_the_rules(
        #[case] init: &[&str],
        #[case] containers: &[&str],
        #[case] expected: Option<Redirection>,
    ) {
        let named =
            |names: &[&str]| -> Vec<_> { names.iter().map(|it| json!({ "name": it })).collect() };
        let spec = json!({ "initContainers": named(init), "containers": named(containers) });
        let pod = serde_json::from_value(json!({ "spec": spec })).unwrap();
        assert_eq!(redirection(&pod), expected);
    }

    #[test]
    fn unreached_webhook_is_described_without_an_error() {
        let words = "Internal error occurred: failed calling webhook \"x\": failed to call webhook: \
                     Post \"https://istiod:443/inject\": connection refused";
        let state = not_called(words);
        assert!(state.starts_with("the API server does not reach istiod yet (Post "), "{state}");
        assert_eq!(not_called("pods is forbidden"), "pods is forbidden");
    }
}
