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
    let namespace = context.expectations.istio_namespace.as_str();
    let (deployments, services, endpoints, crds, webhooks, namespaces, istiod) = tokio::join!(
        context.timed(
            "istio deployments",
            observe(limit, list::deployments(&context.client, namespace))
        ),
        context.timed("istio services", observe(limit, list::services(&context.client, namespace))),
        context
            .timed("istio endpoints", observe(limit, list::endpoints(&context.client, namespace))),
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
        crds,
        webhooks,
        namespaces,
        terminating_namespaces,
        istiod,
        istioctl_version,
    }
}

/// The labels of all namespaces by name, and those that are being deleted.
async fn namespaces(client: &Client) -> Result<(Labels, Vec<TerminatingNamespace>), Missing> {
    // The mark of our own names the machine that made them: what travels has no use for it.
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
    use super::terminating;
    use crate::collect::api::objects;

    #[test]
    fn deletion_is_read_from_every_object() {
        let metadata =
            serde_json::json!({ "name": "client", "deletionTimestamp": "2026-01-01T00:00:00Z" });
        let condition = |status: &str, message: &str| {
            let kind = "NamespaceFinalizersRemaining";
            serde_json::json!({ "type": kind, "status": status, "message": message })
        };
        let status = serde_json::json!({ "phase": "Terminating",
            "conditions": [condition("True", "1 resource instance"), condition("False", "no")] });
        let object = |metadata: &serde_json::Value| serde_json::json!({ "metadata": metadata });
        let namespace = serde_json::json!({ "metadata": metadata, "status": status });
        let found = terminating(&serde_json::from_value(namespace).unwrap()).unwrap();
        assert_eq!((&*found.name, &*found.message), ("client", "1 resource instance"));
        let stays = serde_json::json!({ "name": "client" });
        for (metadata, deleted) in [(&metadata, true), (&stays, false)] {
            let found = terminating(&serde_json::from_value(object(metadata)).unwrap());
            let service = objects::service(&serde_json::from_value(object(metadata)).unwrap());
            assert_eq!((found.is_some(), service.terminating), (deleted, deleted));
        }
        let made = |metadata: &serde_json::Value| {
            let spec = serde_json::json!({ "selector": {}, "template": {} });
            let object = serde_json::json!({ "metadata": metadata, "spec": spec });
            objects::deployment(&serde_json::from_value(object).unwrap())
        };
        assert!(made(&metadata).terminating && !made(&stays).terminating);
    }
}
