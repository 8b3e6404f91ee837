//! Lists, page by page: whole, or not at all. A part that is taken for the whole would let claims fail, or
//! pass, for what was not seen.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client, Resource};
use meshcheck_suites::evidence;
use serde::de::DeserializeOwned;

use super::objects;
use super::observe::Missing;

/// How many objects a page has at the most: as many as `kubectl` asks for.
const PAGE: u32 = 500;

/// How many objects are read at the most.
const MOST: usize = 50_000;

/// What is needed of each object of a list.
pub(crate) async fn list<K, T>(
    api: &Api<K>,
    parameters: &ListParams,
    each: impl Fn(&K) -> T,
) -> Result<Vec<T>, Missing>
where
    K: Clone + DeserializeOwned + Debug,
{
    match pages(api, parameters, &each).await {
        // The list changed so long ago that the server has forgotten it: once more, from the beginning.
        Err(kube::Error::Api(status)) if status.code == 410 => {
            Ok(pages(api, parameters, &each).await??)
        }
        listed => listed?,
    }
}

/// What is needed of each object of a kind, in the whole cluster.
pub(crate) async fn list_all<K, T>(
    client: &Client,
    each: impl Fn(&K) -> T,
) -> Result<Vec<T>, Missing>
where
    K: Clone + DeserializeOwned + Debug + Resource<DynamicType = ()>,
{
    list(&Api::all(client.clone()), &ListParams::default(), each).await
}

/// What is needed of each object of a kind, in one namespace.
pub(crate) async fn list_in<K, T>(
    client: &Client,
    namespace: &str,
    each: impl Fn(&K) -> T,
) -> Result<Vec<T>, Missing>
where
    K: Clone
        + DeserializeOwned
        + Debug
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    list(&Api::namespaced(client.clone(), namespace), &ListParams::default(), each).await
}

/// What is needed of each object of a custom resource, in the whole cluster.
pub(crate) async fn list_custom<T>(
    client: &Client,
    resource: &ApiResource,
    each: impl Fn(&DynamicObject) -> T,
) -> Result<Vec<T>, Missing> {
    let listed = list(&Api::all_with(client.clone(), resource), &ListParams::default(), each).await;
    let name = format!("{}.{}", resource.plural, resource.group);
    listed.map_err(|missing| missing.or_no_resource(&name))
}

/// A custom resource.
pub(crate) fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

pub(crate) async fn nodes(client: &Client) -> Result<Vec<evidence::Node>, Missing> {
    list_all::<Node, _>(client, objects::node).await
}

pub(crate) async fn pods(client: &Client, namespace: &str) -> Result<Vec<evidence::Pod>, Missing> {
    list_in::<Pod, _>(client, namespace, objects::pod).await
}

/// The pods of all namespaces that any of the label selectors selects, each once.
pub(crate) async fn labelled_pods<const N: usize>(
    client: &Client,
    selectors: [&str; N],
) -> Result<Vec<evidence::Pod>, Missing> {
    let api: &Api<Pod> = &Api::all(client.clone());
    let lists = selectors.map(|selector| async move {
        list(api, &ListParams::default().labels(selector), objects::pod).await
    });
    let mut found = BTreeMap::new();
    for pod in futures::future::try_join_all(lists).await?.concat() {
        found.insert((pod.namespace.clone(), pod.name.clone()), pod);
    }
    Ok(found.into_values().collect())
}

pub(crate) async fn deployments(
    client: &Client,
    namespace: &str,
) -> Result<Vec<evidence::Deployment>, Missing> {
    list_in::<Deployment, _>(client, namespace, objects::deployment).await
}

pub(crate) async fn services(
    client: &Client,
    namespace: &str,
) -> Result<Vec<evidence::Service>, Missing> {
    list_in::<Service, _>(client, namespace, objects::service).await
}

pub(crate) async fn endpoints(
    client: &Client,
    namespace: &str,
) -> Result<Vec<evidence::Endpoint>, Missing> {
    Ok(list_in::<EndpointSlice, _>(client, namespace, objects::endpoints).await?.concat())
}

async fn pages<K, T>(
    api: &Api<K>,
    parameters: &ListParams,
    each: &impl Fn(&K) -> T,
) -> Result<Result<Vec<T>, Missing>, kube::Error>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut parameters = parameters.clone().limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = api.list(&parameters).await?;
        found.extend(page.items.iter().map(each));
        let Some(next) = page.metadata.continue_.filter(|next| !next.is_empty()) else {
            return Ok(Ok(found));
        };
        let more = if page.items.is_empty() { "a page without end" } else { "too many objects" };
        if page.items.is_empty() || found.len() > MOST {
            let reason = format!("the API server's list has {more}: {} were read", found.len());
            return Ok(Err(Missing::Failed(reason)));
        }
        parameters = parameters.continue_token(&next);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::Namespace;
    use kube::Client;
    use kube::client::Body;
    use serde_json::json;

    /// The names in a list that this server hands out, and how often it was asked.
    async fn names(
        answer: fn(&str, usize) -> (u16, serde_json::Value),
    ) -> (Result<Vec<String>, Missing>, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let before = count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answer(request.uri().query().unwrap_or_default(), before);
            let body = Body::from(body.to_string().into_bytes());
            async move { Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap()) }
        });
        let api: Api<Namespace> = Api::all(Client::new(service, "default"));
        let names = list(&api, &ListParams::default(), kube::ResourceExt::name_any).await;
        (names, asked.load(Ordering::SeqCst))
    }

    fn page(name: &str, next: &str) -> (u16, serde_json::Value) {
        let item = json!({ "metadata": { "name": name } });
        (200, json!({ "metadata": { "continue": next }, "items": [item] }))
    }

    fn gone() -> (u16, serde_json::Value) {
        (410, json!({ "kind": "Status", "status": "Failure", "message": "too old", "code": 410 }))
    }

    #[tokio::test]
    async fn all_pages_are_read() {
        let (found, asked) = names(|query, _| match query {
            query if query.contains("continue=2") => page("b", ""),
            query if query.contains("limit=500") => page("a", "2"),
            _ => unreachable!("no limit was asked for"),
        })
        .await;
        assert_eq!((found.unwrap(), asked), (vec!["a".into(), "b".into()], 2));
    }

    #[tokio::test]
    async fn expired_list_is_read_again_from_its_beginning() {
        let (found, asked) = names(|query, before| match before {
            0 => page("old", "2"),
            1 => gone(),
            _ if query.contains("continue") => page("b", ""),
            _ => page("a", "2"),
        })
        .await;
        assert_eq!((found.unwrap(), asked), (vec!["a".into(), "b".into()], 4));
    }

    #[tokio::test]
    async fn incomplete_list_is_a_failure() {
        let (found, _) =
            names(|query, _| if query.contains("continue") { gone() } else { page("a", "2") })
                .await;
        assert!(matches!(found, Err(Missing::Failed(_))), "{found:?}");
        let (found, asked) =
            names(|_, _| (200, json!({ "metadata": { "continue": "1" }, "items": [] }))).await;
        assert!(matches!(found, Err(Missing::Failed(_))), "{found:?}");
        assert_eq!(asked, 1);
    }
}
