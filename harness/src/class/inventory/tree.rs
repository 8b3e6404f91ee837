//! Ansible's inventories in YAML, and the JSON of `ansible-inventory --list`.

use indexmap::IndexMap;
use serde::Deserialize;

use super::Refusal;
use super::ansible::{Groups, Variables};
use super::range::expand;
use crate::class::machine::Machine;

/// A document whose maps keep their order.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Node {
    Map(IndexMap<String, Node>),
    List(Vec<Node>),
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    Nothing(()),
}

impl Node {
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(fields) => fields.get(name),
            _ => None,
        }
    }

    /// The text of a value that has no parts.
    fn scalar(&self) -> Option<String> {
        match self {
            Self::Flag(value) => Some(value.to_string()),
            Self::Whole(value) => Some(value.to_string()),
            Self::Number(value) => Some(value.to_string()),
            Self::Text(value) => Some(value.clone()),
            Self::Nothing(()) => Some(String::new()),
            Self::Map(_) | Self::List(_) => None,
        }
    }
}

/// Whether a document is an inventory in YAML: every value is a group.
pub(super) fn is_inventory(document: &Node) -> bool {
    let is_group = |node: &Node| match node {
        Node::Map(fields) => {
            fields.keys().all(|key| ["hosts", "children", "vars"].contains(&key.as_str()))
        }
        Node::Nothing(()) => true,
        _ => false,
    };
    matches!(document, Node::Map(groups) if !groups.is_empty() && groups.values().all(is_group))
}

/// Reads the machines of an inventory in YAML.
pub(super) fn read_yaml(document: &Node) -> Result<Vec<Machine>, Refusal> {
    let mut groups = Groups::default();
    if let Node::Map(top) = document {
        for (name, node) in top {
            add_group(&mut groups, name, node)?;
        }
    }
    machines(&groups)
}

/// Adds a group of YAML, whose children are groups again.
fn add_group(groups: &mut Groups, name: &str, node: &Node) -> Result<(), Refusal> {
    groups.group(name);
    let refused = |reason: &str| Refusal::of(&format!("group {name}"), reason.to_owned());
    match node.get("hosts") {
        Some(Node::Map(hosts)) => {
            for (names, own) in hosts {
                let at = |reason| Refusal::of(&format!("host {names}"), reason);
                let own = variables(own).ok_or_else(|| at("its variables are no map".into()))?;
                for host in expand(names).map_err(at)? {
                    groups.group(name).hosts.entry(host).or_default().extend(own.clone());
                }
            }
        }
        None | Some(Node::Nothing(())) => {}
        Some(_) => return Err(refused("its hosts are no map: each host ends with a colon")),
    }
    if let Some(own) = node.get("vars") {
        let own = variables(own).ok_or_else(|| refused("its vars are no map"))?;
        groups.group(name).variables.extend(own);
    }
    match node.get("children") {
        Some(Node::Map(children)) => {
            for (child, node) in children {
                groups.group(name).children.push(child.clone());
                add_group(groups, child, node)?;
            }
        }
        None | Some(Node::Nothing(())) => {}
        Some(_) => return Err(refused("its children are no map: each group ends with a colon")),
    }
    Ok(())
}

/// Reads the machines of the JSON of `ansible-inventory --list`.
pub(super) fn read_json(document: &Node) -> Result<Vec<Machine>, Refusal> {
    let mut groups = Groups::default();
    let Node::Map(top) = document else {
        return Err(Refusal::of("the document", "it is no map of groups".into()));
    };
    for (name, node) in top.iter().filter(|(name, _)| *name != "_meta") {
        let refused = |reason: &str| Refusal::of(&format!("group {name}"), reason.to_owned());
        let names = |key: &str| match node.get(key) {
            Some(Node::List(items)) => items
                .iter()
                .map(|item| item.scalar().ok_or_else(|| refused("a name is no text")))
                .collect::<Result<Vec<_>, _>>(),
            None => Ok(Vec::new()),
            Some(_) => Err(refused("it is not what `ansible-inventory --list` prints")),
        };
        let (hosts, children) = match node {
            // The short form of a dynamic inventory.
            Node::List(items) => (items.iter().filter_map(Node::scalar).collect(), Vec::new()),
            _ => (names("hosts")?, names("children")?),
        };
        let own = node.get("vars").map(variables);
        let own = own.unwrap_or_default().unwrap_or_default();
        let group = groups.group(name);
        group.variables.extend(own);
        group.children.extend(children);
        for host in hosts {
            group.hosts.entry(host).or_default();
        }
    }
    if let Some(Node::Map(of_hosts)) = document.get("_meta").and_then(|it| it.get("hostvars")) {
        for (host, own) in of_hosts {
            let own = variables(own).ok_or_else(|| {
                Refusal::of(&format!("host {host}"), "its variables are no map".into())
            })?;
            groups.group("ungrouped").hosts.entry(host.clone()).or_default().extend(own);
        }
    }
    machines(&groups)
}

fn machines(groups: &Groups) -> Result<Vec<Machine>, Refusal> {
    groups.machines().map_err(|(host, reason)| Refusal::of(&format!("host {host}"), reason))
}

/// The variables that have no parts: those with parts say nothing of a connection.
fn variables(node: &Node) -> Option<Variables> {
    match node {
        Node::Map(fields) => Some(
            fields
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.scalar()?)))
                .collect(),
        ),
        Node::Nothing(()) => Some(Variables::new()),
        _ => None,
    }
}
