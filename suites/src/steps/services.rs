//! Steps on services and their endpoints.

use super::{Impact, Purpose, Step};
use crate::evidence::{Evidence, Service, WebhookService};
use crate::hint::{escape_backquotes, quote};

/// Shows the endpoints and pods of a namespace.
pub(crate) fn show_endpoints(evidence: &Evidence, namespace: &str) -> Step {
    let command = evidence.kubectl(&["-n", namespace, "get", "endpoints,pods", "-o", "wide"]);
    Step::inspect(command, "Show the endpoints and pods of the namespace")
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

/// Describes a service: its events are the messages of the load balancer.
pub(crate) fn describe(evidence: &Evidence, namespace: &str, service: &str, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["-n", namespace, "describe", "service", service]), text)
}

/// Lists the services of all namespaces.
pub(crate) fn list_all(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.kubectl(&["get", "services", "--all-namespaces"]), text)
}

/// Opens minikube's tunnel, which assigns addresses to services.
pub(crate) fn open_tunnel(evidence: &Evidence) -> Step {
    let command = format!("minikube tunnel --profile {}", quote(&evidence.subject.context));
    Step::fix(
        Impact::Changes,
        command,
        "Start the tunnel in another terminal; the service has an address while it runs",
    )
}

/// Shows MetalLB's pools and the announcements of their addresses.
pub(crate) fn show_pools(evidence: &Evidence, text: &str) -> Step {
    let kinds = "ipaddresspools.metallb.io,l2advertisements.metallb.io";
    Step::inspect(evidence.kubectl(&["get", kinds, "--all-namespaces"]), text)
}

/// Shows a service that holds an address.
pub(crate) fn show_holder(evidence: &Evidence, holder: &Service) -> Step {
    show_one(evidence, &holder.namespace, &holder.name, "Show the service that has the address")
}

/// Frees the address of a service.
pub(crate) fn free_address(evidence: &Evidence, holder: &Service) -> Step {
    free_one(evidence, &holder.namespace, &holder.name)
}

/// The service whose load balancer the tutorial itself removes, with its namespace.
const COMPETITOR: (&str, &str) = ("kong", "kong-proxy");

/// Frees an address that a service has. A service that the tutorial does not name may be in use: its owner decides.
pub(crate) fn free_one(evidence: &Evidence, namespace: &str, service: &str) -> Step {
    if (namespace, service) == COMPETITOR {
        let command = evidence.kubectl(&["-n", namespace, "delete", "service", service]);
        let text = "Delete the service, as the tutorial does, only if nobody uses it";
        return Step::fix(Impact::Deletes, command, text);
    }
    let service = escape_backquotes(&format!("{namespace}/{service}"));
    let text = format!(
        "Add addresses to the pool, or let the owner of service {service} free its address"
    );
    Step::advice(Purpose::Fix, text)
}

/// Exposes the port of Kiali's service on this machine, as the tutorial does: by a port-forward and `socat`.
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
        Step::fix(Impact::Changes, forward, "Forward a local port to Kiali"),
        Step::fix(Impact::Changes, socat, "Expose that port, in another terminal"),
    ]
}
