//! Cards: claims that do not hold, each with what to do, and with the claims that do not hold because of it.

use std::collections::BTreeSet;

use meshcheck_suites::report::{Cause, ClaimReport, ClusterFacts};
use meshcheck_suites::steps::{Impact, Purpose};
use meshcheck_suites::{CHECKS, CLAIMS, Report, Step, Verdict};

use super::{DETAIL, clean};

/// The cards below one heading.
pub(super) struct Group<'r> {
    pub(super) title: &'static str,
    pub(super) cards: Vec<Card<'r>>,
}

/// One card.
pub(super) struct Card<'r> {
    /// Its number on the page, from 1.
    pub(super) number: usize,
    /// The heading above it.
    pub(super) title: &'static str,
    /// Claims with the same message: one, or several that could not be judged for one reason.
    pub(super) ids: Vec<&'r str>,
    pub(super) statement: Option<String>,
    pub(super) verdict: Verdict,
    pub(super) summary: &'r str,
    pub(super) object: Option<&'r str>,
    pub(super) expected: Option<&'r str>,
    pub(super) observed: Option<&'r str>,
    pub(super) steps: Vec<StepView>,
    pub(super) consequences: Vec<&'r ClaimReport>,
    pub(super) page: &'r str,
}

/// One step of a card.
pub(super) struct StepView {
    pub(super) purpose: &'static str,
    /// What it does to the cluster, where it has a command: the class and the words of its tag.
    pub(super) impact: Option<(&'static str, &'static str)>,
    pub(super) text: String,
    pub(super) command: Option<String>,
    /// Whether the command stands on the page to its last character.
    pub(super) is_whole: bool,
}

/// Collects the cards: causes first, then what stands alone.
pub(super) fn groups(report: &Report) -> Vec<Group<'_>> {
    let cluster = &report.cluster;
    let (updates, causes): (Vec<_>, Vec<_>) =
        report.causes.iter().map(|cause| Card::of_cause(report, cause)).partition(Card::is_update);
    let shown: BTreeSet<_> = report.causes.iter().map(|cause| cause.claim.as_str()).collect();
    let alone = |verdict, may_fail| {
        let claims = report.claims.iter().filter(|claim| {
            claim.because.is_none()
                && !shown.contains(claim.id.as_str())
                && (claim.verdict, claim.may_fail.is_some()) == (verdict, may_fail)
        });
        Card::of_claims(cluster, claims)
    };
    let not_holding = [Verdict::Fail, Verdict::Changed, Verdict::Unjudged];
    let mut groups = vec![
        Group { title: "Fix first", cards: causes },
        Group { title: "Fails", cards: alone(Verdict::Fail, false) },
        Group { title: "Not judged", cards: alone(Verdict::Unjudged, false) },
        Group {
            title: "Update the tutorial",
            cards: updates.into_iter().chain(alone(Verdict::Changed, false)).collect(),
        },
        Group {
            title: "Allowed to fail",
            cards: not_holding.into_iter().flat_map(|verdict| alone(verdict, true)).collect(),
        },
    ];
    groups.retain(|group| !group.cards.is_empty());
    let mut number = 0;
    for group in &mut groups {
        for card in &mut group.cards {
            number += 1;
            (card.number, card.title) = (number, group.title);
        }
    }
    groups
}

impl<'r> Card<'r> {
    fn of_cause(report: &'r Report, cause: &'r Cause) -> Self {
        let claim = |id: &String| report.claims.iter().find(|claim| claim.id == *id);
        let here = claim(&cause.claim);
        let statement = || {
            let claims = CLAIMS.iter().map(|entry| (entry.id, entry.statement));
            let mut all = claims.chain(CHECKS.iter().map(|entry| (entry.id, entry.statement)));
            all.find(|(id, _)| *id == cause.claim).map(|(_, statement)| statement.to_owned())
        };
        Self {
            number: 0,
            title: "",
            ids: vec![&cause.claim],
            statement: here.map(|it| it.statement.clone()).or_else(statement),
            verdict: cause.verdict,
            // Its own summary tells that it is waived.
            summary: here.map_or(&cause.summary, |claim| &claim.summary),
            object: object(cause.object.as_deref(), &cause.summary),
            expected: cause.expected.as_deref(),
            observed: cause.observed.as_deref(),
            steps: cause.steps.iter().map(|step| StepView::new(&report.cluster, step)).collect(),
            consequences: cause.explains.iter().filter_map(claim).collect(),
            page: here.map_or("", |claim| &claim.page),
        }
    }

    /// One card for each message.
    fn of_claims(
        cluster: &ClusterFacts,
        claims: impl Iterator<Item = &'r ClaimReport>,
    ) -> Vec<Self> {
        let mut cards: Vec<(&'r [Step], Self)> = Vec::new();
        for claim in claims {
            let same = |(steps, card): &&mut (&[Step], Self)| {
                (card.summary, *steps) == (claim.summary.as_str(), claim.steps.as_slice())
            };
            if let Some((_, card)) = cards.iter_mut().find(same) {
                card.ids.push(&claim.id);
                card.statement = None;
                card.page = "";
                continue;
            }
            let is_changed = claim.verdict == Verdict::Changed;
            let or = |detail: &'r Option<String>, text: &'r String| {
                detail.as_ref().or(is_changed.then_some(text)).map(String::as_str)
            };
            let card = Self {
                number: 0,
                title: "",
                ids: vec![&claim.id],
                statement: Some(claim.statement.clone()),
                verdict: claim.verdict,
                summary: &claim.summary,
                object: object(claim.object.as_deref(), &claim.summary),
                expected: or(&claim.expected, &claim.statement),
                observed: or(&claim.observed, &claim.summary),
                steps: claim.steps.iter().map(|step| StepView::new(cluster, step)).collect(),
                consequences: Vec::new(),
                page: &claim.page,
            };
            cards.push((&claim.steps, card));
        }
        cards.into_iter().map(|(_, card)| card).collect()
    }

    /// Whether the tutorial's text is all that needs a change.
    pub(super) fn is_update(&self) -> bool {
        self.verdict == Verdict::Changed
            && self.consequences.iter().all(|claim| claim.verdict == Verdict::Changed)
    }

    /// The words above what was expected and what was observed.
    pub(super) fn pair(&self) -> (&'static str, &'static str) {
        match self.verdict {
            Verdict::Changed => ("the tutorial says", "the cluster shows"),
            _ => ("expected", "observed"),
        }
    }

    /// The words above the consequences.
    pub(super) fn consequences_title(&self) -> &'static str {
        let any = |verdict| self.consequences.iter().any(|claim| claim.verdict == verdict);
        match () {
            () if any(Verdict::Fail) => "Also failing because of this",
            () if any(Verdict::Changed) => "Also changed because of this",
            () => "Not judged because of this",
        }
    }
}

/// The object, unless the summary names it.
fn object<'r>(object: Option<&'r str>, summary: &str) -> Option<&'r str> {
    object.filter(|it| !summary.contains(it.rsplit(['/', ' ']).next().unwrap_or_default()))
}

impl StepView {
    fn new(cluster: &ClusterFacts, step: &Step) -> Self {
        let command = step.command.as_deref().map(|command| cluster.shorten(command));
        Self {
            purpose: match step.purpose {
                Purpose::Fix => "Fix",
                Purpose::Inspect => "Inspect",
            },
            impact: command.is_some().then_some(match step.impact {
                Impact::Reads => ("reads", "reads"),
                Impact::RestartsPods => ("restarts", "restarts pods"),
                Impact::Changes => ("changes", "changes"),
                Impact::Deletes => ("deletes", "deletes"),
            }),
            text: cluster.shorten(&step.text),
            is_whole: command.iter().all(|it| clean(it) == *it && it.len() <= DETAIL),
            command,
        }
    }
}
