//! A stand-in for the API server, and what is read of it.

use super::*;
use serde_json::json;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;

/// An API server that knows these paths, and answers 404 to all others. A right is granted where its
/// resource is `namespaces`.
fn client(paths: &'static [(&'static str, &'static str)]) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| async move {
        let path = request.uri().path().to_owned();
        let known = paths.iter().find(|(known, _)| *known == path).map(|(_, text)| *text);
        let text = if path.ends_with("/selfsubjectaccessreviews") {
            let asked = request.into_body().collect_bytes().await?;
            let mut review: serde_json::Value = serde_json::from_slice(&asked)?;
            let resource = &review["spec"]["resourceAttributes"]["resource"];
            review["status"] = json!({ "allowed": resource == "namespaces" });
            Some(review.to_string())
        } else {
            known.map(str::to_owned)
        };
        let (code, text) = if let Some(text) = text {
            (200, text)
        } else {
            let status = json!({ "kind": "Status", "status": "Failure", "code": 404,
                    "message": format!("{path} not found"), "reason": "NotFound" });
            (404, status.to_string())
        };
        let answer = Response::builder().status(code).body(Body::from(text.into_bytes()));
        Ok::<_, tower::BoxError>(answer?)
    });
    Client::new(service, "default")
}

const SERVER: &[(&str, &str)] = &[
    (
        "/apis/apps/v1/deployments",
        r#"{"metadata":{},"items":[{"metadata":{"name":"controller","namespace":"metallb-system"},
           "spec":{"replicas":2,"selector":{},"template":{"spec":{"containers":
           [{"name":"c","image":"quay.io/metallb/controller:v1"}]}}},"status":{"readyReplicas":1}}]}"#,
    ),
    (
        "/apis/apps/v1/daemonsets",
        r#"{"metadata":{},"items":[{"metadata":{"name":"speaker","namespace":"metallb-system"},
           "spec":{"selector":{},"template":{"spec":{"containers":[{"name":"s","image":"s:1"}]}}},
           "status":{"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,
           "numberReady":0}}]}"#,
    ),
    (
        "/apis/metallb.io/v1beta1/ipaddresspools",
        r#"{"metadata":{},"items":[
           {"metadata":{"name":"a"},"spec":{"addresses":["10.0.0.1/32"]}},
           {"metadata":{"name":"b"},"spec":{"addresses":[],"autoAssign":false}}]}"#,
    ),
    (
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        r#"{"metadata":{},"items":[{"metadata":{"name":"v"},"webhooks":[
           {"name":"w","clientConfig":{"service":{"name":"istiod","namespace":"istio-system"}},
           "sideEffects":"None","admissionReviewVersions":["v1"]},
           {"name":"u","clientConfig":{"url":"https://x"},
           "sideEffects":"None","admissionReviewVersions":["v1"]}]}]}"#,
    ),
    (
        "/api/v1/namespaces",
        r#"{"metadata":{},"items":[{"metadata":{"name":"stays"}},
           {"metadata":{"name":"goes","deletionTimestamp":"2026-01-01T00:00:00Z"}}]}"#,
    ),
    (
        "/apis",
        r#"{"kind":"APIGroupList","groups":[{"name":"networking.istio.io",
           "versions":[{"groupVersion":"networking.istio.io/v1","version":"v1"},
           {"groupVersion":"networking.istio.io/v1alpha3","version":"v1alpha3"}],
           "preferredVersion":{"groupVersion":"networking.istio.io/v1","version":"v1"}}]}"#,
    ),
    (
        "/apis/networking.istio.io/v1/gateways",
        r#"{"metadata":{},"items":[{"metadata":{"name":"way","namespace":"shop"}}]}"#,
    ),
    ("/apis/networking.istio.io/v1/sidecars", r#"{"metadata":{},"items":[]}"#),
    // In an older version alone, as with the real one.
    (
        "/apis/networking.istio.io/v1alpha3/envoyfilters",
        r#"{"metadata":{},"items":[{"metadata":{"name":"filter","namespace":"shop"}}]}"#,
    ),
];

#[tokio::test]
async fn address_providers_are_read() {
    let expectations = Expectations::of_the_tutorial("1.20.3", "a test");
    let context = CollectContext::of_stand_in(client(SERVER), &expectations);
    let found = controllers(&context).await.unwrap();
    let told: Vec<_> = found.iter().map(|it| (it.kind.as_str(), it.wanted, it.ready)).collect();
    assert_eq!(told, [("deployment", 2, 1), ("daemonset", 3, 0)]);
    assert_eq!(found[0].images, ["quay.io/metallb/controller:v1"]);
    let pools = pools(&context).await.unwrap();
    assert_eq!((pools[0].auto_assign, pools[1].auto_assign), (true, false));
    assert_eq!(pools[0].addresses, ["10.0.0.1/32"]);
}

#[tokio::test]
async fn cluster_without_pool_kinds_has_no_pools() {
    let expectations = Expectations::of_the_tutorial("1.20.3", "a test");
    let context = CollectContext::of_stand_in(client(&[]), &expectations);
    assert!(matches!(pools(&context).await, Err(Missing::Absent(_))));
}

#[tokio::test]
async fn each_right_is_requested_by_itself() {
    let expectations = Expectations::of_the_tutorial("1.20.3", "a test");
    let context = CollectContext::of_stand_in(client(SERVER), &expectations);
    let rights = rights(&context).await.unwrap();
    let granted: Vec<_> = rights.iter().filter(|right| right.allowed).collect();
    assert_eq!(granted.len(), 1);
    assert_eq!(granted[0].resource, "namespaces");
    let told: Vec<_> = rights.iter().map(|it| (it.verb.as_str(), it.resource.as_str())).collect();
    assert!(told.contains(&("*", "*.*")), "{told:?}");
    let place = |resource: &str| rights.iter().find(|it| it.resource == resource).unwrap();
    assert_eq!(place("deployments.apps").namespace, "istio-system");
    assert_eq!(place("services").namespace, "client");
}

#[tokio::test]
async fn leftovers_of_an_earlier_istio_are_read() {
    let expectations = Expectations::of_the_tutorial("1.20.3", "a test");
    let context = CollectContext::of_stand_in(client(SERVER), &expectations);
    let webhooks = validating(&context).await.unwrap();
    assert_eq!(webhooks.len(), 1, "one without a service is nobody's");
    assert_eq!((webhooks[0].configuration.as_str(), webhooks[0].service.as_str()), ("v", "istiod"));
    assert_eq!(terminating(&context).await.unwrap(), ["goes"]);
    let crds = [
        "gateways.networking.istio.io",
        "sidecars.networking.istio.io",
        "envoyfilters.networking.istio.io",
        "istiooperators.install.istio.io",
    ];
    let crds = crds.map(|name| Crd { name: name.into(), established: true });
    let objects = istio_objects(&context, &crds).await.unwrap();
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[1].resource, "envoyfilters.networking.istio.io");
    assert_eq!((objects[0].namespace.as_str(), objects[0].name.as_str()), ("shop", "way"));
    assert_eq!(objects[0].resource, "gateways.networking.istio.io");
    // A kind that nobody serves could not be read: that is not the same as having no objects.
    let gone = [Crd { name: "tables.networking.istio.io".into(), established: true }];
    assert!(matches!(istio_objects(&context, &gone).await, Err(Missing::Failed(_))));
}

#[test]
fn node_has_its_recorded_properties() {
    let node: Node = serde_json::from_value(json!({
        "metadata": { "name": "n" },
        "spec": { "providerID": "kind://docker/k/n" },
        "status": {
            "nodeInfo": {
                "architecture": "amd64", "bootID": "b007", "kernelVersion": "6.1",
                "containerRuntimeVersion": "containerd://2", "operatingSystem": "linux",
                "osImage": "Debian", "kubeletVersion": "v1", "kubeProxyVersion": "v1",
                "machineID": "", "systemUUID": ""
            },
            "images": [{ "names": ["a@sha256:0", "a:1"] }, { "names": ["b:2"] }, {}]
        }
    }))
    .unwrap();
    let platform = platform(&node);
    assert_eq!(platform.images, ["a@sha256:0", "a:1", "b:2"]);
    assert!(!platform.more_images);
    let told = (platform.boot_id.as_str(), platform.provider_id.as_str());
    assert_eq!(told, ("b007", "kind://docker/k/n"));
}
