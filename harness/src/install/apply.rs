//! Manifests onto a cluster: server-side apply, under our own name.

use std::collections::HashMap;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope, pinned_kind};
use kube::{Client, ResourceExt as _};
use meshcheck_bundle::Bundle;
use serde_json::{Value, json};

use super::InstallError;
use super::error::{api, unusable};

/// The name under which we apply.
const MANAGER: &str = "meshcheck";

/// The objects of a manifest of one or more documents.
pub(super) fn documents(what: &str, yaml: &str) -> Result<Vec<Value>, InstallError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(unusable(what))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// The objects of a manifest in a bundle.
pub(super) fn manifest(
    bundle: &Bundle,
    name: &str,
    what: &str,
) -> Result<Vec<Value>, InstallError> {
    let file = bundle.verified(name)?;
    documents(what, &std::fs::read_to_string(file).map_err(unusable(what))?)
}

/// Applies objects, namespaces and definitions before what needs them.
pub(super) async fn objects(
    client: &Client,
    what: &str,
    mut objects: Vec<Value>,
) -> Result<(), InstallError> {
    objects.sort_by_key(|object| match object["kind"].as_str() {
        Some("Namespace") => 0,
        Some("CustomResourceDefinition") => 1,
        _ => 2,
    });
    let mut known = HashMap::new();
    for object in objects {
        object_with(client, what, object, &mut known).await?;
    }
    Ok(())
}

type Known = HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)>;

async fn object_with(
    client: &Client,
    what: &str,
    object: Value,
    known: &mut Known,
) -> Result<(), InstallError> {
    let object: DynamicObject = serde_json::from_value(object).map_err(unusable(what))?;
    let types = object.types.clone().unwrap_or_default();
    let kind = GroupVersionKind::try_from(&types).map_err(unusable(what))?;
    if !known.contains_key(&kind) {
        let found = pinned_kind(client, &kind)
            .await
            .map_err(api(format!("looking up the kind {}", types.kind)))?;
        known.insert(kind.clone(), found);
    }
    let Some((resource, capabilities)) = known.get(&kind) else {
        return Ok(());
    };
    let target: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), resource),
        Scope::Namespaced => {
            let namespace = object.namespace().unwrap_or_else(|| "default".into());
            Api::namespaced_with(client.clone(), &namespace, resource)
        }
    };
    let name = object.name_any();
    let action = format!("applying {} {name} ({what})", types.kind);
    let parameters = PatchParams::apply(MANAGER).force();
    target.patch(&name, &parameters, &Patch::Apply(&object)).await.map_err(api(action)).map(drop)
}

/// Sets the image of each container whose image is of this repository, and takes the image that is on
/// the node: nothing is pulled.
pub(super) fn use_image(object: &mut Value, repository: &str, image: &str) {
    let containers = object.pointer_mut("/spec/template/spec/containers");
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        let named = container["image"].as_str().unwrap_or_default();
        if repository_of(named).ends_with(repository) {
            container["image"] = json!(image);
            container["imagePullPolicy"] = json!("IfNotPresent");
        }
    }
}

/// The repository in a reference: what stands before the tag or digest.
pub(super) fn repository_of(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("curlimages/curl", "curlimages/curl")]
    #[case("docker.io/curlimages/curl:8.6.0", "docker.io/curlimages/curl")]
    #[case("localhost:5000/a/b", "localhost:5000/a/b")]
    #[case("localhost:5000/a/b:c@sha256:00", "localhost:5000/a/b")]
    fn repository_ends_before_the_tag_or_digest(#[case] image: &str, #[case] repository: &str) {
        assert_eq!(repository_of(image), repository);
    }

    #[test]
    fn only_the_named_repository_gets_another_image() {
        let mut object = json!({ "spec": { "template": { "spec": { "containers": [
            { "image": "curlimages/curl" }, { "image": "other/curl:1" }
        ] } } } });
        use_image(&mut object, "curlimages/curl", "docker.io/curlimages/curl:8.6.0");
        let containers = &object["spec"]["template"]["spec"]["containers"];
        assert_eq!(containers[0]["image"], "docker.io/curlimages/curl:8.6.0");
        assert_eq!(containers[0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(containers[1], json!({ "image": "other/curl:1" }));
    }
}
