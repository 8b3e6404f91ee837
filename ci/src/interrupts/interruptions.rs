//! The moments at which a run or a check is ended, and how: data.

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interruption {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is ended.
    pub(crate) what: What,
    /// When.
    pub(crate) when: When,
    /// So many milliseconds after that.
    pub(crate) after_ms: u64,
    /// How.
    pub(crate) how: How,
    /// Who removes what it could not remove itself.
    pub(crate) then: Then,
    /// Whether CI tries it.
    pub(crate) ci: bool,
}

/// What is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The start of the program.
    Start,
    /// This text has been in its messages.
    Told(&'static str),
    /// A namespace of meshcheck is on the cluster.
    Namespace,
    /// It is being removed.
    NamespaceLeaves,
}

/// How it is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    Panic(&'static str),
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

use How::{Hangup, Interrupt, Kill, Lost, LostForAWhile, Panic, Terminate, Twice};
use What::{Check, Preflight, Run};
use When::{Namespace, NamespaceLeaves, Start};

const fn moment(
    what: What,
    name: &'static str,
    when: When,
    after_ms: u64,
    how: How,
) -> Interruption {
    let then = match (how, what) {
        (Kill | Twice, _) | (Lost, Check | Preflight) => Then::Leftovers,
        _ => Then::Nobody,
    };
    Interruption { name, what, when, after_ms, how, then, ci: false }
}

const fn in_ci(moment: Interruption) -> Interruption {
    Interruption { ci: true, ..moment }
}

const fn next(moment: Interruption) -> Interruption {
    Interruption { then: Then::NextStart, ..moment }
}

const CREATES: When = When::Told("cluster: kind creates");
const CREATED: When = When::Told("cluster: done");
const INSTALLS: When = When::Told("istio: istioctl install");
const BALANCED: When = When::Told("load balancer: done");
const WAITS_FOR_THE_DEMO: When = When::Told("demo: waiting for client-deployment");
const COLLECTS: When = When::Told("collect: collecting");
const REMOVES: When = When::Told("remove: deleting");

/// All of them.
pub(crate) const INTERRUPTIONS: &[Interruption] = &[
    moment(Run, "run: Ctrl-C at the start", Start, 50, Interrupt),
    in_ci(moment(Run, "run: Ctrl-C as kind begins", CREATES, 0, Interrupt)),
    moment(Run, "run: Ctrl-C as the node's container is made", CREATES, 700, Interrupt),
    moment(Run, "run: SIGTERM while the node boots", CREATES, 3000, Terminate),
    moment(Run, "run: SIGHUP while the control plane starts", CREATES, 7000, Hangup),
    moment(Run, "run: kill -9 as kind begins", CREATES, 100, Kill),
    in_ci(moment(Run, "run: kill -9 as the node's container is made", CREATES, 700, Kill)),
    moment(Run, "run: kill -9 while the node boots", CREATES, 4000, Kill),
    next(moment(Run, "run: kill -9, then another run", CREATES, 1500, Kill)),
    moment(Run, "run: Ctrl-C twice while the node boots", CREATES, 2500, Twice),
    moment(Run, "run: a bug as kind begins", Start, 0, Panic("cluster")),
    moment(Run, "run: Ctrl-C as the cluster is there", CREATED, 0, Interrupt),
    moment(Run, "run: Ctrl-C as istioctl begins", INSTALLS, 300, Interrupt),
    moment(Run, "run: SIGTERM while istioctl waits", INSTALLS, 9000, Terminate),
    moment(Run, "run: kill -9 while istioctl waits", INSTALLS, 12_000, Kill),
    moment(Run, "run: the node dies while istioctl waits", INSTALLS, 6000, Lost),
    moment(Run, "run: a bug as istioctl begins", Start, 0, Panic("istio")),
    moment(Run, "run: Ctrl-C while an address is asked for", BALANCED, 100, Interrupt),
    moment(Run, "run: SIGTERM while the demo is waited for", WAITS_FOR_THE_DEMO, 500, Terminate),
    moment(Run, "run: kill -9 while the demo is waited for", WAITS_FOR_THE_DEMO, 3000, Kill),
    moment(Run, "run: Ctrl-C while it looks", COLLECTS, 150, Interrupt),
    moment(Run, "run: a bug while it looks", Start, 0, Panic("collect")),
    moment(Run, "run: Ctrl-C while it removes", REMOVES, 100, Interrupt),
    moment(Run, "run: kill -9 while it removes", REMOVES, 100, Kill),
    moment(Check, "check: Ctrl-C at the start", Start, 60, Interrupt),
    moment(Check, "check: Ctrl-C as its namespace is there", Namespace, 0, Interrupt),
    moment(Check, "check: SIGTERM while its route is asked", Namespace, 150, Terminate),
    moment(Check, "check: SIGHUP as its namespace leaves", NamespaceLeaves, 0, Hangup),
    moment(Check, "check: Ctrl-C twice", Namespace, 100, Twice),
    moment(Check, "check: kill -9 as its namespace is there", Namespace, 0, Kill),
    next(moment(Check, "check: kill -9, then another check", Namespace, 100, Kill)),
    moment(Check, "check: a bug with its namespace there", Start, 0, Panic("route")),
    moment(Check, "check: the cluster is lost", Namespace, 0, Lost),
    moment(Check, "check: the cluster is lost and comes back", Namespace, 0, LostForAWhile),
    moment(Preflight, "preflight: Ctrl-C as its namespace is there", Namespace, 0, Interrupt),
    moment(Preflight, "preflight: SIGTERM while it asks for an address", Namespace, 300, Terminate),
    moment(Preflight, "preflight: kill -9 as its namespace is there", Namespace, 50, Kill),
    moment(Preflight, "preflight: the cluster is lost", Namespace, 0, Lost),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn interruptions_are_many_and_have_different_names() {
        let names: BTreeSet<_> = INTERRUPTIONS.iter().map(|moment| moment.name).collect();
        assert_eq!(names.len(), INTERRUPTIONS.len());
        assert!(INTERRUPTIONS.len() >= 20);
    }

    #[test]
    fn only_runs_that_cannot_clean_up_are_cleaned_up_by_another() {
        for moment in INTERRUPTIONS {
            let cannot = matches!(moment.how, How::Kill | How::Twice)
                || (moment.how == How::Lost && moment.what.has_target());
            assert_eq!(moment.then != Then::Nobody, cannot, "{}", moment.name);
        }
    }
}
