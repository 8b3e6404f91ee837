//! The clocks of the API server and of this machine agree.

use jiff::SignedDuration;

use crate::entry::check;
use crate::evidence::Observation;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine;

check! {
    /// The tutorial implies clocks that agree.
    ///
    /// ## Why it matters
    /// Certificates and tokens are invalid where clocks differ by minutes.
    ///
    /// ## How it is checked
    /// Compares the date in the server's answer with this machine's clock.
    ///
    /// ## What makes it fail
    /// The clocks differ by more than 2 minutes.
    ///
    /// ## How to fix it
    /// Synchronise the clocks of both machines with NTP.
    ///
    /// ## Check by hand
    ///     timedatectl
    cluster::clock: "the clocks of the API server and of this machine agree",
    needs: ClusterNamed,
    after: server_answers,
}

/// The largest difference of the clocks. A certificate of Istio is valid from two minutes before its creation, a token
/// from its creation.
/// Source: `security/pkg/pki/util/generate_cert.go` (`ClockSkewGracePeriod`).
const APART: SignedDuration = SignedDuration::from_mins(2);

fn judge(evidence: &PreflightEvidence) -> Judged {
    let server = match &evidence.cluster.server {
        // cluster::server_answers has the reason.
        Observation::Absent { .. } => {
            return Err(Judgement::unjudged(
                "cannot read the API server's clock: the server does not answer",
            ));
        }
        other => other.look("the API server's clock")?,
    };
    let Some(clock) = server.clock else {
        return Err(Judgement::unjudged("the API server sends no time"));
    };
    // The server sends whole seconds.
    let apart = clock.duration_since(server.ours).abs();
    let seconds = apart.as_secs();
    if apart > APART {
        return Err(Judgement::fail(format!(
            "the clocks of the API server and of this machine differ by {seconds} s"
        ))
        .expected(format!("at most {} s", APART.as_secs()))
        .observed(format!("{seconds} s: {clock} on the server, {} here", server.ours))
        .object("clock of the API server or of this machine")
        .steps(machine::keep_time()));
    }
    Ok(Judgement::pass(if seconds < 2 {
        "the clocks differ by less than 2 s".to_owned()
    } else {
        format!("the clocks differ by {seconds} s")
    }))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;

    use crate::preflight::cluster::changes::*;
    use crate::preflight::evidence::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        agree(|_| {}, Pass);
        slightly_behind(|e| apart(e, -30), Pass);
        two_seconds(|e| apart(e, 2), Pass);
        two_minutes(|e| apart(e, 120), Pass);
        ahead(|e| apart(e, 121), Fail);
        behind(|e| apart(e, -4000), Fail);
        server_sends_no_time(|e| of(&mut e.cluster.server).clock = None, Unjudged);
        server_without_answer(no_answer, Unjudged);
    }
}
