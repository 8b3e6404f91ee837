//! Compares two records by their meaning: verdicts, what a reader of the tutorial sees, and all observations.
//!
//! ```text
//! two records ─► verdicts ── claims with another verdict, one difference for each cause
//!            ├─► kinds, rules ─ what a reader sees; a rule that differs has a witness, or it is equivalent
//!            └─► leaves ── all observations: what differs, what could not be compared, what is noise
//! ```

#[cfg(test)]
mod another_cluster;
mod cluster_facts;
mod combine;
mod demo_facts;
#[cfg(test)]
mod fact_tests;
mod kinds;
mod leaves;
mod model;
mod names;
mod noise;
mod observations;
mod reasons;
mod rule_facts;
mod rules;
mod stable;
#[cfg(test)]
mod tests;
mod verdicts;

pub use combine::diff;
pub use model::{
    Class, Compared, DIFF_SCHEMA, Diff, Difference, Noise, NotCompared, Reason, Side, View, Witness,
};

use crate::evidence::Evidence;
use names::Names;

/// Two records with the names of their objects.
struct Compares<'e> {
    old: &'e Evidence,
    new: &'e Evidence,
    old_names: Names,
    new_names: Names,
}
