//! What is no fault: everything stays green.

use super::super::case::Benign;
use super::super::case::Look::{OtherNetworks, Plain, Renamed, Slow};
use super::super::case::Step::{Apply, Sh, Turn, Until};

/// By another name, or another way, nobody sees that the nodes are containers on this machine.
const NODES: &[&str] = &["mesh::live_rules"];

pub(super) const CASES: &[Benign] = &[
    // The longest comes first: the other clusters work meanwhile.
    Benign {
        name: "other-networks",
        varies: &[],
        look: OtherNetworks,
        unseen: &[],
        undo: &[],
        ci: false,
    },
    Benign {
        name: "three-clients",
        varies: &[
            Sh(r"kubectl -n client scale deployment/client-deployment --replicas=3 &&
                kubectl -n client rollout status deployment/client-deployment --timeout=120s"),
            Turn,
        ],
        look: Plain,
        unseen: &[],
        undo: &[Sh("kubectl -n client scale deployment/client-deployment --replicas=1")],
        ci: false,
    },
    Benign {
        name: "completed-job",
        varies: &[
            Apply(
                r#"
apiVersion: batch/v1
kind: Job
metadata: {name: done, namespace: client}
spec:
  template:
    metadata: {labels: {sidecar.istio.io/inject: "false"}}
    spec:
      restartPolicy: Never
      containers:
        - name: done
          image: docker.io/curlimages/curl:latest
          imagePullPolicy: IfNotPresent
          command: ["true"]
"#,
            ),
            Sh("kubectl -n client wait job/done --for=condition=complete --timeout=60s"),
        ],
        look: Plain,
        unseen: &[],
        undo: &[Sh("kubectl -n client delete job done --ignore-not-found")],
        ci: true,
    },
    Benign {
        name: "broken-pods-elsewhere",
        varies: &[
            Sh(r"kubectl create namespace elsewhere &&
                kubectl -n elsewhere run broken --image=docker.io/curlimages/curl:latest --image-pull-policy=IfNotPresent --command -- false"),
            Until("kubectl -n elsewhere get pod broken | grep -q -e CrashLoopBackOff -e Error"),
        ],
        look: Plain,
        unseen: &[],
        undo: &[Sh("kubectl delete namespace elsewhere --ignore-not-found")],
        ci: false,
    },
    Benign {
        name: "another-workload-with-sidecar",
        varies: &[Sh(
            r#"kubectl -n client create deployment other --image=docker.io/hashicorp/http-echo:latest &&
            kubectl -n client patch deployment other -p '{"spec":{"template":{"spec":{"containers":[{"name":"http-echo",
            "imagePullPolicy":"IfNotPresent"}]}}}}' &&
            kubectl -n client rollout status deployment/other --timeout=120s"#,
        )],
        look: Plain,
        unseen: &[],
        undo: &[Sh(r"kubectl -n client delete deployment other --ignore-not-found &&
            kubectl -n client wait --for=delete pod -l app=other --timeout=120s")],
        ci: true,
    },
    Benign {
        name: "rollout-as-the-check-starts",
        varies: &[Sh("kubectl -n client rollout restart deployment/echo-deployment")],
        look: Plain,
        unseen: &[],
        undo: &[],
        ci: true,
    },
    Benign {
        name: "client-rollout-as-the-check-starts",
        varies: &[Sh("kubectl -n client rollout restart deployment/client-deployment")],
        look: Plain,
        unseen: &[],
        undo: &[],
        ci: false,
    },
    Benign {
        name: "istiod-restarted",
        varies: &[Sh(r"kubectl -n istio-system delete pod -l app=istiod &&
            kubectl -n istio-system rollout status deployment/istiod --timeout=120s")],
        look: Plain,
        unseen: &[],
        undo: &[],
        ci: false,
    },
    Benign {
        name: "second-webhook-deactivated",
        // As an upgrade by revisions leaves it.
        varies: &[Sh(r#"kubectl get mutatingwebhookconfiguration istio-sidecar-injector -o json |
            jq 'del(.metadata["resourceVersion","uid","generation","managedFields"]) |
            .metadata.name = "istio-sidecar-injector-old" |
            .webhooks[].namespaceSelector = {"matchLabels": {"istio.io/deactivated": "never-match"}}' |
            kubectl create -f -"#)],
        look: Plain,
        unseen: &[],
        undo: &[Sh(
            "kubectl delete mutatingwebhookconfiguration istio-sidecar-injector-old --ignore-not-found",
        )],
        ci: true,
    },
    Benign {
        name: "revision-label",
        varies: &[Sh("kubectl label namespace client istio-injection- istio.io/rev=default")],
        look: Plain,
        unseen: &[],
        undo: &[Sh("kubectl label namespace client istio.io/rev- istio-injection=enabled")],
        ci: false,
    },
    Benign {
        name: "address-of-another-range",
        varies: &[
            Sh(
                r#"last=$(kubectl -n metallb-system get ipaddresspools -o jsonpath='{.items[0].spec.addresses[0]}');
                net=$(echo $last | cut -d. -f1-2);
                printf '%s\n' 'apiVersion: metallb.io/v1beta1' 'kind: IPAddressPool' 'metadata: {name: other,
                namespace: metallb-system}' "spec: {autoAssign: false,
                addresses: [$net.77.1-$net.77.4]}" --- 'apiVersion: metallb.io/v1beta1' 'kind: L2Advertisement' \
                'metadata: {name: other, namespace: metallb-system}' 'spec: {ipAddressPools: [other]}' |
                kubectl apply -f -"#,
            ),
            Sh(
                r"kubectl -n istio-system annotate svc istio-ingressgateway metallb.universe.tf/address-pool=other &&
                kubectl -n istio-system get svc istio-ingressgateway -o json | jq 'del(.status,
                .metadata.resourceVersion, .metadata.uid)' > gateway.json &&
                kubectl delete -f gateway.json && kubectl create -f gateway.json &&
                kubectl -n istio-system wait svc/istio-ingressgateway --timeout=60s --for=jsonpath='{.status.loadBalancer.ingress[0].ip}'",
            ),
            // The load balancer announces it a moment later.
            Until(
                r"curl -s -m 2 http://$(kubectl -n istio-system get svc istio-ingressgateway -o jsonpath='{.status.loadBalancer.ingress[0].ip}'):15021/healthz/ready",
            ),
        ],
        look: Plain,
        unseen: &[],
        undo: &[Sh(
            r"kubectl -n istio-system annotate svc istio-ingressgateway metallb.universe.tf/address-pool-;
            kubectl -n istio-system get svc istio-ingressgateway -o json | jq 'del(.status,
            .metadata.resourceVersion, .metadata.uid)' > gateway.json &&
            kubectl delete -f gateway.json && kubectl create -f gateway.json &&
            kubectl -n metallb-system delete ipaddresspool/other l2advertisement/other",
        )],
        ci: false,
    },
    Benign {
        name: "strict-policy-between-sidecars",
        varies: &[Apply(
            r"
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: default, namespace: client}
spec: {mtls: {mode: STRICT}}
",
        )],
        look: Plain,
        unseen: &[],
        undo: &[Sh("kubectl -n client delete peerauthentication default --ignore-not-found")],
        ci: false,
    },
    Benign {
        name: "another-load-balancer-with-room",
        varies: &[Sh(r"kubectl create namespace kong &&
            kubectl -n kong create service loadbalancer kong-proxy --tcp=80 &&
            kubectl -n kong wait svc/kong-proxy --timeout=60s --for=jsonpath='{.status.loadBalancer.ingress[0].ip}'")],
        look: Plain,
        unseen: &[],
        undo: &[Sh("kubectl delete namespace kong --ignore-not-found")],
        ci: false,
    },
    Benign {
        name: "two-gateways",
        varies: &[Sh(
            r#"kubectl -n istio-system patch deployment istio-ingressgateway --type=json -p '[{"op":"replace",
            "path":"/spec/template/spec/containers/0/resources/requests/cpu",
            "value":"20m"}]' &&
            kubectl -n istio-system rollout status deployment/istio-ingressgateway --timeout=120s &&
            kubectl -n istio-system scale deployment/istio-ingressgateway --replicas=2 &&
            kubectl -n istio-system rollout status deployment/istio-ingressgateway --timeout=120s"#,
        )],
        look: Plain,
        unseen: &[],
        undo: &[Sh(
            r#"kubectl -n istio-system scale deployment/istio-ingressgateway --replicas=1 &&
            kubectl -n istio-system patch deployment istio-ingressgateway --type=json -p '[{"op":"replace",
            "path":"/spec/template/spec/containers/0/resources/requests/cpu",
            "value":"100m"}]' &&
            kubectl -n istio-system rollout status deployment/istio-ingressgateway --timeout=120s"#,
        )],
        ci: false,
    },
    Benign {
        name: "renamed-cluster",
        varies: &[],
        look: Renamed,
        unseen: &[],
        undo: &[],
        ci: false,
    },
    Benign { name: "slow-api-server", varies: &[], look: Slow, unseen: NODES, undo: &[], ci: true },
];
