//! What is wrong with the sidecars and the traffic between them.

use super::super::case::Mend::{ByHand, ByHints};
use super::super::case::Step::{Annotation, Apply, Label, Sh, Turn, Until};
use super::super::case::{Fault, Step};

/// Both workloads are rolled out.
const SETTLED: Step = Sh(r"for d in echo client; do
    kubectl -n client rollout status deployment/$d-deployment --timeout=120s || exit 1; done");

pub(super) const CASES: &[Fault] = &[
    Fault {
        name: "pods-from-before-the-label",
        breaks: &[
            Sh(r"kubectl label namespace client istio-injection- &&
                kubectl -n client rollout restart deployment"),
            SETTLED,
            Sh("kubectl label namespace client istio-injection=enabled"),
            Turn,
        ],
        red: &[
            "mesh::two_containers_per_pod",
            "mesh::pods_ready",
            "mesh::init_arguments",
            "mesh::inbound_redirected",
            "mesh::outbound_redirected",
            "mesh::live_rules",
            "mesh::traffic_through_proxies",
        ],
        unjudged: &[],
        says: &["pod client/", "has no sidecar"],
        mend: ByHints,
        undo: &[
            Sh(r"kubectl -n client get pods -o jsonpath='{.items[*].spec.containers[*].name}' |
                grep -q istio-proxy || kubectl -n client rollout restart deployment"),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "one-of-two-backends-without-sidecar",
        breaks: &[
            Sh(
                "kubectl -n client run echo-by-hand --image=docker.io/hashicorp/http-echo:latest --image-pull-policy=IfNotPresent --labels=app=echo,sidecar.istio.io/inject=false --port=5678 -- '-text=Hello from backend service'",
            ),
            Sh("kubectl -n client wait pod/echo-by-hand --for=condition=Ready --timeout=60s"),
        ],
        red: &["mesh::two_containers_per_pod", "mesh::pods_ready", "mesh::traffic_through_proxies"],
        unjudged: &[],
        says: &["pod client/echo-by-hand", "inject=false"],
        mend: ByHints,
        undo: &[Sh("kubectl -n client delete pod echo-by-hand --ignore-not-found")],
        ci: false,
    },
    Fault {
        name: "third-container",
        breaks: &[
            Sh(
                r#"kubectl -n client patch deployment echo-deployment -p '{"spec":{"template":{"spec":{"containers":[{"name":"debug",
                "image":"docker.io/curlimages/curl:latest","imagePullPolicy":"IfNotPresent",
                "command":["sleep","infinity"]}]}}}}'"#,
            ),
            SETTLED,
            Turn,
        ],
        red: &["mesh::two_containers_per_pod", "mesh::pods_ready"],
        unjudged: &[],
        says: &["pod client/echo-deployment-", "debug"],
        mend: ByHints,
        undo: &[
            Sh(
                r#"kubectl -n client patch deployment echo-deployment -p '{"spec":{"template":{"spec":{"containers":[{"name":"debug",
                "$patch":"delete"}]}}}}'"#,
            ),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "sidecar-in-a-crash-loop",
        breaks: &[
            Sh(
                r#"kubectl -n client patch deployment client-deployment -p '{"spec":{"strategy":{"type":"Recreate",
                "rollingUpdate":null},
                "template":{"metadata":{"annotations":{"proxy.istio.io/config":"binaryPath: /bin/false"}}}}}'"#,
            ),
            Until("kubectl -n client get pods -l app=client | grep -q CrashLoopBackOff"),
            Turn,
        ],
        red: &[
            "demo::client_deployment",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::pods_ready",
            "mesh::traffic_through_proxies",
            "mesh::proxies_in_sync",
        ],
        // The proxy that crashes reports no version.
        unjudged: &["install::istio_version"],
        says: &["pod client/client-deployment-", "istio-proxy"],
        mend: ByHand("what is in a sidecar's annotations may be wanted there"),
        undo: &[
            Sh(
                r#"kubectl -n client patch deployment client-deployment -p '{"spec":{"strategy":{"type":"RollingUpdate"},
                "template":{"metadata":{"annotations":{"proxy.istio.io/config":null}}}}}'"#,
            ),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "outbound-port-excluded",
        breaks: &[
            Annotation(
                "client-deployment",
                "traffic.sidecar.istio.io/excludeOutboundPorts",
                Some("80"),
            ),
            SETTLED,
            Turn,
        ],
        red: &[
            "mesh::init_arguments",
            "mesh::outbound_redirected",
            "mesh::traffic_through_proxies",
        ],
        unjudged: &[],
        says: &["pod client/client-deployment-", "80"],
        mend: ByHints,
        undo: &[
            Annotation("client-deployment", "traffic.sidecar.istio.io/excludeOutboundPorts", None),
            SETTLED,
            Turn,
        ],
        ci: true,
    },
    Fault {
        name: "outbound-range-excluded",
        breaks: &[
            Annotation(
                "client-deployment",
                "traffic.sidecar.istio.io/excludeOutboundIPRanges",
                Some("10.0.0.0/8"),
            ),
            SETTLED,
            Turn,
        ],
        red: &[
            "mesh::init_arguments",
            "mesh::outbound_redirected",
            "mesh::traffic_through_proxies",
        ],
        unjudged: &[],
        says: &["10.0.0.0/8"],
        mend: ByHints,
        undo: &[
            Annotation(
                "client-deployment",
                "traffic.sidecar.istio.io/excludeOutboundIPRanges",
                None,
            ),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "inbound-port-excluded",
        breaks: &[
            Annotation(
                "echo-deployment",
                "traffic.sidecar.istio.io/excludeInboundPorts",
                Some("5678"),
            ),
            SETTLED,
            Turn,
        ],
        // The callers' proxies encrypt, and nobody decrypts.
        red: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::init_arguments",
            "mesh::inbound_redirected",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["pod client/echo-deployment-", "5678"],
        mend: ByHints,
        undo: &[
            Annotation("echo-deployment", "traffic.sidecar.istio.io/excludeInboundPorts", None),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "interception-mode-changed",
        breaks: &[
            Annotation("echo-deployment", "sidecar.istio.io/interceptionMode", Some("TPROXY")),
            SETTLED,
            Turn,
        ],
        red: &["mesh::init_arguments", "mesh::inbound_redirected"],
        unjudged: &[],
        says: &["pod client/echo-deployment-", "TPROXY"],
        mend: ByHints,
        undo: &[
            Annotation("echo-deployment", "sidecar.istio.io/interceptionMode", None),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "live-rules-flushed",
        // The log of istio-init still shows them.
        breaks: &[
            Sh(r#"docker exec $NODE sh -c 'nsenter -t $(pgrep -f "^/?http-echo|/http-echo" |
                head -n 1) -n iptables -t nat -F'"#),
            Turn,
        ],
        // The callers' proxies encrypt, and nobody decrypts.
        red: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::live_rules",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["pod client/echo-deployment-", "other rules are in force"],
        mend: ByHints,
        undo: &[SETTLED, Turn],
        ci: true,
    },
    Fault {
        name: "strict-policy-and-a-client-without-sidecar",
        breaks: &[
            Apply(
                r"
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: default, namespace: client}
spec: {mtls: {mode: STRICT}}
",
            ),
            Label("client-deployment", "sidecar.istio.io/inject", Some("false")),
            SETTLED,
            Turn,
        ],
        red: &[
            "install::injection_webhook",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::two_containers_per_pod",
            "mesh::pods_ready",
            "mesh::traffic_through_proxies",
        ],
        unjudged: &[],
        says: &["pod client/client-deployment-", "inject=false"],
        mend: ByHints,
        undo: &[
            Sh("kubectl -n client delete peerauthentication default --ignore-not-found"),
            Label("client-deployment", "sidecar.istio.io/inject", None),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "everything-denied",
        breaks: &[
            Apply(
                r"
apiVersion: security.istio.io/v1beta1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: client}
spec: {}
",
            ),
            // Connections that are open already are still served by what was allowed before.
            Sh("kubectl -n client rollout restart deployment/echo-deployment"),
            SETTLED,
            Turn,
        ],
        red: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["RBAC: access denied"],
        mend: ByHand("whether a policy is meant, only its author knows"),
        undo: &[
            Sh("kubectl -n client delete authorizationpolicy nothing --ignore-not-found"),
            Sh("kubectl -n client rollout restart deployment/echo-deployment"),
            SETTLED,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "fault-injected-by-a-virtual-service",
        breaks: &[
            Apply(
                r"
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: abort, namespace: client}
spec: {hosts: [echo-service], http: [{fault: {abort: {httpStatus: 503,
  percentage: {value: 100}}}, route: [{destination: {host: echo-service}}]}]}
",
            ),
            Until(
                r"kubectl -n client exec deploy/client-deployment -c client -- curl -s echo-service |
                grep -q abort",
            ),
            Turn,
        ],
        red: &[
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
        ],
        unjudged: &[],
        says: &["503"],
        mend: ByHand("whether a virtual service is meant, only its author knows"),
        undo: &[Sh("kubectl -n client delete virtualservice abort --ignore-not-found"), Turn],
        ci: false,
    },
    Fault {
        name: "configuration-that-a-proxy-refuses",
        breaks: &[
            Apply(
                r#"
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: broken, namespace: client}
spec: {workloadSelector: {labels: {app: client}},
  configPatches: [{applyTo: HTTP_FILTER, match: {context: SIDECAR_OUTBOUND},
  patch: {operation: INSERT_BEFORE, value: {name: broken,
  typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit}}}}]}
"#,
            ),
            Until("istioctl proxy-status | grep client-deployment | grep -q STALE"),
        ],
        red: &["mesh::proxies_in_sync"],
        unjudged: &[],
        says: &["client-deployment-", "listeners"],
        mend: ByHand("what a filter is for, only its author knows"),
        undo: &[Sh("kubectl -n client delete envoyfilter broken --ignore-not-found")],
        ci: false,
    },
];
