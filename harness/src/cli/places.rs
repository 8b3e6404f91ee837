//! No file that a command writes is one that it reads, and no two are one: nothing is lost.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::arguments::{Check, Command, Judge, Preflight, Record, Run, Target};
use super::failure::Failure;
use crate::report::{Kind, OutputOptions};

/// A file that the call names, and by what.
type Named = (String, PathBuf);

/// Refuses a call whose files would overwrite each other: before anything is written, a report of that
/// failure included.
///
/// # Errors
///
/// With both names, and the file.
pub(super) fn distinct(command: &Command, config: Option<&Path>) -> Result<(), Failure> {
    let (read, written) = files(command, config);
    for (at, (name, path)) in written.iter().enumerate() {
        let Some(place) = place(path) else { continue };
        let same = |other: &&Named| self::place(&other.1).is_some_and(|other| other == place);
        let input = read.iter().find(same).map(|(other, _)| format!("{other} is read from it"));
        let output = written.iter().take(at).find(same);
        let output = output.map(|(other, _)| format!("{other} goes there as well"));
        if let Some(reason) = input.or(output) {
            return Err(Failure::usage(
                format!("{name} would overwrite `{}`: {reason}", path.display()),
                "name another file; nothing was written".into(),
            ));
        }
    }
    Ok(())
}

fn files(command: &Command, config: Option<&Path>) -> (Vec<Named>, Vec<Named>) {
    let mut read = Vec::new();
    let mut written = Vec::new();
    let add = |to: &mut Vec<Named>, name: &str, path: Option<&Path>| {
        to.extend(path.map(|path| (name.to_owned(), path.to_owned())));
    };
    add(&mut read, "the configuration", config);
    for path in kubeconfigs() {
        add(&mut read, "the kubeconfig", Some(&path));
    }
    let of_target = |target: &Target| target.kubeconfig.clone();
    match command {
        Command::Judge(Judge { file, output, .. }) => {
            add(&mut read, "the evidence", Some(file));
            reports(&mut written, output);
        }
        Command::Check(Check { target, evidence, output, .. }) => {
            add(&mut read, "the kubeconfig", of_target(target).as_deref());
            add(&mut written, "--evidence", evidence.as_deref());
            reports(&mut written, output);
        }
        Command::Preflight(Preflight { output, kubeconfig, .. }) => {
            add(&mut read, "the kubeconfig", kubeconfig.as_deref());
            reports(&mut written, output);
        }
        Command::Run(Run { making, evidence, output, .. }) => {
            add(&mut read, "the kind configuration", making.kind_config.as_deref());
            add(&mut written, "--evidence", evidence.as_deref());
            reports(&mut written, output);
        }
        Command::Record(Record { target, out, .. }) => {
            add(&mut read, "the kubeconfig", of_target(target).as_deref());
            add(&mut written, "--out", Some(out));
        }
        _ => {}
    }
    (read, written)
}

/// Those of the user, whatever a command reads.
fn kubeconfigs() -> Vec<PathBuf> {
    let named = env::var_os("KUBECONFIG").unwrap_or_default();
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".kube").join("config"));
    env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).chain(home).collect()
}

fn reports(written: &mut Vec<Named>, output: &OutputOptions) {
    written.extend(output.reports.iter().map(|report| {
        let kind = match report.kind {
            Kind::Junit => "junit",
            Kind::Html => "html",
            Kind::Json => "json",
        };
        (format!("--report {kind}="), report.path.clone())
    }));
}

/// Where a file is or would be; nothing for what is no file, as `/dev/null` and pipes, and for what
/// cannot be found out: writing tells that.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(there) = fs::metadata(path) {
        return there.is_file().then(|| path.canonicalize().ok()).flatten();
    }
    let directory = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return None,
    };
    Some(directory.canonicalize().ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::super::arguments::Cli;
    use super::*;
    use clap::Parser as _;
    use rstest::rstest;

    fn told(line: &str) -> Option<String> {
        let place = tempfile::tempdir().unwrap();
        for name in ["e.json", "c.toml", "k.yaml"] {
            fs::write(place.path().join(name), "there").unwrap();
        }
        std::os::unix::fs::symlink("e.json", place.path().join("link.json")).unwrap();
        let line = line.replace('@', &format!("{}/", place.path().display()));
        let Cli { command, config } = Cli::parse_from(line.split(' '));
        distinct(&command, config.as_deref()).err().map(|failure| failure.text())
    }

    #[rstest]
    #[case("m judge @e.json --report json=@e.json", "the evidence is read from it")]
    #[case("m judge @e.json --report html=@./e.json", "--report html= would overwrite")]
    #[case("m judge @link.json --report json=@e.json", "the evidence is read from it")]
    #[case("m judge @e.json --report json=@link.json", "the evidence is read from it")]
    #[case("m judge @e.json --report json=@new --report junit=@new", "goes there as well")]
    #[case("m --config @c.toml judge @e.json --report json=@c.toml", "the configuration")]
    #[case("m check --kubeconfig @k.yaml --report html=@k.yaml", "the kubeconfig")]
    #[case("m preflight --kubeconfig @k.yaml --report html=@k.yaml", "the kubeconfig")]
    #[case("m record --kubeconfig @k.yaml --out @k.yaml", "--out would overwrite")]
    #[case("m run --evidence @new --report json=@new", "--evidence goes there as well")]
    #[case("m check --evidence @new --report json=@new", "--evidence goes there as well")]
    #[case("m run --kind-config @k.yaml --evidence @k.yaml", "the kind configuration")]
    fn what_would_be_lost_is_named(#[case] line: &str, #[case] words: &str) {
        let told = told(line).unwrap();
        assert!(told.contains(words), "{told}");
    }

    #[rstest]
    #[case("m judge @e.json --report json=@r.json --report html=@r.html")]
    #[case("m judge @e.json --report json=/dev/null --report html=/dev/null")]
    #[case("m judge @none/e.json --report json=@none/r.json")]
    #[case("m check --report json=@e.json")]
    fn what_is_apart_is_left_alone(#[case] line: &str) {
        assert_eq!(told(line), None);
    }
}
