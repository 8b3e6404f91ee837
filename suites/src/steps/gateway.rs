//! Steps on the gateway's service.

use std::net::IpAddr;

use serde_json::json;

use super::{Impact, Step};
use crate::evidence::{Evidence, Service};

/// Changes the service's type to LoadBalancer; none where the service is headless and must be created again.
pub(crate) fn make_load_balancer(evidence: &Evidence, service: &Service) -> Option<Step> {
    service.cluster_ip.as_deref()?.parse::<IpAddr>().ok()?;
    let patch = json!({"spec": {"type": "LoadBalancer"}}).to_string();
    let text = "Change the type of the service to LoadBalancer";
    Some(patch_service(evidence, service, &["-p", &patch], text.into()))
}

/// Adds a port; none where its name or its number is taken.
pub(crate) fn add_port(
    evidence: &Evidence,
    service: &Service,
    (name, port, target): (&str, u16, u16),
) -> Option<Step> {
    let is_taken = service.ports.iter().any(|it| it.name == name || it.port == port);
    if is_taken || service.ports.is_empty() {
        return None;
    }
    let value = json!({"name": name, "port": port, "protocol": "TCP", "targetPort": target});
    let patch = json!([{"op": "add", "path": "/spec/ports/-", "value": value}]).to_string();
    let text = format!("Add port {port} to the service");
    Some(patch_service(evidence, service, &["--type=json", "-p", &patch], text))
}

fn patch_service(evidence: &Evidence, service: &Service, patch: &[&str], text: String) -> Step {
    let target = ["-n", &service.namespace, "patch", "service", &service.name];
    Step::fix(Impact::Changes, evidence.kubectl(&[&target[..], patch].concat()), text)
}
