//! The facts that tell where a request really breaks: the answer to it, and pods without a sidecar.

use std::collections::BTreeMap;

use meshcheck_suites::claims::find_break;
use meshcheck_suites::evidence::Pod;
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Evidence, Stop, Verdict};

/// The claim about the requests of this check. Its own stop is the backend's port, wherever the request breaks.
const REPLIES: &str = "demo::backend_replies";

/// Returns the stop where the request breaks, if its outcome shows it and no other claim explains it.
pub(super) fn break_of(claim: &ClaimReport, evidence: Option<&Evidence>) -> Option<Stop> {
    let is_unexplained =
        claim.id == REPLIES && claim.verdict == Verdict::Fail && claim.because.is_none();
    evidence.filter(|_| is_unexplained).and_then(find_break)
}

/// Whether this stop belongs to a sidecar that no pod has: of the client, the pod that sent the requests counts.
pub(super) fn is_without_sidecar(evidence: &Evidence, stop: Stop) -> bool {
    let names = &evidence.expectations;
    let deployment = match stop {
        Stop::OutboundRules | Stop::ClientSidecar => &names.client_deployment,
        Stop::InboundRules | Stop::BackendSidecar => &names.backend_deployment,
        _ => return false,
    };
    let prefix = format!("{deployment}-");
    let is_own = |pod: &&Pod| {
        pod.name.starts_with(&prefix) && pod.namespace == names.namespace && !pod.terminating
    };
    let pods = evidence.demo.pods.value();
    let pods: Vec<_> = pods.into_iter().flatten().filter(is_own).collect();
    let asker = evidence.demo.asked.value().map(|asked| asked.exec.pod.as_str());
    match pods.iter().find(|pod| Some(pod.name.as_str()) == asker) {
        Some(pod) => pod.sidecar().is_none(),
        None => !pods.is_empty() && pods.iter().all(|pod| pod.sidecar().is_none()),
    }
}

/// Counts the answers by their status code.
pub(super) fn answers(evidence: &Evidence) -> Option<String> {
    let asked = evidence.demo.asked.value()?;
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for reply in &asked.replies {
        *counts.entry(reply.status).or_default() += 1;
    }
    let counts = counts.into_iter().map(|(status, count)| match status {
        0 => format!("{count} without an answer"),
        status => format!("{count} × {status}"),
    });
    let counts: Vec<_> = counts.collect();
    (!counts.is_empty()).then(|| format!("Requests of this check: {}", counts.join(", ")))
}
