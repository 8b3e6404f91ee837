//! Finds and reads the configuration file.

use std::env;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::Settings;
use super::error::{LIMIT, SettingsError};
use super::file::parse;

/// The file that is used where it lies in the current directory.
pub(crate) const FILE: &str = "meshcheck.toml";

/// Names a configuration file, as `--config` does.
pub(crate) const VARIABLE: &str = "MESHCHECK_CONFIG";

/// Where a configuration file was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The file.
    pub(crate) path: PathBuf,
    /// The option or variable that named it; none where it lies in the current directory.
    pub(crate) by: Option<&'static str>,
}

/// The file that was named, by the option or by the variable, or else the one that lies in the current
/// directory.
pub(crate) fn find(option: Option<&Path>) -> Option<Found> {
    let variable = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    choose(option, variable, Path::new(FILE))
}

fn choose(option: Option<&Path>, variable: Option<PathBuf>, here: &Path) -> Option<Found> {
    if let Some(path) = option {
        return Some(Found { path: path.to_owned(), by: Some("--config") });
    }
    if let Some(path) = variable {
        return Some(Found { path, by: Some(VARIABLE) });
    }
    // A dangling link is meant to be read as well: the error names it.
    let there = here.symlink_metadata().is_ok();
    there.then(|| Found { path: here.to_owned(), by: None })
}

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Reads a configuration file; from standard input where the path is `-`.
pub(crate) fn load(path: &Path) -> Result<Settings, SettingsError> {
    let is_stdin = path == Path::new(STDIN);
    let path = if is_stdin { Path::new(FILE) } else { path };
    let read = |error| SettingsError::Read { path: path.to_owned(), error };
    let input: Box<dyn io::Read> = if is_stdin {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).map_err(read)?;
        if file.metadata().map_err(read)?.is_dir() {
            return Err(read(io::ErrorKind::IsADirectory.into()));
        }
        Box::new(file)
    };
    let mut bytes = Vec::new();
    input.take(LIMIT + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > LIMIT {
        return Err(SettingsError::TooLong(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| SettingsError::NotText(path.to_owned()))?;
    // Some editors begin a file with this mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    parse(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_wins_over_variable_and_variable_over_directory() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().join(FILE);
        let variable = || Some(PathBuf::from("variable.toml"));
        assert_eq!(choose(None, None, &here), None);
        std::fs::write(&here, "").unwrap();
        let by = |option: Option<&str>, variable| {
            choose(option.map(Path::new), variable, &here).unwrap().by
        };
        assert_eq!(by(Some("o.toml"), variable()), Some("--config"));
        assert_eq!(by(None, variable()), Some(VARIABLE));
        assert_eq!(by(None, None), None);
    }

    #[test]
    fn wrong_file_is_refused_in_bounded_time() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert!(matches!(load(&at("none")), Err(SettingsError::Read { .. })));
        assert!(matches!(load(directory.path()), Err(SettingsError::Read { .. })));
        assert!(matches!(load(Path::new("/dev/zero")), Err(SettingsError::TooLong(_))));
        std::fs::write(at("latin"), b"[demo]\nreply = \"Gr\xfc\xdfe\"\n").unwrap();
        assert!(matches!(load(&at("latin")), Err(SettingsError::NotText(_))));
        std::fs::write(at("mark"), "\u{feff}[demo]\n").unwrap();
        assert_eq!(load(&at("mark")).unwrap().file, Some(at("mark")));
        assert_eq!(load(Path::new("/dev/null")).unwrap().source(), "null");
    }
}
