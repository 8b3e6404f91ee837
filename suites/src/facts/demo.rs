//! The demo's deployments, their pods, and the answers of its backend.

use crate::evidence::{Deployment, Evidence, Pod, Reply};

/// A deployment of the demo, where it was observed.
pub(crate) fn find_deployment<'e>(evidence: &'e Evidence, name: &str) -> Option<&'e Deployment> {
    evidence.demo.deployments.value()?.iter().find(|deployment| deployment.name == name)
}

/// Whether a deployment of the demo has no replicas.
pub(crate) fn is_scaled_to_zero(evidence: &Evidence, name: &str) -> bool {
    find_deployment(evidence, name).is_some_and(|deployment| deployment.replicas == 0)
}

/// Whether a pod is one of a deployment of the demo: by the deployment's selector, or by its owner
/// where the deployment was not observed.
pub(crate) fn is_pod_of(evidence: &Evidence, pod: &Pod, name: &str) -> bool {
    find_deployment(evidence, name).map_or_else(
        || {
            let set = pod.owner.as_deref().and_then(|owner| owner.strip_prefix("ReplicaSet/"));
            set.and_then(|set| set.rsplit_once('-')).is_some_and(|(owner, _)| owner == name)
        },
        |deployment| deployment.selects(pod),
    )
}

/// The running pods of a deployment of the demo; nothing where pods were not observed.
pub(crate) fn running_pods<'e>(evidence: &'e Evidence, name: &str) -> Option<Vec<&'e Pod>> {
    let pods = evidence.demo.pods.value()?.iter();
    Some(pods.filter(|pod| pod.is_running() && is_pod_of(evidence, pod, name)).collect())
}

/// The container that the demo deploys in a pod: nothing where the pod is not the demo's.
pub(crate) fn demo_container<'e>(evidence: &'e Evidence, pod: &Pod) -> Option<&'e str> {
    let expectations = &evidence.expectations;
    let of = |name: &str| is_pod_of(evidence, pod, name);
    if of(&expectations.backend_deployment) {
        Some(&expectations.backend.container)
    } else if of(&expectations.client_deployment) {
        Some(&expectations.client.container)
    } else {
        None
    }
}

/// Returns the answers that are not the backend's reply; nothing where no requests were sent.
pub(crate) fn wrong_replies(evidence: &Evidence) -> Vec<&Reply> {
    let replies = evidence.demo.asked.value().into_iter().flat_map(|asked| &asked.replies);
    replies.filter(|reply| !reply.says(&evidence.expectations.reply)).collect()
}

/// Returns the most frequent answer that is not the backend's reply.
pub(crate) fn find_wrong_reply(evidence: &Evidence) -> Option<&Reply> {
    most_frequent(&wrong_replies(evidence))
}

/// Returns the most frequent of these replies, the first of equally frequent ones. A connection that was open before a
/// fault can give another reply first.
pub(crate) fn most_frequent<'e>(replies: &[&'e Reply]) -> Option<&'e Reply> {
    let count = |reply: &Reply| replies.iter().filter(|it| is_same_reply(it, reply)).count();
    replies.iter().rev().max_by_key(|reply| count(reply)).copied()
}

/// Whether two replies are the same, except for the durations in curl's errors.
pub(crate) fn is_same_reply(one: &Reply, other: &Reply) -> bool {
    let without_numbers = |it: &Reply| Reply {
        error: it.error.replace(|one: char| one.is_ascii_digit(), ""),
        ..it.clone()
    };
    without_numbers(one) == without_numbers(other)
}

/// Returns the variables of the client's container by which curl uses a web proxy, where none excludes hosts from it. curl
/// ignores `HTTP_PROXY` for `http://` addresses, because a web server sets it from a header of a request.
pub(crate) fn find_proxy_variables<'e>(evidence: &'e Evidence, pod: &str) -> Vec<&'e str> {
    let mut pods = evidence.demo.pods.value().into_iter().flatten();
    let containers = pods.find(|it| it.name == pod).map(|it| &it.containers).into_iter().flatten();
    let client = &evidence.expectations.client.container;
    let set: Vec<_> = containers.filter(|it| it.name == *client).flat_map(|it| &it.env).collect();
    let has = |name: &str| set.iter().any(|it| *it == name);
    if has("no_proxy") || has("NO_PROXY") {
        return Vec::new();
    }
    let proxies = ["http_proxy", "all_proxy", "ALL_PROXY"];
    set.into_iter().map(String::as_str).filter(|it| proxies.contains(it)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::testing::{backend, demo_pod, healthy, of, scale_to_zero};

    #[test]
    fn pods_belong_to_the_deployment_that_selects_or_owns_them() {
        let mut evidence = healthy();
        let name = evidence.expectations.backend_deployment.clone();
        let (echo, client) =
            (demo_pod(&mut evidence, "echo").clone(), demo_pod(&mut evidence, "client").clone());
        for _ in ["by selector", "by owner"] {
            assert!(is_pod_of(&evidence, &echo, &name) && !is_pod_of(&evidence, &client, &name));
            assert_eq!(demo_container(&evidence, &echo), Some("echo"));
            assert_eq!(demo_container(&evidence, &client), Some("client"));
            evidence.demo.deployments = Observation::failed("forbidden");
        }
        let stranger = Pod { name: "stranger".into(), ..Pod::default() };
        assert_eq!(demo_container(&evidence, &stranger), None);
        assert_eq!(running_pods(&evidence, &name), Some(vec![&echo]));
        evidence.demo.pods = Observation::failed("forbidden");
        assert_eq!(running_pods(&evidence, &name), None);
    }

    #[test]
    fn deployment_is_scaled_to_zero_only_where_it_was_observed() {
        let mut evidence = healthy();
        let name = evidence.expectations.backend_deployment.clone();
        assert!(!is_scaled_to_zero(&evidence, &name));
        scale_to_zero(backend(&mut evidence));
        assert!(is_scaled_to_zero(&evidence, &name));
        evidence.demo.deployments = Observation::failed("forbidden");
        assert!(!is_scaled_to_zero(&evidence, &name));
    }

    #[test]
    fn proxy_variables_are_those_of_curl() {
        let mut evidence = healthy();
        let name = demo_pod(&mut evidence, "client").name.clone();
        let mut set = |names: &[&str]| {
            let env = names.iter().map(|&name| name.to_owned()).collect();
            demo_pod(&mut evidence, "client").containers[0].env = env;
            find_proxy_variables(&evidence, &name).join(" ")
        };
        assert_eq!(set(&["HTTP_PROXY", "HTTPS_PROXY", "PATH"]), "");
        assert_eq!(set(&["http_proxy", "ALL_PROXY"]), "http_proxy ALL_PROXY");
        assert_eq!(set(&["http_proxy", "no_proxy"]), "");
        assert_eq!(find_proxy_variables(&evidence, "another"), Vec::<&str>::new());
    }

    #[test]
    fn wrong_reply_has_another_status_or_another_body() {
        let mut evidence = healthy();
        assert_eq!(find_wrong_reply(&evidence), None);
        let mut set = |at: usize, status| {
            of(&mut evidence.demo.asked).replies[at].status = status;
            find_wrong_reply(&evidence).map(|reply| reply.status)
        };
        assert_eq!(set(1, 404), Some(404));
        assert_eq!(set(2, 503), Some(404), "the first of equally frequent ones");
        assert_eq!(set(3, 503), Some(503));
        // Only the durations of the two failures differ.
        for (at, error) in ["", "no route after 0 ms", "no route after 12 ms"].iter().enumerate() {
            let reply = &mut of(&mut evidence.demo.asked).replies[at];
            *reply = Reply { status: 0, error: (*error).into(), ..Reply::default() };
        }
        of(&mut evidence.demo.asked).replies[0].status = 503;
        of(&mut evidence.demo.asked).replies.truncate(3);
        assert_eq!(find_wrong_reply(&evidence).map(|reply| reply.status), Some(0));
        evidence.demo.asked = Observation::failed("forbidden");
        assert_eq!(find_wrong_reply(&evidence), None);
    }
}
