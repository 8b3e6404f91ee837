//! Classifies why an image is not on a node: the errors of the container runtime.

use crate::evidence::{Container, ContainerState};
use crate::facts::image::split_image;

/// Why an image is not on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullFailure {
    /// A certificate is not valid at the node's time.
    Time,
    /// The node does not trust the registry's certificate.
    Certificate,
    /// The node's disk is full.
    Disk,
    /// The registry limits the rate of pulls.
    RateLimit,
    /// The HTTP proxy of the container runtime does not forward the pull.
    Proxy,
    /// The node does not resolve the name of the registry.
    Name,
    /// The registry refuses access, or does not have this repository.
    Access,
    /// The image's name has no registry, and the node does not complete it.
    ShortName,
    /// The image has no variant for the node's platform.
    Platform,
    /// The pod forbids to pull it.
    Never,
    /// The node does not reach the registry.
    Unreachable,
    /// Another reason.
    Other,
}

/// The reasons of the kubelet for a container without its image.
/// Source: `pkg/kubelet/images/types.go` of Kubernetes.
const REASONS: [&str; 7] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "InvalidImageName",
    "SignatureValidationFailed",
];

/// The messages of containerd, CRI-O and docker for each failure, the deepest reason first.
const MESSAGES: [(PullFailure, &[&str]); 11] = [
    (PullFailure::Time, &["certificate has expired or is not yet valid"]),
    (PullFailure::Certificate, &["x509: "]),
    (PullFailure::Disk, &["no space left on device"]),
    (PullFailure::RateLimit, &["toomanyrequests", "429 Too Many Requests"]),
    // A proxy that refuses to connect gives no more than the text of its status: `Get "https://…/v2/": Forbidden`.
    (
        PullFailure::Proxy,
        &["proxyconnect ", "Proxy Authentication Required", "\": Forbidden", "\": Bad Gateway"],
    ),
    (PullFailure::Name, &["dial tcp: lookup ", "no such host", "server misbehaving"]),
    (
        PullFailure::Access,
        &[
            // Redaction can replace the status before these words.
            " Unauthorized",
            " Forbidden",
            "no basic auth credentials",
            "authentication required",
            "insufficient_scope",
            "pull access denied",
            "unauthorized: ",
            // The file system's message is `permission denied: unknown`.
            ": denied: ",
            "requested access to the resource is denied",
        ],
    ),
    (PullFailure::ShortName, &["short name mode is enforcing", "short-name "]),
    (
        PullFailure::Platform,
        &["no match for platform in manifest", "no matching manifest for", "for architecture "],
    ),
    (PullFailure::Never, &["pull policy of Never"]),
    (
        PullFailure::Unreachable,
        &[
            "i/o timeout",
            "Client.Timeout",
            // After a URL: a slow pull of a registry that answers ends with the same words.
            "\": context deadline exceeded",
            "connection refused",
            "connection reset by peer",
            "no route to host",
            "network is unreachable",
            "TLS handshake timeout",
        ],
    ),
];

/// Returns the container runtime's message on the image of a container that waits for it.
pub(crate) fn pull_error(container: &Container) -> Option<&str> {
    match &container.state {
        ContainerState::Waiting { reason, message } if REASONS.contains(&reason.as_str()) => {
            Some(message)
        }
        _ => None,
    }
}

/// Classifies the container runtime's message.
pub(crate) fn classify_pull_error(message: &str) -> PullFailure {
    let contains = |(_, texts): &&(_, &[&str])| texts.iter().any(|it| message.contains(it));
    MESSAGES.iter().find(contains).map_or(PullFailure::Other, |it| it.0)
}

/// Returns the host that the container runtime did not reach: of the name that it looked up, or of the last URL. A registry
/// sends it to others for a login and for layers, and a mirror stands for a registry.
pub(crate) fn unreached_host(message: &str) -> Option<&str> {
    let name = message.rsplit_once("dial tcp: lookup ").map(|(_, rest)| rest);
    let url = || message.rsplit_once("\"https://").map(|(_, rest)| rest);
    let host = name.or_else(url)?.split(['/', '"', ' ']).next()?.trim_end_matches(':');
    (!host.is_empty()).then_some(host)
}

/// Returns the host of an image's registry: that of Docker Hub for a name without a host.
pub(crate) fn registry_host(image: &str) -> &str {
    const HUB: &str = "registry-1.docker.io";
    let host = split_image(image).0.split_once('/').map_or("", |(host, _)| host);
    let is_host = host.contains(['.', ':']) || host == "localhost";
    if is_host && !["docker.io", "index.docker.io"].contains(&host) { host } else { HUB }
}

#[cfg(test)]
mod tests {
    use super::{
        PullFailure as Pull, REASONS, classify_pull_error, pull_error, registry_host,
        unreached_host,
    };
    use crate::evidence::{Container, ContainerState};
    use rstest::rstest;

    #[rstest]
    #[case::clock(
        "Head \"https://r/v2/\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is before 2026-11-29T07:11:22Z",
        Pull::Time
    )]
    #[case::authority("x509: certificate signed by unknown authority", Pull::Certificate)]
    #[case::disk(
        "failed to extract layer sha256:00: write /usr/local/bin/envoy: no space left on device: unknown",
        Pull::Disk
    )]
    #[case::limit(
        "429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit",
        Pull::RateLimit
    )]
    #[case::name(
        "dial tcp: lookup registry-1.docker.io on 172.18.0.1:53: server misbehaving",
        Pull::Name
    )]
    #[case::silent_dns(
        "dial tcp: lookup quay.io on 10.0.0.2:53: read udp 10.0.0.5:4711->10.0.0.2:53: i/o timeout",
        Pull::Name
    )]
    #[case::login(
        "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://r/token?scope=pull: 401 Unauthorized",
        Pull::Access
    )]
    #[case::hub(
        "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
        Pull::Access
    )]
    #[case::cri_o(
        "Failed to inspect image \"\": rpc error: code = Unknown desc = short name mode is enforcing, but image name curlimages/curl returns ambiguous list",
        Pull::ShortName
    )]
    #[case::podman("short-name \"busybox:latest\" did not resolve to an alias", Pull::ShortName)]
    #[case::platform("no match for platform in manifest: not found", Pull::Platform)]
    #[case::never("Container image \"a:1\" is not present with pull policy of Never", Pull::Never)]
    #[case::silent(
        "Get \"https://registry-1.docker.io/v2/\": net/http: TLS handshake timeout",
        Pull::Unreachable
    )]
    #[case::late("Head \"https://r/v2/\": context deadline exceeded", Pull::Unreachable)]
    #[case::name_of_the_proxy(
        "Head \"https://r/v2/\": proxyconnect tcp: dial tcp: lookup proxy.example.com: no such host",
        Pull::Proxy
    )]
    #[case::login_of_the_proxy("Get \"https://r/v2/\": Proxy Authentication Required", Pull::Proxy)]
    #[case::refused_by_the_proxy("Get \"https://r/v2/\": Forbidden", Pull::Proxy)]
    #[case::refused_by_the_registry("request to https://r/v2/: 403 Forbidden", Pull::Access)]
    #[case::refused_by_ghcr("reading manifest 1 in ghcr.io/a/b: denied: denied", Pull::Access)]
    #[case::file_system(
        "failed to extract layer: lchown /a: permission denied: unknown",
        Pull::Other
    )]
    #[case::slow(
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        Pull::Other
    )]
    #[case::missing("docker.io/hashicorp/http-echo:9: not found", Pull::Other)]
    fn error_of_a_pull_has_a_kind(#[case] message: &str, #[case] failure: Pull) {
        assert_eq!(classify_pull_error(message), failure);
    }

    #[test]
    fn error_of_a_pull_is_the_message_of_a_wait_for_the_image() {
        let waits = |reason: &str| Container {
            state: ContainerState::Waiting { reason: reason.into(), message: "no".into() },
            ..Container::default()
        };
        assert!(REASONS.iter().all(|reason| pull_error(&waits(reason)) == Some("no")));
        assert_eq!(pull_error(&waits("CrashLoopBackOff")), None);
    }

    #[rstest]
    #[case(
        "Head \"https://r.example.com/v2/\": dial tcp: lookup auth.example.com on 10.0.0.2:53: no such host",
        Some("auth.example.com")
    )]
    #[case("dial tcp: lookup quay.io: no such host", Some("quay.io"))]
    #[case(
        "Get \"https://cdn.example.com:8443/a\": dial tcp 203.0.113.9:8443: i/o timeout",
        Some("cdn.example.com:8443")
    )]
    #[case("net/http: TLS handshake timeout", None)]
    fn host_that_is_not_reached_is_in_the_message(#[case] text: &str, #[case] host: Option<&str>) {
        assert_eq!(unreached_host(text), host);
    }

    #[rstest]
    #[case("curlimages/curl", "registry-1.docker.io")]
    #[case("busybox:1", "registry-1.docker.io")]
    #[case("docker.io/istio/pilot:1.20.3", "registry-1.docker.io")]
    #[case("quay.io/kiali/kiali:v1.76", "quay.io")]
    #[case("localhost:5000/pilot", "localhost:5000")]
    fn registry_of_a_name_without_a_host_is_docker_hub(#[case] image: &str, #[case] host: &str) {
        assert_eq!(registry_host(image), host);
    }
}
