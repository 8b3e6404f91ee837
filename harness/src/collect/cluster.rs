//! What the section *prepare* needs: nodes, version, load balancers, DNS.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use meshcheck_suites::evidence::{
    ClusterEvidence, Dns, IpPool, LoadBalancerProbe, Observation, Resources,
};

use super::list::list;
use super::look::{Missing, look};
use super::{Scene, objects};

/// Looks at all of it at once.
pub(super) async fn collect(
    scene: &Scene<'_>,
    server_version: Observation<String>,
    load_balancer_probe: Observation<LoadBalancerProbe>,
) -> ClusterEvidence {
    let limit = scene.limit;
    let (nodes, requested, load_balancer_services, dns, calico_pools) = tokio::join!(
        scene.timed("nodes", look(limit, nodes(scene))),
        scene.timed("requested resources", look(limit, requested(scene))),
        scene.timed("load balancer services", look(limit, load_balancers(scene))),
        scene.timed("dns", look(limit, dns(scene))),
        scene.timed("calico pools", look(limit, calico_pools(scene))),
    );
    ClusterEvidence {
        server_version,
        nodes,
        requested,
        load_balancer_services,
        load_balancer_probe,
        dns,
        calico_pools,
    }
}

async fn nodes(scene: &Scene<'_>) -> Result<Vec<meshcheck_suites::evidence::Node>, Missing> {
    let api: Api<Node> = Api::all(scene.client.clone());
    list(&api, &ListParams::default(), objects::node).await
}

async fn requested(scene: &Scene<'_>) -> Result<BTreeMap<String, Resources>, Missing> {
    let api: Api<Pod> = Api::all(scene.client.clone());
    let alive = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let mut sums: BTreeMap<String, Resources> = BTreeMap::new();
    let pods = list(&api, &alive, |pod| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        node.map(|node| (node, objects::requested(pod)))
    });
    for (node, requests) in pods.await?.into_iter().flatten() {
        let sum = sums.entry(node).or_default();
        sum.cpu_millis += requests.cpu_millis;
        sum.memory_bytes += requests.memory_bytes;
        sum.pods += requests.pods;
    }
    Ok(sums)
}

async fn load_balancers(
    scene: &Scene<'_>,
) -> Result<Vec<meshcheck_suites::evidence::Service>, Missing> {
    let api: Api<Service> = Api::all(scene.client.clone());
    let mut services = list(&api, &ListParams::default(), objects::service).await?;
    services.retain(|service| service.kind == "LoadBalancer");
    Ok(services)
}

async fn dns(scene: &Scene<'_>) -> Result<Dns, Missing> {
    let labelled = ListParams::default().labels("k8s-app=kube-dns");
    let pods: Api<Pod> = Api::namespaced(scene.client.clone(), "kube-system");
    let deployments: Api<Deployment> = Api::namespaced(scene.client.clone(), "kube-system");
    let (pods, deployments) = tokio::try_join!(
        list(&pods, &labelled, objects::pod),
        list(&deployments, &labelled, objects::deployment)
    )?;
    Ok(Dns { deployments, pods })
}

async fn calico_pools(scene: &Scene<'_>) -> Result<Vec<IpPool>, Missing> {
    let kind = GroupVersionKind::gvk("crd.projectcalico.org", "v1", "IPPool");
    let api: Api<DynamicObject> =
        Api::all_with(scene.client.clone(), &ApiResource::from_gvk_with_plural(&kind, "ippools"));
    let pool = |object: &DynamicObject| IpPool {
        name: object.metadata.name.clone().unwrap_or_default(),
        cidr: object.data["spec"]["cidr"].as_str().unwrap_or_default().to_owned(),
        disabled: object.data["spec"]["disabled"].as_bool().unwrap_or_default(),
    };
    list(&api, &ListParams::default(), pool).await.map_err(|missing| match missing {
        Missing::Absent(_) => {
            Missing::Absent("the cluster has no resource ippools.crd.projectcalico.org".into())
        }
        failed @ Missing::Failed(_) => failed,
    })
}
