//! The protocol that Istio derives from the name of a service's port.

/// The protocols that a port's name can begin with.
/// Source: <https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>.
const PROTOCOLS: [&str; 11] =
    ["http", "http2", "https", "grpc", "grpc-web", "tcp", "tls", "mongo", "mysql", "redis", "udp"];

/// Returns the protocol in a port's name, where it has one: `http` for `http-web`.
fn protocol(name: &str) -> Option<&'static str> {
    let names = |it: &&&str| name.strip_prefix(**it).is_some_and(|rest| rest.starts_with('-'));
    let known = PROTOCOLS.iter().filter(|it| name == **it || names(it));
    known.max_by_key(|it| it.len()).copied()
}

/// Whether Envoy uses HTTP/2 for a port with this name. A server without HTTP/2 then gets no request.
/// Source: `IsHTTP2` in Istio's `pkg/config/protocol/instance.go`.
pub(super) fn is_http2(name: &str) -> bool {
    matches!(protocol(name), Some("http2" | "grpc" | "grpc-web"))
}

/// Describes how Istio uses a port name that differs from the tutorial's.
pub(super) fn explain_protocol(name: &str, tutorials: &str) -> String {
    match protocol(name) {
        Some(found) if Some(found) == protocol(tutorials) => {
            format!("Istio treats both as {found}")
        }
        Some(found) if is_http2(name) && !is_http2(tutorials) => {
            format!("Istio treats it as {found}, and Envoy uses HTTP/2")
        }
        Some(found) => format!("Istio treats it as {found}"),
        None => "Istio has to detect the protocol".to_owned(),
    }
}
