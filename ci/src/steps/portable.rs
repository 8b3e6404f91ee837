//! `cargo xtask static`: the program as one file that runs on any Linux of its architecture.
//!
//! It is built for musl, whose C library goes into the file. Then it is looked at: its headers, its start
//! in an empty environment, its verdicts against those of the ordinary build.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use meshcheck_bundle::cache_dir;

use super::software::{meshcheck, target_directory};
use super::{cargo, repository};
use crate::command::Program;
use crate::out::{elapsed, result, say, size};
use crate::setup;

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

    /// The number in the headers of its programs (`e_machine`).
    fn machine(self) -> u16 {
        match self {
            Self::X86 => 62,
            Self::Arm => 183,
        }
    }
}

/// Builds it, looks at it, and prints where it is.
///
/// # Errors
/// When it cannot be built, or is not what it should be.
pub(crate) fn run(options: Options) -> Result<()> {
    let architecture = options.arch;
    let target = architecture.target();
    setup::ensure(&[setup::Scope::Static])?;
    standard_library(&target)?;
    let start = Instant::now();
    compiler(architecture, &target)?.show().context("building the static program")?;
    let built = start.elapsed();
    let program = target_directory().join(&target).join("release").join("meshcheck");
    let bytes = fs::read(&program).with_context(|| format!("reading `{}`", program.display()))?;
    look(&bytes, architecture)?;
    say(format_args!(
        "static, {target}: {} in {}; no interpreter, no library is loaded",
        size(bytes.len() as u64),
        elapsed(built)
    ));
    match runner(architecture) {
        Some(runner) => try_out(&runner, &program)?,
        None => say(format_args!(
            "not started: this machine is no {}, and qemu-{0}-static is not there",
            architecture.word()
        )),
    }
    result(program.display())?;
    Ok(())
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
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("writing `{}`", path.display()))?;
    Ok(path.to_owned())
}

/// Whether a program needs nothing of the machine but its kernel, and is small.
fn look(bytes: &[u8], architecture: Architecture) -> Result<()> {
    let headers = Headers::of(bytes).context("it is no 64-bit ELF program")?;
    ensure!(
        headers.machine == architecture.machine(),
        "it is for another machine: {}, not {}",
        headers.machine,
        architecture.word()
    );
    ensure!(!headers.has_interpreter, "it needs a dynamic linker");
    ensure!(!headers.needs_libraries, "it needs libraries of the machine");
    let length = bytes.len() as u64;
    ensure!(length < LIMIT, "it has {}, and may have {}", size(length), size(LIMIT));
    Ok(())
}

/// What of a program's headers tells whether it stands alone.
#[derive(Debug, PartialEq, Eq)]
struct Headers {
    machine: u16,
    has_interpreter: bool,
    needs_libraries: bool,
}

impl Headers {
    /// Reads those of a little-endian 64-bit program.
    /// Source: the System V ABI, "Object Files" and "Program Loading and Dynamic Linking".
    fn of(bytes: &[u8]) -> Option<Self> {
        const INTERPRETER: u32 = 3;
        const DYNAMIC: u32 = 2;
        const NEEDED: u64 = 1;
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let mut headers =
            Self { machine: half(bytes, 18)?, has_interpreter: false, needs_libraries: false };
        let table = usize::try_from(long(bytes, 32)?).ok()?;
        let (entry, number) = (usize::from(half(bytes, 54)?), usize::from(half(bytes, 56)?));
        for at in 0..number {
            let header = bytes.get(table.checked_add(at.checked_mul(entry)?)?..)?;
            match word(header, 0)? {
                INTERPRETER => headers.has_interpreter = true,
                DYNAMIC => {
                    let offset = usize::try_from(long(header, 8)?).ok()?;
                    let length = usize::try_from(long(header, 32)?).ok()?;
                    let section = bytes.get(offset..offset.checked_add(length)?)?;
                    let mut tags = section.chunks_exact(16).map(|entry| long(entry, 0));
                    headers.needs_libraries |= tags.any(|tag| tag == Some(NEEDED));
                }
                _ => {}
            }
        }
        // A file without a program in it would need nothing as well.
        (number > 0).then_some(headers)
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
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

    /// A program with these segments: type, and the tag in it where it is a dynamic section.
    fn elf(machine: u16, segments: &[(u32, u64)]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64, 0);
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&u16::try_from(segments.len()).unwrap().to_le_bytes());
        let sections = 64 + 56 * segments.len();
        for (at, (kind, _)) in segments.iter().enumerate() {
            let mut header = vec![0; 56];
            header[0..4].copy_from_slice(&kind.to_le_bytes());
            header[8..16].copy_from_slice(&((sections + 16 * at) as u64).to_le_bytes());
            header[32..40].copy_from_slice(&16_u64.to_le_bytes());
            bytes.extend(header);
        }
        for (_, tag) in segments {
            bytes.extend([tag.to_le_bytes(), [0; 8]].concat());
        }
        bytes
    }

    #[test]
    fn what_stands_alone_is_told_from_what_does_not() {
        let told = |segments: &[(u32, u64)]| {
            look(&elf(62, segments), Architecture::X86).map_err(|error| error.to_string())
        };
        // Loaded, and relocates itself.
        assert_eq!(told(&[(1, 0), (2, 5)]), Ok(()));
        assert!(told(&[(1, 0), (3, 0)]).unwrap_err().contains("dynamic linker"));
        assert!(told(&[(1, 0), (2, 1)]).unwrap_err().contains("libraries"));
        assert!(told(&[]).unwrap_err().contains("no 64-bit ELF"));
        let other = look(&elf(62, &[(1, 0)]), Architecture::Arm).unwrap_err();
        assert!(other.to_string().contains("another machine"));
        let mut large = elf(62, &[(1, 0)]);
        large.resize(usize::try_from(LIMIT).unwrap(), 0);
        assert!(
            look(&large, Architecture::X86).unwrap_err().to_string().contains("may have 20 MB")
        );
    }

    #[test]
    fn damaged_headers_are_no_program() {
        let whole = elf(62, &[(1, 0), (2, 5)]);
        for length in 0..whole.len() - 16 {
            assert_eq!(Headers::of(&whole[..length]), None, "{length}");
        }
        assert!(Headers::of(&whole).is_some());
    }

    /// This very test is an ordinary program.
    #[test]
    fn an_ordinary_program_needs_the_machines_libraries() {
        let bytes = fs::read(env::current_exe().unwrap()).unwrap();
        let headers = Headers::of(&bytes).unwrap();
        assert_eq!(headers.machine, Architecture::here().machine());
        if cfg!(not(target_env = "musl")) {
            assert!(headers.has_interpreter && headers.needs_libraries);
        }
    }
}
