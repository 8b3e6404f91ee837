//! What the section *prepare* needs: nodes, version, load balancers, DNS.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Pod, Service};
use kube::api::{Api, DynamicObject, ListParams};
use meshcheck_suites::evidence::{
    self, ClusterEvidence, Dns, IpPool, LoadBalancerProbe, Observation, Resources,
};

use super::api::list::{self, list, list_all, list_custom};
use super::api::observe::{Missing, observe};
use super::api::{objects, resources};
use super::context::CollectContext;

/// The labels of pods that make the nodes' network: of kube-proxy and the pod networks' agents, and of MetalLB's speakers
/// by its manifest and by its chart.
const NETWORK_PODS: [&str; 3] = [
    "k8s-app in (kube-proxy, kindnet, cilium, calico-node, canal)",
    "app=metallb, component=speaker",
    "app.kubernetes.io/name=metallb, app.kubernetes.io/component=speaker",
];

/// Looks at all of it at once.
pub(super) async fn collect(
    context: &CollectContext<'_>,
    server_version: Observation<String>,
    load_balancer_probe: Observation<LoadBalancerProbe>,
) -> ClusterEvidence {
    let limit = context.limit;
    let (nodes, requested, load_balancer_services, gateway_events, network_pods, dns, calico_pools) = tokio::join!(
        context.timed("nodes", observe(limit, list::nodes(&context.client))),
        context.timed("requested resources", observe(limit, requested(context))),
        context.timed("load balancer services", observe(limit, load_balancers(context))),
        context.timed("gateway events", observe(limit, gateway_events(context))),
        context.timed(
            "network pods",
            observe(limit, list::labelled_pods(&context.client, NETWORK_PODS))
        ),
        context.timed("dns", observe(limit, dns(context))),
        context.timed("calico pools", observe(limit, calico_pools(context))),
    );
    ClusterEvidence {
        server_version,
        nodes,
        requested,
        load_balancer_services,
        load_balancer_probe,
        gateway_events,
        network_pods,
        dns,
        calico_pools,
    }
}

async fn requested(context: &CollectContext<'_>) -> Result<BTreeMap<String, Resources>, Missing> {
    let api: Api<Pod> = Api::all(context.client.clone());
    let alive = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let mut sums: BTreeMap<String, Resources> = BTreeMap::new();
    let pods = list(&api, &alive, |pod| {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        node.map(|node| (node, resources::requested(pod)))
    });
    for (node, requests) in pods.await?.into_iter().flatten() {
        let sum = sums.entry(node).or_default();
        sum.cpu_millis += requests.cpu_millis;
        sum.memory_bytes += requests.memory_bytes;
        sum.pods += requests.pods;
    }
    Ok(sums)
}

async fn load_balancers(context: &CollectContext<'_>) -> Result<Vec<evidence::Service>, Missing> {
    let mut services = list_all::<Service, _>(&context.client, objects::service).await?;
    services.retain(|service| service.kind == "LoadBalancer");
    Ok(services)
}

/// What the load balancer, and others, say of the gateway's service.
async fn gateway_events(context: &CollectContext<'_>) -> Result<Vec<String>, Missing> {
    let expectations = context.expectations;
    let of_service =
        format!("involvedObject.kind=Service,involvedObject.name={}", expectations.gateway);
    let namespace = expectations.gateway_namespace();
    let events: Api<Event> = Api::namespaced(context.client.clone(), namespace);
    list(&events, &ListParams::default().fields(&of_service), objects::event).await
}

async fn dns(context: &CollectContext<'_>) -> Result<Dns, Missing> {
    let labelled = ListParams::default().labels("k8s-app=kube-dns");
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), "kube-system");
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), "kube-system");
    let (pods, deployments) = tokio::try_join!(
        list(&pods, &labelled, objects::pod),
        list(&deployments, &labelled, objects::deployment)
    )?;
    Ok(Dns { deployments, pods })
}

async fn calico_pools(context: &CollectContext<'_>) -> Result<Vec<IpPool>, Missing> {
    let resource = list::resource("crd.projectcalico.org", "v1", "IPPool", "ippools");
    let pool = |object: &DynamicObject| IpPool {
        name: object.metadata.name.clone().unwrap_or_default(),
        cidr: object.data["spec"]["cidr"].as_str().unwrap_or_default().to_owned(),
        disabled: object.data["spec"]["disabled"].as_bool().unwrap_or_default(),
    };
    list_custom(&context.client, &resource, pool).await
}
