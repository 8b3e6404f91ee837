//! Writes a card: one claim that does not hold, its steps, and the claims that do not hold because of it.

use meshcheck_suites::{Report, Verdict};

use crate::report::cards::Card;
use crate::report::outcome::noun;
use crate::report::writer::Writer;

/// How many consequences a card shows on a terminal without `--verbose`.
const CONSEQUENCES: usize = 8;

/// The space before the parts of a card.
const INDENT: &str = "     ";

/// Writes the card under its number.
pub(super) fn write_card(to: &mut Writer<'_>, report: &Report, card: &Card<'_>) {
    let style = to.style;
    let mark = format!("{:>2} {} ", card.number, style.sign(card.verdict));
    let names = style.clean(&names(report, &card.ids));
    let summary = style.detail(&card.summary);
    if style.short {
        return to.cut(&format!("{names}  {summary}"), &mark, "");
    }
    if card.is_bare() && !style.verbose {
        return to.wrapped(&format!("{names}  {summary}"), &mark, INDENT);
    }
    let statement = card.statement.map(|it| format!("  {}", style.detail(it)));
    let title = format!("{}{}", style.paint("1", &names), statement.unwrap_or_default());
    to.wrapped(&title, &mark, INDENT);
    to.wrapped(&summary, INDENT, INDENT);
    let (expected, observed) = card.pair();
    // A changed claim without details would repeat its summary.
    let observed_text = card.observed.filter(|it| *it != card.summary);
    let change = card.change_lines();
    let pairs = [
        ("object", card.object),
        ("the tutorial says", card.sentence()),
        (expected, card.expected),
        (observed, observed_text),
    ];
    let more = change.iter().map(|(name, text)| (*name, Some(text.as_str())));
    let pairs: Vec<_> = pairs.into_iter().chain(more).collect();
    to.pairs(&pairs, &format!("{INDENT}  "));
    for step in card.steps {
        to.step(step, INDENT);
    }
    write_consequences(to, card);
    if let [id] = card.ids[..] {
        to.line(&format!("{INDENT}More: meshcheck explain {}", style.clean(id)));
    }
}

fn write_consequences(to: &mut Writer<'_>, card: &Card<'_>) {
    let style = to.style;
    let number = card.consequences.len();
    if number == 0 {
        return;
    }
    to.line(&format!("{INDENT}{}", card.consequences_title()));
    let is_cut = style.width.is_some() && !style.verbose && number > CONSEQUENCES + 1;
    let shown = if is_cut { CONSEQUENCES } else { number };
    let width = card.consequences.iter().map(|claim| claim.id.len()).max().unwrap_or_default();
    for claim in card.consequences.iter().take(shown) {
        let mark = format!("{INDENT}  {} ", style.sign(claim.verdict));
        to.cut(&format!("{:width$}  {}", claim.id, style.detail(&claim.summary)), &mark, "");
    }
    if is_cut {
        to.line(&format!("{INDENT}  and {} more: --verbose shows them", number - shown));
    }
}

/// Writes what was skipped: a line for each reason.
pub(super) fn write_skipped(to: &mut Writer<'_>, report: &Report) {
    let style = to.style;
    let skipped = report.claims.iter().filter(|claim| claim.verdict == Verdict::Skipped);
    for card in Card::of_claims(skipped) {
        let mark = format!("   {} ", style.sign(card.verdict));
        let names = style.clean(&names(report, &card.ids));
        let words = format!("{names}: {}", style.detail(&card.summary));
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
