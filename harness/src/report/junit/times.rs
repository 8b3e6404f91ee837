//! The times in a document, of which viewers make sums.
//!
//! One look sees what all claims are judged by, and judging takes microseconds: no claim has a time of its
//! own. So each case that was judged has an equal share of the look, one that was skipped has none, a suite has
//! its cases' sum. Whatever is added up (GitLab adds the cases' times, Jenkins the suites') is the time that the
//! look took, and no claim seems slower than another. A document's time is that of the whole run,
//! provisioning included, where its report ends a run; else that of the look. Suites say when the look began;
//! the document does not, for the schema has no such attribute on it.

use std::time::Duration;

use jiff::Timestamp;
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Report, Verdict};

/// The times in a document.
pub(super) struct Times {
    document: Duration,
    share: Duration,
    begin: Option<String>,
}

impl Times {
    pub(super) fn of(report: &Report) -> Self {
        let look = Duration::from_millis(report.cluster.collection_ms);
        let judged = report.claims.iter().filter(|claim| judged(claim)).count();
        let share = look.checked_div(u32::try_from(judged).unwrap_or(u32::MAX));
        let total = report.phases.iter().find(|phase| phase.phase == "total");
        let total = total.and_then(|it| Duration::try_from_secs_f64(it.seconds).ok());
        // To the second, as all parsers of the format take it.
        let begin = report.cluster.recorded_at.parse::<Timestamp>();
        Self {
            document: total.unwrap_or(look),
            share: share.unwrap_or_default(),
            begin: begin.map(|begin| begin.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).ok(),
        }
    }

    pub(super) fn document(&self) -> Duration {
        self.document
    }

    pub(super) fn suite(&self, claims: &[&ClaimReport]) -> Duration {
        claims.iter().map(|claim| self.case(claim)).fold(Duration::ZERO, Duration::saturating_add)
    }

    pub(super) fn case(&self, claim: &ClaimReport) -> Duration {
        if judged(claim) { self.share } else { Duration::ZERO }
    }

    /// When the look began.
    pub(super) fn begin(&self) -> Option<&str> {
        self.begin.as_deref()
    }
}

fn judged(claim: &ClaimReport) -> bool {
    claim.verdict != Verdict::Skipped
}
