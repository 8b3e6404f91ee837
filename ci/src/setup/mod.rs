//! `cargo xtask setup`: brings a machine to where the rest works.
//!
//! Everything is looked at before anything is installed; what is there already is used as it is.

mod engine;
mod packages;
mod remedy;
mod rust;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::golang::Go;
use crate::out::say;
use packages::Tool;
pub(crate) use packages::{browser, is_on_path};

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
    /// Testing completions and manual pages: zsh, fish, mandoc.
    Shell,
    /// Building the static program: a C compiler for musl. Nothing that CI runs needs it.
    Static,
}

/// What to set the machine up for.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Options {
    /// Only what this needs; may be given more than once [default: everything that CI needs]
    #[arg(long = "for", value_name = "WHAT", value_enum)]
    scopes: Vec<Scope>,
}

/// Checks and installs, with one line on each thing.
///
/// # Errors
/// When something is missing that cannot be installed; the message says what to type.
pub(crate) fn run(options: &Options) -> Result<()> {
    const CI: [Scope; 6] =
        [Scope::Conformance, Scope::Lab, Scope::Test, Scope::Browser, Scope::Kernel, Scope::Shell];
    let scopes = if options.scopes.is_empty() { &CI } else { options.scopes.as_slice() };
    Setup { talkative: true }.run(scopes)
}

/// Checks and installs, with a line on what is done only.
///
/// # Errors
/// As [`run`].
pub(crate) fn ensure(scopes: &[Scope]) -> Result<()> {
    Setup { talkative: false }.run(scopes)
}

struct Setup {
    /// Whether to mention what is there already.
    talkative: bool,
}

impl Setup {
    fn run(&self, scopes: &[Scope]) -> Result<()> {
        let wanted = |scope| scopes.contains(&scope);
        let engine = wanted(Scope::Conformance) || wanted(Scope::Lab);
        let mut missing = Vec::new();
        let mut tools: Vec<Tool> = packages::BUILD.to_vec();
        if wanted(Scope::Lab) {
            tools.extend(packages::LAB);
        }
        if wanted(Scope::Test) {
            tools.extend(packages::TEST);
        }
        if wanted(Scope::Kernel) {
            tools.extend(packages::KERNEL);
        }
        if wanted(Scope::Static) {
            tools.extend(packages::STATIC);
        }
        if wanted(Scope::Shell) {
            tools.extend(packages::SHELL);
        }
        if engine && !engine::answers() {
            tools.extend(engine::tools());
            engine::prepare()?;
        }
        self.keep(&mut missing, packages::ensure(&tools));
        // Where there is none at all, the line above says so.
        if wanted(Scope::Lab) && packages::is_on_path("go") {
            self.keep(&mut missing, Go::ensure());
        }
        if engine {
            self.keep(&mut missing, engine::ensure());
        }
        if wanted(Scope::Test) {
            self.keep(&mut missing, rust::components());
            self.keep(&mut missing, rust::nextest());
        }
        // Nothing else needs it: where there is none, its tests are left out and say so.
        if wanted(Scope::Browser) {
            match packages::browser() {
                Ok(line) if self.talkative => say(line),
                Ok(_) => {}
                Err(error) => say(format_args!("left out: a browser: {error:#}")),
            }
        }
        if wanted(Scope::Mutants) {
            self.keep(&mut missing, rust::mutants());
        }
        if missing.is_empty() {
            return Ok(());
        }
        bail!("this machine is not ready:\n- {}", missing.join("\n- "))
    }

    /// Tells what was found, or keeps what is wrong: one missing thing does not hide the others.
    fn keep(&self, missing: &mut Vec<String>, found: Result<String>) {
        match found {
            Ok(line) if self.talkative => say(line),
            Ok(_) => {}
            Err(error) => missing.push(format!("{error:#}")),
        }
    }
}
