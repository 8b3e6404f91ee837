//! The manifest that grants the rights: roles, their bindings, and an account that has them.

use std::fmt::Write as _;

use super::{Place, RIGHTS, Right, Scope};

/// The account.
const ACCOUNT: &str = "meshcheck";

/// Its role, in every place.
const ROLE: &str = "meshcheck-check";

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
    for place in [Place::Cluster, Place::KubeSystem, Place::Istio, Place::Demo, Place::Unlabelled] {
        let rights = RIGHTS.iter().filter(|right| right.place == place && right.is_in(scope));
        role(&mut text, place.namespace(namespace, istio_namespace), rights);
    }
    text
}

/// A role with these rights, and its binding.
fn role<'a>(text: &mut String, namespace: Option<&str>, rights: impl Iterator<Item = &'a Right>) {
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let place = namespace.map(|namespace| format!("  namespace: {namespace}\n"));
    let metadata = format!("  name: {ROLE}\n{}", place.unwrap_or_default());
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n{metadata}rules:\n"
    );
    rights.for_each(|right| rule(text, right));
    let _ = write!(
        text,
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata:\n{metadata}\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {ROLE}\n\
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
