//! `cargo xtask image`: the program as an image for pods, from `harness/Containerfile`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use fs_err as fs;

use super::portable;
use crate::command::Program;
use crate::out::{result, say};
use crate::workspace::repository;

/// The name of the image. The program names the same one where `--image` names none.
const NAME: &str = concat!("localhost/meshcheck:", env!("CARGO_PKG_VERSION"));

/// Where distributions keep the authorities of certificates.
const AUTHORITIES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Where the program looks for them first.
const AUTHORITIES_IN_IMAGE: &str = "etc/ssl/certs/ca-certificates.crt";

/// Which program, and which name.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The program [default: the static one, which is built]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The name of the image
    #[arg(long, value_name = "NAME", default_value = NAME)]
    tag: String,
    /// Also write the image to this file, for `kind load image-archive` and `ctr images import`
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
}

/// Builds the image, and prints its name.
pub(crate) fn run(options: Options) -> Result<()> {
    let program = match options.program {
        Some(program) => program,
        None => portable::build(portable::Options::for_this_machine())?,
    };
    build(&program, &options.tag)?;
    if let Some(archive) = &options.archive {
        let save = Program::new("docker").args(["save", "--output"]).arg(archive).arg(&options.tag);
        save.run().with_context(|| format!("writing `{}`", archive.display()))?;
    }
    result(&options.tag)?;
    Ok(())
}

/// Builds the image of a program. One that is not static gets the libraries that it needs.
pub(crate) fn build(program: &Path, tag: &str) -> Result<()> {
    let context = tempfile::tempdir()?;
    let root = context.path().join("root");
    fs::create_dir(&root)?;
    let target = root.join("meshcheck");
    // A debugger has no use for it in a pod.
    let strip = Program::new("strip").arg("-o").arg(&target).arg(program);
    if strip.run().is_err() {
        fs::copy(program, &target)?;
    }
    for library in libraries(program)? {
        put(Path::new(&library), &root.join(library.trim_start_matches('/')))?;
    }
    match AUTHORITIES.iter().map(Path::new).find(|it| it.is_file()) {
        Some(file) => put(file, &root.join(AUTHORITIES_IN_IMAGE))?,
        None => {
            say("the image has no authorities of certificates: boards with https are not reached");
        }
    }
    Program::new("docker")
        .args(["build", "--quiet", "--network=none", "--tag", tag, "--file"])
        .arg(repository().join("harness").join("Containerfile"))
        .arg(context.path())
        .run()
        .with_context(|| format!("building the image `{tag}`"))
}

fn put(file: &Path, place: &Path) -> Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::copy(file, place)?;
    Ok(())
}

/// The libraries of a program, with its loader; none where it is static.
fn libraries(program: &Path) -> Result<Vec<String>> {
    let ended = Program::new("ldd").arg(program).ended()?;
    // `libc.so.6 => /lib/libc.so.6 (0x…)`, `/lib64/ld-linux-x86-64.so.2 (0x…)`
    let words = ended.stdout.lines().filter_map(|line| {
        line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned)
    });
    Ok(if ended.status.success() { words.collect() } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_a_program_have_their_loader() {
        let found = libraries(&std::env::current_exe().unwrap()).unwrap();
        assert!(found.iter().any(|it| it.contains("libc.so")), "{found:?}");
        assert!(found.iter().any(|it| it.contains("/ld-linux")), "{found:?}");
    }
}
