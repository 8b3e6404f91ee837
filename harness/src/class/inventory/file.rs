//! `class.toml`: a `[[machine]]` for each machine or range of machines, with defaults above.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::Refusal;
use super::range::expand;
use crate::class::machine::{Machine, Way, checked};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    user: Option<String>,
    port: Option<u16>,
    kubeconfig: Option<PathBuf>,
    #[serde(default)]
    machine: Vec<Spanned<Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    address: Option<String>,
    user: Option<String>,
    port: Option<u16>,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
}

/// Reads the machines. Paths are relative to `base`.
pub(super) fn read(text: &str, base: &Path) -> Result<Vec<Machine>, Refusal> {
    let line_of = |at: usize| text.get(..at).unwrap_or(text).lines().count().max(1);
    let file: File = toml::from_str(text).map_err(|error| Refusal {
        line: error.span().map(|span| line_of(span.start + 1)),
        place: String::new(),
        reason: error.message().to_owned(),
    })?;
    let mut machines = Vec::new();
    for row in &file.machine {
        let line = line_of(row.span().start + 1);
        let row = file.machines(row.get_ref(), base);
        machines.extend(row.map_err(|reason| Refusal::at(line, reason))?);
    }
    Ok(machines)
}

impl File {
    fn machines(&self, row: &Row, base: &Path) -> Result<Vec<Machine>, String> {
        let names = expand(&row.name)?;
        let parallel = |text: &Option<String>, what: &str| {
            let Some(text) = text else { return Ok(names.clone()) };
            let items = expand(text)?;
            if items.len() != names.len() {
                let (items, names) = (items.len(), names.len());
                return Err(format!(
                    "`name` stands for {names} machines, and `{what}` for {items}"
                ));
            }
            Ok(items)
        };
        let kubeconfig = row.kubeconfig.as_ref().or(self.kubeconfig.as_ref());
        let is_here = row.context.is_some() || row.kubeconfig.is_some();
        let others = parallel(
            if is_here { &row.context } else { &row.address },
            if is_here { "context" } else { "address" },
        )?;
        let user = row.user.as_ref().or(self.user.as_ref());
        let machine = |(name, other): (&String, String)| {
            let way = if is_here {
                let file = kubeconfig.ok_or("it has a context and no kubeconfig")?;
                Way::Kubeconfig { file: base.join(file), context: other }
            } else {
                Way::Ssh {
                    address: checked(&other, "host")?,
                    user: user.map(|it| checked(it, "user")).transpose()?,
                    port: row.port.or(self.port),
                    options: Vec::new(),
                }
            };
            Ok(Machine { name: checked(name, "machine")?, way })
        };
        names.iter().zip(others).map(machine).collect()
    }
}
