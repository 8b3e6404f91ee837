//! Steps on injection: webhooks, and what a pod template asks for.

use serde_json::{Map, Value, json};

use super::{Impact, Purpose, Step, istio, pods, workloads};
use crate::evidence::{Container, Evidence, Pod, Webhook};
use crate::facts::injection::{PROXY_IMAGE, has_other_proxy_config, redirection_annotations};
use crate::facts::refusal::CallFailure;
use crate::facts::sidecar::{INIT, has_validation, init_container};
use crate::facts::webhooks::INJECTION;
use crate::facts::workload::owner_workload;
use crate::format::list;
use crate::hint::escape_backquotes;

/// Lists the mutating webhooks.
pub(crate) fn list_webhooks(evidence: &Evidence) -> Step {
    let command = evidence.kubectl(&["get", "mutatingwebhookconfigurations"]);
    Step::inspect(command, "shows who injects; their namespace selectors decide where")
}

/// Shows the mutating webhooks with all that they select.
pub(crate) fn show_webhooks(evidence: &Evidence) -> Step {
    let get = ["get", "mutatingwebhookconfigurations", "--output", "yaml"];
    Step::inspect(evidence.kubectl(&get), "shows which labels the webhooks ask for")
}

/// Says which option of the installation injects in namespaces that nobody labelled.
pub(crate) fn inject_labelled_only() -> Step {
    let option = "values.sidecarInjectorWebhook.enableNamespacesByDefault=false";
    Step::advice(Purpose::Fix, format!("install Istio with {option}, as the default profile does"))
}

/// Lets injection put the proxy into a gateway's pod that was made without it, then makes the pod anew.
pub(crate) fn inject_gateway(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let labels = evidence.install.namespaces.value().and_then(|all| all.get(&pod.namespace));
    let is_off = labels.and_then(|it| it.get(INJECTION)).is_some_and(|it| it == "disabled");
    let label = ["label", "namespace", &pod.namespace, &format!("{INJECTION}-")];
    let allow = || Step::fix(Impact::Changes, evidence.kubectl(&label), "allows injection there");
    is_off.then(allow).into_iter().chain([pods::replace(evidence, pod)]).collect()
}

/// Deletes the configuration of a webhook beside which another one injects.
pub(crate) fn delete_webhook(evidence: &Evidence, webhook: &Webhook) -> Step {
    let delete = ["delete", "mutatingwebhookconfiguration", &webhook.configuration];
    let text = "removes it: what it belonged to is gone, and another one injects";
    Step::fix(Impact::Deletes, evidence.kubectl(&delete), text)
}

/// Lets the API server call the webhook at this port of istiod's pods, then tries it.
/// Source: <https://istio.io/latest/docs/ops/common-problems/injection/>.
pub(crate) fn restore_call(evidence: &Evidence, failure: CallFailure, port: &str) -> Vec<Step> {
    let istio = ["-n", &evidence.expectations.istio_namespace];
    let on_istio = |rest: &[&str]| evidence.kubectl(&[&istio[..], rest].concat());
    let advice = |text: String| Step::advice(Purpose::Fix, text);
    let mut steps = match failure {
        CallFailure::Tls => vec![istio::rewrite_certificate(evidence)],
        CallFailure::Proxy | CallFailure::Name => vec![
            advice(
                "add .svc to NO_PROXY of the API server, in its manifest \
                 /etc/kubernetes/manifests/kube-apiserver.yaml"
                    .into(),
            ),
            Step::inspect(
                evidence.kubectl(&[
                    "-n",
                    "kube-system",
                    "describe",
                    "pod",
                    "-l",
                    "component=kube-apiserver",
                ]),
                "shows the proxy variables of the API server, where it runs as a pod",
            ),
        ],
        CallFailure::ClientError | CallFailure::ServerError | CallFailure::Other => {
            vec![Step::inspect(
                on_istio(&["logs", "-l", "app=istiod", "--tail=50"]),
                "shows what istiod says of the call",
            )]
        }
        CallFailure::NoEndpoint
        | CallFailure::Refused
        | CallFailure::Unreachable
        | CallFailure::Timeout => vec![
            advice(format!(
                "open TCP port {port} from the API server to istiod's pods, in firewalls, security groups and \
                 network policies"
            )),
            Step::inspect(
                on_istio(&["get", "pods,networkpolicies", "-o", "wide"]),
                "shows the addresses of istiod's pods and the network policies before them",
            ),
        ],
    };
    let namespace = &evidence.expectations.namespace;
    let run = ["-n", namespace, "run", "meshcheck-probe", "--image=nginx", "--dry-run=server"];
    steps
        .push(Step::inspect(evidence.kubectl(&run), "calls the webhook again, and stores nothing"));
    steps
}

/// Restarts all deployments of the demo's namespace.
pub(crate) fn restart_all(evidence: &Evidence, text: &str) -> Step {
    let namespace = &evidence.expectations.namespace;
    workloads::restart(evidence, namespace, "deployment", text)
}

/// Removes labels or annotations from the template of a workload in the demo's namespace, where they are set.
pub(crate) fn remove_from_template(
    evidence: &Evidence,
    workload: &str,
    (field, keys): (&str, &[&str]),
    text: impl Into<String>,
) -> Step {
    let none: Map<_, _> = keys.iter().map(|&key| (key.to_owned(), Value::Null)).collect();
    let patch = json!({ "spec": { "template": { "metadata": { field: none } } } });
    patch_template(evidence, workload, &patch, text)
}

/// Gives the sidecars of a workload more memory than the default limit of 1 GiB. A limit alone would be the request, too.
pub(crate) fn raise_proxy_memory(evidence: &Evidence, namespace: &str, workload: &str) -> Step {
    let annotations = json!({ "sidecar.istio.io/proxyMemory": "128Mi", "sidecar.istio.io/proxyMemoryLimit": "2Gi" });
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
    let patch = patch.to_string();
    let command = evidence.kubectl(&["-n", namespace, "patch", workload, "-p", &patch]);
    Step::fix(Impact::Changes, command, "raises the memory limit of its sidecars")
}

/// Removes containers from the template of a workload in the demo's namespace.
pub(crate) fn remove_containers(evidence: &Evidence, workload: &str, names: &[&str]) -> Step {
    let delete = |name: &&str| json!({ "name": name, "$patch": "delete" });
    let containers: Vec<_> = names.iter().map(delete).collect();
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    patch_template(evidence, workload, &patch, "takes what is too many out of its template")
}

/// Removes the annotation that names another proxy image from a deployment's template.
pub(crate) fn remove_proxy_image(evidence: &Evidence, namespace: &str, deployment: &str) -> Step {
    let place = format!("/spec/template/metadata/annotations/{}", PROXY_IMAGE.replace('/', "~1"));
    let patch = json!([{"op": "remove", "path": place}]).to_string();
    let patch = ["-n", namespace, "patch", "deployment", deployment, "--type=json", "-p", &patch];
    let text = format!("removes the annotation {PROXY_IMAGE}, which names this image");
    Step::fix(Impact::Changes, evidence.kubectl(&patch), text)
}

fn patch_template(
    evidence: &Evidence,
    workload: &str,
    patch: &Value,
    text: impl Into<String>,
) -> Step {
    let namespace = &evidence.expectations.namespace;
    let command = evidence.kubectl(&["-n", namespace, "patch", workload, "-p", &patch.to_string()]);
    Step::fix(Impact::Changes, command, text)
}

/// The option of the installation that sets ranges for all pods: injection gives a new pod the same ones as this pod.
fn option_of_ranges(evidence: &Evidence, pod: &Pod) -> Option<&'static str> {
    let value = |container: &Container, flag: &str| {
        let at = container.args.iter().position(|it| it == flag)?;
        container.args.get(at + 1).cloned()
    };
    let run = evidence.mesh.dry_run_labelled.value()?;
    let (own, new) = (init_container(pod)?, run.init_containers.iter().find(|it| it.name == INIT)?);
    let options = [("-i", "*", "includeIPRanges"), ("-x", "", "excludeIPRanges")];
    let is_set = |(flag, default, _): &&(&str, &str, &str)| {
        value(own, flag).is_some_and(|it| it != *default) && value(own, flag) == value(new, flag)
    };
    options.iter().find(is_set).map(|it| it.2)
}

/// Has the rules of `ip6tables` set as well. How Istio was installed decides who sets it.
/// Source: <https://istio.io/latest/docs/setup/additional-setup/dual-stack/>
pub(crate) fn redirect_ipv6(evidence: &Evidence) -> Vec<Step> {
    let text = "set `ISTIO_DUAL_STACK` to \"true\" in `meshConfig.defaultConfig.proxyMetadata` and \
                `values.pilot.env` of Istio's installation, then restart the deployments";
    let namespace = &evidence.expectations.istio_namespace;
    let get = ["-n", namespace, "get", "configmap", "istio", "-o", "jsonpath={.data.mesh}"];
    vec![
        Step::advice(Purpose::Fix, text),
        Step::inspect(evidence.kubectl(&get), "shows the mesh configuration"),
    ]
}

/// Removes the annotations that change a pod's redirection from the template of its workload.
pub(crate) fn restore_redirection(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let annotations = redirection_annotations(pod);
    let Some(workload) = owner_workload(pod) else {
        return vec![pods::replace(evidence, pod)];
    };
    if annotations.is_empty() && has_validation(pod) {
        let get = ["get", "pods", "--all-namespaces", "-l", "k8s-app=istio-cni-node", "-o", "wide"];
        let text = "shows the CNI plug-in of each node, which sets the rules";
        return vec![pods::replace(evidence, pod), Step::inspect(evidence.kubectl(&get), text)];
    }
    if annotations.is_empty() {
        let namespace = &evidence.expectations.istio_namespace;
        let injector = ["get", "configmap", "istio-sidecar-injector", "-o", "yaml"];
        let command = evidence.kubectl(&[&["-n", namespace][..], &injector].concat());
        return vec![
            match option_of_ranges(evidence, pod) {
                Some(option) => Step::advice(
                    Purpose::Fix,
                    format!(
                        "install Istio without values.global.proxy.{option}, which sets these ranges for all pods"
                    ),
                ),
                None => Step::advice(Purpose::Inspect, "no annotation of the pod asks for it"),
            },
            Step::inspect(command, "shows what injection adds"),
        ];
    }
    if has_other_proxy_config(pod) {
        let text = "take what is about the redirection out of the annotation `proxy.istio.io/config` of its template";
        let get = ["-n", &pod.namespace, "get", &workload, "-o", "yaml"];
        return vec![
            Step::advice(Purpose::Fix, text),
            Step::inspect(evidence.kubectl(&get), "shows its template"),
        ];
    }
    let text = format!("takes out of its template: {}", escape_backquotes(&list(&annotations)));
    vec![remove_from_template(evidence, &workload, ("annotations", &annotations), text)]
}
