//! Cluster DNS: whether it runs, and which pods wait for it.

use crate::evidence::{Evidence, Pod};
use crate::facts::sidecar::waits_for_its_proxy;

/// Whether DNS was observed, and none of its pods is ready.
pub(crate) fn is_dns_down(evidence: &Evidence) -> bool {
    let dns = evidence.cluster.dns.value();
    dns.is_some_and(|dns| !dns.pods.iter().any(Pod::is_running_and_ready))
}

/// Whether DNS is down, and all of these pods, at least one, wait only for their proxies: without DNS a proxy does not
/// find istiod.
pub(crate) fn all_wait_for_dns<'p>(
    evidence: &Evidence,
    ill: impl IntoIterator<Item = &'p Pod>,
) -> bool {
    let mut ill = ill.into_iter().peekable();
    is_dns_down(evidence) && ill.peek().is_some() && ill.all(waits_for_its_proxy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::testing::{demo_pod, healthy, of};

    #[test]
    fn pod_waits_for_dns_where_its_proxy_alone_is_not_ready() {
        let mut evidence = healthy();
        let mut pod = demo_pod(&mut evidence, "echo").clone();
        assert!(!is_dns_down(&evidence));
        of(&mut evidence.cluster.dns).pods.iter_mut().for_each(|pod| pod.ready = false);
        assert!(is_dns_down(&evidence) && !all_wait_for_dns(&evidence, [&pod]));
        pod.ready = false;
        assert!(!all_wait_for_dns(&evidence, [&pod]), "all of its containers are ready");
        pod.containers.iter_mut().for_each(|it| it.ready = it.name != "istio-proxy");
        assert!(all_wait_for_dns(&evidence, [&pod]) && !all_wait_for_dns(&evidence, []));
        evidence.cluster.dns = Observation::failed("forbidden");
        assert!(!is_dns_down(&evidence));
    }
}
