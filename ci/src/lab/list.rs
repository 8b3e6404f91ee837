//! `cargo xtask lab --list`: the meshes of the lab, and where the bundle of each is.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use meshcheck_bundle::Bundle;
use serde::Serialize;

use super::Place;
use super::plan::Plan;
use super::recipe::{MESHES, Mesh};
use crate::golang::Go;
use crate::out::result;

/// How the table is printed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum Output {
    /// A table for people.
    #[default]
    Human,
    /// A list of objects.
    Json,
}

/// A mesh of the lab, as the table shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    /// How `--istio` calls it.
    pub(crate) name: &'static str,
    pub(crate) istio: &'static str,
    pub(crate) kubernetes: &'static str,
    /// Its `--set` options beyond those that its Istio needs.
    pub(crate) options: &'static [&'static str],
    /// The directory of its bundle, there or not.
    pub(crate) bundle: PathBuf,
    /// Whether the bundle is there.
    pub(crate) built: bool,
}

/// Lists the meshes of the lab, the default first.
pub(crate) fn meshes() -> Result<Vec<Listed>> {
    let (place, go) = (Place::find()?, Go::find()?);
    let listed = |mesh: &Mesh| {
        let key = Plan::new(mesh.software, &go)?.key()?;
        let bundle = place.bundle(mesh, &key).directory;
        Ok(Listed {
            name: mesh.name,
            istio: mesh.software.istio.version,
            kubernetes: mesh.software.kubernetes.build.version,
            options: mesh.set,
            built: Bundle::open(&bundle).is_ok(),
            bundle,
        })
    };
    MESHES.iter().map(listed).collect()
}

pub(super) fn print(output: Output) -> Result<()> {
    let meshes = meshes()?;
    match output {
        Output::Json => result(serde_json::to_string_pretty(&meshes)?)?,
        Output::Human => result(table(&meshes).trim_end())?,
    }
    Ok(())
}

fn table(meshes: &[Listed]) -> String {
    let mut table = String::new();
    for mesh in meshes {
        let options = mesh.options.iter().flat_map(|option| [" --set ", option]);
        let state = if mesh.built { "built" } else { "not built" };
        table.extend([mesh.name, " · Istio ", mesh.istio, " on Kubernetes ", mesh.kubernetes]);
        table.extend(options);
        table.extend(["\n  ", state, ": ", &mesh.bundle.to_string_lossy(), "\n"]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_shows_versions_options_and_state_of_each_mesh() {
        let mesh = |name, options, built| Listed {
            name,
            istio: "1.22.0",
            kubernetes: "v1.29.15",
            options,
            bundle: PathBuf::from("/cache/bundles").join(name),
            built,
        };
        let table = table(&[mesh("plain", &[], true), mesh("cni", &["a=b"], false)]);
        assert_eq!(
            table,
            "plain · Istio 1.22.0 on Kubernetes v1.29.15\n  built: /cache/bundles/plain\n\
             cni · Istio 1.22.0 on Kubernetes v1.29.15 --set a=b\n  not built: /cache/bundles/cni\n"
        );
    }
}
