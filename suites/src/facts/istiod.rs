//! Facts about istiod: its labels, its deployment, its pods.

use super::Labels;
use super::gateway::is_ingress_gateway;
use super::injection::has_mode_none;
use crate::evidence::{Deployment, Evidence, Pod, ProxySync, SyncState};

/// Whether labels are those of istiod, of any revision.
pub(crate) fn is_istiod(labels: &Labels) -> bool {
    labels.get("app").is_some_and(|app| app == "istiod")
        || labels.get("istio").is_some_and(|istio| istio == "pilot")
}

/// The deployment of istiod, where it was observed.
pub(crate) fn find_istiod(evidence: &Evidence) -> Option<&Deployment> {
    let mut deployments = evidence.install.deployments.value()?.iter();
    deployments.find(|deployment| is_istiod(&deployment.template_labels))
}

/// Returns the domain in istiod's arguments, where it is not the expected domain of the cluster.
pub(crate) fn find_other_domain(evidence: &Evidence) -> Option<&str> {
    let words: Vec<_> = find_istiod(evidence)?.containers.iter().flat_map(|it| &it.args).collect();
    let next = words.iter().skip_while(|word| **word != "--domain").nth(1).map(|it| it.as_str());
    let domain = next.or_else(|| words.iter().find_map(|word| word.strip_prefix("--domain=")))?;
    (domain != evidence.expectations.cluster_domain).then_some(domain)
}

/// Whether the deployments were observed, and none of them is istiod's.
pub(crate) fn has_no_istiod(evidence: &Evidence) -> bool {
    evidence.install.deployments.value().is_some() && find_istiod(evidence).is_none()
}

/// Whether an install stopped at istiod, which does not run: the later parts of the tutorial are missing.
pub(crate) fn install_stopped_at_istiod(evidence: &Evidence) -> bool {
    let deployments = evidence.install.deployments.value().into_iter().flatten();
    let gateways = deployments.filter(|it| is_ingress_gateway(it, evidence)).count();
    find_istiod(evidence).is_some_and(|it| it.replicas > 0)
        && is_istiod_down(evidence)
        && gateways == 0
}

/// Whether no istiod pod is ready to answer proxies, webhooks and requests.
pub(crate) fn is_istiod_down(evidence: &Evidence) -> bool {
    let ready = |pod: &Pod| is_istiod(&pod.labels) && pod.is_running_and_ready();
    evidence.install.pods.value().is_some_and(|pods| !pods.iter().any(ready))
}

/// Returns the part of its configuration that a proxy has not acknowledged, by each istiod that has sent it.
pub(crate) fn find_unacknowledged(evidence: &Evidence, pod: &Pod) -> Option<&'static str> {
    let id = format!("{}.{}", pod.name, pod.namespace);
    let istiods = evidence.install.istiod.value()?.values().filter_map(|it| it.proxies.value());
    let rows: Vec<_> = istiods.flatten().filter(|row| row.proxy == id).collect();
    let is_open = |state: &SyncState| !state.sent.is_empty() && state.sent != state.acked;
    let lacks = |part: fn(&ProxySync) -> &SyncState| {
        !rows.is_empty() && rows.iter().all(|row| is_open(part(row)))
    };
    if lacks(|row| &row.clusters) {
        return Some("clusters (CDS)");
    }
    lacks(|row| &row.listeners).then_some("listeners (LDS)")
}

/// Whether the proxy of a pod has acknowledged no listeners because of interception mode NONE: in this mode it binds the ports
/// of the services itself, and may not bind one below 1024, as port 80. Each proxy in another mode must have its listeners.
/// Otherwise the configuration may be wrong for all.
pub(crate) fn lacks_listeners_by_mode_none(evidence: &Evidence, pod: &Pod) -> bool {
    let Some(istiods) = evidence.install.istiod.value() else { return false };
    let listeners = |pod: &Pod| {
        let id = format!("{}.{}", pod.name, pod.namespace);
        let rows = istiods.values().filter_map(|it| it.proxies.value()).flatten();
        rows.filter(|row| row.proxy == id).map(|row| &row.listeners).collect::<Vec<_>>()
    };
    let lacks = |pod: &Pod| {
        let rows = listeners(pod);
        !rows.is_empty() && rows.iter().all(|it| !it.sent.is_empty() && it.acked.is_empty())
    };
    let is_wrong = |pod: &Pod| listeners(pod).iter().any(|it| it.sent != it.acked);
    let mut others = evidence.demo.pods.value().into_iter().flatten();
    has_mode_none(pod) && lacks(pod) && !others.any(|it| !has_mode_none(it) && is_wrong(it))
}

#[cfg(test)]
mod tests {
    use super::{
        find_other_domain, has_no_istiod, is_istiod, is_istiod_down, lacks_listeners_by_mode_none,
    };
    use crate::evidence::{Evidence, Observation};
    use crate::testing::{demo_pod, healthy, istiod, of};
    use rstest::rstest;

    #[rstest]
    #[case(&[("app", "istiod")], true)]
    #[case(&[("istio", "pilot")], true)]
    #[case(&[("app", "istiod"), ("istio", "other")], true)]
    #[case(&[("app", "other"), ("istio", "ingressgateway")], false)]
    #[case(&[], false)]
    fn istiod_has_one_of_two_labels(#[case] labels: &[(&str, &str)], #[case] expected: bool) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert_eq!(is_istiod(&labels.collect()), expected);
    }

    #[rstest]
    #[case::there(|_: &mut Evidence| {}, false)]
    #[case::missing(|e: &mut Evidence| of(&mut e.install.deployments).retain(|it| it.name != "istiod"), true)]
    #[case::not_observed(|e: &mut Evidence| e.install.deployments = Observation::failed("forbidden"), false)]
    fn istiod_is_missing_among_observed_deployments(
        #[case] change: fn(&mut Evidence),
        #[case] expected: bool,
    ) {
        let mut evidence = healthy();
        change(&mut evidence);
        assert_eq!(has_no_istiod(&evidence), expected);
    }

    #[rstest]
    #[case(&["discovery", "--domain", "cluster.local"], None)]
    #[case(&["discovery", "--domain", "k8s.example.com", "-v"], Some("k8s.example.com"))]
    #[case(&["--domain=k8s.example.com"], Some("k8s.example.com"))]
    #[case(&["--domain"], None)]
    #[case(&[], None)]
    fn domain_is_another_where_istiod_says_so(#[case] args: &[&str], #[case] found: Option<&str>) {
        let mut evidence = healthy();
        let deployments = of(&mut evidence.install.deployments);
        let istiod = deployments.iter_mut().find(|it| is_istiod(&it.template_labels)).unwrap();
        istiod.containers[0].args = args.iter().map(|&it| it.to_owned()).collect();
        assert_eq!(find_other_domain(&evidence), found);
        evidence.install.deployments = Observation::failed("forbidden");
        assert_eq!(find_other_domain(&evidence), None);
    }

    /// Gives the backend mode NONE; its proxy and, where `all`, the client's have acknowledged no listeners.
    fn unacknowledged(evidence: &mut Evidence, all: bool) {
        let pod = demo_pod(evidence, "echo");
        pod.annotations.insert("sidecar.istio.io/interceptionMode".into(), "NONE".into());
        for istiod in of(&mut evidence.install.istiod).values_mut() {
            let demo =
                of(&mut istiod.proxies).iter_mut().filter(|it| it.proxy.ends_with(".client"));
            for row in demo.filter(|row| all || row.proxy.starts_with("echo")) {
                row.listeners.acked.clear();
            }
        }
    }

    #[rstest]
    #[case::only_its_own(|e: &mut Evidence| unacknowledged(e, false), true)]
    #[case::of_others_too(|e: &mut Evidence| unacknowledged(e, true), false)]
    #[case::another_mode(|e: &mut Evidence| { unacknowledged(e, false); demo_pod(e, "echo").annotations.clear(); }, false)]
    #[case::acknowledged(|e: &mut Evidence| { demo_pod(e, "echo").annotations.insert("sidecar.istio.io/interceptionMode".into(), "NONE".into()); }, false)]
    #[case::not_observed(|e: &mut Evidence| { unacknowledged(e, false); e.install.istiod = Observation::failed("forbidden"); }, false)]
    fn mode_none_explains_listeners_that_only_its_proxies_lack(
        #[case] change: fn(&mut Evidence),
        #[case] expected: bool,
    ) {
        let mut evidence = healthy();
        change(&mut evidence);
        let pod = demo_pod(&mut evidence, "echo").clone();
        assert_eq!(lacks_listeners_by_mode_none(&evidence, &pod), expected);
    }

    #[rstest]
    #[case::ready(|_: &mut Evidence| {}, false)]
    #[case::not_ready(|e: &mut Evidence| istiod(e).ready = false, true)]
    #[case::pending(|e: &mut Evidence| istiod(e).phase = "Pending".into(), true)]
    #[case::no_pod(|e: &mut Evidence| of(&mut e.install.pods).clear(), true)]
    #[case::not_observed(|e: &mut Evidence| e.install.pods = Observation::failed("forbidden"), false)]
    fn istiod_is_down_without_a_ready_pod(
        #[case] change: fn(&mut Evidence),
        #[case] expected: bool,
    ) {
        let mut evidence = healthy();
        change(&mut evidence);
        assert_eq!(is_istiod_down(&evidence), expected);
    }
}
