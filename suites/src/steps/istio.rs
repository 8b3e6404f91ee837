//! Steps on Istio itself: `istioctl`, mesh resources, istiod.

use super::{Impact, Purpose, Step, pods, workloads};
use crate::evidence::{Evidence, Expectations, MeshResource, Provider, selector};
use crate::facts::installation::{
    Elsewhere, Installation, control_plane_elsewhere, find_other, gateway_elsewhere,
};
use crate::facts::istiod::find_istiod;
use crate::hint::{escape_backquotes, quote};

/// Installs Istio's default profile, with the options that the installed software needs. `istioctl install` would
/// change an installation of another kind, or install a second one beside it.
pub(crate) fn install_default(evidence: &Evidence, text: &str) -> Step {
    install_with(evidence, &[], text)
}

/// Installs Istio's default profile again, with smaller requests of istiod.
pub(crate) fn install_with_smaller_requests(evidence: &Evidence) -> Step {
    let values = [
        "values.pilot.resources.requests.cpu=100m",
        "values.pilot.resources.requests.memory=512Mi",
    ];
    install_with(evidence, &values, "Install Istio again with smaller requests of istiod")
}

fn install_with(evidence: &Evidence, values: &[&str], text: &str) -> Step {
    let Some(way) = other_way(evidence) else {
        let deployments = evidence.install.deployments.value();
        let is_installed = deployments.is_some_and(|deployments| !deployments.is_empty());
        let more =
            if is_installed { " (reinstalls Istio and overwrites its other settings)" } else { "" };
        let command = evidence.install_with(values);
        return Step::fix(Impact::Changes, command, format!("{text}{more}"));
    };
    Step::advice(Purpose::Fix, format!("Restore it the way Istio was installed ({way})"))
}

/// Returns how Istio was installed, where that was not by `istioctl install` of the default profile.
fn other_way(evidence: &Evidence) -> Option<String> {
    Some(match find_other(evidence)? {
        Installation::Helm { release, .. } => {
            format!("Istio was installed by Helm (release {})", escape_backquotes(release))
        }
        Installation::Other(other) => other,
    })
}

/// Restores what belongs to istiod: its deployment, its service, its webhooks.
pub(crate) fn restore_control_plane(evidence: &Evidence, text: &str) -> Step {
    let Some(Installation::Helm { release, namespace }) = find_other(evidence) else {
        return install_default(evidence, text);
    };
    let version = &evidence.expectations.istio_version;
    let upgrade = ["-n", namespace, "upgrade", release, "istio/istiod", "--version", version];
    let command = evidence.helm(&[&upgrade[..], &["--reuse-values"]].concat());
    let release = escape_backquotes(release);
    let text = format!("{text} with Helm, which installed Istio (release {release})");
    Step::fix(Impact::Changes, command, text)
}

/// Names the settings for an Istio whose namespace or gateway differs from the tutorial's.
pub(crate) fn set_places(evidence: &Evidence) -> Vec<Step> {
    let mut keys = Vec::new();
    if let Some(Elsewhere::Namespace(namespace)) = control_plane_elsewhere(evidence) {
        keys.push(format!("namespace = {}", toml(namespace)));
    }
    if let Some(it) = gateway_elsewhere(evidence) {
        keys.push(format!("gateway = {}", toml(it.name)));
        keys.push(format!("gateway-namespace = {}", toml(it.namespace)));
        let label = |(key, value): (&String, &String)| format!("{} = {}", toml(key), toml(value));
        let labels: Vec<_> = it.labels.iter().map(label).collect();
        keys.push(format!("gateway-labels = {{ {} }}", labels.join(", ")));
    }
    let all = ["get", "deployments,daemonsets,services", "--all-namespaces", "-l"];
    let show = evidence.kubectl(&[&all[..], &["istio"]].concat());
    let show = Step::inspect(show, "List Istio's workloads and services in all namespaces");
    if keys.is_empty() {
        return vec![show];
    }
    let line = escape_backquotes(&keys.join(", "));
    let text = format!("Write this line at the top of meshcheck.toml: istio = {{ {line} }}");
    vec![Step::advice(Purpose::Fix, text), show]
}

/// Formats a name as a string of TOML.
fn toml(name: &str) -> String {
    format!("{name:?}")
}

/// Installs Istio's custom resource definitions again, and lists the existing ones.
pub(crate) fn restore_definitions(evidence: &Evidence) -> Vec<Step> {
    let show = Step::inspect(evidence.kubectl(&["get", "crds"]), "List the installed definitions");
    vec![install_default(evidence, "Install the missing definitions"), show]
}

/// Replaces istiod's pods: istiod writes its certificate into the webhooks at startup.
pub(crate) fn rewrite_certificate(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    // A rollout would need room for a second istiod beside the first.
    let command = evidence.kubectl(&["-n", namespace, "delete", "pod", "-l", "app=istiod"]);
    let text = "Restart istiod, so that it writes its certificate into the webhooks";
    Step::fix(Impact::RestartsPods, command, text)
}

/// Shows the versions of istioctl, of istiod and of the proxies.
pub(crate) fn show_versions(evidence: &Evidence) -> Step {
    Step::inspect(
        evidence.istioctl(&["version"]),
        "Show the versions of istioctl, istiod and the proxies",
    )
}

/// Shows the version of istioctl, and replaces istioctl by the expected version.
pub(crate) fn replace_istioctl(evidence: &Evidence) -> Vec<Step> {
    let show = "istioctl version --remote=false".to_owned();
    let wanted = escape_backquotes(&evidence.expectations.istio_version);
    let put = format!("Put istioctl {wanted} first in PATH");
    vec![Step::inspect(show, "Show the version of istioctl"), Step::advice(Purpose::Fix, put)]
}

/// Shows the pods and endpoints of the ingress gateway.
pub(crate) fn show_gateway_pods(evidence: &Evidence) -> Step {
    let Expectations { gateway_labels, .. } = &evidence.expectations;
    let namespace = evidence.expectations.gateway_namespace();
    let get = ["-n", namespace, "get", "pods,endpoints", "-l", &selector(gateway_labels)];
    Step::inspect(evidence.kubectl(&get), "Show the pods and endpoints of the gateway")
}

/// Shows the sync status of every proxy.
pub(crate) fn proxy_status(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.istioctl(&["proxy-status"]), text)
}

/// Shows the sync status of one proxy.
pub(crate) fn proxy_status_of(evidence: &Evidence, proxy: &str, text: &str) -> Step {
    Step::inspect(evidence.istioctl(&["proxy-status", proxy]), text)
}

/// Shows whether a proxy in the demo's namespace knows a service.
pub(crate) fn show_clusters(evidence: &Evidence, pod: &str, host: &str) -> Step {
    let pod = format!("{pod}.{}", evidence.expectations.namespace);
    let clusters = ["proxy-config", "clusters", &pod, "--fqdn", host];
    Step::inspect(evidence.istioctl(&clusters), "Check whether the proxy knows the service")
}

/// Shows the user of the client's container. Istio's rules redirect no traffic of user 1337, which is the proxy's.
/// Source: <https://istio.io/latest/docs/ops/deployment/application-requirements/>.
pub(crate) fn show_user(evidence: &Evidence, pod: &str) -> Step {
    let Expectations { namespace, client, .. } = &evidence.expectations;
    let exec = ["-n", namespace, "exec", pod, "-c", &client.container, "--", "id", "-u"];
    let text =
        "Show the client's user: traffic of user 1337 passes the proxy by, which runs as 1337";
    Step::inspect(evidence.kubectl(&exec), text)
}

/// Lists the Sidecar resources, which limit the services that proxies know.
pub(crate) fn list_sidecars(evidence: &Evidence) -> Step {
    let command = evidence.kubectl(&["get", "sidecars.networking.istio.io", "-A"]);
    Step::inspect(
        command,
        "List the Sidecar resources, whose egress hosts limit the services that a proxy knows",
    )
}

fn get<'a>(resource: &'a MeshResource, kind: &'a str) -> [&'a str; 7] {
    ["-n", &resource.namespace, "get", kind, &resource.name, "-o", "yaml"]
}

/// Shows a Sidecar resource.
pub(crate) fn show_sidecar(evidence: &Evidence, sidecar: &MeshResource) -> Step {
    let get = get(sidecar, "sidecars.networking.istio.io");
    Step::inspect(
        evidence.kubectl(&get),
        "Show the egress hosts of the Sidecar resource, which limit the services that the proxy knows",
    )
}

/// Lists the authorization policies in the namespace of the control plane and its gateway.
pub(crate) fn list_policies(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    let get = ["-n", namespace, "get", "authorizationpolicies.security.istio.io"];
    Step::inspect(
        evidence.kubectl(&get),
        "List the authorization policies in the namespace of the gateway",
    )
}

/// Shows an authorization policy.
pub(crate) fn show_policy(evidence: &Evidence, policy: &MeshResource) -> Step {
    let get = get(policy, "authorizationpolicies.security.istio.io");
    Step::inspect(evidence.kubectl(&get), "Show the rules of the policy")
}

/// Shows the mesh configuration, whose `discoverySelectors` select the namespaces that istiod watches.
pub(crate) fn show_discovery_selectors(evidence: &Evidence) -> Step {
    let text = "Show discoverySelectors, by which istiod selects the namespaces that it watches";
    show_mesh_config(evidence, text)
}

/// Shows the mesh configuration.
pub(super) fn show_mesh_config(evidence: &Evidence, text: &str) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    let get = ["-n", namespace, "get", "configmap", "istio", "-o", "jsonpath={.data.mesh}"];
    Step::inspect(evidence.kubectl(&get), text)
}

/// Deletes an authorization policy.
pub(crate) fn delete_policy(evidence: &Evidence, policy: &MeshResource) -> Step {
    let kind = "authorizationpolicies.security.istio.io";
    let delete = ["-n", &policy.namespace, "delete", kind, &policy.name];
    Step::fix(Impact::Deletes, evidence.kubectl(&delete), "Delete the policy, if nobody needs it")
}

/// Shows the network plug-in, and disables Cilium's socket load balancing for pods, which replaces service addresses. An
/// upgrade without the chart's version would upgrade Cilium itself.
pub(crate) fn explain_socket_balancing(evidence: &Evidence) -> Vec<Step> {
    let text =
        "Show the network plug-in: with socket load balancing, the proxy sees pod addresses only";
    let plug_ins = evidence.kubectl(&["-n", "kube-system", "get", "daemonsets"]);
    let in_system = ["-n", "kube-system"];
    let helm = |rest: &[&str]| evidence.helm(&[&in_system[..], rest].concat());
    let release = helm(&["list", "--filter", "cilium"]);
    let value = "socketLB.hostNamespaceOnly=true";
    let upgrade = ["upgrade", "cilium", "cilium/cilium", "--version", "VERSION", "--reuse-values"];
    let upgrade = helm(&[&upgrade[..], &["--set", value]].concat());
    let limit = "Limit Cilium's socket load balancing to the nodes; VERSION is the chart's version";
    vec![
        Step::inspect(plug_ins, text),
        Step::inspect(release, "Show the version of Cilium's chart, where Cilium is the plug-in"),
        Step::fix(Impact::Changes, upgrade, limit),
        workloads::restart(
            evidence,
            "kube-system",
            "daemonset/cilium",
            "Restart Cilium, so that it reads the value",
        ),
    ]
}

/// Lists what can keep the gateway's requests from the backend.
pub(crate) fn list_obstacles(evidence: &Evidence) -> Step {
    let kinds = "networkpolicies,destinationrules,peerauthentications";
    let text = "List what can keep the gateway from the backend: a network policy must allow the gateway's namespace";
    Step::inspect(evidence.kubectl(&["get", kinds, "--all-namespaces"]), text)
}

/// Shows the log of the gateway.
pub(crate) fn show_gateway_log(evidence: &Evidence) -> Step {
    let deployment = format!("deployment/{}", evidence.expectations.gateway);
    let namespace = evidence.expectations.gateway_namespace();
    let logs = ["-n", namespace, "logs", &deployment, "--tail=20"];
    Step::inspect(evidence.kubectl(&logs), "Show the log of the gateway")
}

/// Shows the ports on which the gateway's Envoy listens.
pub(crate) fn show_listener(evidence: &Evidence) -> Step {
    let namespace = evidence.expectations.gateway_namespace();
    let gateway = format!("deployment/{}", evidence.expectations.gateway);
    let command = evidence.istioctl(&["-n", namespace, "proxy-config", "listeners", &gateway]);
    Step::inspect(command, "Check that the gateway listens on the targetPort of its port 80")
}

/// Lists all gateways and virtual services.
pub(crate) fn list_routes(evidence: &Evidence, text: &str) -> Step {
    let kinds = "gateways.networking.istio.io,virtualservices.networking.istio.io";
    Step::inspect(evidence.kubectl(&["get", kinds, "-A"]), text)
}

/// Uninstalls one revision of the control plane, with the program that installed it.
pub(crate) fn uninstall_revision(evidence: &Evidence, revision: &str) -> Step {
    let text = format!("Uninstall revision {}, which no proxy uses", escape_backquotes(revision));
    if matches!(find_other(evidence), Some(Installation::Helm { .. })) {
        let text =
            format!("Uninstall the Helm release of revision {revision}, which no proxy uses");
        return Step::advice(Purpose::Fix, text);
    }
    let command = evidence.istioctl(&["uninstall", "--revision", revision, "-y"]);
    Step::fix(Impact::Deletes, command, text)
}

/// Uninstalls Istio and its namespace, with the program that installed it.
pub(crate) fn uninstall(evidence: &Evidence) -> Step {
    if let Some(way) = other_way(evidence) {
        let text = format!("Uninstall it, if nobody needs it, the way Istio was installed ({way})");
        return Step::advice(Purpose::Fix, text);
    }
    let uninstall = evidence.istioctl(&["uninstall", "--purge", "-y"]);
    let namespace = &evidence.expectations.istio_namespace;
    let delete = evidence.kubectl(&["delete", "namespace", namespace, "--ignore-not-found"]);
    let command = format!("{uninstall} && {delete}");
    Step::fix(
        Impact::Deletes,
        command,
        "Uninstall Istio and delete its namespace, if nobody needs it",
    )
}

/// Checks the installed Istio with its own version as the expected one.
pub(crate) fn check_version(evidence: &Evidence, version: &str) -> Step {
    let command = evidence.meshcheck("check", &["--istio", version]);
    let version = escape_backquotes(version);
    Step::inspect(command, format!("Check the mesh as Istio {version}, to keep this version"))
}

/// Returns the impact of `meshcheck check`, which creates temporary objects with `--active`.
pub(super) fn check_impact(is_active: bool) -> Impact {
    if is_active { Impact::Changes } else { Impact::Reads }
}

/// Checks the mesh with this version as the expected one, and the options of the recorded check.
pub(crate) fn check_as(evidence: &Evidence, version: &str) -> Step {
    let subject = &evidence.subject;
    let command = match (subject.provider, subject.active) {
        // meshcheck knows its own clusters by their context.
        (Provider::Kind, _) => {
            let context = quote(&subject.context);
            format!("meshcheck check --context {context} --istio {}", quote(version))
        }
        (_, true) => evidence.meshcheck("check", &["--active", "--istio", version]),
        (_, false) => evidence.meshcheck("check", &["--istio", version]),
    };
    let version = escape_backquotes(version);
    let text = format!("Check the mesh as Istio {version}, the version of all its parts");
    Step { impact: check_impact(subject.active), ..Step::inspect(command, text) }
}

/// Restores istiod. The step `show` lists the installed pods, where istiod is not installed.
pub(crate) fn restore_istiod(evidence: &Evidence, show: Step) -> Vec<Step> {
    let Some(istiod) = find_istiod(evidence) else {
        return vec![show, restore_control_plane(evidence, "Install Istio")];
    };
    let (namespace, name) = (&evidence.expectations.istio_namespace, &istiod.name);
    if istiod.replicas == 0 {
        return vec![workloads::scale_up(evidence, namespace, name, "Scale istiod to 1 replica")];
    }
    let pods = evidence.install.pods.value().into_iter().flatten();
    let own: Vec<_> = pods.filter(|pod| istiod.selects(pod)).collect();
    if own.is_empty() {
        return vec![workloads::describe(evidence, namespace, name, "Show why istiod has no pod")];
    }
    match own.into_iter().find(|pod| !pod.ready) {
        Some(pod) => pods::diagnose(evidence, pod),
        // Its pods are ready, so its service selects other pods.
        None => vec![workloads::select_pods(evidence, istiod)],
    }
}
