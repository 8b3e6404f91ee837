//! Every proxy has the configuration that istiod holds for it.

use std::collections::BTreeMap;

use crate::claims::by_name::default_profile::{
    self, istiod_is_not_installed, looks_in_wrong_place,
};
use crate::claims::by_name::{
    backend_deployment, client_deployment, control_plane_running, dns_on_pod_network,
    namespace_labelled, two_containers_per_pod,
};
use crate::claims::mesh::demo_pods::{current_pods, has_no_pods, restart_after_label};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Istiod, Pod, ProxySync};
use crate::facts::demo::{is_pod_of, running_pods};
use crate::facts::dns::all_wait_for_dns;
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::installation::is_ztunnel;
use crate::facts::istiod::{find_istiod, is_istiod_down};
use crate::facts::sidecar::{SIDECAR, is_cut_off, redirects_to_stopped_sidecar};
use crate::format::{PROXY, count};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::{Step, istio, pods, workloads};

claim! {
    /// The tutorial installs istiod and looks at traffic; it only implies that every proxy has its configuration.
    ///
    /// ## Why it matters
    /// A proxy that istiod does not reach works with old routes, endpoints and certificates. Changes to the mesh do
    /// not apply to it, and its traffic fails once endpoints or certificates have changed.
    ///
    /// ## How it is checked
    /// Reads the sync status of every istiod (`/debug/syncz`, through a port-forward), as `istioctl proxy-status` does.
    /// Every running pod with a proxy, in the demo's and in the control plane's namespace, is in a list, and what was
    /// sent is acknowledged: clusters and listeners always, endpoints for the client and the gateways, routes for the
    /// client. It needs `list` on `pods`, and `get` on `pods/portforward` in the control plane's namespace; from
    /// Kubernetes 1.35 on also `create` on it.
    ///
    /// ## What makes it fail
    /// - istiod does not run, or does not know a proxy.
    /// - A part of the configuration is `STALE` (sent, not acknowledged) or `NOT SENT` where it is needed.
    ///
    /// An istiod that was not read leaves the claim unjudged, unless another one shows a failure.
    ///
    /// ## How to fix it
    /// - istiod is down (`control_plane_running`) or not installed (`default_profile`): fix that.
    /// - A proxy is stale or unknown: read the log of its `istio-proxy`, then restart its deployment.
    ///
    /// ## Check by hand
    ///     istioctl proxy-status
    ///     istioctl proxy-status NAME.client
    ///     kubectl -n client logs NAME -c istio-proxy --tail=30
    mesh::proxies_in_sync: "every proxy has the configuration that istiod holds for it",
    beyond: true,
    needs: Request,
    stops: [ClientSidecar, BackendSidecar, Gateway],
    caused_by: [
        default_profile if looks_in_wrong_place,
        default_profile if istiod_is_not_installed,
        control_plane_running if |effect| is_istiod_down(effect.evidence),
        dns_on_pod_network if proxies_do_not_find_istiod,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        client_deployment if no_client_proxy_runs,
        client_deployment if |effect| is_named_and_cut_off(effect, &effect.evidence.expectations.client_deployment),
        backend_deployment if |effect| is_named_and_cut_off(effect, &effect.evidence.expectations.backend_deployment),
        two_containers_per_pod if has_no_pods,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let what = "istiod's word on the proxies";
    let show = || show_or_scale_up_istiod(evidence);
    let istiods = require(&evidence.install.istiod, what, "istiod", show)?;
    if istiods.is_empty() {
        return Err(Judgement::fail("no istiod runs that could tell of its proxies")
            .expected("istiod, connected to every proxy")
            .observed("no istiod pod")
            .object("istiod")
            .step(show()));
    }
    let lists = Lists::of(istiods);
    // What one list proves wrong counts, also where the other could not be read.
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
        return Err(Judgement::fail("no proxy runs at all")
            .expected("the sidecars of the demo and the gateway's proxy")
            .observed("none")
            .object(Object::demo_namespace(evidence))
            .step(restart_after_label(evidence)));
    }
    Ok(Judgement::pass(format!("{} in sync with istiod", count(proxies.len(), PROXY))))
}

/// Lists the pods of istiod; where it is scaled to zero, scales it up.
fn show_or_scale_up_istiod(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    if let Some(istiod) = find_istiod(evidence).filter(|istiod| istiod.replicas == 0) {
        return workloads::scale_up(evidence, namespace, &istiod.name, "starts istiod again");
    }
    pods::list(evidence, namespace, &["-l", "app=istiod"], "shows istiod's pods")
}

/// What all istiods report on the proxies.
struct Lists<'e> {
    /// The rows of each proxy: one that changed from one istiod to another may be in two lists for a while.
    rows: BTreeMap<&'e str, Vec<&'e ProxySync>>,
    /// That an istiod could not be read.
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
                let summary = format!("istiod {istiod} did not tell of its proxies: {why}");
                lists.unread = Some(Judgement::unjudged(summary));
            }
        }
        lists
    }

    fn judge_pod(&self, evidence: &Evidence, pod: &Pod, is_gateway: bool) -> Judged {
        let Some(rows) = self.rows.get(proxy_id(pod).as_str()) else {
            // An istiod that was not read may know it.
            return Err(self.unread.clone().unwrap_or_else(|| unknown_proxy(evidence, pod)));
        };
        let mut last = Err(unknown_proxy(evidence, pod));
        for row in rows {
            last = judge_row(evidence, pod, row, is_gateway);
            if last.is_ok() {
                break;
            }
        }
        last
    }
}

/// A proxy's id in istiod's lists.
fn proxy_id(pod: &Pod) -> String {
    format!("{}.{}", pod.name, pod.namespace)
}

fn runs_proxy(pod: &Pod) -> bool {
    pod.is_running() && pod.proxy().is_some()
}

/// The demo's pods whose proxies istiod must know.
fn sidecars(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    Ok(current_pods(evidence)?.into_iter().filter(|pod| runs_proxy(pod)).collect())
}

/// The gateways' pods, whose proxies it must know as well.
fn gateways(evidence: &Evidence) -> Result<Vec<&Pod>, Judgement> {
    let namespace = &evidence.expectations.istio_namespace;
    let what = format!("the pods of namespace {namespace}");
    let object = Object::global("namespace", namespace);
    let install = || istio::install_default(evidence, "installs Istio");
    let pods = require(&evidence.install.pods, &what, object, install)?;
    Ok(pods.iter().filter(|pod| runs_proxy(pod) && !is_ztunnel(pod)).collect())
}

fn unknown_proxy(evidence: &Evidence, pod: &Pod) -> Judgement {
    let text = "shows why it does not connect";
    Judgement::fail(format!("istiod does not know the proxy of {}", pod.name))
        .expected("every proxy is connected to istiod")
        .observed("it is in no istiod's list")
        .object(Object::pod(pod))
        .step(pods::show_log(evidence, pod, SIDECAR, &["--tail=30"], text))
        // It was connected once: a new pod trusts the certificate that istiod has now.
        .steps(pod.ready.then(|| pods::replace(evidence, pod)))
}

fn judge_row(evidence: &Evidence, pod: &Pod, proxy: &ProxySync, is_gateway: bool) -> Judged {
    // A gateway that routes nothing has no routes to be sent; who only answers may be told of nobody else.
    let asks = is_pod_of(evidence, pod, &evidence.expectations.client_deployment);
    for (what, state, needed) in [
        ("clusters (CDS)", &proxy.clusters, true),
        ("listeners (LDS)", &proxy.listeners, true),
        ("endpoints (EDS)", &proxy.endpoints, asks || is_gateway),
        ("routes (RDS)", &proxy.routes, asks),
    ] {
        let trouble = match state.sent.is_empty() {
            true if needed => "NOT SENT",
            false if state.sent != state.acked => "STALE",
            _ => continue,
        };
        let acked = if state.acked.is_empty() { "nothing" } else { "an older state" };
        let lacks = istio::proxy_status_of(evidence, &proxy_id(pod), "shows what it lacks");
        return Err(Judgement::fail(format!("{}'s proxy: {what} are {trouble}", pod.name))
            .expected("everything that istiod sent was acknowledged")
            .observed(format!("{what}: {trouble}, {acked} was acknowledged"))
            .object(Object::pod(pod))
            .step(lacks));
    }
    Ok(Judgement::pass(pod.name.clone()))
}

/// The verdict names a pod of a deployment whose sidecars do not reach istiod.
fn is_named_and_cut_off(effect: &Effect<'_, Evidence>, deployment: &str) -> bool {
    let evidence = effect.evidence;
    let pods = running_pods(evidence, deployment).unwrap_or_default();
    pods.iter().any(|pod| effect.is_about(Object::pod(pod))) && is_cut_off(evidence, deployment)
}

/// The verdict names a client pod, and the traffic of every client pod is redirected to a proxy that does not run.
fn no_client_proxy_runs(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    let client = &evidence.expectations.client_deployment;
    let pods = running_pods(evidence, client).unwrap_or_default();
    effect.judgement.verdict == Verdict::Fail
        && pods.iter().any(|pod| effect.is_about(Object::pod(pod)))
        && pods.iter().all(|pod| redirects_to_stopped_sidecar(pod, evidence.moment()))
}

/// The proxies that istiod does not know wait for DNS.
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
        who_only_answers(|e| { let row = sidecar_of(e, "echo"); row.routes = SyncState::default(); row.endpoints = SyncState::default(); }, Pass);
        who_asks(|e| sidecar_of(e, "client").endpoints = SyncState::default(), Fail);
        a_gateway_without_endpoints(|e| gateway(e).endpoints = SyncState::default(), Fail);
        a_gateway_without_routes(|e| gateway(e).routes = SyncState::default(), Pass);
        a_gateway_without_clusters(|e| gateway(e).clusters = SyncState::default(), Fail);
        unknown_proxy(|e| sidecar(e).proxy = "gone.client".into(), Fail);
        unknown_proxy_of_an_unready_pod(|e| { sidecar_of(e, "client").proxy = "gone.client".into(); demo_pod(e, "client").ready = false; }, Fail);
        a_row_too_many(|e| { let mut more = gateway(e).clone(); more.proxy = "gone.client".into(); more.clusters.acked = "older".into(); of(&mut istiod(e).proxies).push(more); }, Pass);
        no_istiod(|e| e.install.istiod = Observation::absent("no istiod pod is ready"), Fail);
        unread(|e| istiod(e).proxies = Observation::failed("pods/portforward is forbidden"), Unjudged);
        forbidden(|e| e.install.istiod = Observation::failed("pods is forbidden"), Unjudged);
        no_pods_seen(|e| e.install.pods = Observation::failed("pods is forbidden"), Unjudged);
        no_istiod_pod(|e| of(&mut e.install.istiod).clear(), Fail);
        istiod_asleep(|e| { e.install.istiod = Observation::absent("no istiod pod is ready"); scale_to_zero(installed(e, "istiod")); }, Fail);
        stale_and_pods_unseen(|e| { e.install.pods = Observation::failed("pods is forbidden"); leave_unacknowledged(sidecar(e)); }, Fail);
        gateway_stale_and_demo_unseen(|e| { e.demo.pods = Observation::failed("pods is forbidden"); leave_unacknowledged(gateway(e)); }, Fail);
        stale_and_one_istiod_unread(|e| { sidecar(e).endpoints.acked = "older".into(); add_istiod(e, Observation::failed("no answer")); }, Fail);
        one_istiod_unread(|e| add_istiod(e, Observation::failed("no answer")), Unjudged);
        changed_istiod(|e| { let mut old = sidecar(e).clone(); old.clusters.acked = "older".into(); add_istiod(e, Observation::seen(vec![old])); }, Pass);
        two_istiods_share_the_proxies(|e| { let rest = of(&mut istiod(e).proxies).split_off(1); add_istiod(e, Observation::seen(rest)); }, Pass);
        demo_unseen(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}
