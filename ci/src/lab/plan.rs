//! The plan of a build: which parts under which keys, and from them the key of the whole bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Result, anyhow};

use super::key::{Key, KeyBuilder};
use super::pieces;
use super::recipe::{
    COREDNS, ETCD, GoBuild, HTTP_ECHO, Istio, KIND, KIND_CONFIG, KUBERNETES, METALLB, NODE, RECIPE,
    REGISTRY, TOOLS,
};
use super::store::{Store, part_directory};
use crate::golang::Go;
use crate::workspace::{ARCHITECTURE, lab_sources, repository};

/// Where kind's module keeps the files of its nodes.
const NODE_FILES: &str = "kind/files/images/base/files";

/// Where the Dockerfiles are, and the small files that they copy.
pub(crate) fn image_sources() -> PathBuf {
    lab_sources().join("images")
}

/// Every part with its key.
pub(crate) struct Plan {
    pub(crate) istio: Istio,
    pub(crate) go: Go,
    keys: BTreeMap<&'static str, Key>,
}

/// The Go programs beside kind, those that take longest first.
fn programs(istio: &Istio) -> [GoBuild; 8] {
    [KUBERNETES, istio.build, istio.kiali, COREDNS, METALLB, ETCD, REGISTRY, HTTP_ECHO]
}

impl Plan {
    /// Reads all inputs.
    pub(crate) fn new(istio: &Istio, go: &Go) -> Result<Self> {
        let kind = pieces::go_key(&KIND, go)?;
        let mut keys = BTreeMap::from([
            (NODE.name, pieces::tree_key(&NODE, Some(&kind))?),
            (TOOLS.name, pieces::tree_key(&TOOLS, None)?),
            ("envoy", pieces::envoy_key()),
            ("pause", pieces::pause_key()?),
            (KIND.name, kind),
        ]);
        for build in programs(istio) {
            keys.insert(build.name, pieces::go_key(&build, go)?);
        }
        Ok(Self { istio: *istio, go: go.clone(), keys })
    }

    /// The key of the whole bundle: of everything that goes into it.
    pub(crate) fn key(&self) -> Result<Key> {
        Ok(KeyBuilder::new("lab")
            .with("recipe", RECIPE)
            .with("architecture", ARCHITECTURE)
            .with("istio", &format!("{:?}", self.istio))
            .with_all("part", self.keys.values().map(Key::full))
            .with_files(&image_sources())?
            .with_files(&repository().join(KIND_CONFIG))?
            .finish())
    }

    /// Makes what is not in the cache: the Go programs in one lane, everything else in the other.
    /// Go keeps all cores busy by itself; the rest mostly waits for mirrors. A part that fails does
    /// not end the other lane.
    pub(crate) fn make(&self, store: &Store) -> Result<Parts> {
        let parts = Parts { directory: store.parts().to_owned(), keys: self.keys.clone() };
        let key = |name: &str| &self.keys[name];
        let go_build = |build: &GoBuild| pieces::go_build(store, &self.go, build, key(build.name));
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                go_build(&KIND)?;
                pieces::tree(store, &TOOLS, key(TOOLS.name), Path::new(""))?;
                let files = parts.path(NODE_FILES).unwrap_or_default();
                pieces::tree(store, &NODE, key(NODE.name), &files)?;
                pieces::envoy(store, key("envoy"))?;
                pieces::pause(store, key("pause"))
            });
            let made = programs(&self.istio).iter().try_for_each(go_build);
            other.join().map_err(|_| anyhow!("a build thread panicked"))??;
            made
        })?;
        Ok(parts)
    }
}

/// Where all parts are, once they are made.
pub(crate) struct Parts {
    directory: PathBuf,
    keys: BTreeMap<&'static str, Key>,
}

impl Parts {
    /// The file of a part, by its name and its path in it: `kubernetes/bin/kubectl`.
    pub(crate) fn path(&self, file: &str) -> Option<PathBuf> {
        let (name, path) = file.split_once('/')?;
        Some(part_directory(&self.directory, name, self.keys.get(name)?).join(path))
    }

    #[cfg(test)]
    pub(crate) fn is_part(name: &str) -> bool {
        tests::plan("go1.26.8").keys.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::recipe::ISTIO;

    pub(super) fn plan(go: &str) -> Plan {
        Plan::new(&ISTIO[0], &Go::called(go)).unwrap()
    }

    #[test]
    fn key_depends_on_the_compiler_and_on_istio_alone() {
        let key = |istio: &Istio, go| Plan::new(istio, &Go::called(go)).unwrap().key().unwrap();
        let base = key(&ISTIO[0], "go1.26.8");
        assert_eq!(base, key(&ISTIO[0], "go1.26.8"));
        assert_ne!(base, key(&ISTIO[0], "go1.26.9"));
        assert_ne!(base, key(&Istio { version: "1.22.1", ..ISTIO[0] }, "go1.26.8"));
        assert_ne!(base, key(&Istio { install: &[], ..ISTIO[0] }, "go1.26.8"));
    }
}
