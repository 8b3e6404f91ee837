//! The images of the lab: which names, which files, how they run.

use super::image::{Entry, Image, Layer, Settings};
use super::recipe::{
    COREDNS, ETCD_TAG, HTTP_ECHO, HUB, Istio, KUBERNETES, METALLB, PAUSE_TAG, REGISTRY,
};
use super::store::Piece;

/// Every intermediate part, made.
pub(crate) struct Pieces {
    /// Kubernetes' programs.
    pub(crate) kubernetes: Piece,
    /// etcd.
    pub(crate) etcd: Piece,
    /// `CoreDNS`.
    pub(crate) coredns: Piece,
    /// kind and its nodes' files.
    pub(crate) kind: Piece,
    /// Istio's programs and files.
    pub(crate) istio: Piece,
    /// Kiali's server.
    pub(crate) kiali: Piece,
    /// MetalLB's programs and manifest.
    pub(crate) metallb: Piece,
    /// The demo's backend.
    pub(crate) http_echo: Piece,
    /// The registry for tests.
    pub(crate) registry: Piece,
    /// Envoy.
    pub(crate) envoy: Piece,
    /// The pause program.
    pub(crate) pause: Piece,
    /// The nodes' file tree.
    pub(crate) node: Piece,
    /// The file tree that some workload images stand on.
    pub(crate) tools: Piece,
}

/// An image of single programs without a file tree.
fn bare(reference: String, settings: Settings, entries: Vec<Entry>) -> Image {
    let mut all = vec![Entry::Dir { to: "tmp".to_owned(), mode: 0o1777 }];
    all.extend(entries);
    Image { references: vec![reference], settings, layers: vec![Layer::Entries(all)] }
}

fn entrypoint(program: &str) -> Settings {
    Settings { entrypoint: vec![program.to_owned()], ..Settings::default() }
}

impl Pieces {
    /// An image on the common file tree.
    fn on_tools(&self, reference: String, settings: Settings, entries: Vec<Entry>) -> Image {
        let layers = vec![Layer::Tar(self.tools.path("root.tar")), Layer::Entries(entries)];
        Image { references: vec![reference], settings, layers }
    }

    /// What nodes are made from, before images are put into it.
    pub(crate) fn node_base(&self, reference: String) -> Image {
        let program = |name: &str| {
            Entry::program(self.kubernetes.path(&format!("bin/{name}")), &format!("usr/bin/{name}"))
        };
        let version = Entry::Text {
            text: KUBERNETES.version.to_owned(),
            to: "kind/version".to_owned(),
            mode: 0o644,
        };
        Image {
            references: vec![reference],
            settings: Settings {
                env: vec!["container=docker".to_owned()],
                stop_signal: Some("SIGRTMIN+3".to_owned()),
                ..entrypoint("/bin/sh")
            },
            layers: vec![
                Layer::Tar(self.node.path("root.tar")),
                Layer::Entries(vec![
                    program("kubeadm"),
                    program("kubelet"),
                    program("kubectl"),
                    version,
                ]),
            ],
        }
    }

    /// What kubeadm needs.
    pub(crate) fn kubernetes_images(&self) -> Vec<Image> {
        let place = |name: &str| (format!("bin/{name}"), format!("usr/local/bin/{name}"));
        let plain = |name: &str| {
            let (from, to) = place(name);
            bare(
                format!("registry.k8s.io/{name}:{}", KUBERNETES.version),
                entrypoint(&format!("/{to}")),
                vec![Entry::program(self.kubernetes.path(&from), &to)],
            )
        };
        let (from, to) = place("kube-proxy");
        vec![
            plain("kube-apiserver"),
            plain("kube-controller-manager"),
            plain("kube-scheduler"),
            self.on_tools(
                format!("registry.k8s.io/kube-proxy:{}", KUBERNETES.version),
                Settings::default(),
                vec![Entry::program(self.kubernetes.path(&from), &to)],
            ),
            bare(
                format!("registry.k8s.io/coredns/coredns:{}", COREDNS.version),
                entrypoint("/coredns"),
                vec![Entry::program(self.coredns.path("bin/coredns"), "coredns")],
            ),
            bare(
                format!("registry.k8s.io/etcd:{ETCD_TAG}"),
                Settings::default(),
                vec![Entry::program(self.etcd.path("bin/etcd"), "usr/local/bin/etcd")],
            ),
            bare(
                format!("registry.k8s.io/pause:{PAUSE_TAG}"),
                Settings { user: "65535:65535".to_owned(), ..entrypoint("/pause") },
                vec![Entry::program(self.pause.path("pause"), "pause")],
            ),
        ]
    }

    /// What runs in the tutorial's cluster.
    pub(crate) fn workload_images(&self, istio: &Istio, curl: &str) -> Vec<Image> {
        let metallb = |name: &str| {
            bare(
                format!("quay.io/metallb/{name}:{}", METALLB.version),
                entrypoint(&format!("/{name}")),
                vec![Entry::program(self.metallb.path(&format!("bin/{name}")), name)],
            )
        };
        let echo = HTTP_ECHO.version.trim_start_matches('v');
        let mut images = vec![
            self.istio_image(istio, "pilot", &["pilot-discovery"], "1337:1337"),
            self.istio_image(istio, "proxyv2", &["pilot-agent"], ""),
            bare(
                istio.kiali_image.to_owned(),
                Settings {
                    user: "1000".to_owned(),
                    dir: "/opt/kiali".to_owned(),
                    ..entrypoint("/opt/kiali/kiali")
                },
                vec![
                    Entry::program(self.kiali.path("bin/kiali"), "opt/kiali/kiali"),
                    Entry::Text {
                        text: KIALI_CONSOLE.to_owned(),
                        to: "opt/kiali/console/index.html".to_owned(),
                        mode: 0o644,
                    },
                ],
            ),
            metallb("controller"),
            metallb("speaker"),
            bare(
                format!("docker.io/hashicorp/http-echo:{echo}"),
                Settings {
                    user: "65532".to_owned(),
                    command: vec!["-text".to_owned(), "hello-world".to_owned()],
                    ..entrypoint("/http-echo")
                },
                vec![Entry::program(self.http_echo.path("bin/http-echo"), "http-echo")],
            ),
            self.on_tools(
                format!("docker.io/curlimages/curl:{curl}"),
                Settings {
                    user: "100:101".to_owned(),
                    command: vec!["curl".to_owned()],
                    ..entrypoint("/entrypoint.sh")
                },
                vec![Entry::Text {
                    text: CURL_ENTRYPOINT.to_owned(),
                    to: "entrypoint.sh".to_owned(),
                    mode: 0o755,
                }],
            ),
        ];
        // The tutorial names these two without a tag.
        for (reference, latest) in [
            ("docker.io/hashicorp/http-echo:", "docker.io/hashicorp/http-echo:latest"),
            ("docker.io/curlimages/curl:", "docker.io/curlimages/curl:latest"),
        ] {
            for image in &mut images {
                if image.references.iter().any(|name| name.starts_with(reference)) {
                    image.references.push(latest.to_owned());
                }
            }
        }
        images
    }

    fn istio_image(&self, istio: &Istio, name: &str, programs: &[&str], user: &str) -> Image {
        let template = |from: &str, to: &str| {
            Entry::file(
                self.istio.path(&format!("files/tools/packaging/common/{from}.json")),
                &format!("var/lib/istio/envoy/{to}.json"),
            )
        };
        let place = |program: &str| format!("usr/local/bin/{program}");
        let mut entries: Vec<_> = programs
            .iter()
            .map(|program| {
                Entry::program(self.istio.path(&format!("bin/{program}")), &place(program))
            })
            .collect();
        if name == "proxyv2" {
            entries.push(Entry::program(self.envoy.path("envoy"), &place("envoy")));
        }
        entries.push(template("envoy_bootstrap", "envoy_bootstrap_tmpl"));
        entries.push(template("gcp_envoy_bootstrap", "gcp_envoy_bootstrap_tmpl"));
        let start =
            programs.first().map_or_else(String::new, |program| format!("/{}", place(program)));
        let settings = Settings { user: user.to_owned(), ..entrypoint(&start) };
        self.on_tools(format!("{HUB}/{name}:{}", istio.version), settings, entries)
    }

    /// A registry for tests, on port 5000, that keeps nothing when its container goes. Not under the
    /// name of the official image: loading it must not replace one that the user has.
    pub(crate) fn registry_image(&self) -> Image {
        let settings = Settings {
            command: vec!["serve".to_owned(), "/etc/distribution/config.yml".to_owned()],
            // Its default is to look for a collector of traces.
            env: vec!["OTEL_TRACES_EXPORTER=none".to_owned()],
            ..entrypoint("/registry")
        };
        let tag = REGISTRY.version.trim_start_matches('v');
        bare(
            format!("meshcheck/registry:{tag}"),
            settings,
            vec![
                Entry::program(self.registry.path("bin/registry"), "registry"),
                Entry::Text {
                    text: REGISTRY_CONFIG.to_owned(),
                    to: "etc/distribution/config.yml".to_owned(),
                    mode: 0o644,
                },
                Entry::Dir { to: "var/lib/registry".to_owned(), mode: 0o777 },
            ],
        )
    }
}

/// What Kiali shows instead of its console.
const KIALI_CONSOLE: &str = include_str!("../../lab/kiali/index.html");

/// As in the original image: options are curl's, anything else is a program.
const CURL_ENTRYPOINT: &str = r#"#!/bin/sh
set -e
if [ "${1#-}" != "${1}" ] || [ -z "$(command -v "${1}")" ]; then
    set -- curl "$@"
fi
exec "$@"
"#;

const REGISTRY_CONFIG: &str = "\
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
";
