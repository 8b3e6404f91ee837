//! The tutorial's demo: the namespace, the echo backend, the curl client.

use meshcheck_bundle::Bundle;

use super::{InstallError, Site, apply, ready};
use crate::events::{Events, Phase};

/// The namespace of the demo.
pub(super) const NAMESPACE: &str = "client";

/// The namespace with its label. Applied before the rest, so that injection can be waited for.
pub(super) const NAMESPACE_MANIFEST: &str = include_str!("../../../fixtures/demo/namespace.yaml");

const MANIFESTS: [(&str, &str); 2] = [
    ("the echo backend", include_str!("../../../fixtures/demo/backend.yaml")),
    ("the curl client", include_str!("../../../fixtures/demo/client.yaml")),
];

/// The repositories of the demo's images.
const REPOSITORIES: [&str; 2] = ["hashicorp/http-echo", "curlimages/curl"];

/// Installs the demo, and waits until the client has shown a reply.
///
/// # Errors
///
/// When it does not come up.
pub(super) async fn install(
    bundle: &Bundle,
    site: Site<'_>,
    events: &Events,
) -> Result<(), InstallError> {
    for (what, manifest) in MANIFESTS {
        let mut objects = apply::documents(what, manifest)?;
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
    let backend = ready::deployment(site.client, NAMESPACE, "echo-deployment", Phase::Demo, events);
    let client =
        ready::deployment(site.client, NAMESPACE, "client-deployment", Phase::Demo, events);
    tokio::try_join!(backend, client)?;
    ready::first_reply(site.client, events).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_the_tutorials() {
        let backend = apply::documents("backend", MANIFESTS[0].1).unwrap();
        let client = apply::documents("client", MANIFESTS[1].1).unwrap();
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
        for object in backend.iter().chain(&client) {
            assert_eq!(object["metadata"]["namespace"], NAMESPACE);
        }
    }
}
