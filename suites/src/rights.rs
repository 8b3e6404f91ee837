//! What an account must be allowed for a check: the table of rights, and the manifest that grants them.
//!
//! One row is one verb on one kind of object in one place. Each is needed, and all together are enough: a
//! test on a real cluster takes each away in turn.

mod manifest;

pub use manifest::manifest;

use std::fmt;

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

impl Place {
    /// Its namespace, where the demo's and the control plane's are called so.
    pub fn namespace<'a>(self, demo: &'a str, istio: &'a str) -> Option<&'a str> {
        match self {
            Self::Cluster => None,
            Self::Demo => Some(demo),
            Self::Istio => Some(istio),
            Self::KubeSystem => Some("kube-system"),
            Self::Unlabelled => Some("default"),
        }
    }
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
    /// The observations that are not made without it, as JSON pointers into the evidence; `*` is any one name.
    pub serves: &'static [&'static str],
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

    /// The ids of the claims that are unjudged without it: computed by a test, which hides what it serves.
    pub fn claims(&self) -> impl Iterator<Item = &'static str> {
        let line = UNJUDGED_WITHOUT.lines().find_map(|line| line.strip_prefix(&self.to_string()));
        line.and_then(|ids| ids.strip_prefix(": ")).unwrap_or_default().split_whitespace()
    }

    /// As the API server names it: `deployments.apps`, `pods/exec`.
    pub fn resource_name(&self) -> String {
        name(self.group, self.resource)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in {:?}", self.verb, self.resource_name(), self.place)
    }
}

/// For each right a line with the claims that are unjudged without it.
const UNJUDGED_WITHOUT: &str = include_str!("rights/claims.txt");

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
    ($($needed_for:ident $place:ident $group:literal $resource:literal $verb:literal $(since ($major:literal, $minor:literal))?: $why:literal [$($observation:literal),* $(,)?];)*) => {
        &[$(Right {
            needed_for: For::$needed_for,
            place: Place::$place,
            group: $group,
            resource: $resource,
            verb: $verb,
            why: $why,
            serves: &[$($observation),*],
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
    Check Cluster "" "nodes" "list": "the nodes, their conditions and their room" ["/cluster/nodes", "/ingress/way"];
    Check Cluster "" "namespaces" "list": "the namespaces and their labels" ["/install/namespaces", "/mesh/dry_run_unlabelled"];
    // Who is not seen is not asked either.
    Check Cluster "" "pods" "list": "pods: the demo's, the mesh's, DNS, and what all request of their nodes" [
        "/cluster/dns", "/cluster/network_pods", "/cluster/requested",
        "/install/istiod", "/install/mesh_pods", "/install/pods",
        "/demo/asked", "/demo/client_logs", "/demo/pods", "/demo/pods_at_end",
        "/mesh/traffic", "/ingress/counted",
        "/kiali/*",
    ];
    Check Cluster "" "services" "list": "services, and who holds the load balancer's addresses" [
        "/cluster/load_balancer_services", "/install/services", "/demo/services", "/ingress/health",
        "/kiali/root", "/kiali/exposed", "/kiali/console", "/kiali/api",
    ];
    Check Cluster "admissionregistration.k8s.io" "mutatingwebhookconfigurations" "list": "the webhooks that inject sidecars" ["/install/webhooks"];
    Check Cluster "crd.projectcalico.org" "ippools" "list": "Calico's ranges for pods, where it is there" ["/cluster/calico_pools"];
    Check KubeSystem "apps" "deployments" "list": "the deployment of the cluster's DNS" ["/cluster/dns"];
    Check Istio "apps" "deployments" "list": "istiod, the gateway and Kiali" ["/install/deployments"];
    Check Istio "discovery.k8s.io" "endpointslices" "list": "what stands behind their services"
        ["/install/endpoints", "/kiali/root", "/kiali/exposed", "/kiali/console", "/kiali/api"];
    Check Istio "" "events" "list": "what the load balancer says of the gateway's service" ["/cluster/gateway_events"];
    Check Istio "" "pods/portforward" "get": "the pages of istiod and of Kiali, the gateway's counters"
        ["/ingress/counted", "/install/istiod/value/*/*", "/kiali/*"];
    Check Istio "" "pods/portforward" "create" since (1, 35): "the same"
        ["/ingress/counted", "/install/istiod/value/*/*", "/kiali/*"];
    Check Demo "apps" "deployments" "list": "the demo's deployments" ["/demo/deployments"];
    Check Demo "discovery.k8s.io" "endpointslices" "list": "what stands behind the backend's service" ["/demo/endpoints"];
    Check Demo "" "pods/log" "get": "the logs of the client and of istio-init" ["/demo/client_logs", "/mesh/init_logs/*"];
    Check Demo "" "pods/exec" "get": "curl in the client's container" ["/demo/asked", "/mesh/traffic"];
    Check Demo "" "pods/exec" "create" since (1, 35): "the same" ["/demo/asked", "/mesh/traffic"];
    Check Demo "" "pods/portforward" "get": "the counters of the proxies, and when their certificates end"
        ["/mesh/traffic/value/*/*", "/mesh/certificate_ends"];
    Check Demo "" "pods/portforward" "create" since (1, 35): "the same" ["/mesh/traffic/value/*/*", "/mesh/certificate_ends"];
    Check Demo "networking.istio.io" "sidecars" "list": "what limits the proxies' knowledge of services" ["/mesh/resources"];
    Check Demo "security.istio.io" "authorizationpolicies" "list": "who denies requests" ["/mesh/resources"];
    Check Istio "networking.istio.io" "sidecars" "list": "the same, of the whole mesh" ["/mesh/resources"];
    Check Istio "security.istio.io" "authorizationpolicies" "list": "the same, of the whole mesh" ["/mesh/resources"];
    Check Demo "" "pods" "create": "a dry run: no pod is made, but the right is the one that makes them" ["/mesh/dry_run_labelled"];
    Check Unlabelled "" "pods" "create": "a dry run, as above" ["/mesh/dry_run_unlabelled"];
    Active Cluster "" "namespaces" "create": "a temporary namespace" ["/ingress/route"];
    Active Cluster "" "namespaces" "delete": "its removal" ["/ingress/route"];
    Active Cluster "networking.istio.io" "gateways" "create": "the test route" ["/ingress/route"];
    Active Cluster "networking.istio.io" "gateways" "get": "whether it is gone again" ["/ingress/route"];
    Active Cluster "networking.istio.io" "gateways" "delete": "its removal" ["/ingress/route"];
    Active Cluster "networking.istio.io" "virtualservices" "create": "the test route" ["/ingress/route"];
    Active Cluster "networking.istio.io" "virtualservices" "get": "whether it is gone again" ["/ingress/route"];
    Active Cluster "networking.istio.io" "virtualservices" "delete": "its removal" ["/ingress/route"];
    Logs Istio "" "pods/log" "get": "the logs of istiod, the gateway and Kiali" [];
};

#[cfg(test)]
mod tests {
    use super::{For, RIGHTS, Scope, forbidden, hint, manifest};
    use crate::claims::CLAIMS;
    use crate::evidence::Evidence;
    use crate::judgement::Verdict;
    use crate::testing::{healthy, is_observation, places, recorded};
    use rstest::rstest;
    use std::fmt::Write as _;

    /// Observations that need no right, or none of the API server's, and why.
    const NEED_NO_RIGHT: [(&str, &str); 7] = [
        ("/cluster/server_version", "every account may ask for it"),
        ("/cluster/load_balancer_probe", "the install makes it, with all rights"),
        ("/install/crds", "every account may ask for the kinds of objects"),
        ("/install/istioctl_version", "istioctl runs on this machine"),
        ("/demo/settling", "it is told of pods and deployments, and decides nothing"),
        ("/mesh/live_rules/*", "the container engine reads them"),
        ("/mesh/live_rules_v6/*", "the container engine reads them"),
    ];

    /// Whether a pattern is this place's, or that of something around it.
    fn covers(pattern: &str, place: &str) -> bool {
        let mut names = place.split('/');
        pattern.split('/').all(|part| names.next().is_some_and(|it| part == "*" || part == it))
    }

    #[test]
    fn every_observation_has_its_right_and_every_right_stands_once() {
        let mut rows = std::collections::BTreeSet::new();
        assert!(RIGHTS.iter().all(|right| rows.insert(right.to_string())));
        let served = || RIGHTS.iter().flat_map(|right| right.serves).copied();
        let places = places(&recorded(), is_observation);
        for pattern in served() {
            assert!(places.iter().any(|place| covers(pattern, place)), "{pattern}");
        }
        let without: Vec<_> = places
            .iter()
            .filter(|place| !served().any(|pattern| covers(pattern, place)))
            .filter(|place| !NEED_NO_RIGHT.iter().any(|(pattern, _)| covers(pattern, place)))
            .collect();
        assert!(without.is_empty(), "a right, or a reason for having none: {without:?}");
    }

    /// The claims that are unjudged without a right are those that depend on what it serves.
    #[test]
    fn generated_table_holds_the_claims_that_are_unjudged_without_each_right() {
        let judge = |document: &serde_json::Value| {
            let evidence: Evidence = serde_json::from_value(document.clone()).unwrap();
            CLAIMS.iter().map(|claim| claim.judge(&evidence)).collect::<Vec<_>>()
        };
        let mut text = String::new();
        for right in RIGHTS {
            let mut document = recorded();
            if right.needed_for == For::Check {
                // Without --active: no route of meshcheck proves what it proves.
                let unasked = serde_json::json!({"state": "not_asked", "reason": "--active"});
                *document.pointer_mut("/ingress/route").unwrap() = unasked;
            }
            let before = judge(&document);
            let is_served = |place: &&String| right.serves.iter().any(|it| covers(it, place));
            for place in places(&recorded(), is_observation).iter().filter(is_served) {
                if let Some(there) = document.pointer_mut(place) {
                    *there = serde_json::json!({"state": "failed", "reason": "forbidden"});
                }
            }
            let _ = write!(text, "{right}:");
            for ((claim, before), after) in CLAIMS.iter().zip(&before).zip(judge(&document)) {
                if after.verdict == Verdict::Unjudged {
                    let _ = write!(text, " {}", claim.id);
                } else {
                    assert_eq!(after.verdict, before.verdict, "{right}: {}", claim.id);
                }
            }
            text.push('\n');
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rights/claims.txt");
        crate::golden::assert_file(path.as_ref(), &text, "rbac");
    }

    #[test]
    fn right_names_its_own_claims() {
        let known = |id: &str| CLAIMS.iter().any(|claim| claim.id == id);
        assert!(RIGHTS.iter().flat_map(super::Right::claims).all(known));
        assert_eq!(RIGHTS[0].claims().count(), 2);
        let of_logs = RIGHTS.iter().find(|right| right.needed_for == For::Logs);
        assert_eq!(of_logs.map(|right| right.claims().count()), Some(0));
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
    fn missing_right_is_named_first(#[case] message: &str, #[case] start: &str) {
        let told = forbidden(message);
        assert!(told.starts_with(start) && told.contains(message), "{told}");
    }

    /// Admission refuses with the same status, in other words.
    #[rstest]
    #[case(r#"pods "x" is forbidden: violates PodSecurity "restricted:latest""#)]
    #[case(r#"User "u" cannot list"#)]
    #[case("")]
    fn other_errors_are_unchanged(#[case] message: &str) {
        assert_eq!(forbidden(message), message);
    }

    #[test]
    fn fix_names_the_rights_of_this_check() {
        let mut evidence = healthy();
        evidence.subject.active = false;
        assert!(hint(&evidence).starts_with("`meshcheck rbac | kubectl apply -f -`"));
        evidence.subject.active = true;
        evidence.expectations.namespace = "it's".into();
        let command = r"`meshcheck rbac --active --namespace 'it'\''s' | kubectl";
        assert!(hint(&evidence).starts_with(command), "{}", hint(&evidence));
    }

    #[test]
    fn manifest_has_the_rights_of_its_scope() {
        let usual = manifest(Scope { active: false, logs: false }, "client", "istio-system");
        let all = manifest(Scope { active: true, logs: true }, "shop", "mesh");
        insta::assert_snapshot!("manifest", format!("{usual}\n\n{all}"));
    }
}
