//! The tutorial's demo: the namespace, the echo backend, the curl client.

use std::collections::BTreeMap;

use kube::Client;
use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::Expectations;
use serde_json::{Value, json};

use super::{InstallError, Site, apply, ready};
use crate::events::{Events, Phase};

/// The namespace with its label.
const NAMESPACE: &str = include_str!("../../../fixtures/demo/namespace.yaml");
const BACKEND: &str = include_str!("../../../fixtures/demo/backend.yaml");
const CLIENT: &str = include_str!("../../../fixtures/demo/client.yaml");

/// The repositories of the demo's images.
const REPOSITORIES: [&str; 2] = ["hashicorp/http-echo", "curlimages/curl"];

/// What is expected and cannot be had by calling our demo otherwise: the release's and the bundle's own
/// parts, in the configuration's words.
pub(crate) fn foreign(names: &Expectations) -> Vec<String> {
    let tutorial = Expectations::of_the_tutorial(&names.istio_version, "");
    // All else is a name in the demo's manifests.
    let parts = [
        "istio.",
        "kiali.",
        "demo.cluster-domain",
        "demo.backend.image",
        "demo.client.image",
        "demo.backend.reply-flag",
    ];
    // Where Kiali is exposed is reported by hints only.
    let differences = names.differences(&tutorial).into_iter();
    differences
        .filter(|it| parts.iter().any(|part| it.starts_with(part)))
        .filter(|it| !it.starts_with("kiali.exposed-port"))
        .collect()
}

/// Creates the demo's namespace, before the rest, so that injection can be waited for.
pub(super) async fn create_namespace(
    client: &Client,
    names: &Expectations,
) -> Result<(), InstallError> {
    apply::objects(client, "the namespace", namespace(names)?).await
}

fn namespace(names: &Expectations) -> Result<Vec<Value>, InstallError> {
    let mut objects = apply::documents("the namespace", NAMESPACE)?;
    for object in &mut objects {
        object["metadata"]["name"] = json!(names.namespace);
    }
    Ok(objects)
}

/// The echo backend: its service and its deployment.
fn backend(names: &Expectations) -> Result<Vec<Value>, InstallError> {
    /// Where http-echo listens unless it is reported.
    const OWN_PORT: u16 = 5678;
    let its = &names.backend;
    let mut objects = apply::documents("the echo backend", BACKEND)?;
    for object in &mut objects {
        object["metadata"]["namespace"] = json!(names.namespace);
        if object["kind"] == "Service" {
            object["metadata"]["name"] = json!(names.backend_service);
            object["spec"]["selector"] = json!(its.labels);
            object["spec"]["ports"][0] = json!({
                "name": its.service_port_name, "port": its.service_port, "targetPort": its.port
            });
            continue;
        }
        let mut arguments = vec![format!("{}={}", its.reply_flag, names.reply)];
        if its.port != OWN_PORT {
            arguments.push(format!("-listen=:{}", its.port));
        }
        object["metadata"]["name"] = json!(names.backend_deployment);
        let container = labelled(object, &its.labels);
        container["name"] = json!(its.container);
        container["args"] = json!(arguments);
        container["ports"][0]["containerPort"] = json!(its.port);
    }
    Ok(objects)
}

/// The curl client.
fn client(names: &Expectations) -> Result<Vec<Value>, InstallError> {
    let mut objects = apply::documents("the curl client", CLIENT)?;
    for object in &mut objects {
        object["metadata"]["namespace"] = json!(names.namespace);
        object["metadata"]["name"] = json!(names.client_deployment);
        let container = labelled(object, &names.client.labels);
        container["name"] = json!(names.client.container);
        container["command"][2] = json!(format!(
            "while true; do sleep {}; curl {}; done",
            names.client_interval_seconds,
            names.backend_address()
        ));
    }
    Ok(objects)
}

/// Labels a deployment's pods, and hands out their container.
fn labelled<'d>(deployment: &'d mut Value, labels: &BTreeMap<String, String>) -> &'d mut Value {
    deployment["spec"]["selector"]["matchLabels"] = json!(labels);
    deployment["spec"]["template"]["metadata"]["labels"] = json!(labels);
    &mut deployment["spec"]["template"]["spec"]["containers"][0]
}

/// Installs the demo, and waits until the client has shown a reply.
pub(super) async fn install(
    bundle: &Bundle,
    site: Site<'_>,
    names: &Expectations,
    events: &Events,
) -> Result<(), InstallError> {
    let parts = [("the echo backend", backend(names)?), ("the curl client", client(names)?)];
    for (what, mut objects) in parts {
        for object in &mut objects {
            for repository in REPOSITORIES {
                let images = bundle.manifest().images.iter();
                let image = images
                    .map(|image| image.reference.as_str())
                    .find(|image| apply::repository_of(image).ends_with(repository));
                if let Some(image) = image {
                    apply::use_image(object, repository, image);
                }
            }
        }
        apply::objects(site.client, what, objects).await?;
    }
    let there =
        |name| ready::deployment(site.client, (&names.namespace, name), (Phase::Demo, events));
    tokio::try_join!(there(&names.backend_deployment), there(&names.client_deployment))?;
    ready::first_reply(site.client, names, events).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tutorial() -> Expectations {
        Expectations::of_the_tutorial("1.20.3", "the tutorial")
    }

    #[test]
    fn demo_has_the_tutorials_names() {
        let (backend, client) = (backend(&tutorial()).unwrap(), client(&tutorial()).unwrap());
        let port = &backend[0]["spec"]["ports"][0];
        assert_eq!(
            (&port["name"], &port["port"], &port["targetPort"]),
            (&"http".into(), &80.into(), &5678.into())
        );
        assert_eq!(backend[0]["spec"]["selector"]["app"], "echo");
        let echo = &backend[1]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(echo["args"][0], "-text=Hello from backend service");
        assert_eq!(echo["ports"][0]["containerPort"], 5678);
        let curl = &client[0]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            curl["command"][2],
            "while true; do sleep 10; curl echo-service.client.svc.cluster.local; done"
        );
    }

    /// With the tutorial's names the manifests stay as they are written.
    #[test]
    fn each_differing_name_is_reported_once() {
        let names = tutorial();
        let written = |text| apply::documents("it", text).unwrap();
        assert_eq!(namespace(&names).unwrap(), written(NAMESPACE));
        assert_eq!(backend(&names).unwrap(), written(BACKEND));
        assert_eq!(client(&names).unwrap(), written(CLIENT));
    }

    #[test]
    fn demo_has_the_expected_names() {
        let mut names = tutorial();
        names.namespace = "shop".into();
        names.backend_service = "greeter".into();
        names.backend.service_port = 8080;
        names.backend.port = 9090;
        names.backend.labels = [("role".to_owned(), "greeter".to_owned())].into();
        names.reply = "Hi: \"you\"".into();
        names.client_interval_seconds = 3;
        assert_eq!(namespace(&names).unwrap()[0]["metadata"]["name"], "shop");
        let (backend, client) = (backend(&names).unwrap(), client(&names).unwrap());
        for object in backend.iter().chain(&client) {
            assert_eq!(object["metadata"]["namespace"], "shop");
        }
        assert_eq!(backend[0]["metadata"]["name"], "greeter");
        assert_eq!(backend[0]["spec"]["selector"], json!({ "role": "greeter" }));
        let pod = &backend[1]["spec"]["template"];
        assert_eq!(pod["metadata"]["labels"], json!({ "role": "greeter" }));
        let args = json!(["-text=Hi: \"you\"", "-listen=:9090"]);
        assert_eq!(pod["spec"]["containers"][0]["args"], args);
        assert_eq!(
            client[0]["spec"]["template"]["spec"]["containers"][0]["command"][2],
            "while true; do sleep 3; curl greeter.shop.svc.cluster.local:8080; done"
        );
        assert_eq!(foreign(&names), [""; 0]);
    }

    #[test]
    fn names_fixed_by_the_release_are_reported() {
        let mut names = tutorial();
        names.istio_namespace = "mesh".into();
        names.client.image = "example/curl".into();
        names.kiali.web_root = "/console/".into();
        names.kiali.exposed_port = 1;
        assert_eq!(
            foreign(&names),
            [
                "istio.namespace: mesh, not istio-system",
                "demo.client.image: example/curl, not curlimages/curl",
                "kiali.web-root: /console/, not /kiali/",
            ]
        );
    }
}
