//! Istio's resources that apply to the demo's proxies.

use crate::evidence::{Evidence, MeshResource, Pod};

pub(crate) const SIDECAR_RESOURCE: &str = "Sidecar";
pub(crate) const POLICY: &str = "AuthorizationPolicy";

/// Returns the resources of a kind that apply to one of these pods; none where resources were not observed.
pub(crate) fn resources_of<'e>(
    evidence: &'e Evidence,
    kind: &str,
    pods: &[&Pod],
) -> Option<Vec<&'e MeshResource>> {
    let applies = |it: &&MeshResource| pods.iter().any(|pod| pod.has_labels(&it.selector));
    let all = evidence.mesh.resources.value()?.iter();
    Some(all.filter(|it| it.kind == kind).filter(applies).collect())
}

/// Returns the policies that can deny a request to one of these pods; none where resources were not observed.
pub(crate) fn denying_policies<'e>(
    evidence: &'e Evidence,
    pods: &[&Pod],
) -> Option<Vec<&'e MeshResource>> {
    let mut policies = resources_of(evidence, POLICY, pods)?;
    policies.retain(|policy| policy.action.as_deref() != Some("AUDIT"));
    Some(policies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::testing::{demo_pod, healthy};

    #[test]
    fn resources_apply_to_the_pods_that_they_select() {
        let mut evidence = healthy();
        let resource = |kind: &str, name: &str, app: Option<&str>, action: &str| MeshResource {
            kind: kind.into(),
            namespace: "client".into(),
            name: name.into(),
            selector: app.map(|app| ("app".to_owned(), app.to_owned())).into_iter().collect(),
            action: Some(action.into()),
        };
        evidence.mesh.resources = Observation::seen(vec![
            resource(POLICY, "all", None, "ALLOW"),
            resource(POLICY, "echo", Some("echo"), "DENY"),
            resource(POLICY, "client", Some("client"), "DENY"),
            resource(POLICY, "audit", None, "AUDIT"),
            resource(SIDECAR_RESOURCE, "default", None, ""),
        ]);
        let echo = demo_pod(&mut evidence, "echo").clone();
        let names = |found: Option<Vec<&MeshResource>>| {
            found.map(|all| all.iter().map(|it| it.name.clone()).collect::<Vec<_>>())
        };
        let names_of = |names: &[&str]| Some(names.iter().map(|&it| it.to_owned()).collect());
        assert_eq!(names(denying_policies(&evidence, &[&echo])), names_of(&["all", "echo"]));
        assert_eq!(names(denying_policies(&evidence, &[])), names_of(&[]));
        let sidecars = resources_of(&evidence, SIDECAR_RESOURCE, &[&echo]);
        assert_eq!(names(sidecars), names_of(&["default"]));
        evidence.mesh.resources = Observation::failed("forbidden");
        assert_eq!(denying_policies(&evidence, &[&echo]), None);
    }
}
