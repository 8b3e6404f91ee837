//! The plan of a build: which parts under which keys, and from them the key of the whole bundle.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Result, anyhow};

use super::key::{Key, KeyBuilder};
use super::pieces;
use super::programs::{GoBuild, HTTP_ECHO, KIND, KIND_CONFIG, METALLB, NODE, REGISTRY, TOOLS};
use super::recipe::{MESHES, RECIPE, Software};
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
    pub(crate) software: &'static Software,
    pub(crate) go: Go,
    keys: Keys,
}

/// What Dockerfiles call each part, with the name of its directory in the cache and its key.
type Keys = BTreeMap<&'static str, (&'static str, Key)>;

/// The Go programs beside kind, those that take longest first, by what Dockerfiles call them.
fn programs(software: &Software) -> [(&'static str, GoBuild); 8] {
    let Software { istio, kubernetes, .. } = software;
    [
        ("kubernetes", kubernetes.build),
        ("istio", istio.build),
        ("kiali", istio.kiali),
        ("coredns", kubernetes.coredns),
        (METALLB.name, METALLB),
        ("etcd", kubernetes.etcd),
        (REGISTRY.name, REGISTRY),
        (HTTP_ECHO.name, HTTP_ECHO),
    ]
}

impl Plan {
    /// Reads all inputs.
    pub(crate) fn new(software: &'static Software, go: &Go) -> Result<Self> {
        let kind = pieces::go_key(&KIND, go)?;
        let mut keys = BTreeMap::from([
            (NODE.name, (NODE.name, pieces::tree_key(&NODE, Some(&kind))?)),
            (TOOLS.name, (TOOLS.name, pieces::tree_key(&TOOLS, None)?)),
            ("envoy", ("envoy", pieces::envoy_key(&software.envoy))),
            ("pause", ("pause", pieces::pause_key()?)),
            (KIND.name, (KIND.name, kind)),
        ]);
        for (name, build) in programs(software) {
            keys.insert(name, (build.name, pieces::go_key(&build, go)?));
        }
        Ok(Self { software, go: go.clone(), keys })
    }

    /// The key of all that meshes with this software share: of everything that goes into the node image.
    pub(crate) fn key(&self) -> Result<Key> {
        let key = KeyBuilder::new("lab")
            .with("recipe", RECIPE)
            .with("architecture", ARCHITECTURE)
            .with("istio", &format!("{:?}", self.software.istio))
            .with_all("part", self.keys.values().map(|(_, key)| key.full()))
            .with_files(&image_sources())?
            .with_files(&repository().join(KIND_CONFIG))?;
        // The default's key is that of before there were others: bundles stay valid.
        if self.software == MESHES[0].software {
            return Ok(key.finish());
        }
        let key = key.with("software", &format!("{:?}", self.software));
        let own = self.software.images.map(|directory| lab_sources().join(directory));
        Ok(own.iter().try_fold(key, |key, directory| key.with_files(directory))?.finish())
    }

    /// Makes what is not in the cache: the Go programs in one lane, everything else in the other.
    /// Go keeps all cores busy by itself; the rest mostly waits for mirrors. A part that fails does
    /// not end the other lane.
    pub(crate) fn make(&self, store: &Store) -> Result<Parts> {
        let (directory, keys) = (store.parts().to_owned(), self.keys.clone());
        let parts = Parts { software: self.software, directory, keys };
        let key = |name: &str| &self.keys[name].1;
        let go_build =
            |(name, build): &(&str, GoBuild)| pieces::go_build(store, &self.go, build, key(name));
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                go_build(&(KIND.name, KIND))?;
                pieces::tree(store, &TOOLS, key(TOOLS.name), Path::new(""))?;
                let files = parts.path(NODE_FILES).unwrap_or_default();
                pieces::tree(store, &NODE, key(NODE.name), &files)?;
                pieces::envoy(store, &self.software.envoy, key("envoy"))?;
                pieces::pause(store, key("pause"))
            });
            let made = programs(self.software).iter().try_for_each(go_build);
            other.join().map_err(|_| anyhow!("a build thread panicked"))??;
            made
        })?;
        Ok(parts)
    }
}

/// Where all parts are, once they are made.
pub(crate) struct Parts {
    pub(crate) software: &'static Software,
    directory: PathBuf,
    keys: Keys,
}

impl Parts {
    /// The file of a part, by its name and its path in it: `kubernetes/bin/kubectl`.
    pub(crate) fn path(&self, file: &str) -> Option<PathBuf> {
        let (name, path) = file.split_once('/')?;
        let (directory, key) = self.keys.get(name)?;
        Some(part_directory(&self.directory, directory, key).join(path))
    }

    #[cfg(test)]
    pub(crate) fn is_part(name: &str) -> bool {
        tests::plan("go1.26.8").keys.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn plan(go: &str) -> Plan {
        Plan::new(MESHES[0].software, &Go::called(go)).unwrap()
    }

    #[test]
    fn key_depends_on_the_compiler_and_on_the_software_alone() {
        let key = |software, go| Plan::new(software, &Go::called(go)).unwrap().key().unwrap();
        let default = MESHES[0].software;
        let base = key(default, "go1.26.8");
        assert_eq!(base, key(default, "go1.26.8"));
        assert_ne!(base, key(default, "go1.26.9"));
        let changed = |change: fn(&mut Software)| {
            let mut software = *default;
            change(&mut software);
            key(Box::leak(Box::new(software)), "go1.26.8")
        };
        assert_ne!(base, changed(|it| it.istio.version = "1.22.1"));
        assert_ne!(base, changed(|it| it.istio.install = &[]));
        assert_ne!(base, changed(|it| it.kubernetes.etcd_tag = "3.5.17-0"));
        assert_ne!(base, changed(|it| it.images = Some("images-1.31")));
    }

    #[test]
    fn software_with_equal_parts_shares_them() {
        let shared = |name: &str| {
            let of = |plan: &Plan| plan.keys[name].clone();
            let plans = MESHES.iter().map(|mesh| Plan::new(mesh.software, &Go::called("go1.26.8")));
            let found: Vec<_> = plans.map(|plan| of(&plan.unwrap())).collect();
            found.iter().all(|it| *it == found[0])
        };
        let names = ["node", "tools", "pause", "kind", "metallb", "http-echo", "registry", "istio"];
        let of_each: Vec<_> = names.into_iter().filter(|name| !shared(name)).collect();
        assert_eq!(of_each, ["istio"]);
    }
}
