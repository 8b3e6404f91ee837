//! The tutorial's commands, typed by a test: `kind`, `istioctl`, `kubectl`, and what they leave.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use meshcheck_bundle::Bundle;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::rights::Site;

/// The demo, as the tutorial deploys it. The images are on the node already.
const DEMO: &str = "
apiVersion: v1
kind: Service
metadata: { name: echo-service, namespace: client }
spec:
  selector: { app: echo }
  ports: [{ name: http, port: 80, targetPort: 5678 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: echo-deployment, namespace: client }
spec:
  replicas: 1
  selector: { matchLabels: { app: echo } }
  template:
    metadata: { labels: { app: echo } }
    spec:
      containers:
        - name: echo
          image: hashicorp/http-echo
          imagePullPolicy: IfNotPresent
          args: ['-text=Hello from backend service']
          ports: [{ containerPort: 5678 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: client-deployment, namespace: client }
spec:
  replicas: 1
  selector: { matchLabels: { app: client } }
  template:
    metadata: { labels: { app: client } }
    spec:
      containers:
        - name: client
          image: curlimages/curl
          imagePullPolicy: IfNotPresent
          command: [sh, -c, 'while true; do sleep 10; curl echo-service.client.svc.cluster.local; done']
";

/// Rights of a participant who may list most things, and read no logs.
const FEW_RIGHTS: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: { name: few, namespace: default }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: few }
rules:
  - apiGroups: ['', apps, discovery.k8s.io]
    resources: [namespaces, nodes, pods, services, deployments, endpointslices]
    verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: few }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: few }
subjects: [{ kind: ServiceAccount, name: few, namespace: default }]
";

/// The end of a run of `meshcheck`.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: i32,
    /// Data.
    pub(crate) stdout: String,
    /// Messages.
    pub(crate) stderr: String,
}

impl Run {
    /// Takes a process's output apart.
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The JSON report.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A kind cluster that a test made with its own hands; removed when it goes out of scope.
pub(crate) struct ByHand {
    name: String,
    directory: TempDir,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    istioctl: PathBuf,
    kind: PathBuf,
}

impl ByHand {
    /// `kind create cluster`
    pub(crate) fn create(bundle: &Bundle) -> Self {
        let part = |name: &str| bundle.verified(name).unwrap();
        let manifest = bundle.manifest();
        let directory = tempfile::tempdir().unwrap();
        let hand = Self {
            name: format!("by-hand-{}", std::process::id()),
            kubeconfig: directory.path().join("kubeconfig"),
            kubectl: bundle.verified("kubectl").unwrap_or_else(|_| PathBuf::from("kubectl")),
            istioctl: part("istioctl"),
            kind: part("kind"),
            directory,
        };
        let image = &manifest.node.reference;
        if run(Command::new("docker").args(["image", "inspect", image])).is_err() {
            let archive = part(&manifest.node.archive);
            must(Command::new("docker").arg("load").arg("--input").arg(archive));
        }
        must(
            Command::new(&hand.kind)
                .args([
                    "create", "cluster", "--name", &hand.name, "--image", image, "--wait", "120s",
                ])
                .arg("--config")
                .arg(part(&manifest.node.kind_config))
                .arg("--kubeconfig")
                .arg(hand.kubeconfig())
                .env_remove("KUBECONFIG"),
        );
        for archive in manifest.images.iter().filter_map(|image| image.archive.as_ref()) {
            must(
                Command::new(&hand.kind)
                    .args(["load", "image-archive", "--name", &hand.name])
                    .arg(part(archive)),
            );
        }
        hand
    }

    /// The kubeconfig that `kind create` wrote.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// For the rights of other accounts.
    pub(crate) fn site<'a>(&'a self, bundle: &'a Path) -> Site<'a> {
        Site {
            kubeconfig: &self.kubeconfig,
            kubectl: &self.kubectl,
            bundle,
            directory: self.directory.path(),
        }
    }

    /// Its context.
    pub(crate) fn context(&self) -> &str {
        &self.name
    }

    /// `istioctl install --set profile=default -y`, with the options that this bundle needs.
    pub(crate) fn install_istio(&self, bundle: &Bundle) {
        let mut command = Command::new(&self.istioctl);
        command.args(["install", "--set", "profile=default", "-y"]);
        for option in &bundle.manifest().install.set {
            command.args(["--set", option]);
        }
        must(command.env("KUBECONFIG", self.kubeconfig()));
    }

    /// MetalLB, with four addresses of the kind network that no node has.
    pub(crate) fn install_load_balancer(&self, bundle: &Bundle) {
        self.apply_file(&bundle.verified("metallb-manifest").unwrap());
        self.kubectl(&[
            "-n",
            "metallb-system",
            "rollout",
            "status",
            "deployment/controller",
            "--timeout=120s",
        ]);
        self.kubectl(&[
            "-n",
            "metallb-system",
            "rollout",
            "status",
            "daemonset/speaker",
            "--timeout=120s",
        ]);
        let address = self.network("IPAddress");
        let mut octets: Vec<u8> = address.split('.').map(|octet| octet.parse().unwrap()).collect();
        octets[3] = 200;
        let first = format!("{}.{}.{}.{}", octets[0], octets[1], octets[2], octets[3]);
        let last = format!("{}.{}.{}.{}", octets[0], octets[1], octets[2], octets[3] + 3);
        let pool = format!(
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
             metadata: {{ name: hand, namespace: metallb-system }}\n\
             spec: {{ addresses: ['{first}-{last}'] }}\n---\n\
             apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\n\
             metadata: {{ name: hand, namespace: metallb-system }}\n"
        );
        // Its webhook may need a moment after its deployment is there.
        self.eventually("MetalLB takes a pool", |hand| hand.try_apply(&pool));
    }

    /// A value of the node's network: `IPAddress`, or the engine's own address there, `Gateway`.
    pub(crate) fn network(&self, value: &str) -> String {
        let format = format!("{{{{.NetworkSettings.Networks.kind.{value}}}}}");
        let node = format!("{}-control-plane", self.name);
        let found = must(Command::new("docker").args(["inspect", "-f", &format, &node]));
        found.trim().to_owned()
    }

    /// Puts an image of the engine on the node.
    pub(crate) fn load_image(&self, image: &str) {
        let archive = self.directory.path().join("image.tar");
        must(Command::new("docker").args(["save", "--output"]).arg(&archive).arg(image));
        must(
            Command::new(&self.kind)
                .args(["load", "image-archive", "--name", &self.name])
                .arg(archive),
        );
    }

    /// The namespace, its label, and the demo.
    pub(crate) fn install_demo(&self) {
        self.kubectl(&["create", "namespace", "client"]);
        self.kubectl(&["label", "namespace", "client", "istio-injection=enabled"]);
        self.apply(DEMO);
    }

    /// `kubectl apply -f samples/addons/kiali.yaml`, with the image that is on the node.
    pub(crate) fn install_kiali(&self, bundle: &Bundle) {
        let manifest = fs::read_to_string(bundle.verified("kiali-manifest").unwrap()).unwrap();
        self.apply(&manifest.replace("imagePullPolicy: Always", "imagePullPolicy: IfNotPresent"));
    }

    /// All deployments are available, the gateway has an address, and the client has shown a reply.
    pub(crate) fn wait_until_all_is_ready(&self) {
        for (namespace, deployment) in [
            ("istio-system", "istiod"),
            ("istio-system", "istio-ingressgateway"),
            ("istio-system", "kiali"),
            ("client", "echo-deployment"),
            ("client", "client-deployment"),
        ] {
            let deployment = format!("deployment/{deployment}");
            self.kubectl(&["-n", namespace, "rollout", "status", &deployment, "--timeout=180s"]);
        }
        let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
        let gateway = ["-n", "istio-system", "get", "service", "istio-ingressgateway", "-o", path];
        self.eventually("the gateway has an address", |hand| match hand.try_kubectl(&gateway)? {
            address if address.is_empty() => Err("it is pending".into()),
            _ => Ok(()),
        });
        let logs = ["-n", "client", "logs", "deployment/client-deployment", "-c", "client"];
        self.eventually("the client shows a reply", |hand| {
            let log = hand.try_kubectl(&logs)?;
            log.contains("Hello from backend service").then_some(()).ok_or(log)
        });
    }

    /// Every object, once the controllers have done what they do in any new cluster, and none has come
    /// or gone for some looks: there is a quiet moment also before they start, when a node is ready.
    pub(crate) fn objects_at_rest(&self) -> BTreeSet<String> {
        const LOOKS: usize = 10;
        self.kubectl(&["-n", "kube-system", "rollout", "status", "deployment", "--timeout=120s"]);
        let mut last = BTreeSet::new();
        let mut same = 0;
        self.eventually("objects to come to rest", |hand| {
            let now = without_noise(&hand.objects());
            same = if now == last { same + 1 } else { 0 };
            let news = difference(&last, &now);
            last = now;
            let missing = not_furnished(&last);
            if !missing.is_empty() {
                Err(format!("still to come: {missing:?}"))
            } else if same < LOOKS {
                Err(format!("of late: {news:?}"))
            } else {
                Ok(())
            }
        });
        last
    }

    /// Every object that the server knows: kind, namespace, name, and the version of its contents.
    pub(crate) fn objects(&self) -> BTreeSet<String> {
        let kinds = self.kubectl(&["api-resources", "--verbs=list", "-o", "name"]);
        let kinds: Vec<_> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
        let columns = "custom-columns=K:.kind,S:.metadata.namespace,N:.metadata.name,\
                       G:.metadata.generation,L:.metadata.labels,U:.metadata.uid";
        let listed = self.kubectl(&["get", &kinds.join(","), "-A", "--no-headers", "-o", columns]);
        listed.lines().map(str::to_owned).collect()
    }

    /// Waits until a removed namespace is gone.
    pub(crate) fn wait_until_namespaces_are(&self, before: &BTreeSet<String>) {
        let namespaces = |objects: &BTreeSet<String>| -> BTreeSet<String> {
            objects.iter().filter(|line| line.starts_with("Namespace ")).cloned().collect()
        };
        self.eventually("the namespaces are as before", |hand| {
            let now = namespaces(&hand.objects());
            if now == namespaces(before) { Ok(()) } else { Err(format!("{now:?}")) }
        });
    }

    /// A kubeconfig of a service account that may list most things, and read no logs.
    pub(crate) fn kubeconfig_with_few_rights(&self) -> PathBuf {
        self.apply(FEW_RIGHTS);
        let token = self.kubectl(&["create", "token", "few", "--duration=1h"]);
        let path = self.directory.path().join("few");
        let mut config: Value =
            serde_json::from_str(&self.kubectl(&["config", "view", "--raw", "-o", "json"]))
                .unwrap();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// Stops the node: the server does not answer any more.
    pub(crate) fn stop(&self) {
        must(Command::new("docker").args([
            "stop",
            "-t",
            "1",
            &format!("{}-control-plane", self.name),
        ]));
    }

    fn apply(&self, manifest: &str) {
        self.try_apply(manifest).unwrap();
    }

    fn apply_file(&self, file: &Path) {
        self.apply(&fs::read_to_string(file).unwrap());
    }

    fn try_apply(&self, manifest: &str) -> Result<(), String> {
        let mut command = Command::new(&self.kubectl);
        command.args(["apply", "-f", "-"]).env("KUBECONFIG", self.kubeconfig());
        input(&mut command, manifest).map(drop)
    }

    /// Runs `kubectl`.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap()
    }

    /// Runs `kubectl`, and returns why it failed.
    pub(crate) fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        run(Command::new(&self.kubectl).args(arguments).env("KUBECONFIG", self.kubeconfig()))
    }

    /// Asks again and again, for two minutes at the most.
    pub(crate) fn eventually(&self, what: &str, mut ask: impl FnMut(&Self) -> Result<(), String>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut last = String::new();
            let mut tick = tokio::time::interval(std::time::Duration::from_millis(250));
            for _ in 0..480 {
                tick.tick().await;
                match ask(self) {
                    Ok(()) => return,
                    Err(state) => last = state,
                }
            }
            panic!("waited two minutes for: {what}; the last state: {last}");
        });
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = run(Command::new(&self.kind)
            .args(["delete", "cluster", "--name", &self.name])
            .arg("--kubeconfig")
            .arg(&self.kubeconfig));
    }
}

/// What a cluster does by itself between two looks: leases, events and the like.
pub(crate) fn without_noise(objects: &BTreeSet<String>) -> BTreeSet<String> {
    objects.iter().filter(|line| !line.starts_with("Lease ")).cloned().collect()
}

/// What controllers put into every namespace, and have not put into these yet.
fn not_furnished(objects: &BTreeSet<String>) -> Vec<String> {
    let columns = |line: &String| -> Vec<String> {
        line.split_whitespace().take(3).map(str::to_owned).collect()
    };
    let all: BTreeSet<Vec<String>> = objects.iter().map(columns).collect();
    let namespaces = all.iter().filter(|columns| columns[0] == "Namespace").map(|of| &of[2]);
    namespaces
        .flat_map(|namespace| {
            [["ServiceAccount", namespace, "default"], ["ConfigMap", namespace, "kube-root-ca.crt"]]
        })
        .filter(|wanted| !all.contains(wanted.map(str::to_owned).as_slice()))
        .map(|wanted| wanted.join(" "))
        .collect()
}

/// What is in one of two sets alone, with the white space of the columns folded.
pub(crate) fn difference(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    let folded = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    one.symmetric_difference(other).map(folded).collect()
}

/// Runs a command that must succeed, and gives what it wrote.
pub(crate) fn must(command: &mut Command) -> String {
    run(command).unwrap()
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    finished(&output).map_err(|error| format!("{command:?}: {error}"))
}

/// Runs a command that reads this, and gives what it wrote.
pub(crate) fn input(command: &mut Command, stdin: &str) -> Result<String, String> {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).map_err(|error| error.to_string())?;
    finished(&child.wait_with_output().unwrap()).map_err(|error| format!("{command:?}: {error}"))
}

fn finished(output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}
