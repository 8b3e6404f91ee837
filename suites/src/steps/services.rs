//! Steps on services: what shows who is behind them, what leads to them.

use super::{Impact, Step};
use crate::evidence::{Evidence, Service, WebhookService};
use crate::hint::quote;

/// Shows the endpoints and pods of a namespace.
pub(crate) fn show_endpoints(evidence: &Evidence, namespace: &str) -> Step {
    let command = evidence.kubectl(&["-n", namespace, "get", "endpoints,pods", "-o", "wide"]);
    Step::inspect(command, "shows who is behind it")
}

/// Shows a service.
pub(crate) fn show(evidence: &Evidence, namespace: &str, service: &str, text: &str) -> Step {
    let command = evidence.kubectl(&["-n", namespace, "get", "service", service, "-o", "wide"]);
    Step::inspect(command, text)
}

/// Shows the service that a webhook calls, and its endpoints.
pub(crate) fn show_called(evidence: &Evidence, called: &WebhookService, text: &str) -> Step {
    let WebhookService { namespace, name, .. } = called;
    Step::inspect(evidence.kubectl(&["-n", namespace, "get", "svc,endpoints", name]), text)
}

/// Shows a service in one line.
pub(crate) fn show_one(evidence: &Evidence, namespace: &str, service: &str, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["-n", namespace, "get", "service", service]), text)
}

/// Describes a service: its events are what the load balancer says.
pub(crate) fn describe(evidence: &Evidence, namespace: &str, service: &str, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["-n", namespace, "describe", "service", service]), text)
}

/// Lists the services of all namespaces.
pub(crate) fn list_all(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["get", "services", "--all-namespaces"]), text)
}

/// Opens minikube's tunnel, which gives services their addresses.
pub(crate) fn open_tunnel(evidence: &Evidence) -> Step {
    let command = format!("minikube tunnel --profile {}", quote(&evidence.subject.context));
    Step::fix(Impact::Changes, command, "in another terminal, gives it an address while it runs")
}

/// Shows MetalLB's pools, and what announces their addresses.
pub(crate) fn show_pools(evidence: &Evidence, text: &str) -> Step {
    let kinds = "ipaddresspools.metallb.io,l2advertisements.metallb.io";
    Step::inspect(evidence.kubectl(&["get", kinds, "--all-namespaces"]), text)
}

/// Shows a service that holds an address.
pub(crate) fn show_holder(evidence: &Evidence, holder: &Service) -> Step {
    show_one(evidence, &holder.namespace, &holder.name, "shows who holds the address")
}

/// Frees the address of a service.
pub(crate) fn free_address(evidence: &Evidence, holder: &Service) -> Step {
    free(evidence, &holder.namespace, &holder.name, "frees it, if nobody needs it")
}

/// Frees one of the addresses of a pool that is used up.
pub(crate) fn free_one(evidence: &Evidence, namespace: &str, service: &str) -> Step {
    let text = "frees one, if nobody needs it; or make the pool larger";
    free(evidence, namespace, service, text)
}

fn free(evidence: &Evidence, namespace: &str, service: &str, text: &str) -> Step {
    let patch = r#"{"spec":{"type":"ClusterIP"}}"#;
    let command = evidence.kubectl(&["-n", namespace, "patch", "svc", service, "-p", patch]);
    Step::fix(Impact::Changes, command, text)
}

/// Exposes the port of Kiali's service on this machine, as the tutorial does: a port-forward, and `socat` in front of it.
pub(crate) fn expose(
    evidence: &Evidence,
    namespace: &str,
    service: &str,
    port: u16,
    exposed_port: u16,
) -> Vec<Step> {
    let ports = format!("{port}:{port}");
    let service = format!("service/{service}");
    let forward = evidence.kubectl(&["-n", namespace, "port-forward", &service, &ports]);
    let socat = format!("socat TCP-LISTEN:{exposed_port},fork TCP:127.0.0.1:{port}");
    vec![
        Step::fix(Impact::Reads, forward, "leads to Kiali"),
        Step::fix(Impact::Reads, socat, "in another terminal, exposes it"),
    ]
}
