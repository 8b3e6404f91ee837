//! What is wrong with the way in from outside.

use super::super::case::Mend::{ByHand, ByHints};
use super::super::case::Step::{Apply, Sh, Until};
use super::super::case::{Fault, Step};

/// Keeps the gateway's service as it is.
const KEEP: Step = Sh(r"kubectl -n istio-system get svc istio-ingressgateway -o json |
    jq 'del(.status, .spec.clusterIP, .spec.clusterIPs, .metadata.resourceVersion,
    .metadata.uid, .metadata.managedFields)' > gateway.json");

/// Puts it back.
const PUT_BACK: Step = Sh(r"kubectl apply --server-side --force-conflicts -f gateway.json &&
    kubectl -n istio-system wait svc/istio-ingressgateway --timeout=60s --for=jsonpath='{.status.loadBalancer.ingress[0].ip}'");

pub(super) const CASES: &[Fault] = &[
    Fault {
        name: "gateway-service-a-node-port",
        breaks: &[Sh(
            r#"kubectl -n istio-system patch svc istio-ingressgateway -p '{"spec":{"type":"NodePort"}}'"#,
        )],
        red: &[
            "ingress::service_is_load_balancer",
            "ingress::external_address",
            "ingress::address_answers",
            "ingress::routes_into_mesh",
        ],
        // Nobody asks for an address any more.
        unjudged: &["prepare::load_balancer_address_free"],
        says: &["service istio-system/istio-ingressgateway", "NodePort"],
        mend: ByHints,
        undo: &[Sh(
            r#"kubectl -n istio-system patch svc istio-ingressgateway -p '{"spec":{"type":"LoadBalancer"}}'"#,
        )],
        ci: true,
    },
    Fault {
        name: "gateway-port-443-removed",
        breaks: &[
            KEEP,
            Sh(r"kubectl -n istio-system get svc istio-ingressgateway -o json |
                jq '.spec.ports |= map(select(.port != 443))' | kubectl replace -f -"),
        ],
        red: &["ingress::service_is_load_balancer"],
        unjudged: &[],
        says: &["service istio-system/istio-ingressgateway", "443"],
        mend: ByHints,
        undo: &[PUT_BACK],
        ci: true,
    },
    Fault {
        name: "gateway-scaled-to-zero",
        breaks: &[
            Sh("kubectl -n istio-system scale deployment/istio-ingressgateway --replicas=0"),
            Sh(
                "kubectl -n istio-system wait --for=delete pod -l app=istio-ingressgateway --timeout=120s",
            ),
        ],
        red: &[
            "install::control_plane_running",
            "ingress::address_answers",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["deployment istio-system/istio-ingressgateway", "scaled to zero"],
        mend: ByHints,
        undo: &[
            Sh("kubectl -n istio-system scale deployment/istio-ingressgateway --replicas=1"),
            Sh(
                "kubectl -n istio-system rollout status deployment/istio-ingressgateway --timeout=120s",
            ),
        ],
        ci: false,
    },
    Fault {
        name: "gateway-service-selects-nothing",
        breaks: &[Sh(
            r#"kubectl -n istio-system patch svc istio-ingressgateway -p '{"spec":{"selector":{"istio":"gateway"}}}'"#,
        )],
        red: &["ingress::address_answers", "ingress::routes_into_mesh"],
        unjudged: &[],
        says: &["istio-ingressgateway"],
        mend: ByHints,
        undo: &[Sh(
            r#"kubectl -n istio-system patch svc istio-ingressgateway -p '{"spec":{"selector":{"istio":"ingressgateway"}}}'"#,
        )],
        ci: false,
    },
    Fault {
        name: "gateway-service-deleted",
        breaks: &[KEEP, Sh("kubectl -n istio-system delete svc istio-ingressgateway")],
        red: &[
            "ingress::service_is_load_balancer",
            "ingress::external_address",
            "ingress::address_answers",
            "ingress::routes_into_mesh",
        ],
        // Nobody asks for an address any more.
        unjudged: &["prepare::load_balancer_address_free"],
        says: &["istio-ingressgateway"],
        mend: ByHints,
        undo: &[PUT_BACK],
        ci: false,
    },
    Fault {
        name: "address-unreachable",
        breaks: &[Sh(
            "docker exec $NODE iptables -t raw -I PREROUTING -j DROP -d $(kubectl -n istio-system get svc istio-ingressgateway -o jsonpath='{.status.loadBalancer.ingress[0].ip}')",
        )],
        red: &["ingress::address_answers", "ingress::routes_into_mesh"],
        unjudged: &[],
        says: &["/healthz/ready"],
        mend: ByHand("what stands between a machine and a node, the cluster cannot tell"),
        undo: &[Sh(
            "docker exec $NODE iptables -t raw -D PREROUTING -j DROP -d $(kubectl -n istio-system get svc istio-ingressgateway -o jsonpath='{.status.loadBalancer.ingress[0].ip}')",
        )],
        ci: false,
    },
    Fault {
        name: "every-host-routed",
        // A lab from last week that was never cleaned up.
        breaks: &[
            Apply(
                r#"
apiVersion: networking.istio.io/v1beta1
kind: Gateway
metadata: {name: all, namespace: client}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http,
  protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: {name: all, namespace: client}
spec: {hosts: ["*"], gateways: [all],
  http: [{route: [{destination: {host: echo-service}}]}]}
"#,
            ),
            Until(
                r"address=$(kubectl -n istio-system get svc istio-ingressgateway -o jsonpath='{.status.loadBalancer.ingress[0].ip}');
                curl -s -m 2 http://$address/ | grep -q Hello",
            ),
        ],
        red: &["ingress::routes_into_mesh"],
        unjudged: &[],
        says: &["a host that nobody routes"],
        mend: ByHand("whether a route is meant, only its author knows"),
        undo: &[Sh(
            "kubectl -n client delete virtualservice/all gateway.networking.istio.io/all --ignore-not-found",
        )],
        ci: false,
    },
];
