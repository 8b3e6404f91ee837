//! A comparison of two records as a page for a browser. It fetches nothing and needs no script.

use askama::Template;
use meshcheck_suites::Verdict;
use meshcheck_suites::diff::{Class, Diff, Difference, Noise, View};

use super::{STYLE, filters, hash};
use crate::report::diff::{
    below, compared, counted_classes, heading, not_compared, outcome, side, unofficial, verdict,
};
use crate::report::style::sign;
use crate::report::{ReportError, outcome::counted};

/// The most differences that a page shows.
const MOST: usize = 1000;

#[derive(Template)]
#[template(path = "diff.html")]
struct Page<'d> {
    style: &'static str,
    style_hash: String,
    outcome: String,
    worst: Verdict,
    chips: Vec<Chip>,
    old: String,
    new: String,
    note: Option<&'static str>,
    cards: Vec<Card<'d>>,
    /// The values of `--view all`: they are folded.
    values: Vec<Card<'d>>,
    left: usize,
    not_compared: Vec<String>,
    noise: &'d [Noise],
    compared: String,
    version: &'static str,
}

/// How many differences have a class.
struct Chip {
    verdict: Verdict,
    words: String,
}

struct Card<'d> {
    difference: &'d Difference,
    verdict: Verdict,
    heading: String,
    lines: Vec<(&'static str, String)>,
}

impl<'d> Card<'d> {
    fn new(difference: &'d Difference) -> Self {
        let lines = below(difference, true);
        // The reason is a link of its own.
        let lines = lines.into_iter().filter(|(label, _)| *label != "why").collect();
        Self { difference, verdict: verdict(difference.class), heading: heading(difference), lines }
    }

    /// The verdicts of a claim; the heading of any other difference has all that differs.
    fn verdicts(&self) -> Option<(&'d str, &'d str)> {
        let is_claim = self.difference.id.starts_with("claim-");
        let was = self.difference.was.as_deref().filter(|_| is_claim)?;
        Some((was, self.difference.now.as_deref()?))
    }
}

/// Formats a comparison as a page.
///
/// # Errors
///
/// When the template cannot be filled, which is a bug.
pub(in crate::report) fn diff_page(diff: &Diff) -> Result<String, ReportError> {
    let shown = diff.differences.iter().take(MOST);
    let is_value = |it: &&Difference| it.id == "value" || it.id == "observation";
    let (values, cards): (Vec<_>, Vec<_>) = shown.partition(is_value);
    let worst = match diff.differences.first() {
        Some(difference) => verdict(difference.class),
        None if diff.exit_code() == 0 => Verdict::Pass,
        None => Verdict::Unjudged,
    };
    let chips = counted_classes(diff).into_iter();
    let page = Page {
        style: STYLE,
        style_hash: hash(STYLE),
        outcome: outcome(diff),
        worst,
        chips: chips.map(|(class, count)| chip(class, count)).collect(),
        old: side(&diff.old),
        new: side(&diff.new),
        note: unofficial(diff),
        cards: cards.into_iter().map(Card::new).collect(),
        values: values.into_iter().map(Card::new).collect(),
        left: diff.differences.len().saturating_sub(MOST),
        not_compared: not_compared(diff),
        noise: if diff.view == View::All { &diff.noise } else { &[] },
        compared: compared(diff),
        version: env!("CARGO_PKG_VERSION"),
    };
    page.render().map(|text| text + "\n").map_err(|error| ReportError::Format(error.to_string()))
}

fn chip(class: Class, count: usize) -> Chip {
    Chip { verdict: verdict(class), words: format!("{count} {}", class.word()) }
}
