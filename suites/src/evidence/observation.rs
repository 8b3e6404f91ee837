//! One thing that was looked at, and how the look ended.

use serde::{Deserialize, Serialize};

/// How one look at the world ended.
///
/// "It is not there" and "it could not be looked at" are different answers: the first lets a
/// claim fail, the second leaves it unjudged. Neither can become a pass.
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

    /// The same ending, with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observation<U> {
        match self {
            Self::Seen { value } => Observation::seen(change(value)),
            Self::Absent { reason } => Observation::Absent { reason },
            Self::Failed { reason } => Observation::Failed { reason },
            Self::NotAsked { reason } => Observation::NotAsked { reason },
        }
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
