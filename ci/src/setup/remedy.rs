//! The run-time remedy: containers on a machine that itself lacks `CAP_SYS_RESOURCE`.
//!
//! There `docker run --privileged`, which kind needs, fails: the capability cannot be granted. A
//! wrapper around runc takes it out of what containers ask for. It is installed only where the
//! capability is missing, and only where the engine has no configuration yet.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::out::say;

const WRAPPER: &str = include_str!("../../lab/runc-without-sys-resource.sh");
const WRAPPER_PATH: &str = "/usr/local/lib/meshcheck/runc";
const CONFIGURATION: &str = "/etc/docker/daemon.json";
/// The number of the capability in the kernel's bit sets.
const CAP_SYS_RESOURCE: u32 = 24;

/// Whether this machine lacks the capability.
pub(crate) fn is_needed() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| lacks_capability(&status))
}

fn lacks_capability(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .is_some_and(|bits| bits & (1 << CAP_SYS_RESOURCE) == 0)
}

fn configuration() -> Value {
    json!({
        "default-runtime": "meshcheck",
        "runtimes": { "meshcheck": { "path": WRAPPER_PATH } },
    })
}

/// Installs the remedy where it is needed and the engine has no configuration. The engine must not
/// be running.
pub(crate) fn ensure() -> Result<()> {
    if !is_needed() {
        return Ok(());
    }
    let path = Path::new(CONFIGURATION);
    if path.exists() {
        let found =
            fs::read(path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if found != Some(configuration()) {
            say(format_args!(
                "docker engine: `{CONFIGURATION}` is used as it is; if privileged containers fail with \"unable to apply caps\", give it a runtime without CAP_SYS_RESOURCE"
            ));
            return Ok(());
        }
    }
    say(format_args!(
        "docker engine: this machine lacks CAP_SYS_RESOURCE: installing the runtime wrapper `{WRAPPER_PATH}` and `{CONFIGURATION}`"
    ));
    write(Path::new(WRAPPER_PATH), WRAPPER.as_bytes(), 0o755)?;
    // Last: with it the wrapper is in use.
    write(path, format!("{:#}\n", configuration()).as_bytes(), 0o644)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let writing = || format!("writing `{}`", path.display());
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).with_context(writing)?;
    let mut file = tempfile::NamedTempFile::new_in(parent).with_context(writing)?;
    file.write_all(content).with_context(writing)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode)).with_context(writing)?;
    file.persist(path).with_context(writing)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::path::PathBuf;
    use std::process::Command;

    #[rstest]
    #[case("CapBnd:\t000001fffeffffff\n", true)]
    #[case("CapBnd:\t000001ffffffffff\n", false)]
    #[case("CapEff:\t0000000000000000\n", false)]
    fn capability_is_read(#[case] status: &str, #[case] lacking: bool) {
        assert_eq!(lacks_capability(status), lacking);
    }

    fn sets() -> Value {
        json!({
            "bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"],
            "effective": ["CAP_SYS_RESOURCE", "CAP_KILL"],
            "ambient": null,
        })
    }

    fn reduced() -> Value {
        json!({ "bounding": ["CAP_CHOWN"], "effective": ["CAP_KILL"], "ambient": null })
    }

    struct Files {
        dir: tempfile::TempDir,
        config: PathBuf,
        process: PathBuf,
    }

    /// A bundle's configuration and a process file, as containerd hands them to runc.
    fn files() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.json");
        let process = dir.path().join("process.json");
        let content = json!({ "process": { "args": ["sh"], "capabilities": sets() } });
        fs::write(&config, content.to_string()).unwrap();
        fs::write(&process, json!({ "args": ["sh"], "capabilities": sets() }).to_string()).unwrap();
        fs::write(dir.path().join("wrapper"), WRAPPER).unwrap();
        Files { dir, config, process }
    }

    /// Runs the wrapper around `echo`, which shows the arguments that reach runc.
    fn wrap(files: &Files, arguments: &[&str]) -> String {
        let output = Command::new("sh")
            .arg(files.dir.path().join("wrapper"))
            .args(arguments)
            .env("MESHCHECK_RUNC", "echo")
            .current_dir(files.dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn capabilities(path: &Path) -> Value {
        let value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        value.pointer("/process/capabilities").or(value.get("capabilities")).unwrap().clone()
    }

    #[rstest]
    #[case::plain(&["create", "--bundle", "."])]
    #[case::short(&["run", "-b", "."])]
    #[case::joined(&["create", "--bundle=.", "--pid-file", "pid", "name"])]
    #[case::default(&["run", "name"])]
    #[case::globals(&["--root", "create", "--log=x", "--log-format", "json", "--systemd-cgroup", "create", "--bundle", ".", "name"])]
    fn created_container_loses_the_capability(#[case] arguments: &[&str]) {
        let files = files();
        assert_eq!(wrap(&files, arguments), arguments.join(" "));
        assert_eq!(capabilities(&files.config), reduced());
        assert_eq!(capabilities(&files.process), sets());
    }

    #[rstest]
    #[case::long(&["--root", "/run", "exec", "--process", "process.json", "--detach", "name"])]
    #[case::short(&["exec", "-p", "process.json", "name"])]
    #[case::joined(&["exec", "--process=process.json", "name"])]
    fn executed_program_loses_the_capability(#[case] arguments: &[&str]) {
        let files = files();
        assert_eq!(wrap(&files, arguments), arguments.join(" "));
        assert_eq!(capabilities(&files.process), reduced());
        assert_eq!(capabilities(&files.config), sets());
    }

    #[rstest]
    #[case(&["state", "create"])]
    #[case(&["kill", "name", "9"])]
    #[case(&["exec", "name", "sh"])]
    #[case(&["--debug", "list"])]
    fn other_calls_are_passed_on(#[case] arguments: &[&str]) {
        let files = files();
        assert_eq!(wrap(&files, arguments), arguments.join(" "));
        assert_eq!(capabilities(&files.config), sets());
        assert_eq!(capabilities(&files.process), sets());
    }

    #[test]
    fn broken_configuration_is_passed_to_runc() {
        let files = files();
        fs::write(&files.config, "CAP_SYS_RESOURCE, but not JSON").unwrap();
        wrap(&files, &["create", "--bundle", "."]);
        assert_eq!(fs::read_to_string(&files.config).unwrap(), "CAP_SYS_RESOURCE, but not JSON");
        assert!(!files.dir.path().join("config.json.meshcheck").exists());
    }
}
