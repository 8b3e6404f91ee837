//! Cards: claims that do not hold, each with its steps, and with the claims that do not hold because of it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use meshcheck_suites::report::{Cause, ClaimReport};
use meshcheck_suites::steps::Purpose;
use meshcheck_suites::{CHECKS, CLAIMS, Report, Step, TextChange, Verdict};

/// The cards below one heading.
pub(super) struct Group<'r> {
    pub(super) title: &'static str,
    pub(super) cards: Vec<Card<'r>>,
}

/// One card.
pub(super) struct Card<'r> {
    /// Its number in the report, from 1.
    pub(super) number: usize,
    /// The heading above it.
    pub(super) title: &'static str,
    /// Claims with the same reason: one, or several that cannot be judged.
    pub(super) ids: Vec<&'r str>,
    pub(super) statement: Option<&'r str>,
    pub(super) verdict: Verdict,
    pub(super) summary: Cow<'r, str>,
    pub(super) object: Option<&'r str>,
    pub(super) expected: Option<&'r str>,
    pub(super) observed: Option<&'r str>,
    /// The difference from the tutorial's text, where the claim is *changed*.
    pub(super) change: Option<&'r TextChange>,
    pub(super) steps: &'r [Step],
    pub(super) consequences: Vec<&'r ClaimReport>,
    pub(super) page: &'r str,
}

/// Collects the cards: causes first, then what stands alone.
pub(super) fn groups(report: &Report) -> Vec<Group<'_>> {
    let (updates, causes): (Vec<_>, Vec<_>) =
        report.causes.iter().map(|cause| Card::of_cause(report, cause)).partition(Card::is_update);
    let shown: BTreeSet<_> = report.causes.iter().map(|cause| cause.claim.as_str()).collect();
    let alone = |verdict, may_fail| {
        Card::of_claims(report.claims.iter().filter(|claim| {
            claim.because.is_none()
                && !shown.contains(claim.id.as_str())
                && (claim.verdict, claim.may_fail.is_some()) == (verdict, may_fail)
        }))
    };
    let changed = updates.into_iter().chain(alone(Verdict::Changed, false));
    let (clean_up, update) = changed.partition(|card| has_fix(card.steps));
    let not_holding = [Verdict::Fail, Verdict::Changed, Verdict::Unjudged];
    let unproven = report.claims.iter().filter(|claim| claim.caveat.is_some());
    let groups = [
        ("Fix first", causes),
        ("Fails", alone(Verdict::Fail, false)),
        ("Not judged", alone(Verdict::Unjudged, false)),
        ("Update the tutorial (nothing to do on the cluster)", update),
        ("Clean up (the mesh works)", clean_up),
        ("Holds, but not proven", Card::of_claims(unproven)),
        (
            "Allowed to fail",
            not_holding.into_iter().flat_map(|verdict| alone(verdict, true)).collect(),
        ),
    ];
    let mut number = 0;
    let filled = groups.into_iter().filter(|(_, cards)| !cards.is_empty());
    filled
        .map(|(title, mut cards)| {
            for card in &mut cards {
                number += 1;
                (card.number, card.title) = (number, title);
            }
            Group { title, cards }
        })
        .collect()
}

/// Whether any of the steps is a command that repairs something on the cluster.
pub(super) fn has_fix(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.purpose == Purpose::Fix && step.command.is_some())
}

impl<'r> Card<'r> {
    fn of_cause(report: &'r Report, cause: &'r Cause) -> Self {
        let claim = |id: &String| report.claims.iter().find(|claim| claim.id == *id);
        let here = claim(&cause.claim);
        // A cause may be none of the selected claims.
        let statement = || {
            let claims = CLAIMS.iter().map(|entry| (entry.id, entry.statement));
            let mut all = claims.chain(CHECKS.iter().map(|entry| (entry.id, entry.statement)));
            all.find(|(id, _)| *id == cause.claim).map(|(_, statement)| statement)
        };
        // Its own summary tells that it is waived.
        let summary = here.map_or(&cause.summary, |claim| &claim.summary);
        Self {
            number: 0,
            title: "",
            ids: vec![&cause.claim],
            statement: here.map(|it| it.statement.as_str()).or_else(statement),
            verdict: cause.verdict,
            summary: summary.into(),
            object: object(cause.object.as_deref(), summary),
            expected: expected(cause.expected.as_deref(), cause.change.as_deref()),
            observed: cause.observed.as_deref(),
            change: cause.change.as_deref(),
            steps: &cause.steps,
            consequences: cause.explains.iter().filter_map(claim).collect(),
            page: here.map_or("", |claim| &claim.page),
        }
    }

    /// Returns one card for each reason.
    pub(super) fn of_claims(claims: impl Iterator<Item = &'r ClaimReport>) -> Vec<Self> {
        let mut cards: Vec<Self> = Vec::new();
        for claim in claims {
            let reason = reason(claim);
            let same = |card: &&mut Self| {
                card.steps == claim.steps
                    && (card.summary == claim.summary
                        || card.verdict == Verdict::Unjudged && card.summary.ends_with(reason))
            };
            if let Some(card) = cards.iter_mut().find(same) {
                card.ids.push(&claim.id);
                if reason != claim.summary {
                    card.summary = format!("cannot read what they need: {reason}").into();
                }
                (card.statement, card.page) = (None, "");
                continue;
            }
            let is_changed = claim.verdict == Verdict::Changed;
            let or = |detail: &'r Option<String>, text: &'r String| {
                detail.as_ref().or(is_changed.then_some(text)).map(String::as_str)
            };
            cards.push(Self {
                number: 0,
                title: "",
                ids: vec![&claim.id],
                statement: Some(&claim.statement),
                verdict: claim.verdict,
                summary: claim.caveat.as_ref().unwrap_or(&claim.summary).into(),
                object: object(claim.object.as_deref(), &claim.summary),
                expected: match claim.change.as_deref() {
                    Some(change) => expected(claim.expected.as_deref(), Some(change)),
                    None => or(&claim.expected, &claim.statement),
                },
                observed: or(&claim.observed, &claim.summary),
                change: claim.change.as_deref(),
                steps: &claim.steps,
                consequences: Vec::new(),
                page: &claim.page,
            });
        }
        cards
    }

    /// Whether the tutorial's text is all that needs a change.
    fn is_update(&self) -> bool {
        self.verdict == Verdict::Changed
            && self.consequences.iter().all(|claim| claim.verdict != Verdict::Fail)
    }

    /// Whether the summary is all there is to say.
    pub(super) fn is_bare(&self) -> bool {
        let is_alone = self.steps.is_empty() && self.consequences.is_empty();
        let is_told = matches!(self.verdict, Verdict::Unjudged | Verdict::Pass);
        is_told && is_alone && self.expected.or(self.observed).is_none()
    }

    /// The words above what was expected and what was observed.
    pub(super) fn pair(&self) -> (&'static str, &'static str) {
        match self.verdict {
            Verdict::Changed if self.change.is_some() => ("expected", "the cluster shows"),
            Verdict::Changed => ("the tutorial says", "the cluster shows"),
            _ => ("expected", "observed"),
        }
    }

    /// Returns the words of the tutorial that do not hold any more.
    pub(super) fn sentence(&self) -> Option<&'r str> {
        self.change.map(|change| change.sentence.as_str())
    }

    /// Returns what else is known of the difference from the tutorial's text, without what the card says already.
    pub(super) fn change_lines(&self) -> Vec<(&'static str, String)> {
        let said = [self.sentence(), self.observed, Some(&*self.summary)];
        let mut lines = self.change.map(change_lines).unwrap_or_default();
        lines.retain(|(_, text)| !said.contains(&Some(text)));
        lines
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

/// Returns what was expected, unless the words of the tutorial say it already.
fn expected<'r>(expected: Option<&'r str>, change: Option<&TextChange>) -> Option<&'r str> {
    expected.filter(|it| change.is_none_or(|change| !change.sentence.contains(it)))
}

/// Returns what is known of a difference from the tutorial's text: names and texts, its words first.
pub(crate) fn change_lines(change: &TextChange) -> Vec<(&'static str, String)> {
    let TextChange { sentence, now, since, why, source, restore, .. } = change;
    let since = since.as_ref().map(|since| format!("Istio {since}"));
    let lines = [
        ("the tutorial says", Some(sentence.clone())),
        ("true instead", Some(now.clone())),
        ("since", since),
        ("why", Some(why.clone())),
        ("source", Some(source.clone())),
        ("to restore", restore.clone()),
    ];
    lines.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

/// Returns the reason in the summary of a claim that cannot be judged, without the object that cannot be read:
/// several claims can have the same one.
fn reason(claim: &ClaimReport) -> &str {
    let summary = claim.summary.as_str();
    let cannot_read = claim.verdict == Verdict::Unjudged && claim.expected.is_none();
    let reason = summary.split_once(": ").filter(|_| cannot_read).map(|(_, reason)| reason);
    reason.unwrap_or(summary)
}

/// Returns the object, unless the summary names it.
fn object<'r>(object: Option<&'r str>, summary: &str) -> Option<&'r str> {
    object.filter(|it| !summary.contains(it.rsplit(['/', ' ']).next().unwrap_or_default()))
}
