//! `cargo xtask new-claim SECTION::NAME`: the files of a new claim, and what is left to write.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use fs_err as fs;

use crate::out::say;
use crate::workspace::repository;

/// The sections that the tutorial has.
const SECTIONS: [&str; 6] = ["prepare", "install", "demo", "mesh", "ingress", "kiali"];

/// Which claim.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The new claim's id, such as `mesh::sidecars_within_memory`
    #[arg(value_name = "SECTION::NAME")]
    id: String,
}

/// Creates the claim's files and registers it. Nothing that is there is overwritten.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (section, name) = parse(&options.id)?;
    let folder = repository().join("suites").join("src").join("claims").join(section);
    create(&folder, section, name)?;
    let shown = format!("suites/src/claims/{section}");
    say(format_args!(
        "created {shown}/{name}.rs and {shown}/{name}.snap, registered in {shown}/mod.rs\n\
         left to write, in {shown}/{name}.rs:\n\
         \x20 1. the page: every TODO in the doc comment\n\
         \x20 2. the statement, what it needs, the stops in the picture of a request's path\n\
         \x20 3. `judge`, and `caused_by` where another claim may explain its failure\n\
         \x20 4. cases: at least one that passes, one that fails, one that is unjudged\n\
         then `cargo xtask bless claims` writes the expected messages and docs/claims/{section}/{name}.md:\n\
         read them aloud, and run `cargo test -p meshcheck-suites`"
    ));
    Ok(())
}

/// Section and name of an id.
fn parse(id: &str) -> Result<(&str, &str)> {
    let Some((section, name)) = id.split_once("::") else {
        bail!("`{id}` is no id: write SECTION::NAME, such as `mesh::sidecars_within_memory`");
    };
    ensure!(
        SECTIONS.contains(&section),
        "there is no section `{section}`: the tutorial has {}",
        SECTIONS.join(", ")
    );
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|it| it.is_ascii_lowercase());
    ensure!(
        name.split('_').all(is_word),
        "`{name}` is no name: write small letters with underscores between words"
    );
    Ok((section, name))
}

/// Writes the files below the section's folder.
fn create(folder: &Path, section: &str, name: &str) -> Result<()> {
    let [claim, messages] = ["rs", "snap"].map(|end| folder.join(format!("{name}.{end}")));
    ensure!(!claim.exists(), "`{}` is there already", claim.display());
    let register = folder.join("mod.rs");
    let registered = registered(&fs::read_to_string(&register)?, name)?;
    let text = TEMPLATE.replace("SECTION", section).replace("NAME", name);
    for (path, text) in [(&claim, text.as_str()), (&messages, ""), (&register, &registered)] {
        fs::write(path, text)?;
    }
    Ok(())
}

/// The section's `mod.rs` with the claim: its module among the others, its line at the end of the table.
fn registered(text: &str, name: &str) -> Result<String> {
    let module = format!("pub(crate) mod {name};");
    let mut lines: Vec<&str> = text.lines().collect();
    let is_module = |line: &&str| line.starts_with("pub(crate) mod ");
    let last = lines.iter().rposition(is_module).context("mod.rs has no module of a claim")?;
    let after = lines.iter().position(|line| is_module(line) && *line > module.as_str());
    lines.insert(after.unwrap_or(last + 1), &module);
    let row = format!("    &{name}::CLAIM,");
    let end = lines
        .iter()
        .rposition(|line| line.trim_end().ends_with("::CLAIM,"))
        .context("mod.rs has no table of claims, a line each")?;
    lines.insert(end + 1, &row);
    Ok(lines.join("\n") + "\n")
}

/// A claim that compiles, and whose tests fail until it is written.
const TEMPLATE: &str = r#"//! TODO: the statement as a sentence.

use crate::entry::claim;
use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

claim! {
    /// The tutorial says: TODO
    ///
    /// ## Why it matters
    /// TODO
    ///
    /// ## How it is checked
    /// TODO, with the rights that it needs.
    ///
    /// ## What makes it fail
    /// TODO
    ///
    /// ## How to fix it
    /// TODO
    ///
    /// ## Check by hand
    ///     kubectl TODO
    SECTION::NAME: "TODO: one sentence in plain words",
    needs: Reading,
}

fn judge(_evidence: &Evidence) -> Judged {
    Err(Judgement::unjudged("TODO: nothing judges this yet"))
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::Evidence;

    cases! { Evidence:
        healthy(|_| {}, Pass);
    }
}
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("mesh::sidecars_within_memory", None)]
    #[case("mesh", Some("SECTION::NAME"))]
    #[case("weather::rain", Some("there is no section"))]
    #[case("mesh::Rain", Some("small letters"))]
    #[case("mesh::", Some("small letters"))]
    #[case("mesh::../../x", Some("small letters"))]
    fn id_has_a_section_and_a_name(#[case] id: &str, #[case] error: Option<&str>) {
        match (parse(id), error) {
            (Ok(_), None) => {}
            (Err(found), Some(error)) => assert!(found.to_string().contains(error), "{found}"),
            (found, error) => panic!("{found:?} {error:?}"),
        }
    }

    #[test]
    fn claim_is_registered_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let register = folder.path().join("mod.rs");
        let before = "pub(crate) mod a;\npub(crate) mod m;\n\nconst CLAIMS: &[&Claim] = &[\n    &m::CLAIM,\n    &a::CLAIM,\n];\n";
        fs::write(&register, before).unwrap();
        create(folder.path(), "mesh", "b").unwrap();
        let after = "pub(crate) mod a;\npub(crate) mod b;\npub(crate) mod m;\n\nconst CLAIMS: &[&Claim] = &[\n    &m::CLAIM,\n    &a::CLAIM,\n    &b::CLAIM,\n];\n";
        assert_eq!(fs::read_to_string(&register).unwrap(), after);
        let claim = fs::read_to_string(folder.path().join("b.rs")).unwrap();
        assert!(claim.contains("    mesh::b: \"TODO") && claim.contains("judge"), "{claim}");
        let error = create(folder.path(), "mesh", "b").unwrap_err().to_string();
        assert!(error.contains("is there already"), "{error}");
    }
}
