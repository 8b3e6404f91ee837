//! The steps of a card, as the page shows them.

use meshcheck_suites::Step;
use meshcheck_suites::report::ClusterFacts;
use meshcheck_suites::steps::Impact;

use super::{DETAIL, clean};
use crate::report::writer::{impact, purpose};

/// One step of a card.
pub(super) struct StepView {
    pub(super) purpose: &'static str,
    /// What it does to the cluster, where it has a command: the class and the text of its tag.
    pub(super) impact: Option<(&'static str, &'static str)>,
    pub(super) text: String,
    pub(super) command: Option<String>,
    /// Whether the command stands on the page to its last character.
    pub(super) is_whole: bool,
}

impl StepView {
    pub(super) fn new(cluster: &ClusterFacts, step: &Step) -> Self {
        let command = step.command.as_deref().map(|command| cluster.shorten(command));
        Self {
            purpose: purpose(step),
            impact: command.is_some().then(|| {
                let class = match step.impact {
                    Impact::Reads => "reads",
                    Impact::RestartsPods => "restarts",
                    Impact::Changes => "changes",
                    Impact::Deletes => "deletes",
                };
                (class, impact(step))
            }),
            text: cluster.shorten(&step.text),
            is_whole: command.iter().all(|it| clean(it) == *it && it.len() <= DETAIL),
            command,
        }
    }
}
