//! The tutorial's commands, typed by a test: `kind`, `istioctl`, `kubectl`, and what they leave.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use meshcheck_bundle::Bundle;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::run::Run;
use crate::support::wait::wait_until;

/// The demo, as the tutorial deploys it.
const DEMO: [&str; 2] = [
    include_str!("../../../fixtures/demo/backend.yaml"),
    include_str!("../../../fixtures/demo/client.yaml"),
];

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
        if run(Command::new("docker").args(["image", "inspect", image]), "").is_err() {
            let archive = part(&manifest.node.archive);
            must(Command::new("docker").arg("load").arg("--input").arg(archive));
        }
        must(
            hand.kind(["create", "cluster"])
                .args(["--image", image, "--wait", "120s", "--config"])
                .arg(part(&manifest.node.kind_config))
                .arg("--kubeconfig")
                .arg(&hand.kubeconfig)
                .env_remove("KUBECONFIG"),
        );
        for archive in manifest.images.iter().filter_map(|image| image.archive.as_ref()) {
            hand.load_image(&part(archive));
        }
        hand
    }

    /// A call of `kind` on this cluster.
    fn kind(&self, arguments: [&str; 2]) -> Command {
        let mut command = Command::new(&self.kind);
        command.args(arguments).args(["--name", &self.name]);
        command
    }

    /// The kubeconfig that `kind create` wrote.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(crate) fn context(&self) -> &str {
        &self.name
    }

    /// The container of its node.
    pub(crate) fn node(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// `istioctl install --set profile=default -y`, with the options that this bundle needs.
    pub(crate) fn install_istio(&self, bundle: &Bundle) {
        let mut command = Command::new(&self.istioctl);
        command.args(["install", "--set", "profile=default", "-y"]);
        for option in &bundle.manifest().install.set {
            command.args(["--set", option]);
        }
        must(command.env("KUBECONFIG", &self.kubeconfig));
    }

    /// MetalLB, with four addresses of the kind network that no node has.
    pub(crate) fn install_load_balancer(&self, bundle: &Bundle) {
        let manifest = bundle.verified("metallb-manifest").unwrap();
        self.apply(&fs::read_to_string(manifest).unwrap());
        for workload in ["deployment/controller", "daemonset/speaker"] {
            self.wait_for_rollout("metallb-system", workload);
        }
        let node: Ipv4Addr = self.network("IPAddress").parse().unwrap();
        let [a, b, c, _] = node.octets();
        let pool = format!(
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\n\
             metadata: {{ name: hand, namespace: metallb-system }}\n\
             spec: {{ addresses: ['{a}.{b}.{c}.200-{a}.{b}.{c}.203'] }}\n---\n\
             apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\n\
             metadata: {{ name: hand, namespace: metallb-system }}\n"
        );
        // Its webhook may need a moment after its deployment is there.
        self.eventually("MetalLB takes a pool", |hand| hand.try_apply(&pool));
    }

    /// A value of the node's network: `IPAddress`, or the engine's own address there, `Gateway`.
    pub(crate) fn network(&self, value: &str) -> String {
        let format = format!("{{{{.NetworkSettings.Networks.kind.{value}}}}}");
        let found = must(Command::new("docker").args(["inspect", "-f", &format, &self.node()]));
        found.trim().to_owned()
    }

    /// Puts the image of an archive on the node.
    pub(crate) fn load_image(&self, archive: &Path) {
        must(self.kind(["load", "image-archive"]).arg(archive));
    }

    /// The namespace, its label, and the demo, whose images are on the node already.
    pub(crate) fn install_demo(&self) {
        self.kubectl(&["create", "namespace", "client"]);
        self.kubectl(&["label", "namespace", "client", "istio-injection=enabled"]);
        for manifest in DEMO {
            let image = "          image: ";
            let present = format!("          imagePullPolicy: IfNotPresent\n{image}");
            self.apply(&manifest.replace(image, &present));
        }
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
            self.wait_for_rollout(namespace, &format!("deployment/{deployment}"));
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

    fn wait_for_rollout(&self, namespace: &str, workload: &str) {
        self.kubectl(&["-n", namespace, "rollout", "status", workload, "--timeout=180s"]);
    }

    /// Every object, once the controllers have done what they do in any new cluster, and none has come
    /// or gone for some looks: there is a quiet moment also before they start, when a node is ready.
    pub(crate) fn objects_at_rest(&self) -> BTreeSet<String> {
        const LOOKS: usize = 12;
        self.wait_for_rollout("kube-system", "deployment");
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
        let resources = "--resource=namespaces,nodes,pods,services,deployments.apps,\
                         endpointslices.discovery.k8s.io";
        let account = "--serviceaccount=default:few";
        self.kubectl(&["-n", "default", "create", "serviceaccount", "few"]);
        self.kubectl(&["create", "clusterrole", "few", "--verb=get,list,watch", resources]);
        self.kubectl(&["create", "clusterrolebinding", "few", "--clusterrole=few", account]);
        self.kubeconfig_of("few")
    }

    /// A kubeconfig of a service account in the namespace `default`.
    pub(crate) fn kubeconfig_of(&self, account: &str) -> PathBuf {
        let token = self.kubectl(&["-n", "default", "create", "token", account]);
        let mut config = self.config();
        config["users"][0]["user"] = json!({ "token": token.trim() });
        let path = self.directory.path().join(account);
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    /// What is in the kubeconfig.
    pub(crate) fn config(&self) -> Value {
        let config = self.kubectl(&["config", "view", "--raw", "-o", "json"]);
        serde_json::from_str(&config).unwrap()
    }

    /// Stops the node: the server does not answer any more.
    pub(crate) fn stop(&self) {
        must(Command::new("docker").args(["stop", "-t", "1", &self.node()]));
    }

    pub(crate) fn apply(&self, manifest: &str) {
        self.try_apply(manifest).unwrap();
    }

    fn try_apply(&self, manifest: &str) -> Result<(), String> {
        self.kubectl_with(&["apply", "-f", "-"], manifest).map(drop)
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.try_kubectl(arguments).unwrap()
    }

    /// Runs `kubectl`, and returns why it failed.
    pub(crate) fn try_kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.kubectl_with(arguments, "")
    }

    /// Runs `kubectl` with this standard input, and returns why it failed.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> Result<String, String> {
        let mut command = Command::new(&self.kubectl);
        run(command.args(arguments).env("KUBECONFIG", &self.kubeconfig), stdin)
    }

    /// Asks again and again, for two minutes at the most.
    pub(crate) fn eventually(&self, what: &str, mut ask: impl FnMut(&Self) -> Result<(), String>) {
        wait_until(what, Duration::from_mins(2), || ask(self));
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let mut removal = self.kind(["delete", "cluster"]);
        let _ = run(removal.arg("--kubeconfig").arg(&self.kubeconfig), "");
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
    run(command, "").unwrap()
}

/// Runs a command that reads this, and gives what it wrote, or why it failed.
fn run(command: &mut Command, stdin: &str) -> Result<String, String> {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).map_err(|error| error.to_string())?;
    let ended = Run::from(child.wait_with_output().unwrap());
    match ended.code {
        Some(0) => Ok(ended.stdout),
        _ => Err(format!("{command:?}: {ended:?}")),
    }
}
