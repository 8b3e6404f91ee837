//! `cargo xtask bless`: writes the generated files again.
//!
//! The tests that compare them write them instead where `MESHCHECK_BLESS=1` is set, and insta writes its
//! snapshots with `INSTA_UPDATE=always`.

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::command::Program;
use crate::out::say;
use crate::workspace::{cargo, repository};

/// Which generated files.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Options {
    /// What is written again
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
}

/// Generated files, by the tests that compare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The expected messages of claims and checks, their pages and the picture of causes in `docs/`
    Claims,
    /// The reports on recorded faults and cases, `docs/faults.md` and `docs/field.md`
    Faults,
    /// The snapshots of reports
    Snapshots,
    /// Which claims are unjudged without each right: `suites/src/rights/claims.txt`
    Rbac,
    /// All of them
    All,
}

/// The tests of generated files have this in their names.
const GENERATED: &str = "generated";
const SUITES: &[&str] = &["--package", "meshcheck-suites"];
const HARNESS: &[&str] =
    &["--package", "meshcheck", "--lib", "--test", "configuration", "--test", "calls"];

impl What {
    /// The arguments of `cargo test`, run by run.
    fn runs(self) -> Vec<Vec<&'static str>> {
        match self {
            // Twice: a page holds a message that the first run may have renewed.
            Self::Claims => vec![[SUITES, &["--lib", GENERATED]].concat(); 2],
            Self::Faults => vec![
                [SUITES, &["--test", "recorded_faults", "--test", "recorded_cases", GENERATED]]
                    .concat(),
                vec!["--package", "meshcheck", "--test", "recorded_reports", GENERATED],
            ],
            // The manifests name the claims of the table, which the first run writes.
            Self::Rbac => vec![[SUITES, &["--lib", GENERATED]].concat()],
            Self::Snapshots => vec![HARNESS.to_vec()],
            Self::All => [Self::Claims, Self::Faults, Self::Snapshots].map(Self::runs).concat(),
        }
    }
}

/// Writes them, and shows which have changed.
pub(crate) fn run(options: Options) -> Result<()> {
    let write = |arguments: Vec<&str>| {
        cargo(&["test", "--quiet", "--no-fail-fast"])
            .args(arguments)
            .env("MESHCHECK_BLESS", "1")
            .env("INSTA_UPDATE", "always")
            .show()
    };
    // All of them, whatever the first says.
    let outcomes: Vec<_> = options.what.runs().into_iter().map(write).collect();
    let changed = Program::new("git").args(["status", "--short"]).dir(repository()).read()?;
    say(if changed.is_empty() { "nothing has changed" } else { changed.as_str() });
    outcomes
        .into_iter()
        .collect::<Result<()>>()
        .context("tests fail for another reason than a generated file")
}
