//! What is wrong with the control plane and with injection.

use super::super::case::Mend::{ByHand, ByHints};
use super::super::case::Step::{Annotation, Sh, Turn, Until};
use super::super::case::{Fault, Step};

/// Puts the webhooks back as `istioctl install` left them.
const WEBHOOKS: Step = Sh(r"[ ! -e webhooks.json ] || kubectl replace --force -f webhooks.json;
        rm -f webhooks.json");

/// Keeps the webhooks as they are.
const KEEP_WEBHOOKS: Step = Sh(
    r#"kubectl get mutatingwebhookconfigurations istio-sidecar-injector istio-revision-tag-default -o json |
    jq 'del(.items[].metadata["resourceVersion","uid","generation",
    "managedFields"])' > webhooks.json"#,
);

const LABELLED: Step =
    Sh("kubectl label namespace client istio-injection=enabled istio.io/rev- --overwrite");

pub(super) const CASES: &[Fault] = &[
    Fault {
        name: "label-removed",
        breaks: &[Sh("kubectl label namespace client istio-injection-")],
        red: &[
            "install::namespace_labelled",
            "install::injection_webhook",
            "mesh::unlabelled_namespace_left_alone",
        ],
        unjudged: &[],
        says: &["namespace client"],
        mend: ByHints,
        undo: &[LABELLED],
        ci: true,
    },
    Fault {
        name: "label-disabled",
        breaks: &[Sh("kubectl label namespace client istio-injection=disabled --overwrite")],
        red: &[
            "install::namespace_labelled",
            "install::injection_webhook",
            "mesh::unlabelled_namespace_left_alone",
        ],
        unjudged: &[],
        says: &["disabled"],
        mend: ByHints,
        undo: &[LABELLED],
        ci: false,
    },
    Fault {
        name: "label-of-a-revision-that-is-not-installed",
        breaks: &[Sh("kubectl label namespace client istio-injection- istio.io/rev=1-21-0")],
        red: &[
            "install::namespace_labelled",
            "install::injection_webhook",
            "mesh::unlabelled_namespace_left_alone",
        ],
        unjudged: &[],
        says: &["1-21-0"],
        mend: ByHints,
        undo: &[LABELLED],
        ci: false,
    },
    Fault {
        name: "istiod-scaled-to-zero",
        breaks: &[
            Sh("kubectl -n istio-system scale deployment/istiod --replicas=0"),
            Sh("kubectl -n istio-system wait --for=delete pod -l app=istiod --timeout=120s"),
        ],
        red: &[
            "install::istio_version",
            "install::control_plane_running",
            "install::injection_webhook",
            "mesh::proxies_in_sync",
        ],
        // Nobody admits a pod or a route that would show it.
        unjudged: &["mesh::unlabelled_namespace_left_alone", "ingress::routes_into_mesh"],
        says: &["istiod", "scaled to zero"],
        mend: ByHints,
        undo: &[
            Sh("kubectl -n istio-system scale deployment/istiod --replicas=1"),
            Sh("kubectl -n istio-system rollout status deployment/istiod --timeout=120s"),
        ],
        ci: true,
    },
    Fault {
        name: "istiod-in-a-crash-loop",
        breaks: &[
            Sh(
                r#"kubectl -n istio-system patch deployment istiod --type=json -p '[{"op":"replace",
                "path":"/spec/template/spec/containers/0/args/0","value":"discover"},
                {"op":"replace",
                "path":"/spec/template/spec/containers/0/resources/requests/cpu",
                "value":"10m"}]'"#,
            ),
            Until("kubectl -n istio-system get pods -l app=istiod | grep -q CrashLoopBackOff"),
        ],
        red: &["install::control_plane_running"],
        // The pod that crashes reports no version.
        unjudged: &["install::istio_version"],
        says: &["pod istio-system/istiod-", "CrashLoopBackOff"],
        mend: ByHints,
        undo: &[
            Sh(r"kubectl -n istio-system get deployment istiod -o json |
                grep -qw discover &&
                kubectl -n istio-system rollout undo deployment/istiod || true"),
            Sh("kubectl -n istio-system rollout status deployment/istiod --timeout=120s"),
        ],
        ci: false,
    },
    Fault {
        name: "injection-webhook-deleted",
        breaks: &[
            KEEP_WEBHOOKS,
            Sh(
                "kubectl delete mutatingwebhookconfigurations istio-sidecar-injector istio-revision-tag-default",
            ),
        ],
        red: &["install::injection_webhook", "mesh::unlabelled_namespace_left_alone"],
        unjudged: &[],
        says: &["webhook"],
        mend: ByHints,
        undo: &[WEBHOOKS],
        ci: true,
    },
    Fault {
        name: "injection-webhook-deactivated",
        breaks: &[
            KEEP_WEBHOOKS,
            Sh(
                r#"jq '.items[].webhooks[].namespaceSelector = {"matchLabels": {"istio.io/deactivated": "never-match"}}' webhooks.json > never.json &&
                kubectl replace -f never.json"#,
            ),
        ],
        red: &["install::injection_webhook", "mesh::unlabelled_namespace_left_alone"],
        unjudged: &[],
        says: &["webhook"],
        mend: ByHints,
        undo: &[WEBHOOKS],
        ci: false,
    },
    Fault {
        name: "webhook-ca-bundle-emptied",
        // istiod puts its bundle back within the second, unless it may not.
        breaks: &[
            KEEP_WEBHOOKS,
            Sh(
                r#"kubectl patch clusterrole istiod-clusterrole-istio-system --type=json -p '[{"op":"replace",
                "path":"/rules/0/verbs","value":["get","list","watch"]}]'"#,
            ),
            Sh(
                r#"jq '.items[].webhooks[].clientConfig.caBundle = ""' webhooks.json > empty.json &&
                kubectl replace -f empty.json"#,
            ),
        ],
        red: &["install::injection_webhook"],
        // The API server gets no answer that it trusts.
        unjudged: &["mesh::unlabelled_namespace_left_alone"],
        says: &["CA bundle"],
        mend: ByHints,
        undo: &[
            Sh(
                r#"kubectl patch clusterrole istiod-clusterrole-istio-system --type=json -p '[{"op":"replace",
                "path":"/rules/0/verbs","value":["get","list","watch","update","patch"]}]'"#,
            ),
            WEBHOOKS,
        ],
        ci: false,
    },
    Fault {
        name: "istiod-service-selects-nothing",
        breaks: &[
            Sh(
                r#"kubectl -n istio-system patch svc istiod -p '{"spec":{"selector":{"app":"pilot"}}}'"#,
            ),
            Until(
                r#"[ -z "$(kubectl -n istio-system get endpoints istiod -o jsonpath='{.subsets}')" ]"#,
            ),
            // The API server goes on over the connections that it has.
            Sh(r"docker exec $NODE ss -tK dst \
                $(kubectl -n istio-system get svc istiod -o jsonpath='{.spec.clusterIP}')"),
        ],
        red: &["install::injection_webhook"],
        // Nobody admits a pod or a route that would show it.
        unjudged: &["mesh::unlabelled_namespace_left_alone", "ingress::routes_into_mesh"],
        says: &["istiod", "no ready endpoint"],
        mend: ByHints,
        undo: &[Sh(
            r#"kubectl -n istio-system patch svc istiod -p '{"spec":{"selector":{"app":"istiod"}}}'"#,
        )],
        ci: false,
    },
    Fault {
        name: "proxy-of-another-version",
        // The same program under the tag of another release: a half-upgraded mesh.
        breaks: &[
            Sh(
                r"image=$(kubectl -n istio-system get deployment istio-ingressgateway -o jsonpath='{.spec.template.spec.containers[0].image}') &&
                docker exec $NODE ctr -n k8s.io images tag --force $image docker.io/istio/proxyv2:1.19.0",
            ),
            Annotation(
                "client-deployment",
                "sidecar.istio.io/proxyImage",
                Some("docker.io/istio/proxyv2:1.19.0"),
            ),
            Sh("kubectl -n client rollout status deployment/client-deployment --timeout=120s"),
            Sh(
                r"kubectl -n client wait --for=delete pod -l app=client --timeout=1s >/dev/null 2>&1 ||
                true",
            ),
            Turn,
        ],
        red: &["install::istio_version"],
        unjudged: &[],
        says: &["pod client/client-deployment-", "1.19.0"],
        mend: ByHints,
        undo: &[
            Annotation("client-deployment", "sidecar.istio.io/proxyImage", None),
            Sh("kubectl -n client rollout status deployment/client-deployment --timeout=120s"),
        ],
        ci: false,
    },
    Fault {
        name: "egress-gateway-too",
        breaks: &[
            Sh(r#"kubectl -n istio-system get deployment istio-ingressgateway -o json |
                sed -e 's/ingressgateway/egressgateway/g' -e 's/egressgateway-service-account/ingressgateway-service-account/g' |
                jq 'del(.status, .metadata.resourceVersion, .metadata.uid) |
                .spec.template.spec.containers[0].resources.requests.cpu = "10m"' |
                kubectl create -f -"#),
            Sh(
                "kubectl -n istio-system rollout status deployment/istio-egressgateway --timeout=120s",
            ),
        ],
        red: &["install::default_profile"],
        unjudged: &[],
        says: &["egress gateway", "deployment istio-system/istio-egressgateway"],
        mend: ByHints,
        undo: &[
            Sh("kubectl -n istio-system delete deployment istio-egressgateway --ignore-not-found"),
            Sh(
                "kubectl -n istio-system wait --for=delete pod -l app=istio-egressgateway --timeout=120s",
            ),
        ],
        ci: false,
    },
    Fault {
        name: "definition-deleted",
        breaks: &[
            Sh(r#"kubectl get crd wasmplugins.extensions.istio.io -o json | jq 'del(.status,
                .metadata["resourceVersion","uid","generation","managedFields"])' > crd.json"#),
            Sh("kubectl delete crd wasmplugins.extensions.istio.io"),
        ],
        red: &["install::default_profile"],
        unjudged: &[],
        says: &["wasmplugins.extensions.istio.io"],
        mend: ByHand(
            "`istioctl install` brings it back, and takes longer than a campaign's hint may",
        ),
        undo: &[Sh(r"kubectl get crd wasmplugins.extensions.istio.io ||
            kubectl create -f crd.json")],
        ci: false,
    },
];
