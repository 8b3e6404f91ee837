//! `cargo xtask matrix`: provisions every mesh of the lab for real, and compares each with its known record.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fs_err as fs;

use crate::lab::{self, list};
use crate::out::{elapsed, say};
use crate::workspace::{meshcheck, repository, results_directory};
use crate::{results, setup};

/// Which meshes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Options {
    /// Only this mesh, by its name in `cargo xtask lab --list`; can be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
}

impl Options {
    /// The mesh that CI provisions: the default one, whose bundle it has.
    pub(crate) fn for_ci() -> Self {
        Self { only: vec![lab::DEFAULT.to_owned()] }
    }
}

/// Provisions the meshes, reports them side by side, and compares each record with the one in the repository.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::ensure(&[setup::Scope::Conformance, setup::Scope::Lab])?;
    let mut meshes = list::meshes()?;
    meshes.retain(|mesh| options.only.is_empty() || options.only.iter().any(|it| it == mesh.name));
    ensure!(!meshes.is_empty(), "no mesh has such a name; `cargo xtask lab --list` shows all");
    let missing: Vec<_> = meshes.iter().filter(|it| !it.built).map(|it| it.name).collect();
    if !missing.is_empty() {
        say(format_args!(
            "bundles to build: {}; with empty caches, each software takes about 25 minutes",
            missing.join(", ")
        ));
    }
    let mut columns = String::new();
    for mesh in &meshes {
        let bundle = serde_json::Value::from(lab::ensure(mesh.name)?.display().to_string());
        writeln!(columns, "[[column]]\nname = \"{}\"\nbundle = {bundle}\n", mesh.name)?;
    }
    let start = Instant::now();
    let place = fresh_directory()?;
    let file = place.join("matrix.toml");
    fs::write(&file, columns)?;
    let json = results::remove("matrix")?;
    // What cannot be judged on a mesh is unjudged in its known record too: the comparison below finds any other.
    meshcheck()?
        .args(["matrix", "--fail-on", "fail", "--columns"])
        .arg(&file)
        .arg("--records")
        .arg(&place)
        .arg("--report")
        .arg(format!("json={}", json.display()))
        .arg("--report")
        .arg(format!("html={}", place.join("matrix.html").display()))
        .show()
        .context("provisioning the meshes")?;
    for mesh in &meshes {
        let known = known(mesh.name);
        say(format_args!("{}: compared with {}", mesh.name, known.display()));
        let status = meshcheck()?
            .args(["diff", "--view", "verdicts"])
            .arg(&known)
            .arg(place.join(format!("{}.json.gz", mesh.name)))
            .watched()?;
        // 3: a claim that is unjudged in both. One that only the new record leaves unjudged is a difference.
        ensure!(matches!(status.code(), Some(0 | 3)), "{} is not as its record", mesh.name);
    }
    say(format_args!("{} meshes as expected, in {}", meshes.len(), elapsed(start.elapsed())));
    Ok(())
}

/// The directory of the records, empty: what an earlier run recorded must not pass for this run's.
fn fresh_directory() -> Result<PathBuf> {
    let place = results_directory().join("matrix");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    Ok(place)
}

/// The record of a mesh in the repository, whose verdicts are reviewed.
fn known(name: &str) -> PathBuf {
    let name = if name == lab::DEFAULT { "lab.json".into() } else { format!("lab-{name}.json.gz") };
    repository().join(Path::new("fixtures/evidence").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mesh_has_a_known_record() {
        for name in lab::names() {
            assert!(known(name).is_file(), "{}", known(name).display());
        }
    }
}
