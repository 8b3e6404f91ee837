//! A mesh as an API server tells of it: the recorded evidence, turned back into the objects that it was
//! seen in. What goes through a pod (exec, port-forward) is refused.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::server::{Reply, Request};

/// The version of the recorded mesh: what `check` is told to expect.
pub(crate) const ISTIO: &str = "1.22.0-alpha.55f12a68b4f9";

/// Where the gateway is said to be: on this machine, where nobody listens.
const GATEWAY: &str = "127.99.0.1";

/// The recorded evidence.
pub(crate) fn recorded() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/evidence/lab.json")).unwrap()
}

/// The certificate of a webhook; any will do.
static CA_BUNDLE: LazyLock<Value> = LazyLock::new(|| {
    let pem = rcgen::generate_simple_self_signed(["istiod".to_owned()]).unwrap().cert.pem();
    serde_json::to_value(k8s_openapi::ByteString(pem.into_bytes())).unwrap()
});

/// A mesh that answers.
pub(crate) struct Mesh {
    pub(crate) evidence: Value,
}

impl Mesh {
    /// As it was recorded.
    pub(crate) fn healthy() -> Self {
        Self::changed(|_| {})
    }

    /// With a change.
    pub(crate) fn changed(change: impl FnOnce(&mut Value)) -> Self {
        let mut evidence = recorded();
        for rows in ["/install/services/value", "/cluster/load_balancer_services/value"] {
            for service in evidence.pointer_mut(rows).unwrap().as_array_mut().unwrap() {
                if service["kind"] == "LoadBalancer" {
                    service["load_balancer_addresses"] = json!([GATEWAY]);
                }
            }
        }
        change(&mut evidence);
        Self { evidence }
    }

    /// With a backend that is gone: something must stay red.
    pub(crate) fn with_a_fault() -> Self {
        Self::changed(|evidence| {
            let deployments = evidence["demo"]["deployments"]["value"].as_array_mut().unwrap();
            for deployment in deployments.iter_mut().filter(|it| it["name"] == "echo-deployment") {
                for field in ["replicas", "current_replicas", "updated_replicas"] {
                    deployment[field] = 0.into();
                }
                deployment["ready_replicas"] = 0.into();
                deployment["available_replicas"] = 0.into();
            }
            let is_backend = |pod: &Value| pod["labels"]["app"] == "echo";
            let pods = evidence["demo"]["pods"]["value"].as_array_mut().unwrap();
            pods.retain(|pod| !is_backend(pod));
            evidence["demo"]["endpoints"]["value"] = json!([]);
        })
    }

    /// The namespace of the demo's objects, or of Istio's.
    fn section(&self, namespace: &str) -> Option<&Value> {
        match namespace {
            "client" => Some(&self.evidence["demo"]),
            "istio-system" => Some(&self.evidence["install"]),
            _ => None,
        }
    }

    /// Answers a request. The server's clock shows the time of the recording.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let logs = &self.evidence["demo"]["client_logs"]["value"];
        let now: jiff::Timestamp = logs[0]["read_at"].as_str().unwrap().parse().unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
        self.reply(request).header("date", date.unwrap())
    }

    fn reply(&self, request: &Request) -> Reply {
        let path: Vec<_> = request.path.trim_matches('/').split('/').collect();
        let evidence = &self.evidence;
        let rows = |value: &Value, object: fn(&Value) -> Value| {
            list(value["value"].as_array().into_iter().flatten().map(object).collect())
        };
        let of = |namespace: &str, what: &str, object: fn(&Value) -> Value| match self
            .section(namespace)
        {
            Some(section) => rows(&section[what], object),
            None => list(Vec::new()),
        };
        match path[..] {
            ["version"] => {
                let version = &evidence["cluster"]["server_version"]["value"];
                let version = json!({
                    "major": "1", "minor": "29", "gitVersion": version, "gitCommit": "", "gitTreeState": "",
                    "buildDate": "", "goVersion": "", "compiler": "", "platform": ""
                });
                Reply::new(200, version.to_string())
            }
            ["api", "v1", "nodes"] => rows(&evidence["cluster"]["nodes"], node),
            ["api", "v1", "pods"] => {
                let pods = ["demo", "install"].iter().flat_map(|section| {
                    evidence[section]["pods"]["value"].as_array().into_iter().flatten().map(pod)
                });
                list(pods.collect())
            }
            ["api", "v1", "services"] => {
                rows(&evidence["cluster"]["load_balancer_services"], service)
            }
            ["api", "v1", "namespaces"] => {
                let namespaces = evidence["install"]["namespaces"]["value"].as_object().unwrap();
                let object = |(name, labels): (&String, &Value)| json!({ "metadata": { "name": name, "labels": labels } });
                list(namespaces.iter().map(object).collect())
            }
            ["api", "v1", "namespaces", name] => {
                let labels = &evidence["install"]["namespaces"]["value"][name];
                if labels.is_null() {
                    return Reply::status(404, &format!("namespaces \"{name}\" not found"));
                }
                Reply::new(
                    200,
                    json!({ "metadata": { "name": name, "labels": labels } }).to_string(),
                )
            }
            ["api", "v1", "namespaces", "kube-system", "pods"] => list(
                evidence["cluster"]["dns"]["value"]["pods"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(pod)
                    .collect(),
            ),
            ["apis", "apps", "v1", "namespaces", "kube-system", "deployments"] => {
                let deployments = &evidence["cluster"]["dns"]["value"]["deployments"];
                list(deployments.as_array().unwrap().iter().map(deployment).collect())
            }
            ["api", "v1", "namespaces", namespace, "pods"] if request.method == "POST" => {
                let which = if namespace == "client" { "labelled" } else { "unlabelled" };
                let run = &evidence["mesh"][format!("dry_run_{which}")]["value"];
                Reply::new(201, pod(run).to_string())
            }
            ["api", "v1", "namespaces", namespace, "pods"] => of(namespace, "pods", pod),
            ["api", "v1", "namespaces", namespace, "services"] => {
                of(namespace, "services", service)
            }
            ["apis", "apps", "v1", "namespaces", namespace, "deployments"] => {
                of(namespace, "deployments", deployment)
            }
            ["apis", "discovery.k8s.io", "v1", "namespaces", namespace, "endpointslices"] => {
                of(namespace, "endpoints", slice)
            }
            ["apis", "admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations"] => {
                rows(&evidence["install"]["webhooks"], webhook)
            }
            ["apis"] => self.groups(),
            ["apis", group, "v1"] => self.resources(group),
            ["api", "v1", "namespaces", _, "pods", pod, "log"] => self.log(pod, &request.query),
            ["api", "v1", "namespaces", _, "pods", _, subresource] => Reply::status(
                403,
                &format!(
                    "pods is forbidden: User \"vm\" cannot create resource \"pods/{subresource}\""
                ),
            ),
            _ => Reply::status(404, "the server could not find the requested resource"),
        }
    }

    fn groups(&self) -> Reply {
        let mut groups: Vec<_> = self.crds().map(|(_, group)| group).collect();
        groups.sort();
        groups.dedup();
        let group = |name: String| {
            let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
            json!({ "name": name, "versions": [version], "preferredVersion": version })
        };
        let groups: Vec<_> = groups.into_iter().map(group).collect();
        Reply::new(200, json!({ "kind": "APIGroupList", "groups": groups }).to_string())
    }

    fn resources(&self, group: &str) -> Reply {
        let of_group = self.crds().filter(|(_, of)| of == group);
        let resource = |(name, _): (String, String)| json!({ "name": name, "singularName": "", "namespaced": true, "kind": name, "verbs": [] });
        let resources: Vec<_> = of_group.map(resource).collect();
        let body = json!({ "kind": "APIResourceList", "groupVersion": format!("{group}/v1"), "resources": resources });
        Reply::new(200, body.to_string())
    }

    fn crds(&self) -> impl Iterator<Item = (String, String)> {
        let rows = self.evidence["install"]["crds"]["value"].as_array().unwrap();
        rows.iter().map(|row| {
            let (name, group) = row["name"].as_str().unwrap().split_once('.').unwrap();
            (name.to_owned(), group.to_owned())
        })
    }

    fn log(&self, pod: &str, query: &str) -> Reply {
        if query.contains("container=istio-init") {
            let log = self.evidence["mesh"]["init_logs"][pod]["value"].as_str().unwrap_or_default();
            return Reply::new(200, log);
        }
        let logs = self.evidence["demo"]["client_logs"]["value"].as_array().unwrap();
        let lines = logs.iter().find(|log| log["pod"] == pod).map(|log| &log["lines"]);
        let mut text = String::new();
        for line in lines.and_then(Value::as_array).into_iter().flatten() {
            let (at, words) = (line["at"].as_str().unwrap(), line["text"].as_str().unwrap());
            let _ = writeln!(text, "{at} {words}");
        }
        Reply::new(200, text)
    }
}

/// A list, all of it.
fn list(items: Vec<Value>) -> Reply {
    let body = json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items });
    Reply::new(200, body.to_string())
}

fn metadata(row: &Value) -> Map<String, Value> {
    let mut metadata = Map::new();
    for (field, name) in [
        ("name", "name"),
        ("namespace", "namespace"),
        ("labels", "labels"),
        ("annotations", "annotations"),
        ("created_at", "creationTimestamp"),
        ("generation", "generation"),
    ] {
        if let Some(value) = row.get(field) {
            metadata.insert(name.into(), value.clone());
        }
    }
    if let Some((kind, name)) = row["owner"].as_str().and_then(|it| it.split_once('/')) {
        let owner = json!([{ "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1", "controller": true }]);
        metadata.insert("ownerReferences".into(), owner);
    }
    metadata
}

fn conditions(row: &Value) -> Vec<Value> {
    let rows = row["conditions"].as_array().into_iter().flatten();
    let condition = |it: &Value| json!({ "type": it["kind"], "status": it["status"], "reason": it["reason"], "message": it["message"] });
    rows.map(condition).collect()
}

fn container(row: &Value) -> Value {
    let ports = row["ports"].as_array().into_iter().flatten();
    let mut container = json!({
        "name": row["name"], "image": row["image"], "command": row["command"], "args": row["args"],
        "ports": ports.map(|port| json!({ "containerPort": port })).collect::<Vec<_>>()
    });
    if let Some(policy) = row.get("restart_policy") {
        container["restartPolicy"] = policy.clone();
    }
    container
}

fn container_status(row: &Value) -> Value {
    let state = &row["state"];
    let state = match state["state"].as_str() {
        Some("running") => json!({ "running": { "startedAt": state["since"] } }),
        Some("terminated") => json!({ "terminated": {
            "exitCode": state["exit_code"], "reason": state["reason"], "finishedAt": state["finished_at"]
        } }),
        Some("waiting") => {
            json!({ "waiting": { "reason": state["reason"], "message": state["message"] } })
        }
        _ => json!({}),
    };
    json!({
        "name": row["name"], "ready": row["ready"], "restartCount": row["restarts"], "state": state,
        "image": row["image"], "imageID": ""
    })
}

fn each(rows: &Value, object: fn(&Value) -> Value) -> Vec<Value> {
    rows.as_array().into_iter().flatten().map(object).collect()
}

fn pod(row: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata(row),
        "spec": {
            "nodeName": row["node"], "hostNetwork": row["host_network"],
            "containers": each(&row["containers"], container),
            "initContainers": each(&row["init_containers"], container)
        },
        "status": {
            "phase": row["phase"], "podIP": row["ip"],
            "conditions": [{ "type": "Ready", "status": if row["ready"] == true { "True" } else { "False" } }],
            "containerStatuses": each(&row["containers"], container_status),
            "initContainerStatuses": each(&row["init_containers"], container_status)
        }
    })
}

fn deployment(row: &Value) -> Value {
    json!({
        "metadata": metadata(row),
        "spec": {
            "replicas": row["replicas"],
            "selector": { "matchLabels": row["selector"] },
            "template": {
                "metadata": { "labels": row["template_labels"] },
                "spec": { "containers": each(&row["containers"], container) }
            }
        },
        "status": {
            "replicas": row["current_replicas"], "updatedReplicas": row["updated_replicas"],
            "readyReplicas": row["ready_replicas"], "availableReplicas": row["available_replicas"],
            "observedGeneration": row["observed_generation"], "conditions": conditions(row)
        }
    })
}

fn service(row: &Value) -> Value {
    let port = |it: &Value| {
        let target = it["target_port"].as_str().unwrap();
        let target = target.parse::<i32>().map_or_else(|_| json!(target), Value::from);
        json!({
            "name": it["name"], "protocol": it["protocol"], "port": it["port"], "targetPort": target,
            "nodePort": it["node_port"]
        })
    };
    let addresses = row["load_balancer_addresses"].as_array().into_iter().flatten();
    let addresses: Vec<_> = addresses.map(|it| json!({ "ip": it })).collect();
    json!({
        "metadata": metadata(row),
        "spec": {
            "type": row["kind"], "clusterIP": row["cluster_ip"], "selector": row["selector"],
            "ports": row["ports"].as_array().into_iter().flatten().map(port).collect::<Vec<_>>()
        },
        "status": { "loadBalancer": { "ingress": addresses } }
    })
}

fn slice(row: &Value) -> Value {
    let port = |it: &Value| json!({ "port": it });
    json!({
        "metadata": { "name": row["service"], "labels": { "kubernetes.io/service-name": row["service"] } },
        "addressType": "IPv4",
        "ports": row["ports"].as_array().into_iter().flatten().map(port).collect::<Vec<_>>(),
        "endpoints": [{
            "addresses": row["addresses"], "conditions": { "ready": row["ready"] },
            "targetRef": { "kind": "Pod", "name": row["pod"] }
        }]
    })
}

fn node(row: &Value) -> Value {
    let resources = &row["allocatable"];
    let addresses = row["addresses"].as_array().into_iter().flatten();
    let addresses: Vec<_> =
        addresses.map(|it| json!({ "type": "InternalIP", "address": it })).collect();
    json!({
        "metadata": { "name": row["name"] },
        "spec": { "unschedulable": row["unschedulable"], "podCIDRs": row["pod_cidrs"] },
        "status": {
            "conditions": conditions(row), "addresses": addresses,
            "allocatable": {
                "cpu": format!("{}m", resources["cpu_millis"]),
                "memory": resources["memory_bytes"].to_string(), "pods": resources["pods"].to_string()
            },
            "nodeInfo": {
                "kubeletVersion": row["kubelet_version"], "containerRuntimeVersion": row["container_runtime"],
                "kernelVersion": row["kernel"], "architecture": row["architecture"], "bootID": "",
                "kubeProxyVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": ""
            }
        }
    })
}

fn webhook(row: &Value) -> Value {
    let selector = |selector: &Value| json!({ "matchLabels": selector["match_labels"], "matchExpressions": selector["match_expressions"] });
    let mut labels = Map::new();
    for (field, label) in [("revision", "istio.io/rev"), ("tag", "istio.io/tag")] {
        if let Some(value) = row.get(field).filter(|value| !value.is_null()) {
            labels.insert(label.into(), value.clone());
        }
    }
    json!({
        "metadata": { "name": row["configuration"], "labels": labels },
        "webhooks": [{
            "name": row["name"], "failurePolicy": row["failure_policy"], "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": selector(&row["namespace_selector"]),
            "objectSelector": selector(&row["object_selector"]),
            "clientConfig": { "service": row["service"], "caBundle": *CA_BUNDLE },
            "rules": [{ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"] }]
        }]
    })
}
