//! The API server answers, and accepts the credentials.

use crate::entry::Effect;
use crate::entry::check;
use crate::evidence::Observation;
use crate::judgement::Verdict;
use crate::judgement::{Judged, Judgement, Look as _};
use crate::preflight::evidence::PreflightEvidence;
use crate::preflight::machine::kind_nodes_run::find_stopped_nodes;
use crate::steps::{Step, cluster as steps, machine};

check! {
    /// The tutorial implies a cluster that kubectl reaches.
    ///
    /// ## Why it matters
    /// No other check of the cluster is possible before its API server answers.
    ///
    /// ## How it is checked
    /// Requests the version of the API server with the credentials of the context.
    ///
    /// ## What makes it fail
    /// - The server does not answer: the machine, the network or a kind node is down. Where a node of the named kind cluster
    ///   is stopped, `machine::kind_nodes_run` is the cause.
    /// - The server refuses the credentials.
    ///
    /// ## How to fix it
    /// Start the node, check network and VPN, or get a new kubeconfig.
    ///
    /// ## Check by hand
    ///     kubectl cluster-info
    cluster::server_answers: "the API server answers, and accepts the credentials",
    needs: ClusterNamed,
    caused_by: [kind_nodes_run if has_stopped_node],
}

fn judge(evidence: &PreflightEvidence) -> Judged {
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
    let server = &subject.server;
    let (summary, expected, observed) = if cluster.credentials_refused {
        let summary = format!("the API server `{server}` refuses the credentials");
        (summary, "credentials accepted", "credentials refused")
    } else {
        (reason.clone(), "an answer", "no answer")
    };
    Err(Judgement::fail(summary)
        .expected(expected)
        .observed(observed)
        .object("the API server")
        .steps(reach_server(evidence)))
}

/// Returns steps that start a stopped kind node; else steps that show the client's own error.
fn reach_server(evidence: &PreflightEvidence) -> Vec<Step> {
    let subject = &evidence.cluster.seen.subject;
    let recorded = &evidence.cluster.seen;
    let of_kind = subject.context.strip_prefix("kind-");
    if evidence.cluster.credentials_refused {
        return steps::replace_kubeconfig(recorded, of_kind);
    }
    let stopped = find_stopped_nodes(evidence);
    if !stopped.is_empty() {
        return vec![machine::start_nodes(&stopped)];
    }
    if let (Some(cluster), Some(nodes)) = (of_kind, evidence.machine.kind_nodes.value())
        && !nodes.iter().any(|node| node.cluster == cluster)
    {
        return vec![machine::list_kind_clusters(cluster)];
    }
    let proxies = evidence.machine.proxies.value().map_or(&[][..], |it| &it.variables);
    vec![steps::show_cluster_info(recorded, !proxies.is_empty())]
}

/// Whether the named cluster is a kind cluster on this machine with a stopped node.
fn has_stopped_node(effect: &Effect<'_, PreflightEvidence>) -> bool {
    effect.judgement.verdict == Verdict::Fail && !find_stopped_nodes(effect.evidence).is_empty()
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Observation;
    use crate::preflight::cluster::changes::*;
    use crate::preflight::evidence::*;
    use crate::testing::of;

    cases! { PreflightEvidence:
        answers(|_| {}, Pass);
        no_answer(no_answer, Fail);
        no_answer_behind_a_proxy(|e| { no_answer(e); e.cluster.seen.subject.context = "vm7".into(); of(&mut e.machine.proxies).variables.push("HTTPS_PROXY".into()); }, Fail);
        node_stopped(|e| of_kind(e, "exited"), Fail);
        node_missing(|e| { of_kind(e, "exited"); of(&mut e.machine.kind_nodes).clear(); }, Fail);
        node_runs(|e| of_kind(e, "running"), Fail);
        nodes_unknown(|e| { of_kind(e, "exited"); e.machine.kind_nodes = Observation::failed("no"); }, Fail);
        credentials_refused(|e| { no_answer(e); e.cluster.credentials_refused = true; }, Fail);
        credentials_refused_by_kind(|e| { no_answer(e); e.cluster.credentials_refused = true; e.cluster.seen.subject.context = "kind-class".into(); }, Fail);
        server_unknown(|e| e.cluster.server = Observation::failed("interrupted"), Unjudged);
    }
}
