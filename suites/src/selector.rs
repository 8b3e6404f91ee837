//! Label selectors, with the API server's semantics.

use std::collections::BTreeMap;

use crate::evidence::LabelSelector;

impl LabelSelector {
    /// Whether it selects an object with these labels. Nothing where one of its requirements has
    /// an operator that is not known, and no other requirement already excludes the object.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> Option<bool> {
        let mut known = true;
        for (key, value) in &self.match_labels {
            if labels.get(key) != Some(value) {
                return Some(false);
            }
        }
        for requirement in &self.match_expressions {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            let holds = match requirement.operator.as_str() {
                "In" => listed,
                // An object without the label is selected too.
                "NotIn" => !listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => {
                    known = false;
                    continue;
                }
            };
            if !holds {
                return Some(false);
            }
        }
        known.then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::evidence::{LabelExpression, LabelSelector};
    use rstest::rstest;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[rstest]
    #[case("In", &["a", "b"], &[("k", "b")], Some(true))]
    #[case("In", &["a", "b"], &[("k", "c")], Some(false))]
    #[case("In", &["a"], &[], Some(false))]
    #[case("In", &[""], &[], Some(false))]
    #[case("NotIn", &["a"], &[("k", "a")], Some(false))]
    #[case("NotIn", &["a"], &[("k", "b")], Some(true))]
    #[case("NotIn", &["a"], &[], Some(true))]
    #[case("Exists", &[], &[("k", "")], Some(true))]
    #[case("Exists", &[], &[("l", "")], Some(false))]
    #[case("DoesNotExist", &[], &[("l", "")], Some(true))]
    #[case("DoesNotExist", &[], &[("k", "")], Some(false))]
    #[case("Gt", &["1"], &[("k", "2")], None)]
    fn label_expressions_select_as_in_kubernetes(
        #[case] operator: &str,
        #[case] values: &[&str],
        #[case] object: &[(&str, &str)],
        #[case] selected: Option<bool>,
    ) {
        let selector = LabelSelector {
            match_expressions: vec![LabelExpression {
                key: "k".into(),
                operator: operator.into(),
                values: values.iter().map(|&value| value.into()).collect(),
            }],
            ..LabelSelector::default()
        };
        assert_eq!(selector.selects(&labels(object)), selected);
    }

    #[test]
    fn all_requirements_must_hold_and_an_empty_selector_selects_all() {
        let mut selector = LabelSelector::default();
        assert_eq!(selector.selects(&labels(&[])), Some(true));
        selector.match_labels = labels(&[("a", "1"), ("b", "2")]);
        assert_eq!(selector.selects(&labels(&[("a", "1")])), Some(false));
        assert_eq!(selector.selects(&labels(&[("a", "1"), ("b", "2"), ("c", "3")])), Some(true));
        selector.match_expressions =
            vec![LabelExpression { key: "c".into(), operator: "Near".into(), values: vec![] }];
        assert_eq!(selector.selects(&labels(&[("a", "1"), ("b", "2")])), None);
        assert_eq!(selector.selects(&labels(&[("a", "1")])), Some(false));
    }
}
