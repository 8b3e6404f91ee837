//! A place of its own for one try: home, state, temporary files; and what is left in it and outside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

use crate::command::Program;

/// What the user's kubeconfig holds: it must hold the same afterwards.
const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncontexts: []\n# the user's own\n";

/// The directories of one try. They are removed with it.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    before: Engine,
}

#[derive(Debug, Default)]
struct Engine {
    dangling: BTreeSet<String>,
    networks: BTreeSet<String>,
}

impl Engine {
    fn now() -> Result<Self> {
        let lines = |arguments: &[&str]| -> Result<BTreeSet<String>> {
            let text = Program::new("docker").args(arguments).read()?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        Ok(Self {
            dangling: lines(&["volume", "ls", "--quiet", "--filter", "dangling=true"])?,
            networks: lines(&["network", "ls", "--format", "{{.Name}}"])?,
        })
    }
}

impl Place {
    /// Makes it, and looks at what the engine has.
    pub(crate) fn new() -> Result<Self> {
        let place = Self { directory: tempfile::tempdir()?, before: Engine::now()? };
        for directory in [place.home().join(".kube"), place.temporary(), place.work()] {
            fs::create_dir_all(directory)?;
        }
        fs::write(place.home().join(".kube/config"), KUBECONFIG)?;
        Ok(place)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// Where meshcheck keeps its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.directory.path().join("tmp")
    }

    /// Where it is started, and reports go.
    pub(crate) fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// What is left of the try, as text.
    pub(crate) fn left(&self) -> Result<Vec<String>> {
        let mut left = self.processes()?;
        left.extend(self.containers()?);
        let now = Engine::now()?;
        left.extend(
            now.dangling.difference(&self.before.dangling).map(|it| format!("volume {it}")),
        );
        left.extend(
            now.networks.difference(&self.before.networks).map(|it| format!("network {it}")),
        );
        left.extend(entries(&self.state().join("clusters"))?.map(|it| format!("state of {it}")));
        left.extend(entries(&self.temporary())?.map(|it| format!("temporary file {it}")));
        let half = entries(&self.work())?.filter(|name| name.starts_with('.'));
        left.extend(half.map(|it| format!("half-written file {it}")));
        let home = entries(&self.home())?.chain(entries(&self.home().join(".kube"))?);
        let other = home.filter(|name| name != ".kube" && name != "config");
        left.extend(other.map(|it| format!("file {it} in the user's home")));
        if fs::read_to_string(self.home().join(".kube/config")).ok().as_deref() != Some(KUBECONFIG)
        {
            left.push("the user's kubeconfig was changed".into());
        }
        Ok(left)
    }

    /// The containers that mount something of this place: nodes carry their mark so.
    fn containers(&self) -> Result<Vec<String>> {
        let format = "{{.Names}}\t{{.Mounts}}";
        let all = Program::new("docker").args(["ps", "--all", "--no-trunc", "--format", format]);
        let place = self.directory.path().display().to_string();
        let all = all.read()?;
        let ours = all.lines().filter_map(|line| line.split_once('\t'));
        Ok(ours
            .filter(|(_, mounts)| mounts.contains(&place))
            .map(|(name, _)| format!("container {name}"))
            .collect())
    }

    /// The programs that were started with this state directory.
    fn processes(&self) -> Result<Vec<String>> {
        let mark = format!("MESHCHECK_STATE={}\0", self.state().display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            // What ends meanwhile is not left.
            let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
            if String::from_utf8_lossy(&environment).contains(&mark) {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                let id = entry.file_name();
                found.push(format!("process {} ({})", id.to_string_lossy(), name.trim()));
            }
        }
        Ok(found)
    }
}

/// The names in a directory, which need not be there.
fn entries(directory: &Path) -> Result<impl Iterator<Item = String> + use<>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries.flatten().collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned()))
}
