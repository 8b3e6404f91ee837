//! The container engine: used as it is where one answers, else Debian's, started.

use std::env;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fs_err as fs;
use meshcheck_bundle::cache_dir;
use nix::sys::statvfs::statvfs;

use super::packages::{Tool, is_on_path, program};
use super::remedy;
use crate::command::Program;
use crate::out::say;
use crate::wait;

const PAUSE: Duration = Duration::from_millis(100);
const CEILING: Duration = Duration::from_mins(1);
const LOG_LINES: usize = 15;

fn version() -> Result<String> {
    Program::new("docker").args(["version", "--format", "{{.Server.Version}}"]).read()
}

pub(crate) fn answers() -> bool {
    version().is_ok()
}

/// Whether the caller says which engine to use; then it is the caller's to start.
fn is_named() -> bool {
    env::var_os("DOCKER_HOST").is_some()
}

/// Where Debian's package is going to be installed, and may start the engine by itself: gives it
/// its configuration before that.
pub(crate) fn prepare() -> Result<()> {
    if is_named() || is_on_path("dockerd") || !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    remedy::ensure()
}

/// What an engine of meshcheck needs, where none answers.
pub(crate) fn tools() -> Vec<Tool> {
    let mut tools = Vec::new();
    if !is_named() {
        tools.push(program("dockerd", "docker.io"));
    }
    // In newer releases of Debian the client is a package of its own.
    if !is_on_path("docker") {
        let bundled = Path::new("/etc/debian_version").exists() && debian_before(13);
        tools.push(program("docker", if bundled { "docker.io" } else { "docker-cli" }));
    }
    if remedy::is_needed() && !is_named() {
        tools.push(program("jq", "jq"));
    }
    tools
}

fn debian_before(release: u32) -> bool {
    let text = fs::read_to_string("/etc/debian_version").unwrap_or_default();
    text.split('.')
        .next()
        .and_then(|major| major.trim().parse::<u32>().ok())
        .is_some_and(|major| major < release)
}

/// Makes sure that an engine answers. Hands out a line on it.
pub(crate) fn ensure() -> Result<String> {
    let running = |version: String| format!("docker engine: running {version}");
    let error = match version() {
        Ok(version) => return Ok(running(version)),
        Err(error) => error,
    };
    if format!("{error:#}").contains("permission denied") {
        bail!(
            "docker engine: this user may not use it; type as root: usermod --append --groups docker USER, and log in again"
        );
    }
    if is_named() {
        bail!("docker engine: the one that DOCKER_HOST names does not answer: {error:#}");
    }
    if !is_on_path("dockerd") {
        bail!("docker engine: there is none on this machine");
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("docker engine: it does not run; type as root: cargo xtask setup");
    }
    if Path::new("/run/systemd/system").exists() {
        remedy::ensure()?;
        say("docker engine: starting it (systemctl start docker)");
        Program::new("systemctl").args(["start", "docker"]).run()?;
        return wait_for(None).map(running);
    }
    remedy::ensure()?;
    start().map(running)
}

/// Refuses to begin where the engine's disk has less free space than this, in GiB: on a full disk the nodes do not
/// come up, and say so after minutes. An engine on another machine is not asked.
pub(crate) fn need_room(gibibytes: u64) -> Result<()> {
    let directory =
        Program::new("docker").args(["info", "--format", "{{.DockerRootDir}}"]).read()?;
    let Ok(disk) = statvfs(directory.trim()) else { return Ok(()) };
    let free = (disk.blocks_available() * disk.fragment_size()) >> 30;
    if free < gibibytes {
        bail!(
            "the disk of the docker engine, {}, has {free} GiB free, and the clusters need {gibibytes}: \
             `docker system df` shows what docker keeps, `cargo clean` removes what cargo built",
            directory.trim()
        );
    }
    Ok(())
}

/// Starts the engine where no init system does: detached, with a log file.
fn start() -> Result<String> {
    let dir = cache_dir().unwrap_or_else(env::temp_dir).join("setup");
    fs::create_dir_all(&dir)?;
    let log = dir.join("dockerd.log");
    say(format_args!("docker engine: starting it (log `{}`)", log.display()));
    let file = File::create(&log).with_context(|| format!("writing `{}`", log.display()))?;
    // A session of its own: it stays when xtask and its terminal go.
    let status = Command::new("setsid")
        .args(["--fork", "dockerd"])
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .context("starting `setsid dockerd`")?;
    if !status.success() {
        bail!("`setsid --fork dockerd` ended with {status}");
    }
    wait_for(Some(&log))
}

fn wait_for(log: Option<&Path>) -> Result<String> {
    let answer = wait::until("the docker engine answers", PAUSE, CEILING, || {
        version().map_err(|error| format!("{error:#}"))
    });
    answer.map_err(|error| {
        let text = log.and_then(|log| fs::read_to_string(log).ok()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ");
        if last.is_empty() { error } else { error.context(format!("its last words:\n  {last}\n")) }
    })
}
