//! Steps on injection: webhooks, and the fields of pod templates that control it.

use serde_json::{Map, Value, json};

use std::collections::BTreeSet;

use super::{Impact, Purpose, Step, istio, nodes, pods, workloads};
use crate::evidence::{Container, Evidence, Expectations, Pod, Webhook};
use crate::facts::injection::{
    PROXY_IMAGE, has_other_proxy_config, redirection_annotations, refuses_sidecar,
};
use crate::facts::refusal::CallFailure;
use crate::facts::sidecar::{INIT, has_validation, init_container};
use crate::facts::webhooks::INJECTION;
use crate::facts::workload::owner_workload;
use crate::format::list;
use crate::hint::escape_backquotes;

/// Lists the mutating webhooks with their namespace selectors.
pub(crate) fn list_webhooks(evidence: &Evidence) -> Step {
    let columns = "custom-columns=NAME:.metadata.name,NAMESPACES:.webhooks[*].namespaceSelector";
    let command = evidence.kubectl(&["get", "mutatingwebhookconfigurations", "-o", columns]);
    Step::inspect(command, "List the mutating webhooks and the namespaces that they select")
}

/// Shows the mutating webhooks with their selectors.
pub(crate) fn show_webhooks(evidence: &Evidence) -> Step {
    let get = ["get", "mutatingwebhookconfigurations", "--output", "yaml"];
    Step::inspect(evidence.kubectl(&get), "Show the labels that the webhooks select")
}

/// Names the option of the installation that enables injection in namespaces without a label.
pub(crate) fn inject_labelled_only() -> Step {
    let option = "values.sidecarInjectorWebhook.enableNamespacesByDefault=false";
    Step::advice(Purpose::Fix, format!("Install Istio with {option}, as the default profile does"))
}

/// Enables injection in the namespace of a gateway's pod without a proxy, then replaces the pod.
pub(crate) fn inject_gateway(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let labels = evidence.install.namespaces.value().and_then(|all| all.get(&pod.namespace));
    let is_off = labels.and_then(|it| it.get(INJECTION)).is_some_and(|it| it == "disabled");
    let label = ["label", "namespace", &pod.namespace, &format!("{INJECTION}-")];
    let allow = || {
        Step::fix(
            Impact::Changes,
            evidence.kubectl(&label),
            "Remove the label that disables injection in the namespace",
        )
    };
    is_off.then(allow).into_iter().chain([pods::replace(evidence, pod)]).collect()
}

/// Deletes the configuration of a webhook whose istiod does not exist any more, while another one injects.
pub(crate) fn delete_webhook(evidence: &Evidence, webhook: &Webhook) -> Step {
    let delete = ["delete", "mutatingwebhookconfiguration", &webhook.configuration];
    let text = "Delete the webhook configuration of the removed istiod; another webhook injects";
    Step::fix(Impact::Deletes, evidence.kubectl(&delete), text)
}

/// Restores the connection from the API server to the webhook at this port of istiod's pods, then tests it.
/// Source: <https://istio.io/latest/docs/ops/common-problems/injection/>.
pub(crate) fn restore_call(evidence: &Evidence, failure: CallFailure, port: &str) -> Vec<Step> {
    let istio = ["-n", &evidence.expectations.istio_namespace];
    let on_istio = |rest: &[&str]| evidence.kubectl(&[&istio[..], rest].concat());
    let advice = |text: String| Step::advice(Purpose::Fix, text);
    let show_pods = || {
        let text = "Show the addresses of istiod's pods, and the network policies";
        Step::inspect(on_istio(&["get", "pods,networkpolicies", "-o", "wide"]), text)
    };
    let mut steps = match failure {
        CallFailure::Clock => {
            let text = "Set the clock of the API server's node, or of istiod's, and keep both right by NTP";
            nodes::set_clock(evidence, None, text)
        }
        CallFailure::Tls => vec![istio::rewrite_certificate(evidence)],
        CallFailure::Proxy | CallFailure::Name => vec![
            advice(
                "Add .svc to NO_PROXY in the API server's manifest \
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
                "Show the proxy variables of the API server, where it runs as a pod",
            ),
        ],
        CallFailure::ClientError | CallFailure::ServerError | CallFailure::Other => {
            vec![Step::inspect(
                on_istio(&["logs", "-l", "app=istiod", "--tail=50"]),
                "Show istiod's log of the call",
            )]
        }
        CallFailure::NoEndpoint | CallFailure::NoService => vec![show_pods()],
        CallFailure::Refused | CallFailure::Unreachable | CallFailure::Timeout => vec![
            advice(format!(
                "Open TCP port {port} from the API server to istiod's pods in firewalls, security groups and \
                 network policies"
            )),
            show_pods(),
        ],
    };
    let namespace = &evidence.expectations.namespace;
    let run = ["-n", namespace, "run", "meshcheck-probe", "--image=nginx", "--dry-run=server"];
    steps.push(Step::inspect(evidence.kubectl(&run), "Test the webhook with a dry run"));
    steps
}

/// Restores or removes another webhook than Istio's, without which the API server creates no pod.
pub(crate) fn restore_other_webhook(
    evidence: &Evidence,
    name: &str,
    failure: CallFailure,
) -> Vec<Step> {
    let mut webhooks = evidence.install.webhooks.value().into_iter().flatten();
    let Some(webhook) = webhooks.find(|it| it.name == name) else {
        let list = ["get", "validatingwebhookconfigurations,mutatingwebhookconfigurations"];
        let text = format!(
            "List the webhook configurations, to find the program of webhook {}",
            escape_backquotes(name)
        );
        let restore =
            "Get that program's pods running again, or delete the configuration if it was removed";
        return vec![
            Step::inspect(evidence.kubectl(&list), text),
            Step::advice(Purpose::Fix, restore),
        ];
    };
    let show = webhook.service.as_ref().map(|service| {
        let get = ["-n", &service.namespace, "get", "services,endpoints,pods"];
        let text = "Show the service that the webhook calls, and its pods: they must be ready";
        Step::inspect(evidence.kubectl(&get), text)
    });
    let delete = ["delete", "mutatingwebhookconfiguration", &webhook.configuration];
    let text = "Delete the webhook configuration, only if its program was removed from the cluster";
    let delete = Step::fix(Impact::Deletes, evidence.kubectl(&delete), text);
    let mut steps: Vec<_> = show.into_iter().chain([delete]).collect();
    // Without its service, only the configuration is left of the program.
    if failure == CallFailure::NoService {
        steps.reverse();
    }
    steps
}

/// Restarts the two deployments of the demo.
pub(crate) fn restart_all(evidence: &Evidence, text: &str) -> Step {
    let Expectations { backend_deployment, client_deployment, .. } = &evidence.expectations;
    let workloads = [backend_deployment, client_deployment].map(|it| format!("deployment/{it}"));
    restart(evidence, &workloads, text)
}

/// Restarts the workloads of the demo's namespace that have a pod without a sidecar; none where each pod has one.
pub(crate) fn restart_without_sidecar(evidence: &Evidence) -> Option<Step> {
    let text = "Restart the deployments whose pods have no sidecar";
    let Some(pods) = evidence.demo.pods.value() else { return Some(restart_all(evidence, text)) };
    let lacks_sidecar =
        |pod: &&Pod| !pod.terminating && pod.proxy().is_none() && !refuses_sidecar(pod);
    let workloads: BTreeSet<_> =
        pods.iter().filter(lacks_sidecar).filter_map(owner_workload).collect();
    let workloads: Vec<_> = workloads.into_iter().collect();
    (!workloads.is_empty()).then(|| restart(evidence, &workloads, text))
}

/// Restarts deployments of the demo's namespace in one command.
pub(crate) fn restart_deployments(evidence: &Evidence, names: &[String], text: &str) -> Step {
    let workloads: Vec<_> = names.iter().map(|it| format!("deployment/{it}")).collect();
    restart(evidence, &workloads, text)
}

/// Restarts workloads of the demo's namespace.
pub(crate) fn restart(evidence: &Evidence, names: &[String], text: &str) -> Step {
    workloads::restart_several(evidence, &evidence.expectations.namespace, names, text)
}

/// Removes labels or annotations from the template of a workload in the demo's namespace, where they are set.
pub(crate) fn remove_from_template(
    evidence: &Evidence,
    workload: &str,
    (field, keys): (&str, &[&str]),
    text: impl Into<String>,
) -> Step {
    let none: Map<_, _> = keys.iter().map(|&key| (key.to_owned(), Value::Null)).collect();
    let patch = template_metadata(field, &json!(none));
    patch_template(evidence, workload, &patch, text)
}

/// Raises the memory limit of a workload's sidecars from its default of 1 GiB. A limit alone would be the request, too.
pub(crate) fn raise_proxy_memory(evidence: &Evidence, pod: &Pod, workload: &str) -> Step {
    let annotations = json!({ "sidecar.istio.io/proxyMemory": "128Mi", "sidecar.istio.io/proxyMemoryLimit": "2Gi" });
    let patch = template_metadata("annotations", &annotations).to_string();
    let command = evidence.kubectl(&["-n", &pod.namespace, "patch", workload, "-p", &patch]);
    let limit = pod.annotations.get("sidecar.istio.io/proxyMemoryLimit");
    let from = limit.map_or_else(String::new, |it| format!(" from {}", escape_backquotes(it)));
    Step::fix(
        Impact::Changes,
        command,
        format!("Raise the memory limit of the sidecars{from} to 2Gi"),
    )
}

/// Sets the requests and limits of a workload's injected containers, for a quota that requires them.
pub(crate) fn set_proxy_resources(evidence: &Evidence, workload: &str) -> Step {
    let annotations = json!({
        "sidecar.istio.io/proxyCPU": "100m",
        "sidecar.istio.io/proxyCPULimit": "500m",
        "sidecar.istio.io/proxyMemory": "128Mi",
        "sidecar.istio.io/proxyMemoryLimit": "512Mi",
    });
    let patch = template_metadata("annotations", &annotations);
    let owner = escape_backquotes(&workload.replacen('/', " ", 1));
    let text =
        format!("Set the requests and limits that the quota requires of the sidecar of {owner}");
    patch_template(evidence, workload, &patch, text)
}

/// Removes containers from the template of a workload in the demo's namespace.
pub(crate) fn remove_containers(evidence: &Evidence, workload: &str, names: &[&str]) -> Step {
    let delete = |name: &&str| json!({ "name": name, "$patch": "delete" });
    let containers: Vec<_> = names.iter().map(delete).collect();
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let noun = if names.len() == 1 { "container" } else { "containers" };
    let names = escape_backquotes(&list(names));
    patch_template(
        evidence,
        workload,
        &patch,
        format!("Remove {noun} {names} from the pod template"),
    )
}

/// Removes the annotation that names another proxy image from a deployment's template.
pub(crate) fn remove_proxy_image(evidence: &Evidence, namespace: &str, deployment: &str) -> Step {
    let place = format!("/spec/template/metadata/annotations/{}", PROXY_IMAGE.replace('/', "~1"));
    let patch = json!([{"op": "remove", "path": place}]).to_string();
    let patch = ["-n", namespace, "patch", "deployment", deployment, "--type=json", "-p", &patch];
    let text = format!("Remove the annotation {PROXY_IMAGE} from the pod template");
    Step::fix(Impact::Changes, evidence.kubectl(&patch), text)
}

/// Returns a patch of the labels or annotations of a pod template.
fn template_metadata(field: &str, values: &Value) -> Value {
    json!({ "spec": { "template": { "metadata": { field: values } } } })
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

/// Returns the option of the installation that sets the pod's address ranges: the dry run's pod has the same ones.
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

/// Enables the rules of `ip6tables`. The program that installed Istio has to set it.
/// Source: <https://istio.io/latest/docs/setup/additional-setup/dual-stack/>
pub(crate) fn redirect_ipv6(evidence: &Evidence) -> Vec<Step> {
    let text = "Set `ISTIO_DUAL_STACK` to \"true\" in `meshConfig.defaultConfig.proxyMetadata` and \
                `values.pilot.env` of the installation, then restart the deployments";
    vec![
        Step::advice(Purpose::Fix, text),
        istio::show_mesh_config(evidence, "Show the mesh configuration"),
    ]
}

/// Returns the workloads of the demo's namespace whose pods have the same annotations on the redirection as this pod.
fn workloads_redirected_alike(evidence: &Evidence, pod: &Pod) -> BTreeSet<String> {
    let settings = |pod: &Pod| -> Vec<_> {
        let keys = redirection_annotations(pod).into_iter();
        keys.map(|key| (key.to_owned(), pod.annotations.get(key).cloned())).collect()
    };
    let pods = evidence.demo.pods.value().into_iter().flatten();
    let alike = pods.filter(|it| !it.terminating && settings(it) == settings(pod));
    alike.chain([pod]).filter_map(owner_workload).collect()
}

/// Shows the injector's configuration, which can leave pods out by their labels.
pub(crate) fn show_exclusions(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    let config = ["get", "configmap", "istio-sidecar-injector", "-o", "jsonpath={.data.config}"];
    let command = evidence.kubectl(&[&["-n", namespace][..], &config].concat());
    let text = "Show neverInjectSelector, which leaves pods out by their labels";
    Step::inspect(command, text)
}

/// Shows what the injection template reads: the annotations of the refused deployments where a pod without them gets a
/// sidecar, or the values of the installation.
pub(crate) fn repair_injection(evidence: &Evidence, refused: &[String]) -> Vec<Step> {
    if evidence.mesh.dry_run_labelled.value().is_some() {
        let show = refused.iter().map(|it| workloads::show_template_annotations(evidence, it));
        let text = "Correct the annotation of the pod template that the webhook's error is about";
        return show.chain([Step::advice(Purpose::Fix, text)]).collect();
    }
    let text = "Correct the value that the webhook's error is about, and install Istio again";
    vec![show_values(evidence), Step::advice(Purpose::Fix, text)]
}

/// Shows the values of the installation that the injection template reads.
fn show_values(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    let values = ["get", "configmap", "istio-sidecar-injector", "-o", "jsonpath={.data.values}"];
    let command = evidence.kubectl(&[&["-n", namespace][..], &values].concat());
    Step::inspect(command, "Show the installation's values for injection")
}

/// Shows the pods of Istio's CNI plug-in.
pub(crate) fn show_plug_in(evidence: &Evidence) -> Step {
    let get = ["get", "pods", "--all-namespaces", "-l", "k8s-app=istio-cni-node", "-o", "wide"];
    let text = "Show the CNI plug-in of each node, which sets the rules";
    Step::inspect(evidence.kubectl(&get), text)
}

/// Removes the annotations that change a pod's redirection from the template of its workload, and of other workloads
/// with the same annotations.
pub(crate) fn restore_redirection(evidence: &Evidence, pod: &Pod) -> Vec<Step> {
    let annotations = redirection_annotations(pod);
    if owner_workload(pod).is_none() {
        return vec![pods::replace(evidence, pod)];
    }
    if annotations.is_empty() && has_validation(pod) {
        return vec![pods::replace(evidence, pod), show_plug_in(evidence)];
    }
    if annotations.is_empty() {
        let install = option_of_ranges(evidence, pod).map(|option| {
            let text = format!(
                "Install Istio without values.global.proxy.{option}, which sets these ranges for all pods"
            );
            Step::advice(Purpose::Fix, text)
        });
        return install.into_iter().chain([show_values(evidence)]).collect();
    }
    if has_other_proxy_config(pod) {
        let text = "Remove the redirection settings from the annotation `proxy.istio.io/config` of the pod template";
        let workloads = workloads_redirected_alike(evidence, pod);
        let workloads: Vec<_> = workloads.iter().map(String::as_str).collect();
        let get = [&["-n", &pod.namespace, "get"], &workloads[..], &["-o", "yaml"]].concat();
        return vec![
            Step::advice(Purpose::Fix, text),
            Step::inspect(evidence.kubectl(&get), "Show the pod template"),
        ];
    }
    let noun = if annotations.len() == 1 { "annotation" } else { "annotations" };
    let names = escape_backquotes(&list(&annotations));
    let remove = |workload: &String| {
        let owner = escape_backquotes(&workload.replacen('/', " ", 1));
        let text = format!("Remove the {noun} {names} from the pod template of {owner}");
        remove_from_template(evidence, workload, ("annotations", &annotations), text)
    };
    workloads_redirected_alike(evidence, pod).iter().map(remove).collect()
}
