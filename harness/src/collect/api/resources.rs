//! What pods request of their nodes, and the quantities of the API.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use meshcheck_suites::evidence::Resources;

/// The resources among these quantities.
pub(super) fn resources(quantities: &BTreeMap<String, Quantity>) -> Resources {
    let thousandths = |name: &str| quantities.get(name).and_then(|it| thousandths(&it.0));
    Resources {
        cpu_millis: thousandths("cpu").unwrap_or_default(),
        memory_bytes: thousandths("memory").unwrap_or_default() / 1000,
        pods: thousandths("pods").unwrap_or_default() / 1000,
    }
}

/// What a pod requests of its node: the larger of its containers' sum and any init container, native
/// sidecars with the containers.
pub(crate) fn requested(pod: &core::Pod) -> Resources {
    let Some(spec) = &pod.spec else { return Resources::default() };
    let of = |container: &core::Container| {
        let requests = container.resources.as_ref().and_then(|it| it.requests.clone());
        resources(&requests.unwrap_or_default())
    };
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let (sidecars, init): (Vec<_>, Vec<_>) =
        init.iter().partition(|it| it.restart_policy.as_deref() == Some("Always"));
    let mut total = Resources { pods: 1, ..Resources::default() };
    for container in spec.containers.iter().chain(sidecars) {
        let requests = of(container);
        total.cpu_millis += requests.cpu_millis;
        total.memory_bytes += requests.memory_bytes;
    }
    for requests in init.into_iter().map(of) {
        total.cpu_millis = total.cpu_millis.max(requests.cpu_millis);
        total.memory_bytes = total.memory_bytes.max(requests.memory_bytes);
    }
    let overhead = resources(&spec.overhead.clone().unwrap_or_default());
    total.cpu_millis += overhead.cpu_millis;
    total.memory_bytes += overhead.memory_bytes;
    total
}

/// A quantity of the API in thousandths: `100m` is 100, `2` is 2000, `1Ki` is 1 024 000.
fn thousandths(text: &str) -> Option<u64> {
    const SUFFIXES: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let suffix = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix));
    let (number, factor) = match suffix {
        Some((suffix, factor)) => (text.strip_suffix(suffix)?, *factor),
        // What has no suffix may have an exponent: `1e3`.
        None => (text, 1.0),
    };
    let value = number.parse::<f64>().ok()? * factor * 1000.0;
    // Far below 2^53 for any machine; what is not a number of these is refused.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
    (value.is_finite() && (0.0..9e18).contains(&value)).then(|| value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("2", Some(2000))]
    #[case("100m", Some(100))]
    #[case("0.5", Some(500))]
    #[case("128Mi", Some(134_217_728_000))]
    #[case("24612340Ki", Some(25_203_036_160_000))]
    #[case("1e3", Some(1_000_000))]
    #[case("1G", Some(1_000_000_000_000))]
    #[case("", None)]
    #[case("-1", None)]
    #[case("many", None)]
    fn quantities_are_read(#[case] text: &str, #[case] value: Option<u64>) {
        assert_eq!(thousandths(text), value);
    }

    #[test]
    fn pod_requests_the_sum_of_containers_or_the_largest_init_container() {
        let pod: core::Pod = serde_json::from_value(serde_json::json!({ "spec": {
            "containers": [
                { "name": "a", "resources": { "requests": { "cpu": "100m", "memory": "1Mi" } } },
                { "name": "b", "resources": { "requests": { "cpu": "50m" } } } ],
            "initContainers": [
                { "name": "i", "resources": { "requests": { "cpu": "20m", "memory": "3Mi" } } },
                { "name": "s", "restartPolicy": "Always",
                  "resources": { "requests": { "cpu": "10m" } } } ]
        } }))
        .unwrap();
        let sum = Resources { cpu_millis: 160, memory_bytes: 3 << 20, pods: 1 };
        assert_eq!(requested(&pod), sum);
    }

    proptest! {
        #[test]
        fn random_quantity_is_read_or_refused(text in "([-+0-9.eE]{0,8}(Ki|Mi|Pi|n|u|m|k|E)?|\\PC{0,8})") {
            prop_assert!(thousandths(&text).is_none_or(|value| value < 9_000_000_000_000_000_001));
        }
    }
}
