//! The cluster: one of meshcheck, in a state directory of its own, and a shell on it.

use std::env;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use meshcheck_bundle::Bundle;
use tempfile::NamedTempFile;

use super::verdicts::Verdicts;
use crate::cleanup::Cleanup;
use crate::command::{Ended, Program};
use crate::line::Line;
use crate::out::say;
use crate::software::Software;
use crate::wait::until;
use crate::workspace::repository;

/// How long one step may take, in seconds.
const STEP: &str = "180";

/// A cluster with the mesh and the demo on it, that is removed again.
pub(crate) struct Cluster {
    meshcheck: PathBuf,
    name: String,
    kubeconfig: PathBuf,
    bundle: PathBuf,
    /// The options of `istioctl install` that this software needs.
    install_options: String,
    /// The programs that hints name, under their own names, and the tutorial's files.
    tools: PathBuf,
    state: PathBuf,
    _end: Cleanup,
}

impl Cluster {
    pub(crate) fn up(meshcheck: &Program, software: &Software) -> Result<Self> {
        Self::made(meshcheck.path(), bundle(meshcheck, software)?, Program::show)
    }

    /// Provisions it, and tells nothing but why it failed.
    pub(crate) fn up_silently(meshcheck: &Program, software: &Software) -> Result<Self> {
        Self::made(meshcheck.path(), bundle(meshcheck, software)?, Program::run)
    }

    /// Provisions another one of the same program and bundle, by running `meshcheck up` in this way.
    pub(crate) fn another(&self, run: impl FnOnce(Program) -> Result<()>) -> Result<Self> {
        Self::made(&self.meshcheck, self.bundle.clone(), run)
    }

    fn made(
        meshcheck: &Path,
        bundle: PathBuf,
        run: impl FnOnce(Program) -> Result<()>,
    ) -> Result<Self> {
        let place = tempfile::tempdir()?.keep();
        let state = place.join("state");
        let down = {
            let (meshcheck, state) = (meshcheck.to_owned(), state.clone());
            Cleanup::new(move || {
                let removal = Program::new(&meshcheck).arg("down").env("MESHCHECK_STATE", &state);
                match removal.run() {
                    Ok(()) => drop(fs::remove_dir_all(&place)),
                    Err(error) => say(format_args!(
                        "the cluster of `{}` could not be removed: {error:#}",
                        state.display()
                    )),
                }
            })
        };
        let up = Program::new(meshcheck).args(["up", "--bundle"]).arg(&bundle);
        run(up.env("MESHCHECK_STATE", &state)).context("provisioning a cluster")?;
        Self::at(meshcheck, bundle, &state, down)
    }

    /// One that is there already, and stays.
    pub(crate) fn there(meshcheck: &Program, software: &Software, state: &Path) -> Result<Self> {
        let tools = state.join("tools");
        let clean = Cleanup::new(move || drop(fs::remove_dir_all(&tools)));
        Self::at(meshcheck.path(), bundle(meshcheck, software)?, state, clean)
    }

    fn at(meshcheck: &Path, bundle: PathBuf, state: &Path, end: Cleanup) -> Result<Self> {
        let none = || format!("no cluster of `meshcheck up` is in `{}`", state.display());
        let mut clusters = fs::read_dir(state.join("clusters")).with_context(none)?;
        let place = clusters.next().with_context(none)??;
        let tools = state.join("tools");
        let opened = Bundle::open(&bundle)?;
        put_tools(&tools, &opened)?;
        let install = &opened.manifest().install;
        let set = install.set.iter().map(|it| format!(" --set {it}"));
        let install_options =
            format!("--set profile={}{}", install.profile, set.collect::<String>());
        Ok(Self {
            meshcheck: meshcheck.to_owned(),
            name: place.file_name().to_string_lossy().into_owned(),
            kubeconfig: place.path().join("kubeconfig"),
            bundle,
            install_options,
            tools,
            state: state.to_owned(),
            _end: end,
        })
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The bundle that it was made from.
    pub(crate) fn bundle(&self) -> &Path {
        &self.bundle
    }

    /// The address of its API server.
    pub(crate) fn server(&self) -> Result<String> {
        let server = "kubectl config view --minify -o 'jsonpath={.clusters[0].cluster.server}'";
        self.typed(server).read()
    }

    /// A way to its API server that can be cut and is slow, and a kubeconfig that leads through it.
    pub(crate) fn line(&self, delay: Duration) -> Result<(Line, NamedTempFile)> {
        let server = self.server()?;
        let line = Line::new(server.trim_start_matches("https://"), delay)?;
        let text = fs::read_to_string(&self.kubeconfig)?;
        let through = NamedTempFile::new()?;
        fs::write(through.path(), text.replace(&server, &format!("https://{}", line.address())))?;
        Ok((line, through))
    }

    /// A line of shell, as somebody at a terminal of this cluster would type it.
    pub(crate) fn typed(&self, line: &str) -> Program {
        let path = env::var("PATH").unwrap_or_default();
        Program::new("timeout")
            .args([STEP, "sh", "-c", line])
            .dir(&self.tools)
            .env("PATH", format!("{}:{path}", self.tools.display()))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("NODE", format!("{}-control-plane", self.name))
            .env("INSTALL_OPTIONS", &self.install_options)
            // No editor opens: a hint must be a command that does what it says.
            .env("KUBE_EDITOR", "false")
            .env("EDITOR", "false")
    }

    /// `meshcheck check`, with everything that it prints.
    pub(crate) fn check(&self, arguments: &[&str]) -> Result<Verdicts> {
        let report = self.state.join("report.json");
        let check = Program::new(&self.meshcheck)
            .args(["check", "--report"])
            .arg(format!("json={}", report.display()))
            .args(arguments)
            .env("MESHCHECK_STATE", &self.state)
            .dir(repository());
        let Ended { status, stdout, stderr } = check.ended()?;
        let code = status.code();
        if !matches!(code, Some(0 | 1 | 3)) || !report.exists() {
            bail!("`meshcheck check` ended with {status}:\n{stdout}\n{stderr}");
        }
        let json = fs::read_to_string(&report)?;
        fs::remove_file(&report)?;
        let verdicts = Verdicts::read(&json, stdout)?;
        ensure!(
            code == Some(verdicts.exit_code()),
            "the exit code {code:?} does not fit the verdicts: {verdicts}"
        );
        Ok(verdicts)
    }

    /// Checks again until every claim holds.
    pub(crate) fn until_green(&self, what: &str, ceiling: Duration) -> Result<()> {
        until(what, Duration::from_millis(500), ceiling, || {
            let verdicts = self.check(&[]).map_err(|error| format!("{error:#}"))?;
            if verdicts.is_green() { Ok(()) } else { Err(verdicts.to_string()) }
        })
    }
}

/// The software's directory; a release that is not in the cache yet is downloaded.
pub(crate) fn bundle(meshcheck: &Program, software: &Software) -> Result<PathBuf> {
    match software.directory() {
        Some(directory) => Ok(directory.to_owned()),
        None => Ok(Program::new(meshcheck.path()).args(["bundle", "--quiet"]).read()?.into()),
    }
}

/// Fills a directory with what a participant has at hand: `kubectl`, `istioctl`, the tutorial's files.
fn put_tools(tools: &Path, bundle: &Bundle) -> Result<()> {
    fs::create_dir_all(tools)?;
    for name in ["kubectl", "istioctl"] {
        let program = bundle.verified(name).or_else(|error| {
            let found = Program::new("which").arg(name).read();
            found.map(PathBuf::from).map_err(|_| error)
        })?;
        let link = tools.join(name);
        if !link.exists() {
            symlink(program, link)?;
        }
    }
    let demo = repository().join("fixtures").join("demo");
    for file in ["backend.yaml", "client.yaml"] {
        // The images of the bundle are on the node; another tag than theirs is not.
        let mut text = fs::read_to_string(demo.join(file))?;
        for image in &bundle.manifest().images {
            let bare = image.reference.trim_start_matches("docker.io/");
            if let Some((name, _)) = bare.rsplit_once(':') {
                text = text.replace(&format!("image: {name}\n"), &format!("image: {bare}\n"));
            }
        }
        fs::write(tools.join(file), text)?;
    }
    Ok(())
}
