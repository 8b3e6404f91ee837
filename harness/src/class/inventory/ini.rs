//! Ansible's inventories in INI: `[group]`, `[group:children]`, `[group:vars]`, hosts with variables and ranges.

use super::Refusal;
use super::ansible::{Groups, Variables};
use super::range::expand;
use crate::class::machine::{Machine, split_port};

/// The group of hosts that stand before the first group.
const UNGROUPED: &str = "ungrouped";

/// What a section of the file holds.
enum Section {
    Hosts(String),
    Children(String),
    Variables(String),
}

/// Reads the machines.
pub(super) fn read(text: &str) -> Result<Vec<Machine>, Refusal> {
    let mut groups = Groups::default();
    let mut section = Section::Hosts(UNGROUPED.to_owned());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let refused = |reason: String| Refusal::at(number + 1, reason);
        if let Some(name) = line.strip_prefix('[') {
            let name = name.split('#').next().unwrap_or_default().trim();
            let name = name.strip_suffix(']');
            section = header(name.unwrap_or_default()).map_err(refused)?;
            let (Section::Hosts(name) | Section::Children(name) | Section::Variables(name)) =
                &section;
            groups.group(name);
            continue;
        }
        match &section {
            Section::Hosts(group) => {
                let (hosts, variables) = hosts(line).map_err(refused)?;
                let group = groups.group(group);
                for host in hosts {
                    group.hosts.entry(host).or_default().extend(variables.clone());
                }
            }
            Section::Children(group) => {
                let child = line.split(['#', ' ']).next().unwrap_or_default().to_owned();
                groups.group(&child);
                groups.group(group).children.push(child);
            }
            Section::Variables(group) => {
                let (name, value) =
                    line.split_once('=').ok_or_else(|| refused(not_a_variable(line)))?;
                let value = unquoted(value.trim()).to_owned();
                groups.group(group).variables.insert(name.trim().to_owned(), value);
            }
        }
    }
    groups.machines().map_err(|(host, reason)| {
        let line = text.lines().position(|line| !host.is_empty() && line.trim().starts_with(&host));
        Refusal { line: line.map(|line| line + 1), place: host, reason }
    })
}

fn header(name: &str) -> Result<Section, String> {
    let (group, kind) = name.split_once(':').unwrap_or((name, "hosts"));
    let group = group.trim().to_owned();
    if group.is_empty() {
        return Err("it is no group: write [NAME], [NAME:children] or [NAME:vars]".into());
    }
    match kind.trim() {
        "hosts" => Ok(Section::Hosts(group)),
        "children" => Ok(Section::Children(group)),
        "vars" => Ok(Section::Variables(group)),
        other => Err(format!("`:{other}` is not known: Ansible has :children and :vars")),
    }
}

/// Reads a line with a host or a range of hosts, and its variables.
fn hosts(line: &str) -> Result<(Vec<String>, Variables), String> {
    let first = line.split("ansible_").next().unwrap_or_default();
    if first.contains("{{") {
        return Err("the host is a template, which only Ansible can resolve".into());
    }
    let words = shlex::split(line).ok_or("it has an open quote")?;
    let mut words = words.into_iter();
    let names = words.next().unwrap_or_default();
    let mut variables = Variables::new();
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| not_a_variable(&word))?;
        variables.insert(name.to_owned(), value.to_owned());
    }
    // A colon within brackets is a range's.
    let (names, port) = match names.rsplit_once(']') {
        Some((start, end)) if end.contains(':') => {
            let (end, port) = split_port(end)?;
            (format!("{start}]{end}"), port)
        }
        Some(_) => (names, None),
        None => {
            let (name, port) = split_port(&names)?;
            (name.to_owned(), port)
        }
    };
    if let Some(port) = port {
        variables.insert("ansible_port".to_owned(), port.to_string());
    }
    Ok((expand(&names)?, variables))
}

fn not_a_variable(word: &str) -> String {
    format!("`{word}` is no variable: write NAME=VALUE")
}

fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}
