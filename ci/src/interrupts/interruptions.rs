//! The moments at which a run or a check is ended, and how: what `ci/interruptions.toml` says.

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// All moments, as data.
const MOMENTS: &str = include_str!("../../interruptions.toml");

/// The file of all moments.
#[derive(Deserialize)]
struct Moments {
    moments: Vec<Interruption>,
}

/// A moment, and what is done then.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Interruption {
    pub(crate) name: String,
    pub(crate) what: What,
    pub(crate) when: When,
    /// So many milliseconds after that.
    pub(crate) after_ms: u64,
    pub(crate) how: How,
    /// Whether the next start of the same command removes what it could not remove itself.
    #[serde(default)]
    next_start: bool,
    #[serde(default)]
    pub(crate) ci: bool,
}

impl Interruption {
    /// Who removes what it could not remove itself.
    pub(crate) fn then(&self) -> Then {
        match (&self.how, self.what) {
            _ if self.next_start => Then::NextStart,
            (How::Kill | How::Twice, _) | (How::Lost, What::Check | What::Preflight) => {
                Then::Leftovers
            }
            _ => Then::Nobody,
        }
    }
}

/// Reads all moments.
pub(crate) fn read() -> Result<Vec<Interruption>> {
    let all: Moments = toml::from_str(MOMENTS).context("reading ci/interruptions.toml")?;
    Ok(all.moments)
}

/// What is ended.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    /// `meshcheck run`
    Run,
    /// `meshcheck check --active` on a cluster that is not known to be meshcheck's.
    Check,
    /// `meshcheck preflight --active` on such a cluster.
    Preflight,
}

impl What {
    /// Whether it looks at an existing cluster, and may lose it.
    pub(crate) fn has_target(self) -> bool {
        self != Self::Run
    }
}

/// The event that a moment is counted from.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    /// The start of the program.
    Start,
    /// This text has been in its messages.
    Told(String),
    /// A namespace of meshcheck is on the cluster.
    Namespace,
    /// It is being removed.
    NamespaceLeaves,
}

/// How it is ended.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum How {
    /// SIGINT to its group, as a terminal does at Ctrl-C.
    Interrupt,
    /// SIGTERM, as a CI server does.
    Terminate,
    /// SIGHUP, as a terminal does that is closed.
    Hangup,
    /// SIGKILL, which nothing can be done about.
    Kill,
    /// Ctrl-C, and again while it cleans up.
    Twice,
    /// A bug at this place.
    Panic(String),
    /// The cluster does not answer any more.
    Lost,
    /// The cluster does not answer for some seconds.
    LostForAWhile,
}

/// Who removes what the program could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nobody: the program must have removed everything itself.
    Nobody,
    /// `meshcheck down --leftovers`
    Leftovers,
    /// The next start of the same command, which is let come to its end.
    NextStart,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn interruptions_are_many_and_have_different_names() {
        let all = read().unwrap();
        let names: BTreeSet<_> = all.iter().map(|moment| &moment.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() >= 20);
        for moment in &all {
            let what = format!("{:?}: ", moment.what).to_lowercase();
            assert!(moment.name.starts_with(&what), "{}", moment.name);
        }
    }

    #[test]
    fn only_runs_that_cannot_clean_up_are_cleaned_up_by_another() {
        for moment in read().unwrap() {
            let cannot = matches!(moment.how, How::Kill | How::Twice)
                || (moment.how == How::Lost && moment.what.has_target());
            assert_eq!(moment.then() != Then::Nobody, cannot, "{}", moment.name);
        }
    }
}
