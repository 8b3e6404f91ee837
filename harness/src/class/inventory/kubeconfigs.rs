//! Kubeconfigs: a directory with one for each machine, or one file with many contexts.

use std::fs;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;

use meshcheck_suites::matches_text;

use super::{Refusal, decode};
use crate::class::machine::{Machine, Way, checked};

/// Whether a text is a kubeconfig.
pub(super) fn parse(text: &str) -> Option<Kubeconfig> {
    let config: Kubeconfig = serde_saphyr::from_str(text).ok()?;
    (!config.contexts.is_empty() || !config.clusters.is_empty()).then_some(config)
}

/// Returns a machine for each context of a file whose name matches the pattern.
pub(super) fn of_contexts(
    config: &Kubeconfig,
    file: &Path,
    pattern: Option<&str>,
) -> Result<Vec<Machine>, Refusal> {
    let names = config.contexts.iter().map(|it| it.name.as_str());
    let matches = |name: &&str| pattern.is_none_or(|pattern| matches_text(pattern, name));
    let machines = names.clone().filter(matches).map(|context| {
        let way = Way::Kubeconfig { file: file.to_owned(), context: context.to_owned() };
        let name = name_of_context(context);
        let wrong = |reason| Refusal::of(&format!("context {context}"), reason);
        Ok(Machine { name: checked(&name, "machine").map_err(wrong)?, way })
    });
    let machines = machines.collect::<Result<Vec<_>, Refusal>>()?;
    if machines.is_empty() {
        let known: Vec<_> = names.take(5).collect();
        let pattern = pattern.unwrap_or("*");
        let reason = format!("no context matches `{pattern}`; the file has {}", known.join(", "));
        return Err(Refusal::of("the contexts", reason));
    }
    Ok(machines)
}

/// The name of a machine: cloud providers name contexts like paths and mails.
fn name_of_context(context: &str) -> String {
    context.rsplit(['/', '@']).next().unwrap_or(context).to_owned()
}

/// Returns a machine for each kubeconfig or record of a directory, which must hold nothing else.
pub(super) fn of_directory(directory: &Path) -> Result<Vec<Machine>, Refusal> {
    let wrong = |path: &Path, reason: String| Refusal::of(&path.display().to_string(), reason);
    let entries = fs::read_dir(directory).map_err(|error| wrong(directory, error.to_string()))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| wrong(directory, error.to_string()))?.path();
        let is_hidden = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.'));
        if !is_hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let machine = |file: PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let record = name.strip_suffix(".json.gz").map(ToOwned::to_owned);
        if let Some(name) = record.or_else(|| name_of_record(&file)) {
            let name = checked(&name, "machine").map_err(|reason| wrong(&file, reason))?;
            return Ok(Machine { name, way: Way::Record(file) });
        }
        let bytes = fs::read(&file).map_err(|error| wrong(&file, error.to_string()))?;
        let config = parse(&decode(&bytes)).ok_or_else(|| {
            wrong(&file, "it is no kubeconfig: move it away, or put a dot before its name".into())
        })?;
        let only = match config.contexts.as_slice() {
            [one] => Some(one.name.clone()),
            _ => None,
        };
        let context = config.current_context.filter(|it| !it.is_empty()).or(only);
        let context = context.ok_or_else(|| {
            wrong(
                &file,
                "it has no current context: `kubectl config use-context NAME` sets it".into(),
            )
        })?;
        let name = [".yaml", ".yml", ".conf", ".kubeconfig", ".config"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(&name);
        let name = checked(name, "machine").map_err(|reason| wrong(&file, reason))?;
        Ok(Machine { name, way: Way::Kubeconfig { file, context } })
    };
    files.into_iter().map(machine).collect()
}

/// The name of the machine of a record that is not compressed. Some write kubeconfigs as JSON.
fn name_of_record(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?.strip_suffix(".json")?;
    let is_kubeconfig = fs::read(file).is_ok_and(|bytes| parse(&decode(&bytes)).is_some());
    (!is_kubeconfig).then(|| name.to_owned())
}
