//! The plan of a build: which parts under which keys, and from them the key of the whole bundle.

use std::path::Path;
use std::thread;

use anyhow::{Result, anyhow};

use super::catalogue::Pieces;
use super::image::ARCHITECTURE;
use super::key::{Key, KeyBuilder};
use super::recipe::{
    COREDNS, ETCD, GoBuild, HTTP_ECHO, Istio, KIND, KUBERNETES, METALLB, NODE, RECIPE, REGISTRY,
    TOOLS,
};
use super::store::{Piece, Store};
use super::{KIND_CONFIG, pieces, repository};
use crate::golang::Go;

/// Where kind's module keeps the files of its nodes.
const NODE_FILES: &str = "files/images/base/files";

/// Every part with its key.
pub(crate) struct Plan {
    istio: Istio,
    go: Go,
    /// Go programs, those that take longest first.
    programs: Vec<(GoBuild, Key)>,
    kind: Key,
    envoy: Key,
    pause: Key,
    node: Key,
    tools: Key,
}

impl Plan {
    /// Reads all inputs.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub(crate) fn new(istio: &Istio, go: &Go) -> Result<Self> {
        let programs =
            [KUBERNETES, istio.build, istio.kiali, COREDNS, METALLB, ETCD, REGISTRY, HTTP_ECHO];
        let kind = pieces::go_key(&KIND, go)?;
        Ok(Self {
            istio: *istio,
            go: go.clone(),
            programs: programs
                .into_iter()
                .map(|build| Ok((build, pieces::go_key(&build, go)?)))
                .collect::<Result<_>>()?,
            envoy: pieces::envoy_key(),
            pause: pieces::pause_key()?,
            node: pieces::tree_key(&NODE, Some(&kind))?,
            tools: pieces::tree_key(&TOOLS, None)?,
            kind,
        })
    }

    /// Go's version.
    pub(crate) fn go(&self) -> &str {
        self.go.version()
    }

    /// The Istio inside.
    pub(crate) fn istio(&self) -> &Istio {
        &self.istio
    }

    /// The key of the whole bundle: of everything that goes into it. How the images are put
    /// together is part of it, in the words that describe them.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub(crate) fn key(&self) -> Result<Key> {
        // Relative paths: the key is the same wherever the cache is.
        let pieces = self.pieces(Path::new(""))?;
        let base = pieces.node_base(String::new());
        let images = pieces.workload_images(&self.istio, "");
        Ok(KeyBuilder::new("lab")
            .with("recipe", RECIPE)
            .with("architecture", ARCHITECTURE)
            .with("istio", &format!("{:?}", self.istio))
            .with("node base", &format!("{base:?}"))
            .with("kubernetes images", &format!("{:?}", pieces.kubernetes_images()))
            .with("workload images", &format!("{images:?}"))
            .with("registry image", &format!("{:?}", pieces.registry_image()))
            .with("kind", self.kind.full())
            .with_files(&repository().join(KIND_CONFIG))?
            .finish())
    }

    /// Where all parts stand once they are made.
    fn pieces(&self, parts: &Path) -> Result<Pieces> {
        let program = |name: &str| {
            self.programs
                .iter()
                .find(|(build, _)| build.name == name)
                .map(|(build, key)| Piece::at(parts, build.name, key))
                .ok_or_else(|| anyhow!("the plan has no `{name}`"))
        };
        Ok(Pieces {
            kubernetes: program(KUBERNETES.name)?,
            etcd: program(ETCD.name)?,
            coredns: program(COREDNS.name)?,
            istio: program(self.istio.build.name)?,
            kiali: program(self.istio.kiali.name)?,
            metallb: program(METALLB.name)?,
            http_echo: program(HTTP_ECHO.name)?,
            registry: program(REGISTRY.name)?,
            kind: Piece::at(parts, KIND.name, &self.kind),
            envoy: Piece::at(parts, "envoy", &self.envoy),
            pause: Piece::at(parts, "pause", &self.pause),
            node: Piece::at(parts, NODE.name, &self.node),
            tools: Piece::at(parts, TOOLS.name, &self.tools),
        })
    }

    /// Makes what is not in the cache: the Go programs in one lane, everything else in the other.
    /// Go keeps all cores busy by itself; the rest mostly waits for mirrors.
    ///
    /// # Errors
    /// When a part fails; the others are kept.
    pub(crate) fn make(&self, store: &Store) -> Result<Pieces> {
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let kind = pieces::go_build(store, &self.go, &KIND, &self.kind)?;
                pieces::tree(store, &TOOLS, &self.tools, Path::new(""))?;
                pieces::tree(store, &NODE, &self.node, &kind.path(NODE_FILES))?;
                pieces::envoy(store, &self.envoy)?;
                pieces::pause(store, &self.pause)
            });
            let programs = self.programs.iter().try_for_each(|(build, key)| {
                pieces::go_build(store, &self.go, build, key).map(drop)
            });
            other.join().map_err(|_| anyhow!("a build thread panicked"))??;
            programs
        })?;
        self.pieces(store.parts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::recipe::ISTIO;

    fn key(istio: &Istio, go: &str) -> Key {
        Plan::new(istio, &Go::called(go)).unwrap().key().unwrap()
    }

    #[test]
    fn the_same_inputs_give_the_same_key() {
        assert_eq!(key(&ISTIO[0], "go1.26.8"), key(&ISTIO[0], "go1.26.8"));
    }

    #[test]
    fn the_key_depends_on_the_compiler_and_on_istio() {
        let base = key(&ISTIO[0], "go1.26.8");
        assert_ne!(base, key(&ISTIO[0], "go1.26.9"));
        assert_ne!(base, key(&Istio { version: "1.22.1", ..ISTIO[0] }, "go1.26.8"));
        assert_ne!(base, key(&Istio { install: &[], ..ISTIO[0] }, "go1.26.8"));
    }

    #[test]
    fn the_key_does_not_depend_on_places() {
        let plan = Plan::new(&ISTIO[0], &Go::called("go1.26.8")).unwrap();
        let pieces = plan.pieces(Path::new("")).unwrap();
        let images = format!("{:?}", pieces.workload_images(&ISTIO[0], ""));
        assert!(!images.contains(env!("CARGO_MANIFEST_DIR")), "{images}");
    }
}
