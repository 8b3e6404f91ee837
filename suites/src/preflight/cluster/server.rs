//! The API server: whether it answers, and whether its clock agrees with ours.

use jiff::SignedDuration;

use super::super::evidence::PreflightEvidence;
use crate::evidence::Observation;
use crate::hint::quote;
use crate::judgement::{Judged, Judgement, Look as _};

/// How far the clocks may be apart. A certificate of Istio is valid from two minutes before it is made, a
/// token from the second in which it is.
/// Source: `security/pkg/pki/util/generate_cert.go` (`ClockSkewGracePeriod`).
const APART: SignedDuration = SignedDuration::from_mins(2);

pub(in super::super) fn server_answers(evidence: &PreflightEvidence) -> Judged {
    let cluster = &evidence.cluster;
    let subject = &cluster.seen.subject;
    let reason = match &cluster.server {
        Observation::Absent { reason } => reason,
        other => {
            let server = other.look("the API server")?;
            return Ok(Judgement::pass(format!(
                "{} answers in {} ms",
                subject.server, server.took_ms
            )));
        }
    };
    Err(Judgement::fail(reason.clone())
        .expected("an answer of the API server to these credentials")
        .observed(reason)
        .object("the API server")
        .legacy_hint(server_hint(evidence)))
}

/// A node of kind that stands still is started; elsewhere the client's own words tell more.
fn server_hint(evidence: &PreflightEvidence) -> String {
    let subject = &evidence.cluster.seen.subject;
    if evidence.cluster.credentials_refused {
        let command = evidence.cluster.seen.kubectl(&["get", "--raw", "/version"]);
        let of_kind = subject.context.strip_prefix("kind-").map_or_else(String::new, |cluster| {
            let cluster = quote(cluster);
            format!("; on kind's machine `kind export kubeconfig --name {cluster}` writes it")
        });
        return format!(
            "`{command}` shows what kubectl says of them; get a new kubeconfig for this cluster from who \
             made it{of_kind}"
        );
    }
    let still = still(evidence);
    if !still.is_empty() {
        return format!("`docker start {}` starts its node again", still.join(" "));
    }
    let of_kind = subject.context.strip_prefix("kind-");
    if let (Some(cluster), Some(nodes)) = (of_kind, evidence.machine.kind_nodes.value())
        && !nodes.iter().any(|node| node.cluster == cluster)
    {
        return format!(
            "`kind get clusters` shows that {} is not on this machine's docker engine: it was \
             removed, or is another machine's",
            quote(cluster)
        );
    }
    let command = evidence.cluster.seen.kubectl(&["cluster-info"]);
    let proxies = evidence.machine.proxies.value().map_or(&[][..], |it| &it.variables);
    let proxy = if proxies.is_empty() {
        ""
    } else {
        "; a proxy is set: NO_PROXY may have to name the server"
    };
    format!(
        "`{command}` shows what kubectl says; check that the machine is up, the network and the \
         VPN{proxy}"
    )
}

/// The nodes of this very cluster that stand still, for a shell.
fn still(evidence: &PreflightEvidence) -> Vec<String> {
    let Some(cluster) = evidence.cluster.seen.subject.context.strip_prefix("kind-") else {
        return Vec::new();
    };
    let nodes = evidence.machine.kind_nodes.value().into_iter().flatten();
    nodes
        .filter(|node| node.cluster == cluster && node.state != "running")
        .map(|node| quote(&node.name))
        .collect()
}

/// Whether the cluster that was named is one of kind here, of which a node stands still.
pub(in super::super) fn node_stands_still(evidence: &PreflightEvidence) -> bool {
    !still(evidence).is_empty()
}

pub(in super::super) fn clock(evidence: &PreflightEvidence) -> Judged {
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
        .legacy_hint(
            "`timedatectl` shows on each machine whether its clock is kept right; `sudo \
             timedatectl set-ntp true` has it kept: certificates and tokens fail otherwise",
        ));
    }
    Ok(Judgement::pass(if seconds < 2 {
        "they agree to the second".to_owned()
    } else {
        format!("they are {seconds} s apart")
    }))
}
