//! Entries: a claim or a check with its id, page, judge and causes.
//!
//! Claims of the tutorial and checks of the preflight are entries on different evidence. This module holds their common
//! parts: patterns, causes, judging, pages, and the test of their messages.

mod causes;
pub(crate) mod macros;
mod page;
mod pattern;
mod section;
#[cfg(test)]
mod tests;

pub use causes::{CausedBy, Effect};
pub(crate) use causes::{Judgements, roots};
#[cfg(test)]
pub(crate) use macros::cases;
pub(crate) use macros::{check, claim};
pub use page::Page;
pub use pattern::{NoSuchEntry, Pattern, matches_text};
pub use section::{Section, Stop};

use std::fmt;

use crate::evidence::{Expectations, Waiver};
use crate::judgement::{Judged, Judgement};
use crate::report::ClusterFacts;

/// What entries are judged on: the evidence of a mesh, or of a preflight.
pub trait Subject: Sized + 'static {
    /// What an entry on this evidence needs: how it is observed, or when it applies.
    type Needs: Copy + fmt::Debug + PartialEq + Send + Sync + 'static;

    /// The noun for an entry in messages: `claim`, `check`.
    const NOUN: &'static str;

    /// Returns every entry on this evidence, in the order of reports.
    fn entries() -> &'static [&'static Entry<Self>];

    /// Returns the expected names and values.
    fn expectations(&self) -> &Expectations;

    /// Returns the waivers: claims that may fail or are skipped.
    fn waivers(&self) -> &[Waiver] {
        &[]
    }

    /// Returns the facts of the cluster for the head of a report.
    fn facts(&self) -> ClusterFacts;

    /// Checks whether an entry applies.
    ///
    /// # Errors
    ///
    /// *skipped*, with the reason, where it does not.
    fn applies(&self, _needs: Self::Needs) -> Result<(), Judgement> {
        Ok(())
    }

    /// Returns the evidence with failed observations where the check read another namespace than the installation's.
    fn fail_misplaced_observations(&self) -> Option<Self> {
        None
    }

    /// Adds to a judgement what every judgement on this evidence needs.
    fn complete(&self, judgement: Judgement) -> Judgement {
        judgement
    }

    /// Returns evidence on which an entry with these needs passes; its cases change it.
    #[cfg(test)]
    fn healthy(needs: Self::Needs) -> Self;
}

/// A claim or a check, without the expected messages of its cases.
pub struct Entry<E: Subject> {
    /// `SECTION::NAME`, which is also the name of its test.
    pub id: &'static str,
    /// One sentence in plain words.
    pub statement: &'static str,
    /// The statement where a tutorial has other ports or paths, for the few that name one.
    pub statement_for: Option<fn(&Expectations) -> String>,
    /// Whether the tutorial only implies it.
    pub beyond: bool,
    /// How it is observed, or when it applies.
    pub needs: E::Needs,
    /// Its stops in the picture of the request path.
    pub stops: &'static [Stop],
    /// The entries that may cause its failure. The first that fits is the cause.
    pub causes: &'static [CausedBy<E>],
    /// Absent observations with which it may pass: JSON pointer and reason.
    pub holds_without: &'static [(&'static str, &'static str)],
    /// Observations that were not requested, with which it may pass: JSON pointer and reason.
    pub holds_unasked: &'static [(&'static str, &'static str)],
    /// The page of `explain`, from the doc comment above the entry.
    pub page: Page,
    /// The judge.
    pub judge: fn(&E) -> Judged,
    /// Changes to healthy evidence, with the verdict of each.
    #[cfg(test)]
    pub(crate) cases: &'static [crate::testing::Case<E>],
}

impl<E: Subject> fmt::Debug for Entry<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl<E: Subject> Entry<E> {
    /// Returns its section.
    pub fn section(&self) -> Section {
        Section::of(self.id)
    }

    /// Returns the part of its id after the section.
    pub fn name(&self) -> &'static str {
        self.id.split_once("::").map_or(self.id, |(_, name)| name)
    }

    /// Returns the statement with the expected ports and paths.
    pub fn statement_for(&self, expectations: &Expectations) -> String {
        self.statement_for
            .map_or_else(|| self.statement.to_owned(), |statement| statement(expectations))
    }

    /// Judges this evidence.
    pub fn judge(&self, evidence: &E) -> Judgement {
        let judged = evidence.applies(self.needs).and_then(|()| (self.judge)(evidence));
        evidence.complete(judged.unwrap_or_else(|early| early))
    }

    /// Whether any of these patterns selects the entry. Without patterns every entry is selected.
    pub fn is_asked(&self, only: &[Pattern]) -> bool {
        only.is_empty() || only.iter().any(|pattern| pattern.matches(self))
    }
}

/// Concatenates the entries of all sections.
pub(crate) const fn concat<E: Subject, const N: usize>(
    sections: &[&[&'static Entry<E>]],
) -> [&'static Entry<E>; N] {
    let mut all = [sections[0][0]; N];
    let (mut section, mut at) = (0, 0);
    while section < sections.len() {
        let mut row = 0;
        while row < sections[section].len() {
            all[at] = sections[section][row];
            row += 1;
            at += 1;
        }
        section += 1;
    }
    assert!(at == N, "every entry is in the list");
    all
}

/// Counts the entries of all sections.
pub(crate) const fn count<E: Subject>(sections: &[&[&'static Entry<E>]]) -> usize {
    let (mut section, mut total) = (0, 0);
    while section < sections.len() {
        total += sections[section].len();
        section += 1;
    }
    total
}
