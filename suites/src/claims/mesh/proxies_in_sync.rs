//! Every proxy has the configuration of istiod.

use std::collections::BTreeMap;

use crate::claims::by_name::default_profile::{istiod_is_not_installed, looks_in_wrong_place};
use crate::claims::mesh::demo_pods::{
    current_pods, deployment_of_cause, has_no_pods, named_pod_of_cause, restart_after_label,
};
use crate::claims::mesh::init_arguments::is_unready_by_mode_none;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Istiod, Pod, ProxySync};
use crate::facts::demo::{is_pod_of, running_pods};
use crate::facts::dns::all_wait_for_dns;
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::installation::is_ztunnel;
use crate::facts::istiod::{find_istiod, is_istiod_down};
use crate::facts::sidecar::{
    SIDECAR, is_cut_off, redirects_to_stopped_sidecar, runs_native_sidecar,
};
use crate::format::{PROXY, count};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, istio, pods, workloads};

claim! {
    /// The tutorial installs istiod and sends traffic. It only implies that every proxy has its configuration.
    ///
    /// ## Why it matters
    /// A proxy without a connection to istiod works with old routes, endpoints and certificates. Changes to the mesh do
    /// not apply to it, and its traffic fails when endpoints or certificates change.
    ///
    /// ## How it is checked
    /// Reads the sync status of every istiod (`/debug/syncz`, through a port-forward), as `istioctl proxy-status` does.
    /// Every running pod with a proxy, in the demo's and in the control plane's namespace, is in a list. Its proxy has
    /// acknowledged the configuration: clusters and listeners always, endpoints for the client and the gateways, routes
    /// for the client. It needs `list` on `pods`, and `get` on `pods/portforward` in the control plane's namespace; from
    /// Kubernetes 1.35 on also `create` on it.
    ///
    /// ## What makes it fail
    /// - istiod does not run, or does not know a proxy.
    /// - A proxy in interception mode NONE may not bind port 80 and has no listeners (`backend_deployment`,
    ///   `client_deployment`).
    /// - A part of the configuration is `STALE` (sent, not acknowledged) or `NOT SENT` where it is needed.
    ///
    /// The claim is unjudged where an istiod cannot be read, unless another one shows a failure.
    ///
    /// ## How to fix it
    /// - istiod is down (`control_plane_running`) or not installed (`default_profile`): fix that.
    /// - A proxy is stale or unknown: read the log of its `istio-proxy`, then restart its deployment.
    ///
    /// ## Check by hand
    ///     istioctl proxy-status
    ///     istioctl proxy-status NAME.client
    ///     kubectl -n client logs NAME -c istio-proxy --tail=30
    mesh::proxies_in_sync: "every proxy has the configuration of istiod",
    beyond: true,
    needs: Request,
    stops: [ClientSidecar, BackendSidecar, Gateway],
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if istiod_is_not_installed,
        control_plane_running if |effect| is_istiod_down(effect.evidence),
        dns_on_pod_network if proxies_do_not_find_istiod,
        control_plane_running if is_named_and_unready_gateway,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        client_deployment if no_client_proxy_runs,
        client_deployment if is_named_and_cut_off,
        backend_deployment if is_named_and_cut_off,
        two_containers_per_pod if has_no_pods,
        backend_deployment if is_unready_by_mode_none,
        client_deployment if is_unready_by_mode_none,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let what = "istiod's sync status";
    let show = || show_or_scale_up_istiod(evidence);
    let istiods = require(&evidence.install.istiod, what, "istiod", show)?;
    if istiods.is_empty() {
        return Err(Judgement::fail("istiod's sync status is unknown: no istiod pod is ready")
            .expected("a ready istiod pod")
            .observed("no istiod pod")
            .object("istiod")
            .step(show()));
    }
    let lists = Lists::of(istiods);
    // A failure of one pod counts, also where the pods of the other namespace could not be read.
    let mut parts: Vec<Judged> = Vec::new();
    for (pods, is_gateway) in [(sidecars(evidence), false), (gateways(evidence), true)] {
        match pods {
            Ok(pods) => {
                parts.extend(pods.iter().map(|pod| lists.judge_pod(evidence, pod, is_gateway)));
            }
            Err(early) => parts.push(Err(early)),
        }
    }
    parts.extend(lists.unread.clone().map(Err));
    let proxies = all_hold(parts)?;
    if proxies.is_empty() {
        return Err(Judgement::fail("no pod with a proxy is Running")
            .expected("Running: sidecars of the demo and the gateway's proxy")
            .observed("Running: none")
            .object(Object::demo_namespace(evidence))
            .step(restart_after_label(evidence)));
    }
    Ok(Judgement::pass(format!("{} in sync with istiod", count(proxies.len(), PROXY))))
}

/// Lists the pods of istiod; where it is scaled to zero, scales it up.
fn show_or_scale_up_istiod(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    if let Some(istiod) = find_istiod(evidence).filter(|istiod| istiod.replicas == 0) {
        return workloads::scale_up(evidence, namespace, &istiod.name, "Scale istiod to 1 replica");
    }
    pods::list(evidence, namespace, &["-l", "app=istiod"], "List istiod's pods")
}

/// The sync status of all istiods.
struct Lists<'e> {
    /// The rows of each proxy: a proxy that reconnects to another istiod may be in two lists for a while.
    rows: BTreeMap<&'e str, Vec<&'e ProxySync>>,
    /// The judgement where an istiod could not be read.
    unread: Option<Judgement>,
}

impl<'e> Lists<'e> {
    fn of(istiods: &'e BTreeMap<String, Istiod>) -> Self {
        let mut lists = Self { rows: BTreeMap::new(), unread: None };
        for (istiod, report) in istiods {
            for proxy in report.proxies.value().into_iter().flatten() {
                lists.rows.entry(&proxy.proxy).or_default().push(proxy);
            }
            if let Some(why) = report.proxies.reason() {
                let summary = format!("cannot read the sync status of istiod pod {istiod}: {why}");
                lists.unread = Some(Judgement::unjudged(summary));
            }
        }
        lists
    }

    fn judge_pod(&self, evidence: &Evidence, pod: &Pod, is_gateway: bool) -> Judged {
        let rows = self.rows.get(proxy_id(pod).as_str()).map_or(&[][..], Vec::as_slice);
        let judged = rows.iter().map(|row| judge_row(evidence, pod, row, is_gateway));
        // An istiod that was not read may know the proxy, or have a newer row.
        judged
            .reduce(Judged::or)
            .unwrap_or_else(|| Err(unknown_proxy(evidence, pod)))
            .map_err(|failure| self.unread.clone().unwrap_or(failure))
    }
}

/// Returns a proxy's id in istiod's lists.
fn proxy_id(pod: &Pod) -> String {
    format!("{}.{}", pod.name, pod.namespace)
}

fn runs_proxy(pod: &Pod) -> bool {
    pod.is_running() && pod.proxy().is_some() || runs_native_sidecar(pod)
}

/// Returns the demo's pods with a running proxy.
fn sidecars(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    Ok(current_pods(evidence)?.into_iter().filter(|pod| runs_proxy(pod)).collect())
}

/// Returns the gateways' pods with a running proxy.
fn gateways(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the pods of namespace {namespace}");
    let object = Object::global("namespace", namespace);
    let install = || istio::install_default(evidence, "Install Istio");
    let pods = require(&evidence.install.pods, &what, object, install)?;
    Ok(pods.iter().filter(|pod| runs_proxy(pod) && !is_ztunnel(pod)).collect())
}

fn unknown_proxy(evidence: &Evidence, pod: &Pod) -> Judgement {
    let text = "Show why the proxy does not connect";
    Judgement::fail(format!("istiod has no connection to the proxy of pod {}", pod.name))
        .expected("proxy in istiod's list")
        .observed("proxy in no istiod's list")
        .object(Object::pod(pod))
        .step(pods::show_log(evidence, pod, SIDECAR, &["--tail=30"], text))
        // A ready pod was connected before: a new pod trusts istiod's current certificate.
        .steps(pod.ready.then(|| pods::replace(evidence, pod)))
}

fn judge_row(evidence: &Evidence, pod: &Pod, proxy: &ProxySync, is_gateway: bool) -> Judged {
    // A gateway without routes gets none, and a pod without outbound requests may get no endpoints.
    let sends_requests = is_pod_of(evidence, pod, &evidence.expectations.client_deployment);
    for (what, state, needed) in [
        ("clusters (CDS)", &proxy.clusters, true),
        ("listeners (LDS)", &proxy.listeners, true),
        ("endpoints (EDS)", &proxy.endpoints, sends_requests || is_gateway),
        ("routes (RDS)", &proxy.routes, sends_requests),
    ] {
        let trouble = match state.sent.is_empty() {
            true if needed => "NOT SENT",
            false if state.sent != state.acked => "STALE",
            _ => continue,
        };
        let acked = if state.acked.is_empty() { "nothing" } else { "an older version" };
        let lacks =
            istio::proxy_status_of(evidence, &proxy_id(pod), "Show the sync status of the proxy");
        return Err(Judgement::fail(format!("proxy of pod {}: {what} are {trouble}", pod.name))
            .expected(format!("{what}: SYNCED"))
            .observed(format!("{what}: {trouble}, {acked} acknowledged"))
            .object(Object::pod(pod))
            .step(lacks)
            .step(pods::show_log(evidence, pod, SIDECAR, &["--tail=50"], REJECTED)));
    }
    Ok(Judgement::pass(pod.name.clone()))
}

/// The text of the step that shows the log of a proxy.
const REJECTED: &str =
    "Show the proxy's log: it has the error where the proxy rejects its configuration";

/// Whether the failure names a gateway whose proxy does not get ready: without its configuration, it never does.
fn is_named_and_unready_gateway(effect: &Effect<'_, Evidence>) -> bool {
    let pods = effect.evidence.install.pods.value().into_iter().flatten();
    let unready = pods.filter(|pod| pod.is_gateway() && !pod.ready && !pod.terminating);
    unready.into_iter().any(|pod| effect.is_about(Object::pod(pod)))
}

/// Whether the failure names a pod of the cause's deployment, whose sidecars do not reach istiod.
fn is_named_and_cut_off(effect: &Effect<'_, Evidence>) -> bool {
    named_pod_of_cause(effect).is_some()
        && deployment_of_cause(effect).is_some_and(|it| is_cut_off(effect.evidence, it))
}

/// Whether the failure names a client pod, and each client pod's traffic is redirected to a proxy that does not run.
fn no_client_proxy_runs(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let client = &evidence.expectations.client_deployment;
    let pods = running_pods(evidence, client).unwrap_or_default();
    effect.judgement.verdict == Verdict::Fail
        && pods.iter().any(|pod| effect.is_about(Object::pod(pod)))
        && pods.iter().all(|pod| redirects_to_stopped_sidecar(pod, evidence.moment()))
}

/// Whether the unconnected proxies wait for DNS.
fn proxies_do_not_find_istiod(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let pods = [sidecars(evidence), gateways(evidence)].into_iter().flatten().flatten();
    effect.judgement.verdict == Verdict::Fail
        && all_wait_for_dns(evidence, pods.filter(|pod| effect.is_about(Object::pod(pod))))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, Istiod, Observation, ProxySync, SyncState};
    use crate::testing::{demo_pod, installed, of, scale_to_zero};

    /// The only istiod.
    fn istiod(e: &mut Evidence) -> &mut Istiod {
        of(&mut e.install.istiod).values_mut().next().unwrap()
    }

    /// The first row for which this is true.
    fn find(e: &mut Evidence, is: impl Fn(&ProxySync) -> bool) -> &mut ProxySync {
        of(&mut istiod(e).proxies).iter_mut().find(|row| is(row)).unwrap()
    }

    fn gateway(e: &mut Evidence) -> &mut ProxySync {
        find(e, |row| row.proxy.contains("ingressgateway"))
    }

    fn sidecar(e: &mut Evidence) -> &mut ProxySync {
        find(e, |row| !row.proxy.contains("ingressgateway"))
    }

    fn sidecar_of<'e>(e: &'e mut Evidence, app: &str) -> &'e mut ProxySync {
        let id = format!("{}.client", demo_pod(e, app).name);
        find(e, |row| row.proxy == id)
    }

    /// Adds an istiod with its own list of proxies.
    fn add_istiod(e: &mut Evidence, proxies: Observation<Vec<ProxySync>>) {
        let second = Istiod { proxies, ..istiod(e).clone() };
        of(&mut e.install.istiod).insert("z-second".into(), second);
    }

    fn leave_unacknowledged(row: &mut ProxySync) {
        row.listeners.acked = "older".into();
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        ztunnel(|e| {
            let mut pod = crate::testing::gateway(e).clone();
            pod.name = "ztunnel-x".into();
            pod.labels = [("app".to_owned(), "ztunnel".to_owned())].into();
            of(&mut e.install.pods).push(pod);
        }, Pass);
        stale(|e| leave_unacknowledged(sidecar(e)), Fail);
        never_acknowledged(|e| sidecar(e).clusters.acked = String::new(), Fail);
        not_sent(|e| sidecar(e).routes = SyncState::default(), Fail);
        backend_without_endpoints_and_routes(|e| { let row = sidecar_of(e, "echo"); row.routes = SyncState::default(); row.endpoints = SyncState::default(); }, Pass);
        client_without_endpoints(|e| sidecar_of(e, "client").endpoints = SyncState::default(), Fail);
        gateway_without_endpoints(|e| gateway(e).endpoints = SyncState::default(), Fail);
        gateway_without_routes(|e| gateway(e).routes = SyncState::default(), Pass);
        gateway_without_clusters(|e| gateway(e).clusters = SyncState::default(), Fail);
        unknown_proxy(|e| sidecar(e).proxy = "gone.client".into(), Fail);
        unknown_proxy_of_an_unready_pod(|e| { sidecar_of(e, "client").proxy = "gone.client".into(); demo_pod(e, "client").ready = false; }, Fail);
        row_of_a_removed_pod(|e| { let mut more = gateway(e).clone(); more.proxy = "gone.client".into(); more.clusters.acked = "older".into(); of(&mut istiod(e).proxies).push(more); }, Pass);
        no_istiod(|e| e.install.istiod = Observation::absent("no istiod pod is ready"), Fail);
        sync_status_not_readable(|e| istiod(e).proxies = Observation::failed("pods/portforward is forbidden"), Unjudged);
        forbidden(|e| e.install.istiod = Observation::failed("pods is forbidden"), Unjudged);
        control_plane_pods_not_readable(|e| e.install.pods = Observation::failed("pods is forbidden"), Unjudged);
        no_istiod_pod(|e| of(&mut e.install.istiod).clear(), Fail);
        istiod_scaled_to_zero(|e| { e.install.istiod = Observation::absent("no istiod pod is ready"); scale_to_zero(installed(e, "istiod")); }, Fail);
        stale_and_control_plane_pods_not_readable(|e| { e.install.pods = Observation::failed("pods is forbidden"); leave_unacknowledged(sidecar(e)); }, Fail);
        gateway_stale_and_demo_pods_not_readable(|e| { e.demo.pods = Observation::failed("pods is forbidden"); leave_unacknowledged(gateway(e)); }, Fail);
        stale_and_one_istiod_not_readable(|e| { sidecar(e).endpoints.acked = "older".into(); add_istiod(e, Observation::failed("no answer")); }, Unjudged);
        one_istiod_not_readable(|e| add_istiod(e, Observation::failed("no answer")), Unjudged);
        proxy_reconnected_to_another_istiod(|e| { let mut old = sidecar(e).clone(); old.clusters.acked = "older".into(); add_istiod(e, Observation::seen(vec![old])); }, Pass);
        two_istiods_share_the_proxies(|e| { let rest = of(&mut istiod(e).proxies).split_off(1); add_istiod(e, Observation::seen(rest)); }, Pass);
        demo_pods_not_readable(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}
