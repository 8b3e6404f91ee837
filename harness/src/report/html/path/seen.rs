//! The facts that tell where a request really breaks: the answer to it, and pods without a sidecar.

use std::collections::BTreeMap;

use meshcheck_suites::evidence::Pod;
use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Evidence, Stop, Verdict};

/// The claim about the requests of this check. Its own stop is the backend's port, wherever the request breaks.
const REPLIES: &str = "demo::backend_replies";

/// Answers of Envoy, and errors of the client, with the stop where each of them comes from.
const BREAKS: [(&str, Stop); 9] = [
    ("RBAC: access denied", Stop::BackendSidecar),
    ("fault filter abort", Stop::ClientSidecar),
    ("no healthy upstream", Stop::ClientSidecar),
    ("curl sends requests to a web proxy", Stop::Client),
    ("Could not resolve host", Stop::Network),
    ("Resolving timed out", Stop::Network),
    // The connection between the two sidecars: the packets arrive, the handshake fails.
    ("TLS_error", Stop::InboundRules),
    ("CERTIFICATE_EXPIRED", Stop::InboundRules),
    // The backend's sidecar resets a connection without mTLS.
    ("(STRICT)", Stop::BackendSidecar),
];

/// Returns the stop where the request breaks, if the answer tells it and no other claim explains it.
pub(super) fn break_of(claim: &ClaimReport) -> Option<Stop> {
    if claim.id != REPLIES || claim.verdict != Verdict::Fail || claim.because.is_some() {
        return None;
    }
    let texts = [claim.observed.as_deref().unwrap_or_default(), claim.summary.as_str()];
    let found = BREAKS.iter().find(|(words, _)| texts.iter().any(|text| text.contains(words)));
    found.map(|(_, stop)| *stop)
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
