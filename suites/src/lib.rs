//! What the tutorial claims: evidence in, verdict out.
//!
//! Nothing here touches the world. [`evidence`] is the record of one look at a mesh,
//! [`claims::CLAIMS`] is the table of statements that the tutorial makes, and [`judge`] brings
//! the two together. The same file judges the same everywhere.

pub mod claims;
pub mod evidence;
#[doc(hidden)]
pub mod golden;
pub mod hint;
pub mod iptables;
pub mod judgement;
pub mod net;
pub mod preflight;
pub mod profile;
pub mod redact;
pub mod report;
pub mod rights;
mod selector;
#[cfg(test)]
pub(crate) mod testing;

pub use claims::{CLAIMS, Claim, Section};
pub use evidence::Evidence;
pub use judgement::{Judgement, Verdict};
pub use report::{Pattern, Report, judge};
