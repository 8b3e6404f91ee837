//! One thing that was looked at, and how the look ended.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why an observation has no value that its file does not hold.
const NOT_RECORDED: &str = "not recorded in this evidence: an older meshcheck may have written it";

/// How one look at the world ended.
///
/// "It is not there" and "it could not be looked at" are different answers: the first lets a
/// claim fail, the second leaves it unjudged. Neither can become a pass.
///
/// The default is [`Failed`](Self::Failed): a field that an older file lacks leaves its claims
/// unjudged, so that new observations do not make old evidence unreadable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Observation<T> {
    /// It was seen.
    Seen {
        /// What was seen.
        value: T,
    },
    /// It was looked for where it must stand, and it is not there.
    Absent {
        /// Where it was looked for.
        reason: String,
    },
    /// It could not be looked at: no permission, a time-out, no connection.
    Failed {
        /// Why not, with the server's words where it had some.
        reason: String,
    },
    /// It was not looked at, because nobody asked for it.
    NotAsked {
        /// What would have to be asked for.
        reason: String,
    },
}

impl<T> Observation<T> {
    /// It was seen.
    pub fn seen(value: T) -> Self {
        Self::Seen { value }
    }

    /// It is not there.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self::Absent { reason: reason.into() }
    }

    /// It could not be looked at.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }

    /// It was not asked for.
    pub fn not_asked(reason: impl Into<String>) -> Self {
        Self::NotAsked { reason: reason.into() }
    }

    /// What was seen, if anything was.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Seen { value } => Some(value),
            _ => None,
        }
    }

    /// What was seen, to be changed: for tests that mutate evidence.
    pub fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Seen { value } => Some(value),
            _ => None,
        }
    }

    /// The same ending, by reference.
    pub fn as_ref(&self) -> Observation<&T> {
        match self {
            Self::Seen { value } => Observation::seen(value),
            Self::Absent { reason } => Observation::absent(reason),
            Self::Failed { reason } => Observation::failed(reason),
            Self::NotAsked { reason } => Observation::not_asked(reason),
        }
    }

    /// The same ending, with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observation<U> {
        self.and_then(|value| Observation::seen(change(value)))
    }

    /// What follows from the value; the same ending where there is none.
    pub fn and_then<U>(self, next: impl FnOnce(T) -> Observation<U>) -> Observation<U> {
        match self {
            Self::Seen { value } => next(value),
            Self::Absent { reason } => Observation::Absent { reason },
            Self::Failed { reason } => Observation::Failed { reason },
            Self::NotAsked { reason } => Observation::NotAsked { reason },
        }
    }

    /// Whether it is not there: not the same as that it could not be looked at.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent { .. })
    }

    /// Why nothing was seen; nothing where something was.
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

/// Gives a reason to every observation that was not recorded: how all of them ended, and why.
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
    use super::{NOT_RECORDED, Observation};
    use rstest::rstest;

    type Number = Observation<u32>;

    #[rstest]
    #[case(Number::seen(2), Observation::seen(3))]
    #[case(Number::seen(0), Observation::absent("none before it"))]
    #[case(Number::absent("a"), Observation::absent("a"))]
    #[case(Number::failed("f"), Observation::failed("f"))]
    #[case(Number::not_asked("n"), Observation::not_asked("n"))]
    fn only_a_value_leads_on(#[case] first: Number, #[case] last: Number) {
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
}
