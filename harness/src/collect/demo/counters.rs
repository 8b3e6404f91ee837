//! Envoy's counters of requests, on both sides.

use meshcheck_suites::evidence::{self, CounterPair, Observation, Traffic};

use crate::collect::api::forward;
use crate::collect::api::observe::{Missing, observe};
use crate::collect::context::CollectContext;

/// Envoy's administration port, open to the pod alone.
pub(crate) const ADMIN: u16 = 15000;

/// The sum of `rq_total` over the endpoints of an Envoy cluster.
pub(crate) async fn counter(
    context: &CollectContext<'_>,
    pod: &evidence::Pod,
    cluster: &str,
) -> Result<u64, Missing> {
    let page =
        forward::page(&context.client, &pod.namespace, &pod.name, ADMIN, "/clusters").await?;
    sum(&page, cluster).ok_or_else(|| {
        Missing::Absent(format!("the proxy of pod {} has no cluster {cluster}", pod.name))
    })
}

/// The sum in what `/clusters` says: `CLUSTER::ADDRESS:PORT::rq_total::N`. The cluster's subsets, by which a
/// virtual service leads (`outbound|80|v1|HOST`), count as well.
pub(crate) fn sum(page: &str, cluster: &str) -> Option<u64> {
    let mut known = false;
    let mut sum: u64 = 0;
    for line in page.lines() {
        let Some((name, rest)) = line.split_once("::") else { continue };
        if !is_of(name, cluster) {
            continue;
        }
        known = true;
        let mut words = rest.rsplit("::");
        let (value, name) = (words.next(), words.next());
        if name == Some("rq_total") {
            sum = sum.saturating_add(value.and_then(|value| value.parse().ok())?);
        }
    }
    known.then_some(sum)
}

/// Whether this is an Envoy cluster, or a subset of it: `DIRECTION|PORT|SUBSET|HOST`.
fn is_of(name: &str, cluster: &str) -> bool {
    let without_subset = |name| -> Option<(&str, &str, &str)> {
        let mut parts = str::splitn(name, 4, '|');
        let (direction, port, _, host) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some((direction, port, host))
    };
    name == cluster
        || without_subset(name).is_some_and(|name| Some(name) == without_subset(cluster))
}

/// The sum of the counters of the backend's pods, each with whether the pod is ready. A pod that is not ready gets no request
/// beside one that is, and its proxy may lack the cluster.
fn total(counters: Vec<(bool, Result<u64, Missing>)>) -> Result<u64, Missing> {
    if counters.is_empty() {
        return Err(Missing::Absent("no backend pod runs".into()));
    }
    let any_is_ready = counters.iter().any(|(is_ready, _)| *is_ready);
    let counts = counters.into_iter().map(|(is_ready, counter)| match counter {
        Err(Missing::Absent(_)) if any_is_ready && !is_ready => Ok(0),
        counted => counted,
    });
    counts.sum()
}

/// Both sides' counters, once.
pub(super) struct Reading {
    outbound: Observation<u64>,
    inbound: Observation<u64>,
}

/// Reads both sides' counters.
pub(super) async fn read(
    context: &CollectContext<'_>,
    client: &evidence::Pod,
    backends: &[&evidence::Pod],
) -> Reading {
    let expectations = context.expectations;
    let (outbound, inbound) = (expectations.outbound_cluster(), expectations.inbound_cluster());
    let all = async {
        let each =
            backends.iter().map(async |pod| (pod.ready, counter(context, pod, &inbound).await));
        total(futures::future::join_all(each).await)
    };
    let (outbound, inbound) = tokio::join!(
        observe(context.limit, counter(context, client, &outbound)),
        observe(context.limit, all)
    );
    Reading { outbound, inbound }
}

/// Two readings around requests of meshcheck.
pub(super) fn traffic(
    requests: u32,
    client: &evidence::Pod,
    before: Reading,
    after: Reading,
    context: &CollectContext<'_>,
) -> Traffic {
    Traffic {
        requests,
        client_pod: client.name.clone(),
        outbound: CounterPair {
            cluster: context.expectations.outbound_cluster(),
            before: before.outbound,
            after: after.outbound,
        },
        inbound: CounterPair {
            cluster: context.expectations.inbound_cluster(),
            before: before.inbound,
            after: after.inbound,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Missing, sum, total};
    use proptest::prelude::*;

    const PAGE: &str = "\
inbound|5678||::observability_name::inbound|5678||
inbound|5678||::10.244.0.7:5678::cx_total::3
inbound|5678||::10.244.0.7:5678::rq_total::41
inbound|5678||::10.244.0.8:5678::rq_total::1
inbound|56789||::10.244.0.7:56789::rq_total::7
outbound|80||echo::default_priority::max_requests::4294967295
";

    #[test]
    fn counters_of_all_endpoints_of_a_cluster_are_summed() {
        assert_eq!(sum(PAGE, "inbound|5678||"), Some(42));
        assert_eq!(sum(PAGE, "outbound|80||echo"), Some(0));
        assert_eq!(sum(PAGE, "outbound|80||other"), None);
        let subsets = "outbound|80|v1|echo::10.244.0.7:5678::rq_total::3\noutbound|80|v2|echo::10.244.0.8:5678::rq_total::4\n";
        assert_eq!(sum(&format!("{PAGE}{subsets}"), "outbound|80||echo"), Some(7));
        assert_eq!(sum(subsets, "outbound|81||echo"), None);
        assert_eq!(sum(subsets, "outbound|80||ech"), None);
    }

    #[test]
    fn pod_that_is_not_ready_may_lack_the_cluster_beside_one_that_is() {
        let lacks = || Err(Missing::Absent("no cluster".into()));
        assert_eq!(total(vec![(true, Ok(40)), (false, lacks())]).ok(), Some(40));
        assert_eq!(total(vec![(true, Ok(40)), (false, Ok(2))]).ok(), Some(42));
        assert!(total(vec![(true, lacks()), (false, Ok(2))]).is_err());
        assert!(total(vec![(false, lacks()), (false, lacks())]).is_err());
        let unread = Err(Missing::Failed("no answer".into()));
        assert!(total(vec![(true, Ok(40)), (false, unread)]).is_err());
        assert!(total(Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn random_page_causes_no_panic(
            page in "\\PC*",
            lines in proptest::collection::vec("inbound\\|5678\\|\\|(::|:|rq_total|[0-9]{1,21}|-1|\\PC){0,8}", 0..6),
        ) {
            let _ = sum(&page, "");
            // What is not a number is not taken for one: there is then no sum at all.
            let broken = "inbound|5678||::10.244.0.7:5678::rq_total::many";
            let near = [&lines[..], &[broken.to_owned()]].concat().join("\n");
            prop_assert_eq!(sum(&near, "inbound|5678||"), None);
        }
    }
}
