//! Programs that come in Debian's packages.

use std::env;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use fs_err as fs;

use crate::command::Program;
use crate::out::say;

/// What a machine is set up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scope {
    /// Running the suite from a bundle: a container engine and a C compiler.
    Conformance,
    /// Building the lab bundle: that, Go, mmdebstrap, pip.
    Lab,
    /// Testing the code: a C compiler, rustfmt, clippy, cargo-nextest.
    Test,
    /// Mutation tests: a C compiler, cargo-mutants. Nothing that CI runs needs it.
    Mutants,
    /// Testing the HTML report in a browser: chromium. Left out where it cannot be installed.
    Browser,
    /// Testing the rules walker on this machine's kernel: iptables, ip.
    Kernel,
    /// Testing machines of a class behind a real sshd: openssh-server. Its service is not needed.
    Ssh,
    /// Building the static program: a C compiler for musl. Nothing that CI runs needs it.
    Static,
}

/// A program that is needed, and what brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    /// What has to be there.
    pub(crate) probe: Probe,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
}

/// How to see whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// A program on `PATH` (or where only root's `PATH` looks).
    Program(&'static str),
    /// A module of the Python on `PATH`.
    PythonModule(&'static str),
    /// A file.
    File(&'static str),
}

/// A program with its package.
pub(crate) const fn program(name: &'static str, package: &'static str) -> Tool {
    Tool { probe: Probe::Program(name), package }
}

const PIP: Tool = Tool { probe: Probe::PythonModule("pip"), package: "python3-pip" };
const KEYRING: Tool = Tool {
    probe: Probe::File("/usr/share/keyrings/debian-archive-keyring.gpg"),
    package: "debian-archive-keyring",
};

/// The package with `sshd`.
const SSH_SERVER: &str = "openssh-server";

/// Debian starts no service of that package while this file is there. Source: its `ssh.service`.
const NO_SSH_SERVICE: &str = "/etc/ssh/sshd_not_to_be_run";

/// The tools, and what needs them; all scopes compile this workspace, and aws-lc is C.
const TOOLS: &[(Tool, &[Scope])] = &[
    (program("gcc", "gcc"), &[]),
    (program("make", "make"), &[]),
    (program("cmake", "cmake"), &[]),
    (program("go", "golang-go"), &[Scope::Lab]),
    (program("mmdebstrap", "mmdebstrap"), &[Scope::Lab]),
    (program("python3", "python3"), &[Scope::Lab]),
    (PIP, &[Scope::Lab]),
    (KEYRING, &[Scope::Lab]),
    // For `ci`'s own tests: the run-time remedy uses it.
    (program("jq", "jq"), &[Scope::Lab, Scope::Test]),
    // Both kinds of iptables: clusters have either.
    (program("iptables-legacy", "iptables"), &[Scope::Kernel]),
    (program("iptables-nft", "iptables"), &[Scope::Kernel]),
    (program("ip", "iproute2"), &[Scope::Kernel]),
    (program("ssh", "openssh-client"), &[Scope::Ssh]),
    (program("sshd", SSH_SERVER), &[Scope::Ssh]),
    // aws-lc is compiled for musl, too.
    (program("musl-gcc", "musl-tools"), &[Scope::Static]),
];

/// The tools that these scopes need.
pub(crate) fn tools_for(scopes: &[Scope]) -> Vec<Tool> {
    let is_needed = |by: &[Scope]| by.is_empty() || by.iter().any(|scope| scopes.contains(scope));
    TOOLS.iter().filter(|(_, by)| is_needed(by)).map(|(tool, _)| *tool).collect()
}

/// Makes sure that there is a browser for the tests of the HTML report, with the driver that they speak to:
/// Debian's driver brings Chromium. Hands out a line on it.
pub(crate) fn browser() -> Result<String> {
    ensure(&[program("chromedriver", "chromium-driver")])
}

impl Probe {
    fn name(self) -> &'static str {
        match self {
            Self::Program(name) | Self::PythonModule(name) => name,
            Self::File(path) => path.rsplit('/').next().unwrap_or(path),
        }
    }

    fn holds(self) -> bool {
        match self {
            Self::Program(name) => is_on_path(name),
            Self::PythonModule(name) => {
                let find =
                    "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1]) is None)";
                Program::new("python3").args(["-c", find, name]).succeeds()
            }
            Self::File(path) => Path::new(path).exists(),
        }
    }
}

/// Whether a program is there. Root's directories count even where `PATH` leaves them out.
pub(crate) fn is_on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(Into::into);
    env::split_paths(&path).chain(more).any(|dir| dir.join(name).is_file())
}

/// Installs what is missing. Hands out a line on what is there.
pub(crate) fn ensure(tools: &[Tool]) -> Result<String> {
    let missing: Vec<_> = tools.iter().filter(|tool| !tool.probe.holds()).collect();
    if !missing.is_empty() {
        let packages = once_each(missing.iter().map(|tool| tool.package));
        install(&packages)?;
        let still: Vec<_> = missing
            .iter()
            .filter(|tool| !tool.probe.holds())
            .map(|tool| tool.probe.name())
            .collect();
        if !still.is_empty() {
            bail!("{} is not there after installing {}", still.join(", "), packages.join(" "));
        }
    }
    let names = once_each(tools.iter().map(|tool| tool.probe.name()));
    Ok(format!("tools: {}", names.join(", ")))
}

fn once_each(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !is_debian() {
        bail!(
            "missing: {list} (Debian's names); this is not Debian: install them with this system's package manager"
        );
    }
    let command = format!("apt-get install --yes --no-install-recommends {list}");
    if !nix::unistd::geteuid().is_root() {
        bail!("missing: {list}; type as root: apt-get update && {command}");
    }
    if packages.contains(&SSH_SERVER) {
        // Tests start the program themselves: no service may listen because of them.
        fs::create_dir_all("/etc/ssh")?;
        fs::write(NO_SSH_SERVICE, "cargo xtask setup: tests need the program alone\n")?;
        say(format_args!("the service of {SSH_SERVER} stays off while {NO_SSH_SERVICE} is there"));
    }
    say(format_args!("installing {list} (Debian packages)"));
    let apt = |arguments: &[&str]| {
        Program::new("apt-get")
            // Another apt may be at work: wait for it.
            .args(["--option", "DPkg::Lock::Timeout=300", "--option", "Dpkg::Use-Pty=0"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    apt(&["--quiet", "update"]).context("updating Debian's package lists")?;
    apt(&["--quiet", "install", "--yes", "--no-install-recommends"]
        .into_iter()
        .chain(packages.iter().copied())
        .collect::<Vec<_>>())
    .with_context(|| format!("installing {list}"))
}

fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    is_on_path("apt-get") && is_debian_release(&release)
}

fn is_debian_release(release: &str) -> bool {
    release.lines().filter_map(|line| line.split_once('=')).any(|(name, value)| {
        let mut words = value.trim_matches('"').split(' ');
        (name == "ID" || name == "ID_LIKE") && words.any(|word| word == "debian")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ID=debian\nVERSION_ID=\"12\"", true)]
    #[case("ID=ubuntu\nID_LIKE=debian", true)]
    #[case("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", true)]
    #[case("ID=fedora", false)]
    #[case("", false)]
    fn debian_is_recognised(#[case] release: &str, #[case] expected: bool) {
        assert_eq!(is_debian_release(release), expected);
    }

    #[test]
    fn programs_are_found() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-here"));
    }

    #[test]
    fn present_program_needs_no_install() {
        let line = ensure(&[program("sh", "dash")]).unwrap();
        assert_eq!(line, "tools: sh");
    }
}
