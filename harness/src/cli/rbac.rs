//! `rbac`: the rights that a check needs, as a manifest.

use meshcheck_suites::rights::{Scope, manifest};

use super::arguments::Rbac;
use super::failure::Failure;
use crate::report::to_stdout;

/// `meshcheck rbac`
pub(super) fn rbac(arguments: &Rbac) -> Result<u8, Failure> {
    let scope = Scope { active: arguments.active, logs: arguments.include_logs };
    to_stdout(&manifest(scope, &arguments.namespace, &arguments.istio_namespace))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Every right that a scope holds is in its manifest, once, and it is YAML.
    #[rstest]
    fn manifest_contains_the_rights(
        #[values(false, true)] active: bool,
        #[values(false, true)] logs: bool,
    ) {
        use meshcheck_suites::rights::RIGHTS;
        let scope = Scope { active, logs };
        let text = manifest(scope, "client", "istio-system");
        let documents: Vec<serde_json::Value> =
            text.split("\n---\n").map(|it| serde_saphyr::from_str(it).unwrap()).collect();
        let rules: Vec<_> =
            documents.iter().filter_map(|it| it["rules"].as_array()).flatten().collect();
        assert_eq!(rules.len(), RIGHTS.iter().filter(|right| right.is_in(scope)).count());
        for (role, binding) in
            documents.iter().skip(1).step_by(2).zip(documents.iter().skip(2).step_by(2))
        {
            assert_eq!(binding["roleRef"]["kind"], role["kind"]);
            assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
            assert_eq!(binding["metadata"], role["metadata"]);
        }
    }

    #[test]
    fn manifest_names_other_namespaces() {
        let text = manifest(Scope::default(), "shop", "mesh");
        assert!(text.contains("rbac --namespace shop --istio-namespace mesh`"), "{text}");
        assert!(text.contains("namespace: shop\n") && text.contains("namespace: mesh\n"));
        assert!(!text.contains("client\n") && !text.contains("istio-system\n"), "{text}");
    }
}
