//! What an account must be allowed for a check: the table of rights, and the manifest that grants them.
//!
//! One row is one verb on one kind of object in one place. Each is needed, and all together are enough: a
//! test on a real cluster takes each away in turn.

mod manifest;

pub use manifest::manifest;

use crate::evidence::Evidence;
use crate::hint::quote;

/// How a reason begins where a right is missing: what follows names it.
pub const FORBIDDEN: &str = "forbidden: needs ";

/// What an account is to be allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Also what `--active` needs.
    pub active: bool,
    /// Also what `record --include-logs` needs.
    pub logs: bool,
}

/// Where a right holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In every namespace, and for what is in none.
    Cluster,
    /// In the namespace of the demo.
    Demo,
    /// In the namespace of the control plane.
    Istio,
    /// In the namespace of the cluster's own parts.
    KubeSystem,
    /// In a namespace without a label of Istio: `default`.
    Unlabelled,
}

/// What a right is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// `check`
    Check,
    /// `check --active`
    Active,
    /// `record --include-logs`
    Logs,
}

/// One verb on one kind of object in one place.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// Where.
    pub place: Place,
    /// The API group, empty for the core.
    pub group: &'static str,
    /// The kind of object, in the plural, with its subresource: `pods/exec`.
    pub resource: &'static str,
    /// `list`, `get`, `create`, `delete`
    pub verb: &'static str,
    /// What is done with it.
    pub why: &'static str,
    /// What it is for.
    pub needed_for: For,
    /// The claims that are unjudged without it: ids, or sections.
    pub claims: &'static [&'static str],
    /// The version of Kubernetes from which on it is asked for.
    pub since: Option<(u32, u32)>,
}

impl Right {
    /// Whether this scope holds it.
    pub fn is_in(&self, scope: Scope) -> bool {
        match self.needed_for {
            For::Check => true,
            For::Active => scope.active,
            For::Logs => scope.logs,
        }
    }

    /// As the API server names it: `deployments.apps`, `pods/exec`.
    pub fn resource_name(&self) -> String {
        name(self.group, self.resource)
    }
}

/// A kind of object with its group, as `kubectl` writes it.
fn name(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// What the API server says of a request that it forbids, with the right that is missing in front: its
/// own words name the user as well. What it says in other words stays as it is.
pub fn forbidden(message: &str) -> String {
    let missing = || {
        let (_, rest) = message.split_once(" cannot ")?;
        let (verb, rest) = rest.split_once(' ')?;
        if let Some(path) = rest.strip_prefix("path ") {
            return Some(format!("`{verb}` on the path {}", path.split('"').nth(1)?));
        }
        let rest = rest.strip_prefix("resource ")?;
        let mut quoted = rest.split('"').skip(1).step_by(2);
        let resource = quoted.next()?;
        let group = if rest.contains("in API group ") { quoted.next()? } else { "" };
        let place = match rest.contains("in the namespace ").then(|| quoted.next()).flatten() {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in the whole cluster".into(),
        };
        Some(format!("`{verb}` on `{}` {place}", name(group, resource)))
    };
    match missing() {
        Some(missing) => format!("{FORBIDDEN}{missing} ({message})"),
        None => message.to_owned(),
    }
}

/// What to type where a right is missing.
pub fn hint(evidence: &Evidence) -> String {
    let expectations = &evidence.expectations;
    let mut command = "meshcheck rbac".to_owned();
    if evidence.subject.active {
        command.push_str(" --active");
    }
    for (option, value, usual) in [
        ("--namespace", &expectations.namespace, "client"),
        ("--istio-namespace", &expectations.istio_namespace, "istio-system"),
    ] {
        if value != usual {
            command = format!("{command} {option} {}", quote(value));
        }
    }
    format!(
        "`{command} | kubectl apply -f -`, typed by who administers the cluster, gives an account the rights"
    )
}

macro_rules! rights {
    ($($needed_for:ident $place:ident $group:literal $resource:literal $verb:literal $(since ($major:literal, $minor:literal))?: $why:literal [$($claim:literal),* $(,)?];)*) => {
        &[$(Right {
            needed_for: For::$needed_for,
            place: Place::$place,
            group: $group,
            resource: $resource,
            verb: $verb,
            why: $why,
            claims: &[$($claim),*],
            since: rights!(@since $(($major, $minor))?),
        }),*]
    };
    (@since) => { None };
    (@since ($major:literal, $minor:literal)) => { Some(($major, $minor)) };
}

/// All rights, the widest first. What is asked for over a web socket, a command or a port-forward, is `get`
/// until Kubernetes 1.34, and `create` besides from 1.35 on
/// (<https://github.com/kubernetes/kubernetes/pull/134577>).
pub const RIGHTS: &[Right] = rights! {
    Check Cluster "" "nodes" "list": "the nodes, their conditions and their room" [
        "prepare::dns_on_pod_network",
        "prepare::nodes_ready",
    ];
    Check Cluster "" "namespaces" "list": "the namespaces and their labels" [
        "install::injection_webhook",
        "install::namespace_labelled",
        "mesh::unlabelled_namespace_left_alone",
    ];
    Check Cluster "" "pods" "list": "pods: the demo's, the mesh's, DNS, and what all request of their nodes" [
        "prepare::dns_on_pod_network",
        "prepare::nodes_ready",
        "install::istio_version",
        "install::control_plane_running",
        "demo::backend_service",
        "demo::client_logs_show_reply",
        "demo::backend_replies",
        "mesh::two_containers_per_pod",
        "mesh::pods_ready",
        "mesh::init_arguments",
        "mesh::inbound_redirected",
        "mesh::outbound_redirected",
        "mesh::live_rules",
        "mesh::traffic_through_proxies",
        "mesh::proxies_in_sync",
        "kiali::redirects_to_web_root",
        "kiali::reachable_on_exposed_port",
        "kiali::console_served",
    ];
    Check Cluster "" "services" "list": "services, and who holds the load balancer's addresses" [
        "prepare::load_balancer_address_free",
        "prepare::no_competing_load_balancer",
        "install::injection_webhook",
        "demo::backend_service",
        "ingress::service_is_load_balancer",
        "ingress::external_address",
        "ingress::address_answers",
        "kiali::running",
    ];
    Check Cluster "admissionregistration.k8s.io" "mutatingwebhookconfigurations" "list": "the webhooks that inject sidecars" [
        "install::injection_webhook",
    ];
    Check Cluster "crd.projectcalico.org" "ippools" "list": "Calico's ranges for pods, where it is there" [
        "prepare::dns_on_pod_network",
    ];
    Check KubeSystem "apps" "deployments" "list": "the deployment of the cluster's DNS" [
        "prepare::dns_on_pod_network",
    ];
    Check Istio "apps" "deployments" "list": "istiod, the gateway and Kiali" [
        "install::control_plane_running",
        "install::default_profile",
        "kiali::console_served",
        "kiali::running",
    ];
    Check Istio "discovery.k8s.io" "endpointslices" "list": "what stands behind their services" [
        "install::injection_webhook",
        "kiali::running",
    ];
    Check Istio "" "pods/portforward" "get": "the pages of istiod and of Kiali" [
        "install::istio_version",
        "mesh::proxies_in_sync",
        "kiali::redirects_to_web_root",
        "kiali::reachable_on_exposed_port",
        "kiali::console_served",
    ];
    Check Istio "" "pods/portforward" "create" since (1, 35): "the same" [];
    Check Demo "apps" "deployments" "list": "the demo's deployments" [
        "install::injection_webhook",
        "demo::backend_deployment",
        "demo::client_deployment",
    ];
    Check Demo "discovery.k8s.io" "endpointslices" "list": "what stands behind the backend's service" [
        "demo::backend_service",
    ];
    Check Demo "" "pods/log" "get": "the logs of the client and of istio-init" [
        "demo::client_logs_show_reply",
        "mesh::inbound_redirected",
        "mesh::outbound_redirected",
        "mesh::live_rules",
    ];
    Check Demo "" "pods/exec" "get": "curl in the client's container" [
        "demo::backend_replies",
        "mesh::traffic_through_proxies",
    ];
    Check Demo "" "pods/exec" "create" since (1, 35): "the same" [];
    Check Demo "" "pods/portforward" "get": "the counters of the proxies" [
        "mesh::traffic_through_proxies",
    ];
    Check Demo "" "pods/portforward" "create" since (1, 35): "the same" [];
    Check Demo "" "pods" "create": "a dry run: no pod is made, but the right is the one that makes them" [
        "mesh::unlabelled_namespace_left_alone",
    ];
    Check Unlabelled "" "pods" "create": "a dry run, as above" [
        "mesh::unlabelled_namespace_left_alone",
    ];
    Active Cluster "" "namespaces" "create": "a namespace of ours" [
        "ingress::routes_into_mesh",
    ];
    Active Cluster "" "namespaces" "delete": "its removal" [
        "ingress::routes_into_mesh",
    ];
    Active Cluster "networking.istio.io" "gateways" "create": "a route of ours" [
        "ingress::routes_into_mesh",
    ];
    Active Cluster "networking.istio.io" "gateways" "get": "whether it is gone again" [
        "ingress::routes_into_mesh",
    ];
    Active Cluster "networking.istio.io" "gateways" "delete": "its removal" [
        "ingress::routes_into_mesh",
    ];
    Active Cluster "networking.istio.io" "virtualservices" "create": "a route of ours" [
        "ingress::routes_into_mesh",
    ];
    Active Cluster "networking.istio.io" "virtualservices" "get": "whether it is gone again" [
        "ingress::routes_into_mesh",
    ];
    Active Cluster "networking.istio.io" "virtualservices" "delete": "its removal" [
        "ingress::routes_into_mesh",
    ];
    Logs Istio "" "pods/log" "get": "the logs of istiod, the gateway and Kiali" [];
};

#[cfg(test)]
mod tests {
    use super::{RIGHTS, forbidden, hint};
    use crate::Pattern;
    use crate::claims::CLAIMS;
    use crate::testing::healthy;
    use rstest::rstest;

    #[test]
    fn every_row_names_claims_and_stands_once() {
        let mut rows = std::collections::BTreeSet::new();
        for right in RIGHTS {
            for claim in right.claims {
                assert!(claim.parse::<Pattern>().is_ok(), "{claim}");
            }
            let row = (right.place as u8, right.resource_name(), right.verb);
            assert!(rows.insert(row.clone()), "{row:?}");
        }
        assert!(!CLAIMS.is_empty());
    }

    #[rstest]
    #[case(
        r#"pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "client""#,
        "forbidden: needs `list` on `pods` in namespace client ("
    )]
    #[case(
        r#"pods "x" is forbidden: User "u" cannot get resource "pods/exec" in API group "" in the namespace "client""#,
        "forbidden: needs `get` on `pods/exec` in namespace client ("
    )]
    #[case(
        r#"deployments.apps is forbidden: User "u" cannot list resource "deployments" in API group "apps" at the cluster scope"#,
        "forbidden: needs `list` on `deployments.apps` in the whole cluster ("
    )]
    #[case(
        r#"forbidden: User "u" cannot get path "/version""#,
        "forbidden: needs `get` on the path /version ("
    )]
    fn what_is_missing_is_named_first(#[case] message: &str, #[case] start: &str) {
        let told = forbidden(message);
        assert!(told.starts_with(start) && told.contains(message), "{told}");
    }

    /// Admission refuses with the same status, in other words.
    #[rstest]
    #[case(r#"pods "x" is forbidden: violates PodSecurity "restricted:latest""#)]
    #[case(r#"User "u" cannot list"#)]
    #[case("")]
    fn other_words_stay(#[case] message: &str) {
        assert_eq!(forbidden(message), message);
    }

    #[test]
    fn the_hint_asks_for_what_this_check_needs() {
        let mut evidence = healthy();
        evidence.subject.active = false;
        assert!(hint(&evidence).starts_with("`meshcheck rbac | kubectl apply -f -`"));
        evidence.subject.active = true;
        evidence.expectations.namespace = "it's".into();
        let command = r"`meshcheck rbac --active --namespace 'it'\''s' | kubectl";
        assert!(hint(&evidence).starts_with(command), "{}", hint(&evidence));
    }
}
