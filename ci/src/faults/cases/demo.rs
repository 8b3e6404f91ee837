//! What is wrong with the echo backend and its client.

use super::super::case::Mend::ByHints;
use super::super::case::Step::{Sh, Turn, Until};
use super::super::case::{Fault, Step};

/// The backend as the tutorial has it.
const BACKEND: Step = Sh(r"kubectl apply --server-side --force-conflicts -f backend.yaml &&
    kubectl -n client rollout status deployment/echo-deployment --timeout=120s");

/// The client as the tutorial has it.
const CLIENT: Step = Sh(r"kubectl apply --server-side --force-conflicts -f client.yaml &&
    kubectl -n client rollout status deployment/client-deployment --timeout=120s");

pub(super) const CASES: &[Fault] = &[
    Fault {
        name: "backend-scaled-to-zero",
        breaks: &[
            Sh("kubectl -n client scale deployment/echo-deployment --replicas=0"),
            Sh("kubectl -n client wait --for=delete pod -l app=echo --timeout=120s"),
            Turn,
        ],
        red: &[
            "demo::backend_service",
            "demo::backend_deployment",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["deployment client/echo-deployment", "scaled to zero"],
        mend: ByHints,
        undo: &[BACKEND, Turn],
        ci: false,
    },
    Fault {
        name: "backend-says-more",
        // The old text is part of the new one: a search for it would still be green.
        breaks: &[
            Sh(
                r#"kubectl -n client patch deployment echo-deployment --type=json -p '[{"op":"replace",
                "path":"/spec/template/spec/containers/0/args/0",
                "value":"-text=Hello from backend service v2"}]'"#,
            ),
            Sh("kubectl -n client rollout status deployment/echo-deployment --timeout=120s"),
            Sh(
                "kubectl -n client wait --for=jsonpath='{.status.replicas}'=1 deployment/echo-deployment",
            ),
            Turn,
        ],
        red: &[
            "demo::backend_deployment",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["Hello from backend service v2"],
        mend: ByHints,
        undo: &[BACKEND, Turn],
        ci: true,
    },
    Fault {
        name: "service-port-renamed",
        breaks: &[
            Sh(r#"kubectl -n client patch svc echo-service --type=json -p '[{"op":"replace",
                "path":"/spec/ports/0/name","value":"http-web"}]'"#),
            // The proxies have taken it over by then.
            Turn,
        ],
        red: &["demo::backend_service"],
        unjudged: &[],
        says: &["service client/echo-service", "http-web"],
        mend: ByHints,
        undo: &[Sh(r#"kubectl -n client patch svc echo-service --type=json -p '[{"op":"replace",
            "path":"/spec/ports/0/name","value":"http"}]'"#)],
        ci: true,
    },
    Fault {
        name: "target-port-wrong",
        breaks: &[
            Sh(r#"kubectl -n client patch svc echo-service --type=json -p '[{"op":"replace",
                "path":"/spec/ports/0/targetPort","value":8080}]'"#),
            Turn,
        ],
        red: &[
            "demo::backend_service",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["8080"],
        mend: ByHints,
        undo: &[
            Sh(r#"kubectl -n client patch svc echo-service --type=json -p '[{"op":"replace",
                "path":"/spec/ports/0/targetPort","value":5678}]'"#),
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "service-selects-nothing",
        breaks: &[
            Sh(
                r#"kubectl -n client patch svc echo-service -p '{"spec":{"selector":{"app":"backend"}}}'"#,
            ),
            Turn,
        ],
        red: &[
            "demo::backend_service",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["app=backend"],
        mend: ByHints,
        undo: &[
            Sh(
                r#"kubectl -n client patch svc echo-service -p '{"spec":{"selector":{"app":"echo"}}}'"#,
            ),
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "service-deleted",
        breaks: &[Sh("kubectl -n client delete svc echo-service"), Turn],
        red: &[
            "demo::backend_service",
            "demo::client_logs_show_reply",
            "demo::backend_replies",
            "mesh::traffic_through_proxies",
            "ingress::routes_into_mesh",
        ],
        unjudged: &[],
        says: &["echo-service"],
        mend: ByHints,
        undo: &[BACKEND, Turn],
        ci: false,
    },
    Fault {
        name: "backend-in-a-crash-loop",
        breaks: &[
            Sh(r#"kubectl -n client patch deployment echo-deployment --type=json -p '[{"op":"add",
                "path":"/spec/template/spec/containers/0/args/-","value":"-no-such-option"}]'"#),
            Until("kubectl -n client get pods -l app=echo | grep -q CrashLoopBackOff"),
        ],
        red: &["demo::backend_deployment", "mesh::pods_ready"],
        unjudged: &[],
        says: &["pod client/echo-deployment-", "CrashLoopBackOff"],
        mend: ByHints,
        undo: &[BACKEND, Turn],
        ci: false,
    },
    Fault {
        name: "image-that-cannot-be-pulled",
        breaks: &[
            Sh(
                "kubectl -n client set image deployment/echo-deployment echo=docker.io/hashicorp/http-echo:lates",
            ),
            Until("kubectl -n client get pods -l app=echo | grep -q ImagePullBackOff"),
        ],
        red: &["demo::backend_deployment", "mesh::pods_ready"],
        unjudged: &[],
        says: &["echo-deployment is not available: its container echo is in ImagePullBackOff"],
        mend: ByHints,
        undo: &[BACKEND, Turn],
        ci: false,
    },
    Fault {
        name: "client-image-without-curl",
        breaks: &[
            Sh(r#"kubectl -n client patch deployment client-deployment -p '{"spec":{
                "strategy":{"type":"Recreate","rollingUpdate":null},"template":{"spec":{"containers":[
                {"name":"client","image":"docker.io/hashicorp/http-echo:latest",
                "imagePullPolicy":"IfNotPresent"}]}}}}'"#),
            Until("kubectl -n client get pods -l app=client | grep -q CrashLoopBackOff"),
        ],
        red: &["demo::client_deployment", "demo::client_logs_show_reply", "mesh::pods_ready"],
        // Nothing runs that could ask, and what was not asked was not counted.
        unjudged: &["demo::backend_replies", "mesh::traffic_through_proxies"],
        says: &["http-echo"],
        mend: ByHints,
        undo: &[
            Sh(r#"kubectl -n client patch deployment client-deployment \
                -p '{"spec":{"strategy":{"type":"RollingUpdate"}}}'"#),
            CLIENT,
            Turn,
        ],
        ci: false,
    },
    Fault {
        name: "client-asks-somebody-else",
        breaks: &[
            Sh(
                r#"kubectl -n client patch deployment client-deployment --type=json -p '[{"op":"replace",
                "path":"/spec/template/spec/containers/0/command/2","value":"while true;
                do sleep 10; curl echo-svc.client.svc.cluster.local; done"}]'"#,
            ),
            Sh("kubectl -n client rollout status deployment/client-deployment --timeout=120s"),
            Turn,
        ],
        red: &["demo::client_deployment", "demo::client_logs_show_reply"],
        unjudged: &[],
        says: &["echo-svc"],
        mend: ByHints,
        undo: &[CLIENT, Turn],
        ci: false,
    },
];
