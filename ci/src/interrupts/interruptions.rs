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

const fn run(name: &'static str, when: When, after_ms: u64, how: How) -> Interruption {
    let then = match how {
        How::Kill | How::Twice => Then::Leftovers,
        _ => Then::Nobody,
    };
    Interruption { name, what: What::Run, when, after_ms, how, then, ci: false }
}

const fn check(name: &'static str, when: When, after_ms: u64, how: How) -> Interruption {
    Interruption { what: What::Check, ..run(name, when, after_ms, how) }
}

const fn preflight(name: &'static str, when: When, after_ms: u64, how: How) -> Interruption {
    Interruption { what: What::Preflight, ..run(name, when, after_ms, how) }
}

const fn in_ci(moment: Interruption) -> Interruption {
    Interruption { ci: true, ..moment }
}

const fn next(moment: Interruption) -> Interruption {
    Interruption { then: Then::NextStart, ..moment }
}

const fn leftovers(moment: Interruption) -> Interruption {
    Interruption { then: Then::Leftovers, ..moment }
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
    run("run: Ctrl-C at the start", When::Start, 50, How::Interrupt),
    in_ci(run("run: Ctrl-C as kind begins", CREATES, 0, How::Interrupt)),
    run("run: Ctrl-C as the node's container is made", CREATES, 700, How::Interrupt),
    run("run: SIGTERM while the node boots", CREATES, 3000, How::Terminate),
    run("run: SIGHUP while the control plane starts", CREATES, 7000, How::Hangup),
    run("run: kill -9 as kind begins", CREATES, 100, How::Kill),
    in_ci(run("run: kill -9 as the node's container is made", CREATES, 700, How::Kill)),
    run("run: kill -9 while the node boots", CREATES, 4000, How::Kill),
    next(run("run: kill -9, then another run", CREATES, 1500, How::Kill)),
    run("run: Ctrl-C twice while the node boots", CREATES, 2500, How::Twice),
    run("run: a bug as kind begins", When::Start, 0, How::Panic("cluster")),
    run("run: Ctrl-C as the cluster is there", CREATED, 0, How::Interrupt),
    run("run: Ctrl-C as istioctl begins", INSTALLS, 300, How::Interrupt),
    run("run: SIGTERM while istioctl waits", INSTALLS, 9000, How::Terminate),
    run("run: kill -9 while istioctl waits", INSTALLS, 12_000, How::Kill),
    run("run: the node dies while istioctl waits", INSTALLS, 6000, How::Lost),
    run("run: a bug as istioctl begins", When::Start, 0, How::Panic("istio")),
    run("run: Ctrl-C while an address is asked for", BALANCED, 100, How::Interrupt),
    run("run: SIGTERM while the demo is waited for", WAITS_FOR_THE_DEMO, 500, How::Terminate),
    run("run: kill -9 while the demo is waited for", WAITS_FOR_THE_DEMO, 3000, How::Kill),
    run("run: Ctrl-C while it looks", COLLECTS, 150, How::Interrupt),
    run("run: a bug while it looks", When::Start, 0, How::Panic("collect")),
    run("run: Ctrl-C while it removes", REMOVES, 100, How::Interrupt),
    run("run: kill -9 while it removes", REMOVES, 100, How::Kill),
    check("check: Ctrl-C at the start", When::Start, 60, How::Interrupt),
    check("check: Ctrl-C as its namespace is there", When::Namespace, 0, How::Interrupt),
    check("check: SIGTERM while its route is asked", When::Namespace, 150, How::Terminate),
    check("check: SIGHUP as its namespace leaves", When::NamespaceLeaves, 0, How::Hangup),
    check("check: Ctrl-C twice", When::Namespace, 100, How::Twice),
    check("check: kill -9 as its namespace is there", When::Namespace, 0, How::Kill),
    next(check("check: kill -9, then another check", When::Namespace, 100, How::Kill)),
    check("check: a bug with its namespace there", When::Start, 0, How::Panic("route")),
    leftovers(check("check: the cluster is lost", When::Namespace, 0, How::Lost)),
    check("check: the cluster is lost and comes back", When::Namespace, 0, How::LostForAWhile),
    preflight("preflight: Ctrl-C as its namespace is there", When::Namespace, 0, How::Interrupt),
    preflight(
        "preflight: SIGTERM while it asks for an address",
        When::Namespace,
        300,
        How::Terminate,
    ),
    preflight("preflight: kill -9 as its namespace is there", When::Namespace, 50, How::Kill),
    leftovers(preflight("preflight: the cluster is lost", When::Namespace, 0, How::Lost)),
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
