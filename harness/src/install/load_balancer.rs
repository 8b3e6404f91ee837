//! MetalLB, with a pool from the upper end of the network of kind.

use std::time::Duration;

use meshcheck_bundle::Bundle;
use serde_json::{Value, json};

use super::pool::pool;
use super::{InstallError, Site, apply, ready};
use crate::cluster::node_addresses;
use crate::events::{Events, Phase};
use crate::wait::Look;

/// MetalLB's own namespace.
const NAMESPACE: &str = "metallb-system";

/// Installs MetalLB and gives it its pool.
pub(super) async fn install(
    bundle: &Bundle,
    site: Site<'_>,
    events: &Events,
) -> Result<(), InstallError> {
    let listener = (Phase::LoadBalancer, events);
    let (node, ranges) = node_addresses(site.control_plane).await?;
    let (first, last) = pool(&node, &ranges)?;
    let runs = |object: &Value| matches!(object["kind"].as_str(), Some("Deployment" | "DaemonSet"));
    let (programs, others): (Vec<_>, Vec<_>) =
        apply::manifest(bundle, "metallb-manifest", "MetalLB")?.into_iter().partition(runs);
    apply::objects(site.client, "MetalLB", others).await?;
    // Its programs ask the server at once by its service's address. Before kube-proxy has its rules,
    // that leads out of the cluster, and they are held back for having crashed: 10 to 20 s.
    ready::service_addresses(site.client, listener).await?;
    apply::objects(site.client, "MetalLB", programs).await?;
    let controller = ready::deployment(site.client, (NAMESPACE, "controller"), listener);
    // Without a speaker an address is given, and nothing answers for it.
    let speaker = ready::daemon_set(site.client, (NAMESPACE, "speaker"), listener);
    tokio::try_join!(controller, speaker)?;
    let objects = vec![
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": { "name": "meshcheck", "namespace": NAMESPACE },
            "spec": { "addresses": [format!("{first}-{last}")] }
        }),
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "L2Advertisement",
            "metadata": { "name": "meshcheck", "namespace": NAMESPACE },
            "spec": { "ipAddressPools": ["meshcheck"] }
        }),
    ];
    // The webhook that admits them starts a moment after its deployment is available.
    let what = "MetalLB's webhook to take a pool of addresses";
    let what = (what, "MetalLB's webhook", Duration::from_mins(2));
    ready::until(listener, what, async || {
        let applied = apply::objects(site.client, "MetalLB", objects.clone()).await;
        Ok(applied.map_or_else(|error| Look::NotYet(crate::chain(&error)), Look::Ready))
    })
    .await
}
