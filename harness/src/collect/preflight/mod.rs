//! What a preflight needs of a cluster: the sections *prepare* and *install*, and what only matters before
//! the install: rights, load balancers, what an earlier Istio left, images.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{Namespace, Node, PodSpec};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use meshcheck_suites::evidence::{
    ClusterEvidence, Crd, Evidence, Expectations, InstallEvidence, LoadBalancerProbe, Observation,
};
use meshcheck_suites::preflight::evidence::{
    ClusterLook, Controller, IstioObject, Platform, Pool, Pull, Right, Server, ValidatingWebhook,
};
use serde_json::json;
use tokio::time::Instant;

use super::api::clock::server_clock;
use super::api::list::{self, list, list_all, list_custom};
use super::api::observe::{Missing, needed, observe};
use super::context::{CollectContext, Timings};
use super::probe::{image_pull, route_and_address};
use super::{cluster, demo, install};
use crate::connect::Connection;

/// The kubelet names so many images at the most (`nodeStatusMaxImages`).
const IMAGES_NAMED: usize = 50;

/// The group of the install's own notes of itself.
const OWN_NOTES: &str = "install.istio.io";

/// What an install of the default profile and of the demo creates; with a namespace, in it alone.
/// Source: `istioctl manifest generate` of 1.20.3, the tutorial's `kubectl apply`.
const RIGHTS: [(&str, &str, &str); 9] = [
    ("", "namespaces", ""),
    ("apiextensions.k8s.io", "customresourcedefinitions", ""),
    ("rbac.authorization.k8s.io", "clusterroles", ""),
    ("rbac.authorization.k8s.io", "clusterrolebindings", ""),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", ""),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", ""),
    // Whose roles hold more than the caller has is refused, unless the caller may escalate.
    ("*", "*", ""),
    ("apps", "deployments", "mesh"),
    ("", "services", "demo"),
];

/// Looks at a cluster before the install. Never fails: what could not be seen is reported with its reason.
/// Nothing is created on it unless the connection is active.
pub(crate) async fn before(
    connection: &Connection,
    expectations: &Expectations,
    images: &[String],
    limit: Duration,
) -> (ClusterLook, Timings) {
    let mut context = CollectContext::new(connection, expectations, limit, None);
    let recorded_at = Timestamp::now();
    let (server, here) =
        tokio::join!(server(&context), crate::cluster::is_kind_here(&connection.subject));
    context.nodes_are_containers = here;
    let context = context;
    let version = Observation::seen(connection.server_version.clone());
    let (
        cluster,
        (install, istio_objects),
        platforms,
        rights,
        controllers,
        pools,
        validating,
        terminating,
        demo_pods,
    ) = tokio::join!(
        cluster::collect(&context, version, Observation::default()),
        Box::pin(istio(&context)),
        context.timed("platforms", observe(limit, platforms(&context))),
        context.timed("rights", observe(limit, rights(&context))),
        context.timed("controllers", observe(limit, controllers(&context))),
        context.timed("pools", observe(limit, pools(&context))),
        context.timed("validating webhooks", observe(limit, validating(&context))),
        context.timed("ending namespaces", observe(limit, terminating(&context))),
        context.timed("demo pods", observe(limit, demo::pods(&context))),
    );
    // Objects of meshcheck come last: nothing above is to see them.
    let (load_balancer_probe, pull) = tokio::join!(
        context.timed("address probe", probed(&context)),
        context.timed("image pull", pulled(&context, &platforms, images)),
    );
    let why = Observation::not_asked("a preflight does not look at the mesh");
    let subject = connection.subject.clone();
    let mut seen = Evidence::without_observations(subject, expectations.clone(), recorded_at, &why);
    seen.cluster = ClusterEvidence { load_balancer_probe, ..cluster };
    seen.install = install;
    seen.demo.pods = demo_pods;
    let look = ClusterLook {
        server: Observation::seen(server),
        credentials_refused: false,
        seen,
        nodes_are_containers: context.nodes_are_containers,
        platforms,
        rights,
        controllers,
        pools,
        istio_objects,
        validating,
        terminating,
        pull,
    };
    (look, context.into_timings())
}

/// How quickly the server answers, and what its clock says.
async fn server(context: &CollectContext<'_>) -> Server {
    let start = Instant::now();
    let clock = server_clock(&context.client).await;
    let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Server { took_ms, clock, ours: Timestamp::now() }
}

/// What is installed of Istio, and the objects of its kinds.
async fn istio(context: &CollectContext<'_>) -> (InstallEvidence, Observation<Vec<IstioObject>>) {
    let (client, namespace) = (&context.client, &context.expectations.istio_namespace);
    let pods = observe(context.limit, list::pods(client, namespace)).await;
    let no_istioctl = Observation::not_asked("a preflight installs nothing");
    let installed = Box::pin(install::collect(context, pods, no_istioctl)).await;
    let objects = observe(context.limit, async {
        match needed(&installed.crds)?.as_slice() {
            [] => Err(Missing::Absent("the cluster knows none of Istio's kinds".into())),
            crds => istio_objects(context, crds).await,
        }
    });
    let objects = context.timed("istio objects", objects).await;
    (installed, objects)
}

async fn istio_objects(
    context: &CollectContext<'_>,
    crds: &[Crd],
) -> Result<Vec<IstioObject>, Missing> {
    let groups = context.client.list_api_groups().await?;
    let lists = crds.iter().filter_map(|crd| {
        let (plural, group) = crd.name.split_once('.')?;
        // The install's own notes of itself configure nothing.
        let group = groups.groups.iter().find(|it| it.name == group && group != OWN_NOTES)?;
        let versions = group.versions.iter().map(|version| version.version.as_str()).collect();
        Some(objects_of(context, plural, &group.name, versions))
    });
    Ok(futures::future::try_join_all(lists).await?.into_iter().flatten().collect())
}

/// The objects of one kind. Not every version of a group has every kind.
async fn objects_of(
    context: &CollectContext<'_>,
    plural: &str,
    group: &str,
    versions: Vec<&str>,
) -> Result<Vec<IstioObject>, Missing> {
    for version in versions {
        let resource = list::resource(group, version, plural, plural);
        let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource);
        let object = |object: &DynamicObject| IstioObject {
            resource: format!("{plural}.{group}"),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        };
        match list(&api, &ListParams::default(), object).await {
            Err(Missing::Absent(_)) => {}
            objects => return objects,
        }
    }
    Err(Missing::Failed(format!("no version of {group} serves {plural}")))
}

async fn platforms(context: &CollectContext<'_>) -> Result<Vec<Platform>, Missing> {
    list_all(&context.client, platform).await
}

fn platform(node: &Node) -> Platform {
    let status = node.status.clone().unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    let images = status.images.unwrap_or_default();
    Platform {
        node: node.name_any(),
        os: info.operating_system,
        image: info.os_image,
        architecture: info.architecture,
        kernel: info.kernel_version,
        runtime: info.container_runtime_version,
        boot_id: info.boot_id,
        provider_id: node.spec.as_ref().and_then(|it| it.provider_id.clone()).unwrap_or_default(),
        more_images: images.len() >= IMAGES_NAMED,
        images: images.into_iter().flat_map(|image| image.names.unwrap_or_default()).collect(),
    }
}

async fn rights(context: &CollectContext<'_>) -> Result<Vec<Right>, Missing> {
    let expectations = context.expectations;
    let asked = RIGHTS.iter().map(|(group, resource, place)| async move {
        let namespace = match *place {
            "mesh" => expectations.istio_namespace.as_str(),
            "demo" => expectations.namespace.as_str(),
            everywhere => everywhere,
        };
        right(context, group, resource, namespace).await
    });
    futures::future::try_join_all(asked).await
}

async fn right(
    context: &CollectContext<'_>,
    group: &str,
    resource: &str,
    namespace: &str,
) -> Result<Right, Missing> {
    // Everything, for the one that stands for the whole cluster.
    let verb = if resource == "*" { "*" } else { "create" };
    let mut attributes = json!({ "group": group, "resource": resource, "verb": verb });
    if !namespace.is_empty() {
        attributes["namespace"] = namespace.into();
    }
    let review = json!({ "spec": { "resourceAttributes": attributes } });
    let review: SelfSubjectAccessReview = serde_json::from_value(review)?;
    let api: Api<SelfSubjectAccessReview> = Api::all(context.client.clone());
    let answer = api.create(&PostParams::default(), &review).await?;
    Ok(Right {
        verb: verb.to_owned(),
        resource: if group.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}.{group}")
        },
        namespace: namespace.to_owned(),
        allowed: answer.status.is_some_and(|status| status.allowed),
    })
}

/// Every deployment and daemon set, as far as it is needed to know what gives addresses.
async fn controllers(context: &CollectContext<'_>) -> Result<Vec<Controller>, Missing> {
    let images = |spec: Option<&PodSpec>| {
        let containers = spec.into_iter().flat_map(|spec| &spec.containers);
        containers.filter_map(|container| container.image.clone()).collect()
    };
    let deployment = |it: &Deployment| Controller {
        kind: "deployment".into(),
        namespace: it.namespace().unwrap_or_default(),
        name: it.name_any(),
        images: images(it.spec.as_ref().and_then(|spec| spec.template.spec.as_ref())),
        wanted: it.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
        ready: it.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default(),
    };
    let daemon_set = |it: &DaemonSet| Controller {
        kind: "daemonset".into(),
        namespace: it.namespace().unwrap_or_default(),
        name: it.name_any(),
        images: images(it.spec.as_ref().and_then(|spec| spec.template.spec.as_ref())),
        wanted: it.status.as_ref().map_or(0, |status| status.desired_number_scheduled),
        ready: it.status.as_ref().map_or(0, |status| status.number_ready),
    };
    let (mut all, daemon_sets) = tokio::try_join!(
        list_all(&context.client, deployment),
        list_all(&context.client, daemon_set)
    )?;
    all.extend(daemon_sets);
    Ok(all)
}

/// The pools of MetalLB.
async fn pools(context: &CollectContext<'_>) -> Result<Vec<Pool>, Missing> {
    let resource = list::resource("metallb.io", "v1beta1", "IPAddressPool", "ipaddresspools");
    let pool = |object: &DynamicObject| {
        let spec = &object.data["spec"];
        let addresses = spec["addresses"].as_array().into_iter().flatten();
        Pool {
            addresses: addresses.filter_map(|it| it.as_str()).map(str::to_owned).collect(),
            auto_assign: spec["autoAssign"].as_bool().unwrap_or(true),
            name: object.name_any(),
        }
    };
    list_custom(&context.client, &resource, pool).await
}

async fn validating(context: &CollectContext<'_>) -> Result<Vec<ValidatingWebhook>, Missing> {
    let rows = |configuration: &ValidatingWebhookConfiguration| {
        let hooks = configuration.webhooks.iter().flatten();
        let with_service = hooks.filter_map(|hook| {
            let service = hook.client_config.service.as_ref()?;
            Some(ValidatingWebhook {
                configuration: configuration.name_any(),
                service: service.name.clone(),
                namespace: service.namespace.clone(),
            })
        });
        with_service.collect::<Vec<_>>()
    };
    Ok(list_all(&context.client, rows).await?.concat())
}

async fn terminating(context: &CollectContext<'_>) -> Result<Vec<String>, Missing> {
    let ending = |it: &Namespace| it.metadata.deletion_timestamp.is_some().then(|| it.name_any());
    Ok(list_all(&context.client, ending).await?.into_iter().flatten().collect())
}

async fn probed(context: &CollectContext<'_>) -> Observation<LoadBalancerProbe> {
    if !context.active {
        return Observation::not_asked("--active asks for one with a service of our own");
    }
    route_and_address::probe_load_balancer(&context.client, context.cluster_is_ours).await
}

/// The pull of the smallest image that a node lacks.
async fn pulled(
    context: &CollectContext<'_>,
    platforms: &Observation<Vec<Platform>>,
    images: &[String],
) -> Observation<Pull> {
    if !context.active {
        return Observation::not_asked("--active has a pod of our own pull one");
    }
    let nodes = match needed(platforms) {
        Ok(nodes) => nodes,
        Err(missing) => return Observation::failed(missing.reason()),
    };
    let lacking = nodes.iter().find_map(|node| {
        let lacks: Vec<_> = images.iter().filter(|image| !node.images.contains(image)).collect();
        let small = ["http-echo", "curl"];
        let smallest =
            small.iter().find_map(|name| lacks.iter().find(|image| image.contains(name)));
        smallest.or(lacks.first()).map(|image| (node.node.as_str(), image.as_str()))
    });
    match lacking {
        Some((node, image)) => {
            image_pull::pull(&context.client, node, image, context.cluster_is_ours).await
        }
        None => Observation::not_asked("the nodes have all images"),
    }
}

#[cfg(test)]
mod tests;
