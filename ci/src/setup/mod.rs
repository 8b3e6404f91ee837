//! `cargo xtask setup`: brings a machine to where the rest works.
//!
//! Everything is read before anything is installed; what is there already is used as it is.

mod engine;
mod packages;
mod remedy;
mod rust;

use anyhow::{Result, bail};
use clap::Args;

use crate::golang::Go;
use crate::out::say;
pub(crate) use engine::need_room;
pub(crate) use packages::{Scope, browser, is_on_path};

/// What to set the machine up for.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Options {
    /// Only what this needs; may be given more than once [default: everything that CI needs]
    #[arg(long = "for", value_name = "WHAT", value_enum)]
    scopes: Vec<Scope>,
}

/// Checks and installs, with one line on each thing.
pub(crate) fn run(options: &Options) -> Result<()> {
    const CI: [Scope; 6] =
        [Scope::Conformance, Scope::Lab, Scope::Test, Scope::Browser, Scope::Kernel, Scope::Ssh];
    let scopes = if options.scopes.is_empty() { &CI } else { options.scopes.as_slice() };
    Setup { talkative: true }.run(scopes)
}

/// Checks and installs, with a line on what is done only.
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
        let mut tools = packages::tools_for(scopes);
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
