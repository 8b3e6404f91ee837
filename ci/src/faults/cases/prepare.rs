//! What is wrong with the cluster under the mesh.

use super::super::case::Fault;
use super::super::case::Mend::{ByHand, ByHints};
use super::super::case::Step::{Sh, Turn};

pub(super) const CASES: &[Fault] = &[
    Fault {
        name: "coredns-scaled-to-zero",
        breaks: &[
            Sh("kubectl -n kube-system scale deployment/coredns --replicas=0"),
            Sh("kubectl -n kube-system wait --for=delete pod -l k8s-app=kube-dns --timeout=120s"),
            Turn,
        ],
        red: &[
            "prepare::dns_on_pod_network",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
        ],
        // Its API asks for other services by name, and waits.
        unjudged: &["kiali::console_served"],
        says: &["coredns", "Could not resolve host"],
        mend: ByHints,
        undo: &[
            Sh("kubectl -n kube-system scale deployment/coredns --replicas=2"),
            Sh("kubectl -n kube-system rollout status deployment/coredns --timeout=120s"),
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "pool-exhausted",
        // The gateway loses its address and others take all that there are.
        breaks: &[
            Sh(
                r#"kubectl -n istio-system patch svc istio-ingressgateway -p '{"spec":{"type":"ClusterIP"}}'"#,
            ),
            Sh(r"kubectl create namespace kong && for n in proxy a b c;
                do kubectl -n kong create service loadbalancer kong-$n --tcp=80; done"),
            Sh(r"for n in proxy a b c;
                do kubectl -n kong wait svc/kong-$n --timeout=60s --for=jsonpath='{.status.loadBalancer.ingress[0].ip}';
                done"),
            Sh(
                r#"kubectl -n istio-system patch svc istio-ingressgateway -p '{"spec":{"type":"LoadBalancer"}}'"#,
            ),
        ],
        red: &[
            "prepare::load_balancer_address_free",
            "prepare::no_competing_load_balancer",
            "ingress::external_address",
            "ingress::address_answers",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["kong/kong-proxy"],
        mend: ByHints,
        undo: &[Sh("kubectl delete namespace kong --ignore-not-found")],
        ci: true,
    },
    Fault {
        name: "load-balancer-controller-gone",
        breaks: &[
            Sh("kubectl -n metallb-system scale deployment/controller --replicas=0"),
            Sh(
                "kubectl -n metallb-system wait --for=delete pod -l component=controller --timeout=120s",
            ),
            Sh(r"kubectl -n istio-system get svc istio-ingressgateway -o json |
                jq 'del(.status, .spec.clusterIP, .spec.clusterIPs, .metadata.resourceVersion,
                .metadata.uid)' > gateway.json && kubectl delete -f gateway.json &&
                kubectl create -f gateway.json"),
        ],
        red: &[
            "prepare::load_balancer_address_free",
            "ingress::external_address",
            "ingress::address_answers",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["istio-system/istio-ingressgateway"],
        mend: ByHand("which load balancer a cluster is to have, only its owner knows"),
        undo: &[Sh("kubectl -n metallb-system scale deployment/controller --replicas=1")],
        ci: false,
    },
    Fault {
        name: "node-cordoned",
        breaks: &[Sh("kubectl cordon $NODE")],
        red: &["prepare::nodes_ready"],
        unjudged: &[],
        says: &["unschedulable"],
        mend: ByHints,
        undo: &[Sh("kubectl uncordon $NODE")],
        ci: true,
    },
];
