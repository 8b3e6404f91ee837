//! Steps on Istio itself: `istioctl`, and what brings istiod back.

use super::{Impact, Purpose, Step, pods, workloads};
use crate::evidence::{Evidence, Expectations, MeshResource, Provider, selector};
use crate::facts::installation::{
    Elsewhere, Installation, control_plane_elsewhere, find_other, gateway_elsewhere,
};
use crate::facts::istiod::find_istiod;
use crate::hint::{escape_backquotes, quote};

/// Installs Istio's default profile, with the options that the installed software needs. Where something shows
/// another installation, `istioctl install` would change it, or make a second one beside it.
pub(crate) fn install_default(evidence: &Evidence, text: &str) -> Step {
    let Some(way) = other_way(evidence) else {
        return Step::fix(Impact::Changes, evidence.install_default(), text);
    };
    Step::advice(Purpose::Fix, format!("restore it in the way in which Istio was installed: {way}"))
}

/// How Istio was installed, where that was not by `istioctl install` of the default profile.
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
    let text = format!("{text}: Istio was installed by Helm (release {release})");
    Step::fix(Impact::Changes, command, text)
}

/// Names the settings with which the Istio that is there is judged, where it is in another place than the tutorial's.
pub(crate) fn set_places(evidence: &Evidence) -> Vec<Step> {
    let mut keys = Vec::new();
    if let Some(Elsewhere::Namespace(namespace)) = control_plane_elsewhere(evidence) {
        keys.push(format!("istio.namespace to {namespace}"));
    }
    if let Some(it) = gateway_elsewhere(evidence) {
        keys.push(format!("istio.gateway to {}", it.name));
        keys.push(format!("istio.gateway-namespace to {}", it.namespace));
        keys.push(format!("istio.gateway-labels to {}", selector(it.labels)));
    }
    let all = ["get", "deployments,daemonsets,services", "--all-namespaces", "-l"];
    let show = evidence.kubectl(&[&all[..], &["istio"]].concat());
    let show = Step::inspect(show, "shows where Istio and its gateways are");
    if keys.is_empty() {
        return vec![show];
    }
    let text = format!("set in meshcheck.toml: {}", escape_backquotes(&keys.join("; ")));
    vec![Step::advice(Purpose::Fix, text), show]
}

/// Lists the custom resource definitions, and installs Istio's again.
pub(crate) fn restore_definitions(evidence: &Evidence) -> Vec<Step> {
    let show = Step::inspect(evidence.kubectl(&["get", "crds"]), "shows what there is");
    vec![show, install_default(evidence, "restores them")]
}

/// Replaces istiod's pods, for istiod to write its certificate into the webhooks again.
pub(crate) fn rewrite_certificate(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    // A rollout would need room for a second istiod beside the first.
    let command = evidence.kubectl(&["-n", namespace, "delete", "pod", "-l", "app=istiod"]);
    let text = "makes istiod anew, which writes its certificate there when it starts";
    Step::fix(Impact::Deletes, command, text)
}

/// Shows the versions of istioctl, of istiod and of the proxies.
pub(crate) fn show_versions(evidence: &Evidence) -> Step {
    Step::inspect(evidence.istioctl(&["version"]), "shows all versions")
}

/// Shows istioctl's own version, and says where another one goes.
pub(crate) fn replace_istioctl(evidence: &Evidence) -> Vec<Step> {
    let show = "istioctl version --remote=false".to_owned();
    let wanted = escape_backquotes(&evidence.expectations.istio_version);
    let put = format!("put istioctl {wanted} first in PATH");
    vec![Step::inspect(show, "shows it"), Step::advice(Purpose::Fix, put)]
}

/// Shows the pods and endpoints of the ingress gateway.
pub(crate) fn show_gateway_pods(evidence: &Evidence) -> Step {
    let Expectations { gateway_labels, .. } = &evidence.expectations;
    let namespace = evidence.expectations.gateway_namespace();
    let get = ["-n", namespace, "get", "pods,endpoints", "-l", &selector(gateway_labels)];
    Step::inspect(evidence.kubectl(&get), "shows the gateway's pods")
}

/// Shows whether every proxy has istiod's configuration.
pub(crate) fn proxy_status(evidence: &Evidence, text: &str) -> Step {
    Step::inspect(evidence.istioctl(&["proxy-status"]), text)
}

/// Shows whether one proxy has istiod's configuration.
pub(crate) fn proxy_status_of(evidence: &Evidence, proxy: &str, text: &str) -> Step {
    Step::inspect(evidence.istioctl(&["proxy-status", proxy]), text)
}

/// Shows whether a proxy in the demo's namespace knows a service.
pub(crate) fn show_clusters(evidence: &Evidence, pod: &str, host: &str) -> Step {
    let pod = format!("{pod}.{}", evidence.expectations.namespace);
    let clusters = ["proxy-config", "clusters", &pod, "--fqdn", host];
    Step::inspect(evidence.istioctl(&clusters), "shows whether its proxy knows the service")
}

/// Lists the Sidecar resources, which limit what proxies know.
pub(crate) fn list_sidecars(evidence: &Evidence) -> Step {
    let command = evidence.kubectl(&["get", "sidecars.networking.istio.io", "-A"]);
    Step::inspect(
        command,
        "shows the Sidecar resources, whose egress hosts decide what a proxy knows",
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
        "shows its egress hosts, which decide what the proxy knows",
    )
}

/// Lists the authorization policies of the control plane's namespace, where the gateway is.
pub(crate) fn list_policies(evidence: &Evidence) -> Step {
    let namespace = &evidence.expectations.istio_namespace;
    let get = ["-n", namespace, "get", "authorizationpolicies.security.istio.io"];
    Step::inspect(evidence.kubectl(&get), "lists the policies: one of them is for the gateway")
}

/// Shows an authorization policy.
pub(crate) fn show_policy(evidence: &Evidence, policy: &MeshResource) -> Step {
    let get = get(policy, "authorizationpolicies.security.istio.io");
    Step::inspect(evidence.kubectl(&get), "shows what it denies")
}

/// Deletes an authorization policy.
pub(crate) fn delete_policy(evidence: &Evidence, policy: &MeshResource) -> Step {
    let kind = "authorizationpolicies.security.istio.io";
    let delete = ["-n", &policy.namespace, "delete", kind, &policy.name];
    Step::fix(Impact::Deletes, evidence.kubectl(&delete), "removes it, where it is not meant")
}

/// Shows the network plug-in, and what to set where it replaces service addresses.
pub(crate) fn explain_socket_balancing(evidence: &Evidence) -> Vec<Step> {
    let text = "shows the network plug-in: socket load balancing replaces the service address by a \
                pod's before the proxy sees it";
    let plug_ins = evidence.kubectl(&["-n", "kube-system", "get", "daemonsets"]);
    let cilium = "where it is Cilium, set its value socketLB.hostNamespaceOnly to true";
    vec![Step::inspect(plug_ins, text), Step::advice(Purpose::Fix, cilium)]
}

/// Lists all gateways and virtual services.
pub(crate) fn list_routes(evidence: &Evidence, text: &str) -> Step {
    let kinds = "gateways.networking.istio.io,virtualservices.networking.istio.io";
    Step::inspect(evidence.kubectl(&["get", kinds, "-A"]), text)
}

/// Uninstalls one revision of the control plane. What Helm installed, Helm removes.
pub(crate) fn uninstall_revision(evidence: &Evidence, revision: &str) -> Step {
    let text = "removes this revision, which no proxy uses";
    if matches!(find_other(evidence), Some(Installation::Helm { .. })) {
        let text = format!("remove the Helm release of revision {revision}, which no proxy uses");
        return Step::advice(Purpose::Fix, text);
    }
    let command = evidence.istioctl(&["uninstall", "--revision", revision, "-y"]);
    Step::fix(Impact::Deletes, command, text)
}

/// Uninstalls Istio and its namespace. What another program installed, that program removes.
pub(crate) fn uninstall(evidence: &Evidence) -> Step {
    if let Some(way) = other_way(evidence) {
        let text =
            format!("if nobody needs it, remove it in the way in which Istio was installed: {way}");
        return Step::advice(Purpose::Fix, text);
    }
    let uninstall = evidence.istioctl(&["uninstall", "--purge", "-y"]);
    let namespace = &evidence.expectations.istio_namespace;
    let delete = evidence.kubectl(&["delete", "namespace", namespace, "--ignore-not-found"]);
    let command = format!("{uninstall} && {delete}");
    Step::fix(Impact::Deletes, command, "removes all of it, if nobody needs it")
}

/// Judges the Istio that is installed by its own version.
pub(crate) fn check_version(evidence: &Evidence, version: &str) -> Step {
    let command = evidence.meshcheck("check", &["--istio", version]);
    Step::inspect(command, "judges it, if it is to stay")
}

/// Checks the mesh as one of this version, in the way in which it was checked.
pub(crate) fn check_as(evidence: &Evidence, version: &str) -> Step {
    let subject = &evidence.subject;
    let command = match (subject.provider, subject.active) {
        // A cluster of meshcheck's own is known by its context, whatever its kubeconfig.
        (Provider::Kind, _) => {
            let context = quote(&subject.context);
            format!("meshcheck check --context {context} --istio {}", quote(version))
        }
        (_, true) => evidence.meshcheck("check", &["--active", "--istio", version]),
        (_, false) => evidence.meshcheck("check", &["--istio", version]),
    };
    let version = escape_backquotes(version);
    Step::inspect(command, format!("judges it as Istio {version}: all of it has that version"))
}

/// Brings istiod back. The step `show` lists what is there, for where istiod is not installed.
pub(crate) fn restore_istiod(evidence: &Evidence, show: Step) -> Vec<Step> {
    let Some(istiod) = find_istiod(evidence) else {
        return vec![show, restore_control_plane(evidence, "installs Istio")];
    };
    let (namespace, name) = (&evidence.expectations.istio_namespace, &istiod.name);
    if istiod.replicas == 0 {
        return vec![workloads::scale_up(evidence, namespace, name, "starts istiod again")];
    }
    let pods = evidence.install.pods.value().into_iter().flatten();
    let own: Vec<_> = pods.filter(|pod| istiod.selects(pod)).collect();
    if own.is_empty() {
        return vec![workloads::describe(evidence, namespace, name, "shows why istiod has no pod")];
    }
    match own.into_iter().find(|pod| !pod.ready) {
        Some(pod) => pods::diagnose(evidence, pod),
        // Its pods are well: its service leads elsewhere.
        None => vec![workloads::select_pods(evidence, istiod)],
    }
}
