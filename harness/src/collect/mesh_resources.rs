//! What changes the proxies of the demo: resources of Istio, and the end of the proxies' certificates.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::api::{Api, DynamicObject, ListParams};
use kube::{Client, ResourceExt as _};
use meshcheck_suites::evidence::{MeshResource, Observation, Pod};
use serde::Deserialize;
use serde_json::Value;

use super::api::observe::{Missing, needed};
use super::api::{forward, list};
use super::context::CollectContext;
use super::demo;

/// The kinds, with their group, their plural, and where their labels of pods stand.
const KINDS: [(&str, &str, &str, &str); 2] = [
    ("Sidecar", "networking.istio.io", "sidecars", "/workloadSelector/labels"),
    ("AuthorizationPolicy", "security.istio.io", "authorizationpolicies", "/selector/matchLabels"),
];

/// Collects the resources of the demo's namespace, and of the root namespace, which are for the whole mesh.
pub(super) async fn resources(context: &CollectContext<'_>) -> Result<Vec<MeshResource>, Missing> {
    let expectations = context.expectations;
    let namespaces = [&expectations.namespace, &expectations.istio_namespace];
    let lists = namespaces
        .into_iter()
        .flat_map(|namespace| KINDS.map(|kind| list_kind(&context.client, namespace, kind)));
    Ok(futures::future::try_join_all(lists).await?.concat())
}

async fn list_kind(
    client: &Client,
    namespace: &str,
    (kind, group, plural, labels): (&str, &str, &str, &str),
) -> Result<Vec<MeshResource>, Missing> {
    let resource = list::resource(group, "v1beta1", kind, plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let row = |object: &DynamicObject| resource_row(object, kind, labels);
    match list::list(&api, &ListParams::default(), row).await {
        // Without its definition there is none.
        Err(Missing::Absent(_)) => Ok(Vec::new()),
        listed => listed,
    }
}

fn resource_row(object: &DynamicObject, kind: &str, labels: &str) -> MeshResource {
    let spec = object.data.get("spec").unwrap_or(&Value::Null);
    let selector = spec.pointer(labels).and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let action = || text(spec.get("action")?);
    MeshResource {
        kind: kind.to_owned(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        selector: selector.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect(),
        action: (kind == "AuthorizationPolicy").then(|| action().unwrap_or_else(|| "ALLOW".into())),
    }
}

/// Collects when the workload certificates end of the demo's proxies, by pod.
pub(super) async fn certificate_ends(
    context: &CollectContext<'_>,
    pods: &Observation<Vec<Pod>>,
) -> Result<BTreeMap<String, Timestamp>, Missing> {
    let proxied = needed(pods)?.iter().filter(|pod| pod.is_running() && pod.sidecar().is_some());
    let ends = proxied.map(|pod| async move {
        let page = forward::page(&context.client, &pod.namespace, &pod.name, demo::ADMIN, "/certs")
            .await?;
        let missing =
            || Missing::Failed(format!("/certs of {} has no workload certificate", pod.name));
        Ok::<_, Missing>((pod.name.clone(), certificate_end(&page).ok_or_else(missing)?))
    });
    Ok(futures::future::try_join_all(ends).await?.into_iter().collect())
}

/// The part of Envoy's `/certs` that is read.
#[derive(Deserialize)]
struct Page {
    certificates: Vec<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    #[serde(default)]
    cert_chain: Vec<Certificate>,
}

#[derive(Deserialize)]
struct Certificate {
    #[serde(default)]
    subject_alt_names: Vec<BTreeMap<String, String>>,
    expiration_time: Timestamp,
}

/// The first end of a certificate that names a workload (`spiffe://…`).
pub(super) fn certificate_end(page: &str) -> Option<Timestamp> {
    let page: Page = serde_json::from_str(page).ok()?;
    let chains = page.certificates.into_iter().flat_map(|chain| chain.cert_chain);
    let is_workload = |it: &Certificate| {
        it.subject_alt_names.iter().flat_map(BTreeMap::values).any(|it| it.starts_with("spiffe://"))
    };
    chains.filter(is_workload).map(|it| it.expiration_time).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As Envoy 1.28 prints it.
    const CERTS: &str = r#"{"certificates": [
      {"ca_cert": [], "cert_chain": [{"path": "<inline>", "serial_number": "6f", "subject_alt_names": [{"uri":
        "spiffe://cluster.local/ns/client/sa/default"}], "days_until_expiration": "0",
        "valid_from": "2026-11-24T14:01:48Z", "expiration_time": "2026-11-25T14:03:48Z"}]},
      {"ca_cert": [{"path": "<inline>", "expiration_time": "2036-11-21T14:03:44Z"}], "cert_chain": []},
      {"cert_chain": [{"subject_alt_names": [{"dns": "shop.example"}], "expiration_time": "2026-01-01T00:00:00Z"}]}]}"#;

    #[test]
    fn workload_certificate_is_found_among_others() {
        assert_eq!(certificate_end(CERTS), "2026-11-25T14:03:48Z".parse().ok());
        for none in ["", "{}", r#"{"certificates": []}"#, &CERTS.replace("spiffe:", "https:")] {
            assert_eq!(certificate_end(none), None, "{none}");
        }
    }

    #[test]
    fn resources_keep_their_selector_and_action() {
        let row = |(kind, _, _, labels): (&str, &str, &str, &str), spec: Value| {
            let object = json!({
                "metadata": { "namespace": "client", "name": "one" }, "spec": spec
            });
            resource_row(&serde_json::from_value(object).unwrap(), kind, labels)
        };
        let [sidecar, policy] = KINDS;
        let app = || json!({ "app": "echo" });
        let limits = row(sidecar, json!({ "workloadSelector": { "labels": app() } }));
        assert_eq!((limits.kind.as_str(), limits.name.as_str()), ("Sidecar", "one"));
        assert_eq!(limits.selector["app"], "echo");
        assert_eq!(limits.action, None);
        let denies = row(policy, json!({ "action": "DENY", "selector": { "matchLabels": app() } }));
        assert_eq!((denies.selector.len(), denies.action.as_deref()), (1, Some("DENY")));
        let allows = row(policy, json!({}));
        assert_eq!((allows.selector.len(), allows.action.as_deref()), (0, Some("ALLOW")));
    }
}
