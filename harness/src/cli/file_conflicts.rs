//! Checks that a command does not write a file that it reads, and that it writes no file twice.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::command::Command;
use super::failure::Failure;
use super::matrix::{MatrixArguments, MatrixCommand};
use crate::report::{Format, Kind, OutputOptions, STDOUT};

/// A file that the call names, and by what.
type Named = (&'static str, PathBuf);

/// Refuses a call whose files would overwrite each other: before anything is written, a report of that
/// failure included.
pub(super) fn check(
    command: &Command,
    output: Option<&OutputOptions>,
    config: Option<&Path>,
) -> Result<(), Failure> {
    let (read, written) = files(command, output, config);
    let printed = written.iter().filter(|(_, path)| path == Path::new(STDOUT)).count();
    let is_json = output.is_some_and(|output| output.output == Format::Json);
    if printed > 1 || (printed == 1 && is_json) {
        return Err(Failure::usage(
            "two reports would go to standard output".into(),
            "write one of them to a file with --report KIND=FILE".into(),
        ));
    }
    for (at, (name, path)) in written.iter().enumerate() {
        let Some(place) = resolved(path) else { continue };
        let same = |other: &&Named| resolved(&other.1).is_some_and(|other| other == place);
        let input = read.iter().find(same).map(|(other, _)| format!("it is {other}"));
        let output = written.iter().take(at).find(same);
        let output = output.map(|(other, _)| format!("{other} writes the same file"));
        if let Some(reason) = input.or(output) {
            return Err(Failure::usage(
                format!("{name} would overwrite {}: {reason}", path.display()),
                "name another file; nothing was written".into(),
            ));
        }
    }
    Ok(())
}

/// Lists the files that a command reads, and those that it writes.
fn files(
    command: &Command,
    output: Option<&OutputOptions>,
    config: Option<&Path>,
) -> (Vec<Named>, Vec<Named>) {
    let (name, input, evidence) = match command {
        Command::Judge(it) => ("the evidence", it.files.iter().collect(), None),
        Command::Diff(it) => ("the evidence", vec![&it.old, &it.new], None),
        Command::Check(it) => {
            ("the kubeconfig", it.target.kubeconfig.iter().collect(), it.evidence.as_ref())
        }
        Command::Preflight(it) => ("the kubeconfig", it.target.kubeconfig.iter().collect(), None),
        Command::Matrix(MatrixArguments { command, try_all }) => {
            let baseline = match command {
                Some(MatrixCommand::Report(report)) => &report.judging.baseline,
                _ => &try_all.judging.baseline,
            };
            ("the baseline", baseline.iter().collect(), None)
        }
        Command::Run(it) => {
            let file = it.cluster.kind_config.iter().collect();
            ("the kind configuration", file, it.evidence.as_ref())
        }
        Command::Record(it) => {
            ("the kubeconfig", it.target.kubeconfig.iter().collect::<Vec<_>>(), it.out.as_ref())
        }
        _ => return (Vec::new(), Vec::new()),
    };
    let mut read: Vec<Named> =
        kubeconfigs().into_iter().map(|path| ("the kubeconfig", path)).collect();
    read.extend(config.map(|path| ("the configuration", path.to_owned())));
    read.extend(input.into_iter().map(|path| (name, path.clone())));
    let name = if matches!(command, Command::Record(_)) { "--out" } else { "--evidence" };
    let mut written: Vec<Named> = evidence.map(|path| (name, path.clone())).into_iter().collect();
    written.extend(output.into_iter().flat_map(|output| &output.reports).map(|report| {
        let name = match report.kind {
            Kind::Junit => "--report junit=",
            Kind::Html => "--report html=",
            Kind::Json => "--report json=",
            Kind::Markdown => "--report markdown=",
            Kind::Prom => "--report prom=",
        };
        (name, report.path.clone())
    }));
    (read, written)
}

/// Those of the user, whatever a command reads.
fn kubeconfigs() -> Vec<PathBuf> {
    let named = env::var_os("KUBECONFIG").unwrap_or_default();
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".kube").join("config"));
    env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).chain(home).collect()
}

/// Returns where a file is or would be; nothing for what is no file, as `/dev/null` and pipes, and for what
/// cannot be resolved: writing reports that.
fn resolved(path: &Path) -> Option<PathBuf> {
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
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;
    use rstest::rstest;

    fn refusal(line: &str) -> Option<String> {
        let place = tempfile::tempdir().unwrap();
        for name in ["e.json", "c.toml", "k.yaml"] {
            fs::write(place.path().join(name), "there").unwrap();
        }
        std::os::unix::fs::symlink("e.json", place.path().join("link.json")).unwrap();
        let line = line.replace('@', &format!("{}/", place.path().display()));
        let Cli { mut command, global } = Cli::parse_from(line.split(' '));
        let output = command.output().cloned();
        let refused = check(&command, output.as_ref(), global.config.as_deref());
        refused.err().map(|failure| failure.text())
    }

    #[rstest]
    #[case("m judge @e.json --report json=@e.json", "it is the evidence")]
    #[case("m judge @e.json --report html=@./e.json", "--report html= would overwrite")]
    #[case("m judge @link.json --report json=@e.json", "it is the evidence")]
    #[case("m judge @e.json --report json=@link.json", "it is the evidence")]
    #[case(
        "m judge @e.json --report json=@new --report junit=@new",
        "--report json= writes the same file"
    )]
    #[case("m --config @c.toml judge @e.json --report json=@c.toml", "the configuration")]
    #[case("m check --kubeconfig @k.yaml --report html=@k.yaml", "the kubeconfig")]
    #[case("m preflight --kubeconfig @k.yaml --report html=@k.yaml", "the kubeconfig")]
    #[case("m record --kubeconfig @k.yaml --out @k.yaml", "--out would overwrite")]
    #[case("m run --evidence @new --report json=@new", "--evidence writes the same file")]
    #[case("m diff @e.json @c.toml --report markdown=@c.toml", "it is the evidence")]
    #[case("m diff @e.json @c.toml --report html=@e.json", "it is the evidence")]
    #[case("m check --evidence @new --report json=@new", "--evidence writes the same file")]
    #[case("m run --kind-config @k.yaml --evidence @k.yaml", "the kind configuration")]
    #[case("m judge @a.json @e.json --report json=@e.json", "it is the evidence")]
    #[case("m judge @e.json --report json=- --report junit=-", "two reports")]
    #[case("m judge @e.json --output json --report junit=-", "two reports")]
    fn file_that_would_be_overwritten_is_named(#[case] line: &str, #[case] words: &str) {
        let refusal = refusal(line).unwrap();
        assert!(refusal.contains(words), "{refusal}");
    }

    #[rstest]
    #[case("m judge @e.json --report json=@r.json --report html=@r.html")]
    #[case("m judge @e.json --report json=/dev/null --report html=/dev/null")]
    #[case("m judge @none/e.json --report json=@none/r.json")]
    #[case("m check --report json=@e.json")]
    #[case("m judge - --report json=-")]
    fn separate_files_are_accepted(#[case] line: &str) {
        assert_eq!(refusal(line), None);
    }
}
