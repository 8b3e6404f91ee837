//! What is wrong with the console.

use super::super::case::Fault;
use super::super::case::Mend::{ByHand, ByHints};
use super::super::case::Step::Sh;

pub(super) const CASES: &[Fault] = &[
    Fault {
        name: "kiali-scaled-to-zero",
        breaks: &[
            Sh("kubectl -n istio-system scale deployment/kiali --replicas=0"),
            Sh("kubectl -n istio-system wait --for=delete pod -l app=kiali --timeout=120s"),
        ],
        red: &[
            "kiali::running",
            "kiali::redirects_to_web_root",
            "kiali::reachable_on_exposed_port",
            "kiali::console_served",
        ],
        unjudged: &[],
        says: &["deployment istio-system/kiali", "scaled to zero"],
        mend: ByHints,
        undo: &[
            Sh("kubectl -n istio-system scale deployment/kiali --replicas=1"),
            Sh("kubectl -n istio-system rollout status deployment/kiali --timeout=120s"),
        ],
        ci: true,
    },
    Fault {
        name: "kiali-with-another-web-root",
        breaks: &[
            Sh(r"kubectl -n istio-system get configmap kiali -o json |
                jq 'del(.metadata.resourceVersion, .metadata.uid,
                .metadata.managedFields)' > kiali.json &&
                sed 's#web_root: /kiali#web_root: /console#' kiali.json | kubectl replace -f -"),
            Sh(r#"kubectl -n istio-system patch deployment kiali --type=json -p '[{"op":"replace",
                "path":"/spec/template/spec/containers/0/readinessProbe/httpGet/path",
                "value":"/console/healthz"},{"op":"replace",
                "path":"/spec/template/spec/containers/0/livenessProbe/httpGet/path",
                "value":"/console/healthz"}]' &&
                kubectl -n istio-system rollout status deployment/kiali --timeout=120s &&
                kubectl -n istio-system wait deployment/kiali --for=jsonpath='{.status.replicas}'=1 --timeout=60s"#),
        ],
        red: &[
            "kiali::redirects_to_web_root",
            "kiali::reachable_on_exposed_port",
            "kiali::console_served",
        ],
        unjudged: &[],
        says: &["/console"],
        mend: ByHand("the release's own manifest mends it, where that can be downloaded"),
        undo: &[Sh(r"kubectl replace -f kiali.json &&
            kubectl -n istio-system rollout undo deployment/kiali &&
            kubectl -n istio-system rollout status deployment/kiali --timeout=120s")],
        ci: false,
    },
    Fault {
        name: "kiali-behind-a-500",
        breaks: &[Sh(r#"kubectl -n istio-system get deployment kiali -o json |
            jq 'del(.metadata.resourceVersion, .metadata.uid, .metadata.managedFields,
            .status)' > kiali.json &&
            kubectl -n istio-system patch deployment kiali --type=json -p '[{"op":"replace",
            "path":"/spec/template/spec/containers/0/image",
            "value":"docker.io/hashicorp/http-echo:latest"},{"op":"replace",
            "path":"/spec/template/spec/containers/0/command","value":["/http-echo",
            "-listen=:20001","-status-code=500","-text=broken"]},{"op":"remove",
            "path":"/spec/template/spec/containers/0/readinessProbe"},{"op":"remove",
            "path":"/spec/template/spec/containers/0/livenessProbe"}]' &&
            kubectl -n istio-system rollout status deployment/kiali --timeout=120s &&
            kubectl -n istio-system wait deployment/kiali --for=jsonpath='{.status.replicas}'=1 --timeout=60s"#)],
        red: &[
            "kiali::running",
            "kiali::redirects_to_web_root",
            "kiali::reachable_on_exposed_port",
            "kiali::console_served",
        ],
        unjudged: &[],
        says: &["500", "http-echo"],
        mend: ByHand("the release's own manifest mends it, where that can be downloaded"),
        undo: &[Sh(r"kubectl replace --force -f kiali.json &&
            kubectl -n istio-system rollout status deployment/kiali --timeout=120s")],
        ci: false,
    },
];
