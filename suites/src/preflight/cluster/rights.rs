//! What the caller may do.

use super::super::evidence::{PreflightEvidence, Right};
use crate::entry::check;
use crate::format::{RIGHT, count, list};
use crate::judgement::{Judged, Judgement, Look as _};

check! {
    /// TODO
    "cluster::rights": "the caller may install Istio and the demo",
    needs: ClusterNamed,
    after: crate::preflight::cluster::server_answers,
    judge: rights,
}

#[cfg(test)]
use crate::preflight::tests::cluster::rights as cases;

/// How many of the missing rights are named.
const NAMED: usize = 4;

fn rights(evidence: &PreflightEvidence) -> Judged {
    let rights = evidence.cluster.rights.look("what the caller may do")?;
    if rights.is_empty() {
        return Err(Judgement::unjudged("the server was asked for no right"));
    }
    let missing: Vec<_> = rights.iter().filter(|right| !right.allowed).collect();
    let Some(first) = missing.first() else {
        return Ok(Judgement::pass(format!("all {} that an install needs", rights.len())));
    };
    let mut named: Vec<_> = missing.iter().take(NAMED).map(|right| words(right)).collect();
    if missing.len() > NAMED {
        named.push(format!("{} more", missing.len() - NAMED));
    }
    let mut can_i = vec!["auth", "can-i", &first.verb, &first.resource];
    if !first.namespace.is_empty() {
        can_i.extend(["-n", &first.namespace]);
    }
    let can_i = evidence.cluster.seen.kubectl(&can_i);
    let namespaces = &evidence.cluster.seen.expectations;
    let (istio, demo) = (&namespaces.istio_namespace, &namespaces.namespace);
    Err(Judgement::fail(format!("the caller may not {}", list(&named)))
        .expected(format!("all {} that an install needs", count(rights.len(), RIGHT)))
        .observed(format!("{} of them missing", missing.len()))
        .object(format!("the credentials of context {}", evidence.cluster.seen.subject.context))
        .legacy_hint(format!(
            "`{can_i}` asks again; an install makes roles and webhooks for the whole cluster, and \
             objects in {istio} and {demo}: ask the cluster's administrator for the role cluster-admin"
        )))
}

fn words(right: &Right) -> String {
    if right.namespace.is_empty() {
        format!("{} {}", right.verb, right.resource)
    } else {
        format!("{} {} in {}", right.verb, right.resource, right.namespace)
    }
}
