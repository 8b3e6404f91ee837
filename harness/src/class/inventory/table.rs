//! Tables as spreadsheets write them: commas, semicolons or tabs, with a header.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::Refusal;
use super::range::{LIMIT, too_many};
use crate::class::machine::{Machine, Way, checked, parse_port, split_port};

/// The columns that are read, each with the names that its header may have, the best first. Clouds write
/// `Public IPv4 address` (AWS), `nat_ip` (gcloud) and `publicIps` (az).
const NAME: &[&str] =
    &["name", "machine", "vm", "participant", "student", "hostname", "host", "host name"];
const ADDRESS: &[&str] = &[
    "address",
    "ip",
    "ip address",
    "ansible host",
    "fqdn",
    "public ip",
    "public ip address",
    "public ipv4 address",
    "public ipv4 dns",
    "publicips",
    "external ip",
    "nat ip",
    "ipv4",
    "ipv6",
    "dns",
    "dns name",
    "host",
    "hostname",
    "host name",
];
const USER: &[&str] = &["user", "username", "login", "ansible user"];
const PORT: &[&str] = &["port", "ssh port", "ansible port"];
const KUBECONFIG: &[&str] = &["kubeconfig"];
const CONTEXT: &[&str] = &["context"];

/// Returns what separates the columns of a header; nothing where the line is none.
pub(super) fn separator(line: &str) -> Option<u8> {
    let separator = [b'\t', b';', b','].into_iter().find(|it| line.contains(char::from(*it)));
    let separator = separator.unwrap_or(b',');
    let cells: Vec<_> = line.split(char::from(separator)).map(word).collect();
    let is_known = |names: &[&str]| names.iter().any(|name| cells.iter().any(|it| it == name));
    let known = [NAME, ADDRESS, KUBECONFIG, CONTEXT].into_iter().any(is_known);
    known.then_some(separator)
}

/// The name of a column, without quotes, in lower case, with spaces between its words.
fn word(cell: &str) -> String {
    cell.trim().trim_matches('"').trim().to_lowercase().replace(['_', '-'], " ")
}

/// The name of a machine: `Anna Smith` becomes `Anna-Smith`, because a name is also that of a file.
fn name_of(cell: &str) -> Result<String, String> {
    checked(&cell.split_whitespace().collect::<Vec<_>>().join("-"), "machine")
}

/// Reads a machine from each row. Empty rows are left out; other columns are somebody else's.
pub(super) fn read(text: &str, separator: u8, base: &Path) -> Result<Vec<Machine>, Refusal> {
    let mut reader =
        ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let wrong = |error: csv::Error| {
        let line = error.position().map(|it| usize::try_from(it.line()).unwrap_or_default());
        Refusal { line, place: String::new(), reason: error.to_string() }
    };
    let header: Vec<_> = reader.headers().map_err(wrong)?.iter().map(word).collect();
    let column =
        |names: &[&str]| names.iter().find_map(|it| header.iter().position(|cell| cell == it));
    let columns = Columns {
        name: column(NAME),
        address: column(ADDRESS),
        user: column(USER),
        port: column(PORT),
        kubeconfig: column(KUBECONFIG),
        context: column(CONTEXT),
    };
    let mut machines = Vec::new();
    for row in reader.records() {
        let row = row.map_err(wrong)?;
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let line = row.position().map_or(0, |it| usize::try_from(it.line()).unwrap_or_default());
        machines.push(columns.machine(&row, base).map_err(|reason| Refusal::at(line, reason))?);
        if machines.len() > LIMIT {
            return Err(Refusal::at(line, too_many()));
        }
    }
    Ok(machines)
}

/// Where the columns stand.
struct Columns {
    name: Option<usize>,
    address: Option<usize>,
    user: Option<usize>,
    port: Option<usize>,
    kubeconfig: Option<usize>,
    context: Option<usize>,
}

impl Columns {
    fn machine(&self, row: &StringRecord, base: &Path) -> Result<Machine, String> {
        let cell =
            |column: Option<usize>| row.get(column?).map(str::trim).filter(|it| !it.is_empty());
        let name = cell(self.name);
        if let Some(file) = cell(self.kubeconfig) {
            let context = cell(self.context).ok_or("the row has a kubeconfig and no context")?;
            return Ok(Machine {
                name: name_of(name.unwrap_or(context))?,
                way: Way::Kubeconfig { file: base.join(file), context: context.to_owned() },
            });
        }
        let address = cell(self.address).or(name).ok_or("the row has no address and no name")?;
        let (address, port) = split_port(address)?;
        let port = cell(self.port).map(parse_port).transpose()?.or(port);
        Ok(Machine {
            name: name_of(name.unwrap_or(address))?,
            way: Way::Ssh {
                address: checked(address, "host")?,
                user: cell(self.user).map(|it| checked(it, "user")).transpose()?,
                port,
                options: Vec::new(),
            },
        })
    }
}
