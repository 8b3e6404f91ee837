//! What the section *install* needs: the control plane's objects, its webhooks, its own words.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use kube::{Client, ResourceExt as _};
use meshcheck_suites::evidence::{
    self, Crd, InstallEvidence, LabelExpression, LabelSelector, Observation, TerminatingNamespace,
    Webhook, WebhookService,
};

use super::api::certificates;
use super::api::list::{self, list_all};
use super::api::objects;
use super::api::observe::{Missing, observe};
use super::context::CollectContext;
use super::istiod;
use crate::owner;

/// The labels of namespaces, by name.
type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// The groups of the custom resources of Istio.
const GROUPS: &str = "istio.io";

/// Looks at all of it at once. The pods come from outside: others need them as well.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    pods: Observation<Vec<evidence::Pod>>,
    istioctl_version: Observation<String>,
) -> InstallEvidence {
    let limit = context.limit;
    let (deployments, services, endpoints, mesh_pods, crds, webhooks, namespaces, istiod) = tokio::join!(
        context.timed("istio deployments", observe(limit, list_parts(context, list::deployments))),
        context.timed("istio services", observe(limit, list_parts(context, list::services))),
        context.timed("istio endpoints", observe(limit, list_parts(context, list::endpoints))),
        context.timed("mesh pods", observe(limit, mesh_pods(&context.client))),
        context.timed("crds", observe(limit, crds(&context.client))),
        context.timed("webhooks", observe(limit, webhooks(&context.client))),
        context.timed("namespaces", observe(limit, namespaces(&context.client))),
        context.timed("istiod", istiod::collect(context, &pods)),
    );
    let terminating_namespaces = namespaces.value().map(|it| it.1.clone()).unwrap_or_default();
    let namespaces = namespaces.map(|(labels, _)| labels);
    InstallEvidence {
        pods,
        deployments,
        services,
        endpoints,
        mesh_pods,
        crds,
        webhooks,
        namespaces,
        terminating_namespaces,
        istiod,
        istioctl_version,
    }
}

/// What is in the control plane's namespace, and in that of the gateway where it has one of its own.
pub(super) async fn list_parts<T>(
    context: &CollectContext<'_>,
    list: impl AsyncFn(&Client, &str) -> Result<Vec<T>, Missing>,
) -> Result<Vec<T>, Missing> {
    let (client, expectations) = (&context.client, context.expectations);
    let mut found = list(client, &expectations.istio_namespace).await?;
    let gateway = expectations.gateway_namespace();
    if gateway != expectations.istio_namespace {
        found.extend(list(client, gateway).await?);
    }
    Ok(found)
}

/// The pods of istiod, of gateways, of ambient mode and of Kiali in all namespaces: what carries their labels.
async fn mesh_pods(client: &Client) -> Result<Vec<evidence::Pod>, Missing> {
    // Gateways have the label `istio`, whatever its value; a revision's istiod may not.
    let selectors = ["istio", "app in (istiod,ztunnel)", "app.kubernetes.io/name=kiali"];
    list::labelled_pods(client, selectors).await
}

/// The labels of all namespaces by name, and those that are being deleted.
async fn namespaces(client: &Client) -> Result<(Labels, Vec<TerminatingNamespace>), Missing> {
    // The mark of meshcheck names the machine that made them: what travels has no use for it.
    let named = |it: &Namespace| {
        let mut labels = it.labels().clone();
        labels.remove(owner::LABEL);
        ((it.name_any(), labels), terminating(it))
    };
    let (labels, deleted): (Labels, Vec<_>) = list_all(client, named).await?.into_iter().unzip();
    Ok((labels, deleted.into_iter().flatten().collect()))
}

/// A namespace that is being deleted, with the conditions that keep it.
fn terminating(namespace: &Namespace) -> Option<TerminatingNamespace> {
    let status = namespace.status.clone().unwrap_or_default();
    let phase = status.phase.as_deref() == Some("Terminating");
    if !phase && namespace.metadata.deletion_timestamp.is_none() {
        return None;
    }
    let conditions = status.conditions.into_iter().flatten().filter(|it| it.status == "True");
    let messages: Vec<_> = conditions.filter_map(|it| it.message).collect();
    Some(TerminatingNamespace { name: namespace.name_any(), message: messages.join("; ") })
}

/// The resources that the server serves in groups of Istio. The server lists a custom resource in its
/// discovery once its definition is established, and not before; the definitions themselves are
/// a megabyte of schemas.
async fn crds(client: &Client) -> Result<Vec<Crd>, Missing> {
    let groups = client.list_api_groups().await?;
    // A server without any group serves no deployments either: it is none.
    if groups.groups.is_empty() {
        return Err(Missing::Failed("the API server names no group of resources".into()));
    }
    let versions = groups
        .groups
        .into_iter()
        .filter(|group| group.name.ends_with(GROUPS))
        .flat_map(|group| group.versions)
        .map(|version| version.group_version);
    let lists = versions.map(|version| async move {
        let list = client.list_api_group_resources(&version).await?;
        if list.group_version != version {
            let reason = format!("the API server does not tell what {version} holds");
            return Err(Missing::Failed(reason));
        }
        let group = version.split('/').next().unwrap_or_default().to_owned();
        Ok::<_, Missing>((group, list.resources))
    });
    let mut found = BTreeSet::new();
    for (group, resources) in futures::future::try_join_all(lists).await? {
        for resource in resources.into_iter().filter(|it| !it.name.contains('/')) {
            found.insert(format!("{}.{group}", resource.name));
        }
    }
    Ok(found.into_iter().map(|name| Crd { name, established: true }).collect())
}

/// The mutating webhooks that are called when a pod is created.
async fn webhooks(client: &Client) -> Result<Vec<Webhook>, Missing> {
    let rows = |configuration: &MutatingWebhookConfiguration| {
        let hooks = configuration.webhooks.iter().flatten();
        let hooks = hooks.filter(|hook| for_new_pods(hook));
        hooks.map(|hook| webhook(configuration, hook)).collect::<Vec<_>>()
    };
    Ok(list_all(client, rows).await?.concat())
}

fn for_new_pods(hook: &MutatingWebhook) -> bool {
    let any = |values: &Option<Vec<String>>, wanted: &str| {
        values.iter().flatten().any(|value| value == wanted || value == "*")
    };
    hook.rules.iter().flatten().any(|rule| {
        any(&rule.operations, "CREATE") && any(&rule.api_groups, "") && any(&rule.resources, "pods")
    })
}

fn webhook(configuration: &MutatingWebhookConfiguration, hook: &MutatingWebhook) -> Webhook {
    let label = |name: &str| configuration.labels().get(name).cloned();
    Webhook {
        configuration: configuration.name_any(),
        name: hook.name.clone(),
        revision: label("istio.io/rev"),
        tag: label("istio.io/tag"),
        marks: objects::marks(configuration),
        namespace_selector: selector(hook.namespace_selector.as_ref()),
        object_selector: selector(hook.object_selector.as_ref()),
        failure_policy: hook.failure_policy.clone().unwrap_or_else(|| "Fail".into()),
        service: hook.client_config.service.as_ref().map(|service| WebhookService {
            namespace: service.namespace.clone(),
            name: service.name.clone(),
            path: service.path.clone().unwrap_or_default(),
            port: service.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(443),
        }),
        url: hook.client_config.url.clone(),
        ca_bundle: certificates::facts(
            hook.client_config.ca_bundle.as_ref().map_or(&[], |bytes| bytes.0.as_slice()),
        ),
    }
}

fn selector(selector: Option<&meta::LabelSelector>) -> LabelSelector {
    let Some(selector) = selector else { return LabelSelector::default() };
    LabelSelector {
        match_labels: selector.match_labels.clone().unwrap_or_default(),
        match_expressions: selector
            .match_expressions
            .iter()
            .flatten()
            .map(|it| LabelExpression {
                key: it.key.clone(),
                operator: it.operator.clone(),
                values: it.values.clone().unwrap_or_default(),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use meshcheck_suites::evidence::Expectations;
    use serde_json::json;

    #[test]
    fn deletion_is_read_from_every_object() {
        let metadata = json!({ "name": "client", "deletionTimestamp": "2026-01-01T00:00:00Z" });
        let condition = |status: &str, message: &str| {
            let kind = "NamespaceFinalizersRemaining";
            json!({ "type": kind, "status": status, "message": message })
        };
        let status = json!({ "phase": "Terminating",
            "conditions": [condition("True", "1 resource instance"), condition("False", "no")] });
        let object = |metadata: &serde_json::Value| json!({ "metadata": metadata });
        let namespace = json!({ "metadata": metadata, "status": status });
        let found = terminating(&serde_json::from_value(namespace).unwrap()).unwrap();
        assert_eq!((&*found.name, &*found.message), ("client", "1 resource instance"));
        let stays = json!({ "name": "client" });
        for (metadata, deleted) in [(&metadata, true), (&stays, false)] {
            let found = terminating(&serde_json::from_value(object(metadata)).unwrap());
            let service = objects::service(&serde_json::from_value(object(metadata)).unwrap());
            assert_eq!((found.is_some(), service.terminating), (deleted, deleted));
        }
        let made = |metadata: &serde_json::Value| {
            let spec = json!({ "selector": {}, "template": {} });
            let object = json!({ "metadata": metadata, "spec": spec });
            objects::deployment(&serde_json::from_value(object).unwrap())
        };
        assert!(made(&metadata).terminating && !made(&stays).terminating);
    }

    /// A server that makes one list of the path and the query, and refuses what has this text in it.
    fn stand_in(refused: &'static str) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
            let asked = format!("{path}?{query}");
            let name = if query.contains("istiod") { "istiod" } else { "gateway" };
            let metadata = json!({ "name": name, "namespace": path.split('/').nth(4) });
            let list = json!({ "metadata": {}, "items": [{ "metadata": metadata }] });
            let status = if asked.contains(refused) { 403 } else { 200 };
            let body = Body::from(list.to_string().into_bytes());
            async move { Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap()) }
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn pods_of_the_mesh_are_listed_once_and_whole_or_not_at_all() {
        let pods = mesh_pods(&stand_in("nothing")).await.unwrap();
        let names: Vec<_> = pods.into_iter().map(|pod| pod.name).collect();
        assert_eq!(names, ["gateway", "istiod"]);
        assert!(mesh_pods(&stand_in("kiali")).await.is_err());
    }

    #[tokio::test]
    async fn gateway_of_its_own_namespace_is_listed_too() {
        let mut expectations = Expectations::of_the_tutorial("1.20.3", "the tutorial");
        let context = CollectContext::of_stand_in(stand_in("/edge/"), &expectations);
        assert_eq!(list_parts(&context, list::services).await.unwrap().len(), 1);
        expectations.gateway_namespace = Some("mesh-edge".into());
        let context = CollectContext::of_stand_in(stand_in("/edge/"), &expectations);
        let services = list_parts(&context, list::services).await.unwrap();
        let namespaces: Vec<_> = services.into_iter().map(|it| it.namespace).collect();
        assert_eq!(namespaces, ["istio-system", "mesh-edge"]);
        expectations.gateway_namespace = Some("edge".into());
        let context = CollectContext::of_stand_in(stand_in("/edge/"), &expectations);
        assert!(list_parts(&context, list::services).await.is_err());
    }
}
