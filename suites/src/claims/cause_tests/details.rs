//! Pairs of rows that differ in one condition of a cause: with all conditions it is the cause, without one it is not.

use super::changes::*;
use super::{NONE, Row, assert_causes, rows};
use crate::evidence::Evidence;
use crate::testing::{backend, demo_pod, of, refuse, terminate_namespace};

const LABEL: &str = "install::namespace_labelled";
const CLIENT: &str = "demo::client_deployment";
const BACKEND: &str = "demo::backend_deployment";

const NO_CONNECTION: &str = "upstream connect error or disconnect/reset before headers. reset reason: connection failure, \
                             transport failure reason: delayed connect error: 111";
const DELETED: &str = "pods \"echo\" is forbidden: unable to create new content in namespace client because it is being \
                       terminated";

fn listen(evidence: &mut Evidence, address: &str) {
    backend(evidence).containers[0].args.push(format!("-listen={address}"));
}

/// Ends curl with an exit code in place of replies.
fn curl_ends(evidence: &mut Evidence, exit_code: i32) {
    let asked = of(&mut evidence.demo.asked);
    asked.exec.exit_code = exit_code;
    asked.replies.clear();
}

const DEMO: &[Row] = rows! {
    "lab": |it| { listen(it, "127.0.0.1:5678"); proxy_replies(it, 503, NO_CONNECTION); } => "demo::backend_replies": BACKEND;
    "lab": |it| { listen(it, "0.0.0.0:5678"); proxy_replies(it, 503, NO_CONNECTION); } => "demo::backend_replies": NONE;
    "lab": |it| { listen(it, "127.0.0.1:5678"); proxy_replies(it, 500, "out of order"); } => "demo::backend_replies": NONE;
    // The client's image is another one, and has no curl.
    "lab": |it| { client_runs_another_program(it); curl_ends(it, 127); } => "demo::backend_replies": CLIENT;
    "lab": |it| curl_ends(it, 127) => "demo::backend_replies": NONE;
    "lab": |it| { client_runs_another_program(it); curl_ends(it, 7); } => "demo::backend_replies": NONE;
    // The namespace is being deleted: no pod is created in it.
    "lab": |it| { terminate_namespace(it, "client", ""); refuse(backend(it), DELETED); } => "demo::backend_deployment": LABEL;
    // A connection is reset for a client without a sidecar.
    "lab": requests_are_reset => "demo::backend_replies": NONE;
};

#[test]
fn one_condition_decides_on_causes_of_the_demo() {
    assert_causes(DEMO);
}

/// Lets a proxy acknowledge less than istiod sent.
fn stale(evidence: &mut Evidence, app: &str) {
    let name = demo_pod(evidence, app).name.clone();
    for istiod in of(&mut evidence.install.istiod).values_mut() {
        let proxies = of(&mut istiod.proxies).iter_mut();
        proxies
            .filter(|it| it.proxy.starts_with(&name))
            .for_each(|it| it.clusters.acked = "old".into());
    }
}

fn unknown(evidence: &mut Evidence, app: &str) {
    let name = demo_pod(evidence, app).name.clone();
    for istiod in of(&mut evidence.install.istiod).values_mut() {
        of(&mut istiod.proxies).retain(|it| !it.proxy.starts_with(&name));
    }
}

fn container_not_ready(evidence: &mut Evidence) {
    backend_not_ready(evidence, |pod| pod.containers[0].ready = false);
}

const PROXIES: &[Row] = rows! {
    "lab": |it| { container_not_ready(it); stale(it, "echo"); } => "mesh::proxies_in_sync": NONE;
    "lab": |it| { container_not_ready(it); unknown(it, "echo"); } => "mesh::proxies_in_sync": NONE;
    "lab": |it| { sidecar_not_ready(it); unknown(it, "echo"); } => "mesh::proxies_in_sync": BACKEND;
    // The proxy of the other deployment's pod is cut off.
    "lab": |it| { sidecar_not_ready(it); unknown(it, "client"); } => "mesh::proxies_in_sync": NONE;
    "coredns-scaled-to-zero": |it| stale(it, "echo") => "mesh::proxies_in_sync": NONE;
};

#[test]
fn one_condition_decides_on_causes_of_proxies_that_are_not_in_sync() {
    assert_causes(PROXIES);
}
