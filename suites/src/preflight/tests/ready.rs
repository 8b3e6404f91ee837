//! Evidence of a machine and of a cluster that are ready.

use std::collections::BTreeMap;

use super::super::evidence::*;
use crate::evidence::{Evidence, LoadBalancerProbe, Observation, Resources};
use crate::testing::healthy;

/// Returns evidence of a machine that can create a cluster.
pub(super) fn machine_ready() -> PreflightEvidence {
    let recorded = healthy();
    let at = recorded.recorded_at;
    PreflightEvidence {
        recorded_at: at,
        took_ms: 400,
        cluster_named: false,
        software_named: false,
        machine: machine(),
        software: software(&recorded),
        cluster: ClusterLook::not_named(recorded.expectations, at, "linux/x86_64".into()),
    }
}

/// Returns evidence of a kind cluster on this machine before the install, with `--active`.
pub(super) fn cluster_ready() -> PreflightEvidence {
    let mut evidence = machine_ready();
    evidence.cluster_named = true;
    evidence.cluster = cluster();
    evidence
}

fn machine() -> MachineEvidence {
    MachineEvidence {
        boot_id: Observation::seen("b007".into()),
        engine: Observation::seen(EngineAnswer::Answers(Engine {
            version: "28.2.2".into(),
            kernel: "6.1.0-18-amd64".into(),
            os: "linux".into(),
            cpus: 4,
            memory_bytes: 16 << 30,
            cgroup_version: "2".into(),
            rootless: false,
            lacks_controllers: Vec::new(),
            root_dir: "/var/lib/docker".into(),
        })),
        kernel: Observation::seen(Kernel {
            release: "6.1.0-18-amd64".into(),
            as_root: true,
            tries: Observation::seen(vec![RuleTry {
                program: "iptables-nft-restore".into(),
                taken: true,
                words: String::new(),
            }]),
            modules: Observation::seen(
                ["iptable_nat", "nft_chain_nat", "xt_REDIRECT", "xt_owner", "nf_conntrack"]
                    .map(|name| (name.to_owned(), Module::Loadable))
                    .into(),
            ),
        }),
        memory: Observation::seen(Memory { total: 16 << 30, available: 12 << 30 }),
        engine_disk: Observation::seen(Disk {
            path: "/var/lib/docker".into(),
            device: 1,
            free: 40 << 30,
        }),
        cache_disk: Observation::seen(Disk {
            path: "~/.cache/meshcheck".into(),
            device: 1,
            free: 40 << 30,
        }),
        inotify: Observation::seen(Inotify { instances: 512, watches: 524_288, used: Some(30) }),
        open_files: Observation::seen(OpenFiles { ours: 1024, open: 3000, all: 1 << 40 }),
        cgroups: Observation::seen(Cgroups {
            controllers: ["cpuset", "cpu", "io", "memory", "pids"].map(str::to_owned).into(),
        }),
        network: Observation::seen(KindNetwork {
            ranges: vec!["172.18.0.0/16".into(), "fc00:f853:ccd:e793::/64".into()],
            containers: 1,
        }),
        proxies: Observation::seen(Proxies::default()),
        kind_nodes: Observation::seen(vec![KindNode {
            name: "class-control-plane".into(),
            cluster: "class".into(),
            state: "running".into(),
            words: "Up 2 hours".into(),
        }]),
        leftovers: Observation::seen(Vec::new()),
    }
}

fn software(recorded: &Evidence) -> SoftwareEvidence {
    SoftwareEvidence {
        source: Observation::seen(Supply::Here(Facts {
            what: "the bundle".into(),
            istio: recorded.expectations.istio_version.clone(),
            kubernetes: "v1.29.15".into(),
            kind: "v0.29.0".into(),
            node_image: "kindest/node:v1.29.15".into(),
        })),
        programs: Observation::seen(vec![
            Program { name: "kind".into(), runs: true, words: "v0.29.0".into() },
            Program { name: "istioctl".into(), runs: true, words: "1.22.0".into() },
        ]),
        images: vec![
            "docker.io/istio/pilot:1.22.0".into(),
            "docker.io/istio/proxyv2:1.22.0".into(),
        ],
        kubernetes: Some(ChosenKubernetes {
            version: "v1.29.15".into(),
            newest_for_cgroup_v1: Some("1.30.13".into()),
        }),
    }
}

fn cluster() -> ClusterLook {
    let recorded = healthy();
    let mut seen = recorded.clone();
    seen.install.pods = Observation::seen(Vec::new());
    seen.install.deployments = Observation::seen(Vec::new());
    seen.install.services = Observation::seen(Vec::new());
    seen.install.endpoints = Observation::seen(Vec::new());
    seen.install.crds = Observation::seen(Vec::new());
    seen.install.webhooks = Observation::seen(Vec::new());
    seen.install.istiod = Observation::seen(BTreeMap::new());
    if let Some(namespaces) = seen.install.namespaces.value_mut() {
        namespaces.retain(|name, _| name == "default" || name.starts_with("kube-"));
    }
    seen.demo.pods = Observation::absent("there is no namespace client");
    seen.cluster.load_balancer_services = Observation::seen(Vec::new());
    seen.cluster.load_balancer_probe = Observation::seen(LoadBalancerProbe {
        namespace: "meshcheck-address-1".into(),
        address: Some("172.18.255.251".into()),
        waited_ms: 40,
        events: Vec::new(),
    });
    for node in seen.cluster.nodes.value_mut().into_iter().flatten() {
        node.allocatable = Resources { cpu_millis: 4000, memory_bytes: 16 << 30, pods: 110 };
    }
    let images = ["docker.io/istio/pilot:1.22.0", "docker.io/istio/proxyv2:1.22.0"];
    ClusterLook {
        server: Observation::seen(Server {
            took_ms: 12,
            clock: Some(recorded.recorded_at),
            ours: recorded.recorded_at,
        }),
        credentials_refused: false,
        seen,
        nodes_are_containers: true,
        platforms: Observation::seen(vec![Platform {
            node: "class-control-plane".into(),
            os: "linux".into(),
            image: "Debian GNU/Linux 12 (bookworm)".into(),
            architecture: "amd64".into(),
            kernel: "6.1.0-18-amd64".into(),
            runtime: "containerd://2.1.1".into(),
            boot_id: "b007".into(),
            provider_id: "kind://docker/class/class-control-plane".into(),
            images: images.map(str::to_owned).into(),
            more_images: false,
        }]),
        rights: Observation::seen(vec![
            Right {
                verb: "create".into(),
                resource: "namespaces".into(),
                namespace: String::new(),
                allowed: true,
            },
            Right {
                verb: "create".into(),
                resource: "deployments.apps".into(),
                namespace: "istio-system".into(),
                allowed: true,
            },
        ]),
        controllers: Observation::seen(vec![
            controller("deployment", "controller", "quay.io/metallb/controller:v0.15.2"),
            controller("daemonset", "speaker", "quay.io/metallb/speaker:v0.15.2"),
        ]),
        pools: Observation::seen(vec![Pool {
            name: "pool".into(),
            addresses: vec!["172.18.255.251-172.18.255.254".into()],
            auto_assign: true,
        }]),
        istio_objects: Observation::absent("the cluster knows none of Istio's kinds"),
        validating: Observation::seen(Vec::new()),
        terminating: Observation::seen(Vec::new()),
        pull: Observation::seen(Pull {
            image: "docker.io/hashicorp/http-echo:1.0.0".into(),
            came: true,
            waited_ms: 900,
            words: "Pulled".into(),
        }),
    }
}

/// Returns a ready controller in MetalLB's namespace.
pub(crate) fn controller(kind: &str, name: &str, image: &str) -> Controller {
    Controller {
        kind: kind.into(),
        namespace: "metallb-system".into(),
        name: name.into(),
        images: vec![image.into()],
        wanted: 1,
        ready: 1,
    }
}
