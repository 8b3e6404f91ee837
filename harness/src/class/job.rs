//! Writes a class as an Indexed Job: Kubernetes checks the machines, each pod its share.
//!
//! A pod runs `meshcheck class /machines --send BOARD`, which needs nothing that is special to a Job: its directory
//! `/machines` has the kubeconfigs of its share, because the volume has a folder for each index, and
//! `subPathExpr` mounts the pod's own.

mod directory;
mod readme;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshcheck_bundle::sha256_hex;
use serde_json::{Value, json};

pub(crate) use directory::{DirectoryError, write};

/// The first line of each file: files with it may be replaced.
const MARK: &str = "# Written by `meshcheck class --job-out`";

/// The name of the file with the Job itself: the last in the order in which `kubectl apply` reads a directory.
const JOB: &str = "5-job";

/// The namespace that is created where none is named.
pub(crate) const NAMESPACE: &str = "meshcheck-class";

/// The image where none is named: as `cargo xtask image` calls it. No registry serves it, and `localhost` keeps nodes
/// from asking a registry of others for it.
pub(crate) const IMAGE: &str = concat!("localhost/meshcheck:", env!("CARGO_PKG_VERSION"));

/// How many machines a pod checks, where the call does not say it. Each waits for its network most of the time.
const SHARE: usize = 10;

/// How many pods run at a time.
const PARALLEL: usize = 10;

/// How often a pod runs again that did not send all records of its share.
const RETRIES: usize = 2;

/// How long the pods of one wave may take with all retries, and the whole Job at the least, in seconds.
const WAVE: usize = 600;
const SHORTEST: usize = 3600;

/// How long Kubernetes keeps the Job with its logs after its end, in seconds: until the next day.
const KEPT: usize = 86_400;

/// The most that one Secret, and the Job, may hold, in bytes of JSON. `kubectl apply` keeps a copy of each object in an
/// annotation, and all annotations of an object have room for 262,144 bytes. Source: `TotalAnnotationSizeLimitB` in
/// `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`.
const ROOM: usize = 240_000;

/// The user of the image's program, without rights anywhere. Source: `harness/Containerfile`.
const USER: u32 = 65_532;

/// What a Job is made of.
pub(crate) struct Plan<'a> {
    /// The machines: their names and their kubeconfigs, which name no file.
    pub(crate) machines: &'a [(String, String)],
    /// How many pods share the machines.
    pub(crate) pods: Option<u16>,
    /// The image of the program.
    pub(crate) image: &'a str,
    /// An existing namespace.
    pub(crate) namespace: Option<&'a str>,
    /// The address of the board.
    pub(crate) board: &'a str,
    /// The board's token.
    pub(crate) token: &'a str,
    /// Further arguments of `meshcheck class`.
    pub(crate) arguments: &'a [String],
    /// The text of the configuration file.
    pub(crate) configuration: Option<&'a str>,
}

/// A file of a Job.
pub(crate) struct JobFile {
    /// Its name; `kubectl apply -f DIR` goes by their order.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// What was written.
pub(crate) struct Job {
    /// Its name.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// How many pods share the machines.
    pub(crate) pods: usize,
    /// The files.
    pub(crate) files: Vec<JobFile>,
}

/// Why a Job cannot be written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum JobError {
    /// A kubeconfig does not fit into a Secret.
    #[error(
        "the kubeconfig of {machine} has {bytes} bytes with its certificates, and a Secret has room for {ROOM}"
    )]
    Kubeconfig { machine: String, bytes: usize },
    /// The list of the machines does not fit into a Job.
    #[error(
        "the Job of {machines} machines has {bytes} bytes, and `kubectl apply` has room for {ROOM}"
    )]
    Machines { machines: usize, bytes: usize },
    /// A manifest cannot be written as YAML.
    #[error("a manifest cannot be written: {0}")]
    Yaml(String),
}

/// Makes the files of a Job.
///
/// # Errors
///
/// When an object would be larger than `kubectl apply` takes.
pub(crate) fn manifests(plan: &Plan<'_>) -> Result<Job, JobError> {
    let all = plan.machines.len();
    let pods = plan.pods.map_or(all.div_ceil(SHARE), usize::from).clamp(1, all.max(1));
    let name = name(plan, pods);
    let namespace = plan.namespace.unwrap_or(NAMESPACE).to_owned();
    let objects = Objects { plan, name: &name, namespace: &namespace, pods };
    let mut manifests = Vec::new();
    if plan.namespace.is_none() {
        manifests.push(("0-namespace".to_owned(), objects.own_namespace()));
    }
    manifests.push(("1-account".into(), objects.account()));
    manifests.push(("2-machines".into(), objects.config_map()));
    manifests.push(("3-token".into(), objects.secret("token", [("token", plan.token)])));
    let secrets = objects.kubeconfigs()?;
    for (at, keys) in secrets.iter().enumerate() {
        let data = keys.iter().map(|&at| (key(at), plan.machines[at].1.as_str()));
        let kubeconfigs = objects.secret(&format!("kubeconfigs-{at}"), data);
        manifests.push((format!("4-kubeconfigs-{at:03}"), kubeconfigs));
    }
    let job = objects.job(&secrets);
    let bytes = job.to_string().len();
    if bytes > ROOM {
        return Err(JobError::Machines { machines: all, bytes });
    }
    manifests.push((JOB.into(), job));
    let mut files = vec![JobFile { name: "README.md".into(), text: readme::text(&objects) }];
    for (name, manifest) in &manifests {
        let text = serde_saphyr::to_string(manifest);
        let text = text.map_err(|error| JobError::Yaml(error.to_string()))?;
        files.push(JobFile { name: format!("{name}.yaml"), text: format!("{MARK}\n{text}") });
    }
    Ok(Job { name, namespace, pods, files })
}

/// The name of the Job: the same for the same content. A Job cannot be changed, so another content has another name.
fn name(plan: &Plan<'_>, pods: usize) -> String {
    let content = json!([
        plan.machines,
        pods,
        plan.image,
        plan.board,
        plan.token,
        plan.arguments,
        plan.configuration
    ]);
    format!("class-{}", &sha256_hex(content.to_string().as_bytes())[..8])
}

/// The key of a machine in its Secret: keys have fewer characters than names of machines.
fn key(at: usize) -> String {
    format!("m{at}")
}

/// The size of a machine in its Secret, in bytes of JSON.
fn size(at: usize, kubeconfig: &str) -> usize {
    key(at).len() + kubeconfig.len().div_ceil(3) * 4 + r#""":"","#.len()
}

/// What all objects of a Job share.
struct Objects<'a> {
    plan: &'a Plan<'a>,
    name: &'a str,
    namespace: &'a str,
    pods: usize,
}

impl Objects<'_> {
    /// The labels of meshcheck. Not that of its temporary objects: these are deleted once their process has ended.
    fn labels() -> Value {
        json!({ "app.kubernetes.io/managed-by": "meshcheck", "app.kubernetes.io/name": "meshcheck-class" })
    }

    fn metadata(&self, part: &str) -> Value {
        let name = if part.is_empty() { self.name.into() } else { format!("{}-{part}", self.name) };
        json!({ "name": name, "namespace": self.namespace, "labels": Self::labels() })
    }

    fn own_namespace(&self) -> Value {
        let mut labels = Self::labels();
        labels["pod-security.kubernetes.io/enforce"] = "restricted".into();
        labels["istio-injection"] = "disabled".into();
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": self.namespace, "labels": labels },
        })
    }

    fn account(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": self.metadata(""),
            "automountServiceAccountToken": false,
        })
    }

    /// Which pod checks which machine, for readers of `.status.failedIndexes`.
    fn config_map(&self) -> Value {
        let mut data: BTreeMap<String, String> = BTreeMap::new();
        for (at, (machine, _)) in self.plan.machines.iter().enumerate() {
            let names = data.entry(format!("index-{}", self.index(at))).or_default();
            names.push_str(machine);
            names.push('\n');
        }
        if let Some(text) = self.plan.configuration {
            data.insert(CONFIGURATION.into(), text.to_owned());
        }
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata(""), "data": data })
    }

    fn secret<K: Into<String>, V: AsRef<str>>(
        &self,
        part: &str,
        data: impl IntoIterator<Item = (K, V)>,
    ) -> Value {
        let data: BTreeMap<String, String> = data
            .into_iter()
            .map(|(key, text)| (key.into(), STANDARD.encode(text.as_ref())))
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self.metadata(part),
            "type": "Opaque",
            "data": data,
        })
    }

    /// Which machines are in which Secret.
    fn kubeconfigs(&self) -> Result<Vec<Vec<usize>>, JobError> {
        let empty = self.secret("kubeconfigs-0000", [("", "")]).to_string().len();
        let mut secrets: Vec<Vec<usize>> = Vec::new();
        let mut room = 0;
        for (at, (machine, kubeconfig)) in self.plan.machines.iter().enumerate() {
            let bytes = size(at, kubeconfig);
            if empty + bytes > ROOM {
                return Err(JobError::Kubeconfig { machine: machine.clone(), bytes });
            }
            if secrets.is_empty() || bytes > room {
                secrets.push(Vec::new());
                room = ROOM - empty;
            }
            if let Some(last) = secrets.last_mut() {
                last.push(at);
            }
            room -= bytes;
        }
        Ok(secrets)
    }

    /// Which pod checks a machine. Neighbours have the same, and all pods have as many, or one more.
    fn index(&self, at: usize) -> usize {
        at * self.pods / self.plan.machines.len().max(1)
    }

    fn arguments(&self) -> Vec<String> {
        let mut words: Vec<String> =
            ["class", "/machines", "--send", self.plan.board, "--token-file", "/token/token"]
                .map(str::to_owned)
                .into();
        if self.plan.configuration.is_some() {
            words.extend(["--config".to_owned(), format!("/configuration/{CONFIGURATION}")]);
        }
        words.extend(self.plan.arguments.iter().cloned());
        words
    }

    fn job(&self, secrets: &[Vec<usize>]) -> Value {
        let waves = self.pods.div_ceil(PARALLEL);
        let mut pod_labels = Self::labels();
        // With a sidecar, a pod of a Job does not end.
        pod_labels["sidecar.istio.io/inject"] = "false".into();
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self.metadata(""),
            "spec": {
                "completionMode": "Indexed",
                "completions": self.pods,
                "parallelism": self.pods.min(PARALLEL),
                "backoffLimitPerIndex": RETRIES,
                // A machine that is not reached ends no other pod.
                "maxFailedIndexes": self.pods,
                "podFailurePolicy": { "rules": [{
                    // A wrong call stays wrong.
                    "action": "FailIndex",
                    "onExitCodes": { "containerName": "meshcheck", "operator": "In", "values": [2] },
                }] },
                "activeDeadlineSeconds": SHORTEST.max(waves * WAVE),
                "ttlSecondsAfterFinished": KEPT,
                "template": { "metadata": { "labels": pod_labels }, "spec": self.pod(secrets) },
            },
        })
    }

    fn pod(&self, secrets: &[Vec<usize>]) -> Value {
        let mut mounts = vec![
            json!({
                "name": "machines",
                "mountPath": "/machines",
                "subPathExpr": "$(JOB_COMPLETION_INDEX)",
                "readOnly": true,
            }),
            json!({ "name": "token", "mountPath": "/token", "readOnly": true }),
        ];
        let token = format!("{}-token", self.name);
        let mut volumes = vec![
            json!({ "name": "machines", "projected": { "defaultMode": 0o440, "sources": self.sources(secrets) } }),
            json!({ "name": "token", "secret": { "secretName": token, "defaultMode": 0o440 } }),
        ];
        if self.plan.configuration.is_some() {
            mounts.push(
                json!({ "name": "configuration", "mountPath": "/configuration", "readOnly": true }),
            );
            let items = json!([{ "key": CONFIGURATION, "path": CONFIGURATION }]);
            volumes.push(
                json!({ "name": "configuration", "configMap": { "name": self.name, "items": items } }),
            );
        }
        json!({
            "serviceAccountName": self.name,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "containers": [{
                "name": "meshcheck",
                "image": self.plan.image,
                "imagePullPolicy": "IfNotPresent",
                "args": self.arguments(),
                "resources": {
                    "requests": { "cpu": "100m", "memory": "64Mi" },
                    "limits": { "cpu": "1", "memory": "256Mi" },
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
                "volumeMounts": mounts,
            }],
            "volumes": volumes,
        })
    }

    /// The sources of the volume: each kubeconfig in the folder of its index, under the name of its machine.
    fn sources(&self, secrets: &[Vec<usize>]) -> Vec<Value> {
        let path = |at: usize| format!("{}/{}.yaml", self.index(at), self.plan.machines[at].0);
        let item = |&at: &usize| json!({ "key": key(at), "path": path(at) });
        let source = |(number, keys): (usize, &Vec<usize>)| {
            let items: Vec<_> = keys.iter().map(item).collect();
            json!({ "secret": { "name": format!("{}-kubeconfigs-{number}", self.name), "items": items } })
        };
        secrets.iter().enumerate().map(source).collect()
    }
}

/// The name of the configuration file in the pods.
const CONFIGURATION: &str = crate::settings::FILE;

#[cfg(test)]
mod tests;
