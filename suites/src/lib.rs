//! What the tutorial claims: evidence in, verdict out.
//!
//! Nothing here touches the world. [`evidence`] is the record of one look at a mesh,
//! [`claims::CLAIMS`] is the table of statements that the tutorial makes, and [`judge`] brings
//! the two together. The same file judges the same everywhere.

pub mod claims;
mod combine;
pub mod diff;
mod entry;
pub mod evidence;
mod facts;
mod format;
#[doc(hidden)]
pub mod golden;
pub mod hint;
mod json;
mod judge;
pub mod judgement;
pub mod net;
pub mod object;
pub mod preflight;
pub mod profile;
pub mod redact;
pub mod report;
pub mod rights;
mod selector;
mod short_commands;
pub mod steps;
#[cfg(test)]
pub(crate) mod testing;

pub use claims::{CLAIMS, Claim};
pub use entry::{
    CausedBy, Effect, Entry, NoSuchEntry, Page, Pattern, Section, Stop, Subject, matches_text,
};
pub use evidence::Evidence;
#[doc(hidden)]
pub use facts::installation::is_installed_otherwise;
pub use judge::{judge, judged_early, waiver};
pub use judgement::{Judgement, TextChange, Verdict, worst_code};
pub use preflight::{CHECKS, Check};
pub use report::Report;
pub use steps::Step;
