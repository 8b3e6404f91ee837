//! The manifest that grants the rights: roles, their bindings, and an account that has them.

use std::fmt::Write as _;

use super::{Place, RIGHTS, Right, Scope};

/// The account.
const ACCOUNT: &str = "meshcheck";

/// Where it lives.
const HOME: &str = "default";

/// The manifest, for `kubectl apply -f -`. The names of namespaces are those of Kubernetes: nothing in them
/// needs quoting.
pub fn manifest(scope: Scope, namespace: &str, istio_namespace: &str) -> String {
    let mut options = String::new();
    for (given, option) in [(scope.active, " --active"), (scope.logs, " --include-logs")] {
        if given {
            options.push_str(option);
        }
    }
    for (option, value, usual) in [
        ("--namespace", namespace, "client"),
        ("--istio-namespace", istio_namespace, "istio-system"),
    ] {
        if value != usual {
            let _ = write!(options, " {option} {value}");
        }
    }
    let mut text = format!(
        "# What `meshcheck check` needs to look at a cluster: printed by `meshcheck rbac{options}`.
#
# Each rule says what it is for, and which claims are unjudged without it: leave out what you will not
# grant. Besides these it asks for the server's version and its kinds of objects, which Kubernetes lets
# every account see.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {ACCOUNT}
  namespace: {HOME}
"
    );
    role(&mut text, "meshcheck-check", None, &|right| {
        right.place == Place::Cluster && right.is_in(scope)
    });
    for (place, namespace) in [
        (Place::KubeSystem, "kube-system"),
        (Place::Istio, istio_namespace),
        (Place::Demo, namespace),
        (Place::Unlabelled, "default"),
    ] {
        role(&mut text, "meshcheck-check", Some(namespace), &|right| {
            right.place == place && right.is_in(scope)
        });
    }
    text
}

/// A role with the rights that `granted` tells of, and its binding.
fn role(text: &mut String, name: &str, namespace: Option<&str>, granted: &dyn Fn(&Right) -> bool) {
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let metadata = match namespace {
        Some(namespace) => format!("  name: {name}\n  namespace: {namespace}\n"),
        None => format!("  name: {name}\n"),
    };
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n{metadata}rules:\n"
    );
    for right in RIGHTS.iter().filter(|right| granted(right)) {
        rule(text, right);
    }
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata:\n{metadata}\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\n\
         subjects:\n  - kind: ServiceAccount\n    name: {ACCOUNT}\n    namespace: {HOME}\n"
    );
}

fn rule(text: &mut String, right: &Right) {
    let _ = writeln!(text, "  # {}", right.why);
    if let Some((major, minor)) = right.since {
        let _ = writeln!(text, "  # asked for by Kubernetes {major}.{minor} and later");
    }
    let claims: Vec<_> = right.claims().collect();
    if !claims.is_empty() {
        let _ = writeln!(text, "  # for: {}", claims.join(", "));
    }
    let _ = writeln!(
        text,
        "  - apiGroups: [\"{}\"]\n    resources: [{}]\n    verbs: [{}]",
        right.group, right.resource, right.verb
    );
}
