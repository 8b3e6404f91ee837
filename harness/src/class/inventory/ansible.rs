//! What the three forms of Ansible's inventories share: groups, their children and variables, and the machines that
//! come of them.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::range::{LIMIT, too_many};
use crate::class::machine::{Machine, Way, checked, parse_port};

/// The group that has all others.
const ALL: &str = "all";

/// Variables by name.
pub(super) type Variables = BTreeMap<String, String>;

/// A group of hosts.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The hosts with their own variables, in the order of the inventory.
    pub(super) hosts: IndexMap<String, Variables>,
    pub(super) children: Vec<String>,
    pub(super) variables: Variables,
}

/// All groups, in the order of the inventory.
#[derive(Debug, Default)]
pub(super) struct Groups(pub(super) IndexMap<String, Group>);

impl Groups {
    /// Returns a group, which is created where it does not exist.
    pub(super) fn group(&mut self, name: &str) -> &mut Group {
        self.0.entry(name.to_owned()).or_default()
    }

    /// Returns the machines, in the order in which the inventory names them first. An error has the host that it is
    /// about.
    pub(super) fn machines(&self) -> Result<Vec<Machine>, (String, String)> {
        let depths = self.depths().map_err(|reason| (String::new(), reason))?;
        let mut hosts: IndexMap<&str, Variables> = IndexMap::new();
        for (host, own) in self.0.values().flat_map(|group| &group.hosts) {
            let known = hosts.entry(host).or_default();
            known.extend(own.clone());
        }
        if hosts.len() > LIMIT {
            return Err((String::new(), too_many()));
        }
        let mut of_host: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let parents = self.parents();
        for (name, group) in &self.0 {
            for host in group.hosts.keys() {
                add_with_parents(name, &parents, of_host.entry(host).or_default());
            }
        }
        let machine = |(host, own): (&str, Variables)| {
            let mut groups: Vec<&str> =
                of_host.remove(host).unwrap_or_default().into_iter().collect();
            // Ansible's order: parents before children, and those of one depth by name.
            groups.sort_by_key(|name| (depths.get(name).copied().unwrap_or_default(), *name));
            let mut variables =
                self.0.get(ALL).map(|all| all.variables.clone()).unwrap_or_default();
            for group in groups.iter().filter_map(|name| self.0.get(*name)) {
                variables.extend(group.variables.clone());
            }
            variables.extend(own);
            machine(host, &variables).map_err(|reason| (host.to_owned(), reason))
        };
        hosts.into_iter().map(machine).collect()
    }

    fn parents(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, group) in &self.0 {
            for child in &group.children {
                parents.entry(child).or_default().push(name);
            }
        }
        parents
    }

    /// How far each group is below one that has no parent. A group that is its own ancestor is an error.
    fn depths(&self) -> Result<BTreeMap<&str, usize>, String> {
        let mut depths: BTreeMap<&str, usize> = self.0.keys().map(|it| (it.as_str(), 0)).collect();
        for _ in 0..=self.0.len() {
            let mut is_settled = true;
            for (name, group) in &self.0 {
                let below = depths[name.as_str()] + 1;
                for child in &group.children {
                    let depth = depths.entry(child).or_default();
                    if *depth < below {
                        *depth = below;
                        is_settled = false;
                    }
                }
            }
            if is_settled {
                return Ok(depths);
            }
        }
        Err("a group is among its own children".into())
    }
}

fn add_with_parents<'g>(
    name: &'g str,
    parents: &BTreeMap<&'g str, Vec<&'g str>>,
    found: &mut BTreeSet<&'g str>,
) {
    if found.insert(name) {
        for parent in parents.get(name).into_iter().flatten() {
            add_with_parents(parent, parents, found);
        }
    }
}

/// Makes a machine of a host and the variables that say how Ansible connects to it.
fn machine(host: &str, variables: &Variables) -> Result<Machine, String> {
    let value = |names: &[&str]| {
        let found = names.iter().find_map(|name| Some((*name, variables.get(*name)?)));
        let found = found.filter(|(_, value)| !value.is_empty());
        found
            .map(|(name, value)| {
                if value.contains("{{") || value.contains("{%") {
                    let reason = format!("{name} is the template `{value}`");
                    return Err(format!("{reason}, which only Ansible resolves"));
                }
                Ok(value.as_str())
            })
            .transpose()
    };
    match value(&["ansible_connection"])? {
        None | Some("ssh" | "smart" | "paramiko" | "paramiko_ssh") => {}
        Some(other) => {
            return Err(format!("its connection is `{other}`, and only ssh is used here"));
        }
    }
    let mut options = Vec::new();
    for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
        if let Some(words) = value(&[name])? {
            let words = shlex::split(words).ok_or_else(|| format!("{name} has an open quote"))?;
            options.extend(words);
        }
    }
    if let Some(key) = value(&["ansible_ssh_private_key_file", "ansible_private_key_file"])? {
        options.extend(["-i".to_owned(), key.to_owned()]);
    }
    let address = value(&["ansible_host", "ansible_ssh_host"])?.unwrap_or(host);
    let user = value(&["ansible_user", "ansible_ssh_user"])?;
    let port = value(&["ansible_port", "ansible_ssh_port"])?;
    Ok(Machine {
        name: checked(host, "host")?,
        way: Way::Ssh {
            address: checked(address, "host")?,
            user: user.map(|user| checked(user, "user")).transpose()?,
            port: port.map(parse_port).transpose()?,
            options,
        },
    })
}
