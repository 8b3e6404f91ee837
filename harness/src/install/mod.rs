//! Installing the mesh and the demo on a cluster of meshcheck, as the tutorial does it.
//!
//! What can go in parallel does:
//!
//! ```text
//! MetalLB ─► pool ─► address probe
//! istioctl install ──────────┬───────────► gateway ready ─► gateway has an address
//!           injection works ─┴─► demo ─► client has shown a reply
//!           istiod is there ───► Kiali ─► available
//! ```

mod apply;
mod demo;
mod error;
mod istio;
mod kiali;
mod load_balancer;
mod pool;
mod ready;

use std::path::Path;

use kube::Client;
use meshcheck_bundle::Bundle;
use meshcheck_suites::evidence::{Expectations, LoadBalancerProbe, Observation};
use serde_json::json;

pub(crate) use demo::foreign;
pub(crate) use error::InstallError;

use crate::events::{Events, Phase};

/// Where to install.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// A client of the cluster.
    pub(crate) client: &'a Client,
    /// Its kubeconfig, for `istioctl`.
    pub(crate) kubeconfig: &'a Path,
    /// The container that is its control plane.
    pub(crate) control_plane: &'a str,
}

/// What was learnt on the way.
#[derive(Debug)]
pub(crate) struct Installed {
    /// A service of meshcheck that asked for an address before the gateway did.
    pub(crate) load_balancer_probe: Observation<LoadBalancerProbe>,
    /// The version that the `istioctl` in use reports of itself.
    pub(crate) istioctl_version: Observation<String>,
}

/// Installs everything, and waits until it works: the client has shown a reply. The demo is called what
/// is expected; [`foreign`] tells what cannot be.
pub(crate) async fn install(
    bundle: &Bundle,
    site: Site<'_>,
    names: &Expectations,
    events: &Events,
) -> Result<Installed, InstallError> {
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": istio::NAMESPACE }
    });
    apply::objects(site.client, "the namespace", vec![namespace]).await?;
    let load_balancer = Box::pin(async {
        let install = load_balancer::install(bundle, site, events);
        Box::pin(events.phase(Phase::LoadBalancer, install)).await?;
        let probe = Box::pin(crate::collect::probe_load_balancer(site.client, true));
        events.phase(Phase::Probe, async { Ok::<_, InstallError>(probe.await) }).await
    });
    let istio = Box::pin(events.phase(Phase::Istio, istio::install(bundle, site, events)));
    let demo = Box::pin(async {
        events.doing(Phase::Demo, "waiting for the injection webhook");
        demo::create_namespace(site.client, names).await?;
        // Pods that start before the plug-in would have no rules.
        if ready::injection(site.client, names, events).await? == ready::Redirection::CniPlugin {
            Box::pin(ready::cni_plugin(site.client, events)).await?;
        }
        Box::pin(demo::install(bundle, site, names, events)).await
    });
    let kiali = Box::pin(async {
        let istiod = (istio::NAMESPACE, "istiod");
        ready::deployment(site.client, istiod, (Phase::Kiali, events)).await?;
        kiali::install(bundle, site, events).await
    });
    let demo = Box::pin(events.phase(Phase::Demo, demo));
    let kiali = Box::pin(events.phase(Phase::Kiali, kiali));
    let version = async { Ok(istio::version(bundle).await) };
    let (load_balancer_probe, (), (), (), istioctl_version) =
        tokio::try_join!(load_balancer, istio, demo, kiali, version)?;
    events.phase(Phase::Address, ready::gateway_address(site.client, events)).await?;
    Ok(Installed { load_balancer_probe, istioctl_version })
}
