//! The clocks of the server and of this machine agree.

use jiff::SignedDuration;

use crate::entry::check;
use crate::evidence::Observation;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::cluster::server_answers;
use crate::preflight::evidence::PreflightEvidence;
use crate::steps::machine;

check! {
    /// The tutorial implies clocks that agree.
    ///
    /// ## Why it matters
    /// Certificates and tokens are not valid where clocks differ by minutes.
    ///
    /// ## How it is checked
    /// Compares the date in the server's answer with this machine's clock.
    ///
    /// ## What makes it fail
    /// The clocks are more than 2 minutes apart.
    ///
    /// ## How to fix it
    /// Let both machines keep their time over the network.
    ///
    /// ## Check by hand
    ///     timedatectl
    cluster::clock: "the clocks of the server and of this machine agree",
    needs: ClusterNamed,
    after: server_answers,
    judge: judge,
}

/// How far the clocks may be apart. A certificate of Istio is valid from two minutes before it is made, a
/// token from the second in which it is.
/// Source: `security/pkg/pki/util/generate_cert.go` (`ClockSkewGracePeriod`).
const APART: SignedDuration = SignedDuration::from_mins(2);

fn judge(evidence: &PreflightEvidence) -> Judged {
    let server = match &evidence.cluster.server {
        // Why is told by the check that says so.
        Observation::Absent { .. } => {
            return Err(Judgement::unjudged("the server's clock was not seen: it does not answer"));
        }
        other => other.look("the server's clock")?,
    };
    let Some(clock) = server.clock else {
        return Err(Judgement::unjudged("the server does not tell the time"));
    };
    // The server tells whole seconds.
    let apart = clock.duration_since(server.ours).abs();
    let seconds = apart.as_secs();
    if apart > APART {
        return Err(Judgement::fail(format!(
            "the clocks of the server and of this machine are {seconds} s apart"
        ))
        .expected(format!("less than {} s", APART.as_secs()))
        .observed(format!("{clock} there, {} here", server.ours))
        .object("the clock of the cluster's nodes, or of this machine")
        .steps(machine::keep_time()));
    }
    Ok(Judgement::pass(if seconds < 2 {
        "they agree to the second".to_owned()
    } else {
        format!("they are {seconds} s apart")
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
        nearly(|e| apart(e, -30), Pass);
        ahead(|e| apart(e, 121), Fail);
        behind(|e| apart(e, -4000), Fail);
        untold(|e| of(&mut e.cluster.server).clock = None, Unjudged);
        no_server(no_answer, Unjudged);
    }
}
