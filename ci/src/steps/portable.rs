//! `cargo xtask static`: the program as one file that runs on any Linux of its architecture.
//!
//! It is built for musl, whose C library goes into the file. Then it is read: its headers, its start
//! in an empty environment, its verdicts against those of the ordinary build.

use std::env;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use fs_err as fs;
use meshcheck_bundle::cache_dir;

use crate::command::Program;
use crate::out::{elapsed, result, say, size};
use crate::setup;
use crate::workspace::{cargo, meshcheck, repository, target_directory};

/// The largest that it may get, in bytes: it is copied to sticks and virtual machines.
const LIMIT: u64 = 20_000_000;

/// The C compiler for other architectures: it brings musl for each.
const ZIG: &str = "ziglang==0.17.1";

/// For which machines.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Options {
    /// The architecture that it is to run on
    #[arg(long, value_enum, default_value_t = Architecture::here())]
    arch: Architecture,
}

impl Options {
    /// For the architecture of this machine.
    pub(crate) fn for_this_machine() -> Self {
        Self { arch: Architecture::here() }
    }
}

/// An architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Architecture {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86,
    /// ARM.
    #[value(name = "aarch64")]
    Arm,
}

impl Architecture {
    fn here() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm } else { Self::X86 }
    }

    fn word(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "aarch64",
        }
    }

    fn target(self) -> String {
        format!("{}-unknown-linux-musl", self.word())
    }

    /// Its name in the headers of its programs, as `readelf` prints it.
    fn machine(self) -> &'static str {
        match self {
            Self::X86 => "Advanced Micro Devices X86-64",
            Self::Arm => "AArch64",
        }
    }
}

/// Builds it, looks at it, and prints where it is.
pub(crate) fn run(options: Options) -> Result<()> {
    result(build(options)?.display())?;
    Ok(())
}

/// Builds it, looks at it, and returns where it is.
pub(crate) fn build(options: Options) -> Result<PathBuf> {
    let architecture = options.arch;
    let target = architecture.target();
    setup::ensure(&[setup::Scope::Static])?;
    standard_library(&target)?;
    let start = Instant::now();
    compiler(architecture, &target)?.show().context("building the static program")?;
    let built = start.elapsed();
    let program = target_directory().join(&target).join("release").join("meshcheck");
    let length = check(&program, architecture)?;
    say(format_args!(
        "static, {target}: {} in {}; no interpreter, no library is loaded",
        size(length),
        elapsed(built)
    ));
    match runner(architecture) {
        Some(runner) => try_out(&runner, &program)?,
        None => say(format_args!(
            "not started: this machine is no {}, and qemu-{0}-static is not there",
            architecture.word()
        )),
    }
    Ok(program)
}

/// Rust's standard library for the target.
fn standard_library(target: &str) -> Result<()> {
    let libraries = Program::new("rustc").args(["--print", "target-libdir", "--target", target]);
    if libraries.read().is_ok_and(|directory| Path::new(&directory).is_dir()) {
        return Ok(());
    }
    say(format_args!("getting Rust's standard library for {target}"));
    Program::new("rustup").args(["target", "add", target]).dir(repository()).run().with_context(
        || {
            format!(
                "Rust's standard library for {target} is missing; type: rustup target add {target}"
            )
        },
    )
}

/// The build, with a C compiler for what of it is C.
fn compiler(architecture: Architecture, target: &str) -> Result<Program> {
    let build = cargo(&["build", "--release", "--package", "meshcheck", "--target", target]);
    let variable = target.replace('-', "_");
    if architecture == Architecture::here() || env::var_os(format!("CC_{variable}")).is_some() {
        // musl-gcc, or what the caller named.
        return Ok(build);
    }
    let (cc, ar) = zig(target)?;
    Ok(build
        .env(&format!("CC_{variable}"), cc)
        .env(&format!("AR_{variable}"), ar)
        // Rust's own linker: no other is needed where C is compiled only.
        .env(&format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()), "rust-lld"))
}

/// A C compiler and its archiver for another architecture, from the Python package of Zig.
fn zig(target: &str) -> Result<(PathBuf, PathBuf)> {
    let place = cache_dir().context("set MESHCHECK_CACHE or HOME")?.join("setup").join("zig");
    let program = place.join("ziglang").join("zig");
    if !program.exists() {
        say(format_args!("getting a C compiler for {target}: {ZIG}"));
        Program::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&place)
            .arg(ZIG)
            .run()
            .context("installing Zig, as the C compiler")?;
    }
    let name = target.replace("-unknown", "");
    let zig = program.display();
    // Zig knows the target by another name than the one that it is called with. It adds checks for
    // undefined behaviour that need a library of its own.
    let cc = format!(
        "#!/bin/sh\nfor it; do shift; case $it in --target=*) ;; *) set -- \"$@\" \"$it\" ;; esac; done\n\
         exec '{zig}' cc -target {name} -fno-sanitize=undefined \"$@\"\n"
    );
    let ar = format!("#!/bin/sh\nexec '{zig}' ar \"$@\"\n");
    Ok((script(&place.join(format!("cc-{target}")), &cc)?, script(&place.join("ar"), &ar)?))
}

fn script(path: &Path, text: &str) -> Result<PathBuf> {
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))?;
    Ok(path.to_owned())
}

/// Checks that a program needs nothing of the machine but its kernel, and is small.
fn check(program: &Path, architecture: Architecture) -> Result<u64> {
    let headers = Program::new("readelf")
        .args(["--file-header", "--program-headers", "--dynamic", "--wide"])
        .arg(program)
        .env("LC_ALL", "C")
        .read()?;
    let machine = headers.lines().find_map(|line| line.trim().strip_prefix("Machine:"));
    let machine = machine.unwrap_or_default().trim();
    ensure!(
        machine == architecture.machine(),
        "it is for another machine: {machine}, not {}",
        architecture.word()
    );
    ensure!(!headers.contains("INTERP"), "it needs a dynamic linker");
    ensure!(!headers.contains("(NEEDED)"), "it needs libraries of the machine");
    let length = fs::metadata(program)?.len();
    ensure!(length < LIMIT, "it has {}, and may have {}", size(length), size(LIMIT));
    Ok(length)
}

/// What starts a program of this architecture here: nothing in front, or an emulator.
fn runner(architecture: Architecture) -> Option<Vec<String>> {
    if architecture == Architecture::here() {
        return Some(Vec::new());
    }
    let names = ["qemu-{}-static", "qemu-{}"].map(|name| name.replace("{}", architecture.word()));
    names.into_iter().find(|name| setup::is_on_path(name)).map(|name| vec![name])
}

/// Starts it where there is nothing, and compares its verdicts with the ordinary program's.
fn try_out(runner: &[String], program: &Path) -> Result<()> {
    // `env -i`: not even PATH.
    let emulator = runner.first().map(|name| Program::new("which").arg(name).read()).transpose()?;
    let bare = || {
        let bare = Program::new("env").arg("-i").dir(repository());
        emulator.iter().fold(bare, Program::arg).arg(program)
    };
    let version = bare().arg("--version").read().context("starting it in an empty environment")?;
    let file = "fixtures/evidence/lab.json";
    let judge = ["judge", file, "--output", "json"];
    let verdicts = bare().args(judge).read().context("judging with it")?;
    let ordinary = meshcheck()?.args(judge).read()?;
    if verdicts != ordinary {
        bail!("it judges {file} otherwise than the ordinary build");
    }
    say(format_args!("{version} starts in an empty environment, and judges {file} the same"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::lab_sources;

    fn refusal(program: &Path, architecture: Architecture) -> String {
        format!("{:#}", check(program, architecture).unwrap_err())
    }

    #[test]
    fn static_program_of_the_architecture_is_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("program");
        let source = lab_sources().join("pause.c");
        Program::new("gcc").args(["-static", "-o"]).arg(&program).arg(source).run().unwrap();
        assert!(check(&program, Architecture::here()).unwrap() > 0);
        let other = match Architecture::here() {
            Architecture::X86 => Architecture::Arm,
            Architecture::Arm => Architecture::X86,
        };
        assert!(refusal(&program, other).contains("another machine"));
        fs::File::options().append(true).open(&program).unwrap().set_len(LIMIT).unwrap();
        assert!(refusal(&program, Architecture::here()).contains("may have 20 MB"));
    }

    #[test]
    fn program_that_needs_the_machines_libraries_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("library");
        let source = lab_sources().join("pause.c");
        let shared = ["-shared", "-fPIC", "-o"];
        Program::new("gcc").args(shared).arg(&library).arg(source).run().unwrap();
        assert!(refusal(&library, Architecture::here()).contains("libraries"));
        assert!(refusal(Path::new("/bin/sh"), Architecture::here()).contains("dynamic linker"));
    }

    #[test]
    fn text_is_no_program() {
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(refusal(&text, Architecture::here()).contains("ELF"));
    }
}
