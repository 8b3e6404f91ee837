//! The inventory of a class: what trainers have, recognised by its content.

mod ansible;
mod file;
mod ini;
mod kubeconfigs;
mod range;
mod table;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::machine::{Machine, Way};
use crate::text::io_reason;
use range::{LIMIT, expand, too_many};

/// The longest inventory, in bytes: room for ten thousand machines with a hundred variables each.
const LENGTH: u64 = 64 << 20;

/// The argument that stands for standard input.
const STDIN: &str = "-";

/// The machines of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// What the inventory was recognised as: `an Ansible inventory (INI)`.
    pub form: &'static str,
    /// The machines, in its order.
    pub machines: Vec<Machine>,
}

/// Why an inventory is refused as a whole: a class with a machine missing must not look complete.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the inventory {source_name}: {refusal}")]
pub struct InventoryError {
    source_name: String,
    refusal: Refusal,
}

/// What is not understood, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    line: Option<usize>,
    place: String,
    reason: String,
}

impl Refusal {
    fn at(line: usize, reason: String) -> Self {
        Self { line: Some(line), place: String::new(), reason }
    }

    fn of(place: &str, reason: String) -> Self {
        Self { line: None, place: place.to_owned(), reason }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(line) = self.line {
            write!(to, "line {line}: ")?;
        }
        if !self.place.is_empty() {
            write!(to, "{}: ", self.place)?;
        }
        to.write_str(&self.reason)
    }
}

/// The fix of every such error.
pub(crate) const FIX: &str =
    "correct it, and show the machines with `meshcheck class INVENTORY --list`; none was contacted";

/// Reads an inventory: a directory, a file, `-` for standard input, or a range such as `vm[01-30]`. Of a kubeconfig
/// with many contexts, `contexts` selects some, with `*` for any characters.
///
/// # Errors
///
/// When any part of it is not understood.
pub fn read(argument: &str, contexts: Option<&str>) -> Result<Inventory, InventoryError> {
    let refused = |refusal| InventoryError { source_name: argument.to_owned(), refusal };
    let path = Path::new(argument);
    let read = if argument == STDIN {
        bytes_of(io::stdin()).and_then(|bytes| recognise(&decode(&bytes), None, contexts))
    } else if path.is_dir() {
        kubeconfigs::of_directory(path)
            .map(|machines| Inventory { form: form_of_directory(&machines), machines })
    } else if !path.exists() && (argument.contains('[') || argument.contains(',')) {
        let machines = argument.split(',').map(str::to_owned);
        hosts(&joined(machines).join("\n")).map(|machines| Inventory { form: "hosts", machines })
    } else {
        let file = fs::File::open(path).map_err(|error| {
            let hosts = match error.kind() {
                io::ErrorKind::NotFound => {
                    format!("; a single host ends with a comma: `{argument},`")
                }
                _ => String::new(),
            };
            Refusal::of("", format!("{}{hosts}", io_reason(&error)))
        });
        file.and_then(bytes_of).and_then(|bytes| recognise(&decode(&bytes), Some(path), contexts))
    };
    let inventory = read.map_err(refused)?;
    complete(&inventory).map_err(refused)?;
    Ok(inventory)
}

fn form_of_directory(machines: &[Machine]) -> &'static str {
    let records = machines.iter().filter(|it| matches!(it.way, Way::Record(_))).count();
    match records {
        0 => "a directory of kubeconfigs",
        all if all == machines.len() => "a directory of records",
        _ => "a directory of kubeconfigs and records",
    }
}

/// Joins again what was split at commas within brackets.
fn joined(parts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for part in parts {
        match all.last_mut().filter(|it| it.matches('[').count() > it.matches(']').count()) {
            Some(open) => *open = format!("{open},{part}"),
            None => all.push(part),
        }
    }
    all
}

fn bytes_of(input: impl io::Read) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = input.take(LENGTH + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::of("", io_reason(&error)))?;
    if bytes.len() as u64 > LENGTH {
        return Err(Refusal::of("", format!("it is longer than {} MiB", LENGTH >> 20)));
    }
    Ok(bytes)
}

/// Decodes a text by its byte order mark, as UTF-8, or as Windows writes it.
pub(super) fn decode(bytes: &[u8]) -> String {
    let (text, encoding, is_damaged) = encoding_rs::UTF_8.decode(bytes);
    if encoding == encoding_rs::UTF_8 && is_damaged {
        return encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned();
    }
    text.into_owned()
}

/// Reads an inventory by what it looks like.
fn recognise(
    text: &str,
    path: Option<&Path>,
    contexts: Option<&str>,
) -> Result<Inventory, Refusal> {
    let base = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let made = |form, machines: Result<Vec<Machine>, Refusal>| {
        machines.map(|machines| Inventory { form, machines })
    };
    let is_content = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
    let mut lines = text.lines().map(str::trim).filter(is_content);
    let Some(first) = lines.clone().find(|line| *line != "---") else {
        return Err(Refusal::of("", "it is empty".into()));
    };
    // `{{ host }}` is a template: the list of hosts refuses it.
    let is_json = first.starts_with('{') && !first.starts_with("{{");
    let is_yaml = text.lines().any(|line| {
        let line = line.trim_end();
        line == "---"
            || (line.ends_with(':') && !line.starts_with(['[', '#']))
            || line.contains(": ")
    });
    if (is_json || is_yaml)
        && let Some(config) = kubeconfigs::parse(text)
    {
        let file = path.ok_or_else(|| {
            Refusal::of("", "it is a kubeconfig, which must be a file: name it".into())
        })?;
        let machines = kubeconfigs::of_contexts(&config, file, contexts);
        return made("the contexts of a kubeconfig", machines);
    }
    if is_json {
        let document = serde_json::from_str(text);
        let document = document.map_err(|error| Refusal::at(error.line(), error.to_string()))?;
        return made("the JSON of ansible-inventory", tree::read_json(&document));
    }
    if let Some(separator) = table::separator(first) {
        return made("a table (CSV)", table::read(text, separator, base));
    }
    let is_key = |line: &str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        line.contains('=') && key.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    if first.starts_with("[[") || is_key(first) {
        return made("class.toml", file::read(text, base));
    }
    if first.starts_with('[') || lines.any(|line| line.contains('=')) {
        return made("an Ansible inventory (INI)", ini::read(text));
    }
    if is_yaml {
        let document: tree::Node = serde_saphyr::from_str(text)
            .map_err(|error| Refusal::of("", format!("it is no YAML: {error}")))?;
        if !tree::is_inventory(&document) {
            let reason = "it is YAML, but neither an Ansible inventory nor a kubeconfig";
            return Err(Refusal::of("", reason.into()));
        }
        return made("an Ansible inventory (YAML)", tree::read_yaml(&document));
    }
    made("a list of hosts", hosts(text))
}

/// Reads a list of hosts, one a line, with ranges.
fn hosts(text: &str) -> Result<Vec<Machine>, Refusal> {
    let mut machines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let refused = |reason| Refusal::at(number + 1, reason);
        for host in expand(line).map_err(refused)? {
            machines.push(Machine::of_host(&host).map_err(refused)?);
        }
        if machines.len() > LIMIT {
            return Err(refused(too_many()));
        }
    }
    Ok(machines)
}

/// Checks that there are machines, not too many, and that no name stands for two of them.
fn complete(inventory: &Inventory) -> Result<(), Refusal> {
    let machines = &inventory.machines;
    if machines.is_empty() {
        return Err(Refusal::of("", format!("it is {}, and has no machine", inventory.form)));
    }
    if machines.len() > LIMIT {
        return Err(Refusal::of("", too_many()));
    }
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for (at, machine) in machines.iter().enumerate() {
        // File systems of other machines do not tell upper case from lower case.
        if let Some(other) = numbers.insert(machine.name.to_lowercase(), at + 1) {
            let reason = format!("machines {other} and {} have this name", at + 1);
            return Err(Refusal::of(&machine.name, reason));
        }
    }
    Ok(())
}
