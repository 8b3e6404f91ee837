//! One observation of the cluster, and its state.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The reason of an observation that its file does not hold.
const NOT_RECORDED: &str = "not recorded in this evidence: an older meshcheck may have written it";

/// An observation: its value, or the reason why it has none.
///
/// An absent object makes a claim fail; an observation that failed leaves the claim unjudged. Neither lets it pass.
///
/// The default is [`Failed`](Self::Failed): a field that an older file lacks leaves its claims unjudged, and the file
/// stays readable.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Observation<T> {
    /// The value was observed.
    Seen {
        /// The observed value.
        value: T,
    },
    /// The object does not exist.
    Absent {
        /// Where it is missing, or why.
        reason: String,
    },
    /// The observation failed: no permission, a time-out, no connection.
    Failed {
        /// The reason, with the server's message where there is one.
        reason: String,
    },
    /// The observation was not requested.
    NotAsked {
        /// What would request it, or why it is not needed.
        reason: String,
    },
}

impl<T> Observation<T> {
    /// Creates an observation with a value.
    pub fn seen(value: T) -> Self {
        Self::Seen { value }
    }

    /// Creates the observation that an object does not exist.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self::Absent { reason: reason.into() }
    }

    /// Creates an observation that failed.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }

    /// Creates an observation that was not requested.
    pub fn not_asked(reason: impl Into<String>) -> Self {
        Self::NotAsked { reason: reason.into() }
    }

    /// Returns the value, where there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Seen { value } => Some(value),
            _ => None,
        }
    }

    /// Returns the value to change it, for tests.
    pub fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Seen { value } => Some(value),
            _ => None,
        }
    }

    /// Returns the same observation with a reference to its value.
    pub fn as_ref(&self) -> Observation<&T> {
        match self {
            Self::Seen { value } => Observation::seen(value),
            Self::Absent { reason } => Observation::absent(reason),
            Self::Failed { reason } => Observation::failed(reason),
            Self::NotAsked { reason } => Observation::not_asked(reason),
        }
    }

    /// Changes the value; another state stays.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observation<U> {
        self.and_then(|value| Observation::seen(change(value)))
    }

    /// Derives an observation from the value; another state stays.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Observation<U>) -> Observation<U> {
        match self {
            Self::Seen { value } => next(value),
            Self::Absent { reason } => Observation::Absent { reason },
            Self::Failed { reason } => Observation::Failed { reason },
            Self::NotAsked { reason } => Observation::NotAsked { reason },
        }
    }

    /// Whether the object does not exist. An observation that failed is not absent.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Whether the evidence holds the observation. An older file has none that a newer meshcheck added.
    pub(crate) fn is_recorded(&self) -> bool {
        !matches!(self, Self::Failed { reason } if reason == NOT_RECORDED)
    }

    /// Returns the reason why there is no value; none where there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Seen { .. } => None,
            Self::Absent { reason } | Self::Failed { reason } | Self::NotAsked { reason } => {
                Some(reason)
            }
        }
    }
}

impl<T> Default for Observation<T> {
    fn default() -> Self {
        Self::failed(NOT_RECORDED)
    }
}

/// Gives every observation that was not recorded the same state and reason.
pub(crate) fn explain_missing<T>(value: T, why: &Observation<()>) -> T
where
    T: Serialize + DeserializeOwned,
{
    fn explain(value: &mut Value, missing: &Value, why: &Value) {
        match value {
            _ if value == missing => value.clone_from(why),
            Value::Object(fields) => fields.values_mut().for_each(|it| explain(it, missing, why)),
            Value::Array(items) => items.iter_mut().for_each(|it| explain(it, missing, why)),
            _ => {}
        }
    }
    let json = |value: &Observation<()>| serde_json::to_value(value).ok();
    let explained = serde_json::to_value(&value).ok().and_then(|mut document| {
        explain(&mut document, &json(&Observation::default())?, &json(why)?);
        serde_json::from_value(document).ok()
    });
    explained.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{NOT_RECORDED, Observation, explain_missing};
    use rstest::rstest;

    type Number = Observation<u32>;

    #[rstest]
    #[case(Number::seen(2), Observation::seen(3))]
    #[case(Number::seen(0), Observation::absent("none before it"))]
    #[case(Number::absent("a"), Observation::absent("a"))]
    #[case(Number::failed("f"), Observation::failed("f"))]
    #[case(Number::not_asked("n"), Observation::not_asked("n"))]
    fn next_observation_needs_a_value(#[case] first: Number, #[case] last: Number) {
        let next = |number: &u32| match number {
            0 => Observation::absent("none before it"),
            number => Observation::seen(number + 1),
        };
        assert_eq!(first.as_ref().and_then(next), last);
        assert_eq!(first.is_absent(), first == Observation::absent("a"));
    }

    #[test]
    fn missing_field_is_a_failed_observation() {
        #[derive(serde::Deserialize)]
        #[serde(default)]
        #[derive(Default)]
        struct Section {
            pods: Number,
        }
        let section: Section = serde_json::from_str("{}").unwrap();
        assert_eq!(section.pods, Observation::failed(NOT_RECORDED));
        assert!(serde_json::from_str::<Section>(r#"{"pods":{}}"#).is_err());
    }

    /// Also inside of objects and lists. What was recorded stays.
    #[test]
    fn missing_observations_get_the_reason() {
        let with = |other: Number| BTreeMap::from([("a".to_owned(), [Number::seen(1), other])]);
        let why = Observation::not_asked("a test");
        let explained = explain_missing(with(Number::default()), &why);
        assert_eq!(explained, with(Number::not_asked("a test")));
    }
}
