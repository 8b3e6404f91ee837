//! A card: one claim that does not hold, its steps, and the claims that do not hold because of it.

use meshcheck_suites::report::{Cause, ClaimReport};
use meshcheck_suites::{Report, Step, Verdict};

use crate::report::outcome::noun;
use crate::report::writer::Writer;

/// How many consequences a card shows on a terminal without `--verbose`.
const CONSEQUENCES: usize = 8;

/// The space before the parts of a card.
const INDENT: &str = "     ";

/// What a card shows.
pub(super) struct Card<'r> {
    /// Claims with the same message: one, or several that could not be judged for one reason.
    ids: Vec<&'r str>,
    statement: Option<&'r str>,
    verdict: Verdict,
    summary: &'r str,
    object: Option<&'r str>,
    expected: Option<&'r str>,
    observed: Option<&'r str>,
    steps: &'r [Step],
    consequences: Vec<&'r ClaimReport>,
}

impl<'r> Card<'r> {
    /// The card of a cause and of what it explains.
    pub(super) fn of_cause(report: &'r Report, cause: &'r Cause) -> Self {
        let claim = |id: &String| report.claims.iter().find(|claim| claim.id == *id);
        Self {
            ids: vec![&cause.claim],
            statement: claim(&cause.claim).map(|claim| claim.statement.as_str()),
            verdict: cause.verdict,
            // Its own summary tells that it is waived.
            summary: claim(&cause.claim).map_or(&cause.summary, |claim| &claim.summary),
            object: cause.object.as_deref(),
            expected: cause.expected.as_deref(),
            observed: cause.observed.as_deref(),
            steps: &cause.steps,
            consequences: cause.explains.iter().filter_map(claim).collect(),
        }
    }

    /// The cards of claims that stand alone: one for each message.
    pub(super) fn of_claims(claims: impl Iterator<Item = &'r ClaimReport>) -> Vec<Self> {
        let mut cards: Vec<Self> = Vec::new();
        for claim in claims {
            let card = Self {
                ids: vec![&claim.id],
                statement: Some(&claim.statement),
                verdict: claim.verdict,
                summary: &claim.summary,
                object: claim.object.as_deref(),
                expected: claim.expected.as_deref(),
                observed: claim.observed.as_deref(),
                steps: &claim.steps,
                consequences: Vec::new(),
            };
            match cards.iter_mut().find(|it| (it.summary, it.steps) == (card.summary, card.steps)) {
                Some(same) => same.ids.extend(card.ids),
                None => cards.push(card),
            }
        }
        cards
    }

    /// Whether the tutorial's text is all that needs a change.
    pub(super) fn is_update(&self) -> bool {
        self.verdict == Verdict::Changed
            && self.consequences.iter().all(|claim| claim.verdict == Verdict::Changed)
    }

    /// Whether the summary is all there is: what cannot be read needs no more than its reason.
    fn is_bare(&self) -> bool {
        let is_alone = self.steps.is_empty() && self.consequences.is_empty();
        self.verdict == Verdict::Unjudged && is_alone && self.expected.or(self.observed).is_none()
    }

    /// Writes the card under its number.
    pub(super) fn write(&self, to: &mut Writer<'_>, report: &Report, number: usize) {
        let style = to.style;
        let mark = format!("{number:>2} {} ", style.sign(self.verdict));
        if style.short {
            let words = format!("{}  {}", names(report, &self.ids), style.detail(self.summary));
            return to.cut(&words, &mark, "");
        }
        if self.is_bare() && !style.verbose {
            let words = format!("{}  {}", names(report, &self.ids), style.detail(self.summary));
            return to.wrapped(&words, &mark, INDENT);
        }
        let statement = self.statement.filter(|_| self.ids.len() == 1).map(|it| style.detail(it));
        let ids = style.paint("1", &names(report, &self.ids));
        to.wrapped(&[ids, statement.unwrap_or_default()].join("  "), &mark, INDENT);
        to.wrapped(&style.detail(self.summary), INDENT, INDENT);
        let object = self.object.filter(|object| {
            let name = object.rsplit(['/', ' ']).next().unwrap_or_default();
            style.verbose || !self.summary.contains(name)
        });
        let (expected, observed) = match self.verdict {
            Verdict::Changed => ("the tutorial says", "the cluster shows"),
            _ => ("expected", "observed"),
        };
        let pairs = [("object", object), (expected, self.expected), (observed, self.observed)];
        to.pairs(&pairs, &format!("{INDENT}  "));
        for step in self.steps {
            to.step(step, INDENT);
        }
        self.write_consequences(to);
        if let [id] = self.ids[..] {
            to.line(&format!("{INDENT}More: meshcheck explain {}", style.clean(id)));
        }
    }

    fn write_consequences(&self, to: &mut Writer<'_>) {
        let style = to.style;
        let number = self.consequences.len();
        if number == 0 {
            return;
        }
        let verdicts: Vec<_> = self.consequences.iter().map(|claim| claim.verdict).collect();
        let title = match verdicts[..] {
            _ if verdicts.contains(&Verdict::Fail) => "Also failing because of this",
            _ if verdicts.contains(&Verdict::Changed) => "Also changed because of this",
            _ => "Not judged because of this",
        };
        to.line(&format!("{INDENT}{title}"));
        let is_cut = style.width.is_some() && !style.verbose && number > CONSEQUENCES + 1;
        let shown = if is_cut { CONSEQUENCES } else { number };
        let width = self.consequences.iter().map(|claim| claim.id.len()).max().unwrap_or_default();
        for claim in self.consequences.iter().take(shown) {
            let mark = format!("{INDENT}  {} ", style.sign(claim.verdict));
            to.cut(&format!("{:width$}  {}", claim.id, style.detail(&claim.summary)), &mark, "");
        }
        if is_cut {
            to.line(&format!("{INDENT}  and {} more: --verbose shows them", number - shown));
        }
    }
}

/// Writes what was skipped: a line for each reason.
pub(super) fn write_skipped(to: &mut Writer<'_>, report: &Report) {
    let style = to.style;
    let skipped = report.claims.iter().filter(|claim| claim.verdict == Verdict::Skipped);
    for card in Card::of_claims(skipped) {
        let mark = format!("   {} ", style.sign(card.verdict));
        let words = format!("{}: {}", names(report, &card.ids), style.detail(card.summary));
        if style.short {
            to.cut(&words, &mark, "");
        } else {
            to.wrapped(&words, &mark, INDENT);
        }
    }
}

/// The ids of claims, with one name for those of a whole section: `kiali (4 claims)`.
fn names(report: &Report, ids: &[&str]) -> String {
    // A cause may be none of the selected claims.
    if let [id] = ids {
        return (*id).to_owned();
    }
    let mut names = Vec::new();
    for section in report.sections() {
        let all: Vec<_> = report.claims.iter().filter(|claim| claim.section == section).collect();
        let listed: Vec<_> =
            all.iter().map(|it| it.id.as_str()).filter(|id| ids.contains(id)).collect();
        if listed.len() == all.len() && all.len() > 1 {
            names.push(format!("{section} ({} {}s)", all.len(), noun(report)));
        } else {
            names.extend(listed.into_iter().map(ToOwned::to_owned));
        }
    }
    names.join(", ")
}
