//! One claim or check: its row, its page, its judge and its causes, in one value.
//!
//! Claims of the tutorial and checks of a preflight are entries of the same kind, on different evidence.
//! All that is common to them is here: patterns, causes, judging, pages, and the test of their messages.

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
pub use pattern::{NoSuchEntry, Pattern};
pub use section::{Section, Stop};

use std::fmt;

use crate::evidence::{Expectations, Waiver};
use crate::judgement::{Judged, Judgement};
use crate::report::ClusterFacts;

/// What entries are judged on: the evidence of a mesh, or of a preflight.
pub trait Subject: Sized + 'static {
    /// What an entry on this evidence needs: how it is observed, or where it has a meaning.
    type Needs: Copy + fmt::Debug + PartialEq + Send + Sync + 'static;

    /// What an entry is called in messages: `claim`, `check`.
    const NOUN: &'static str;

    /// Every entry on this evidence, in the order in which a reader goes through them.
    fn entries() -> &'static [&'static Entry<Self>];

    /// The names and values that are expected.
    fn expectations(&self) -> &Expectations;

    /// The claims that may fail, or are not asked for.
    fn waivers(&self) -> &[Waiver] {
        &[]
    }

    /// The cluster, for the head of a report.
    fn facts(&self) -> ClusterFacts;

    /// Whether an entry has a meaning here.
    ///
    /// # Errors
    ///
    /// *skipped*, with the reason, where it has none.
    fn applies(&self, _needs: Self::Needs) -> Result<(), Judgement> {
        Ok(())
    }

    /// Returns the evidence with failed observations where the check read another namespace than the installation's.
    fn fail_misplaced_observations(&self) -> Option<Self> {
        None
    }

    /// Adds what every judgement on this evidence has to say.
    fn complete(&self, judgement: Judgement) -> Judgement {
        judgement
    }

    /// Evidence on which an entry with these needs holds, to be changed by its cases.
    #[cfg(test)]
    fn healthy(needs: Self::Needs) -> Self;
}

/// A claim or a check: everything about it but its cases' expected messages.
pub struct Entry<E: Subject> {
    /// `SECTION::NAME`: also the name of its test.
    pub id: &'static str,
    /// One sentence in plain words.
    pub statement: &'static str,
    /// The statement where a tutorial has other ports or paths, for the few that name one.
    pub statement_for: Option<fn(&Expectations) -> String>,
    /// Whether the tutorial only implies it.
    pub beyond: bool,
    /// How it is observed, or where it has a meaning.
    pub needs: E::Needs,
    /// Where it stands in the picture of a request's path.
    pub stops: &'static [Stop],
    /// The entries that may explain its failure. The first that fits does.
    pub causes: &'static [CausedBy<E>],
    /// Where it holds although something that it reads is absent: JSON pointer and reason.
    pub holds_without: &'static [(&'static str, &'static str)],
    /// Where it holds although something that it reads was not asked for: JSON pointer and reason.
    pub holds_unasked: &'static [(&'static str, &'static str)],
    /// The page of `explain`, as it stands above the entry.
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
    /// Its section.
    pub fn section(&self) -> Section {
        Section::of(self.id)
    }

    /// The part of its id behind the section.
    pub fn name(&self) -> &'static str {
        self.id.split_once("::").map_or(self.id, |(_, name)| name)
    }

    /// The statement with what is expected, where a tutorial has other ports or paths.
    pub fn statement_for(&self, expectations: &Expectations) -> String {
        self.statement_for
            .map_or_else(|| self.statement.to_owned(), |statement| statement(expectations))
    }

    /// The verdict on this evidence.
    pub fn judge(&self, evidence: &E) -> Judgement {
        let judged = evidence.applies(self.needs).and_then(|()| (self.judge)(evidence));
        evidence.complete(judged.unwrap_or_else(|early| early))
    }

    /// Whether any of these patterns asks for it; none at all asks for everything.
    pub fn is_asked(&self, only: &[Pattern]) -> bool {
        only.is_empty() || only.iter().any(|pattern| pattern.matches(self))
    }
}

/// Puts the entries of all sections into one list.
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
    assert!(at == N, "every entry has its place");
    all
}

/// How many entries all sections have.
pub(crate) const fn count<E: Subject>(sections: &[&[&'static Entry<E>]]) -> usize {
    let (mut section, mut total) = (0, 0);
    while section < sections.len() {
        total += sections[section].len();
        section += 1;
    }
    total
}
