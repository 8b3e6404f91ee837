//! Istio's own golden files: the rules that istio-init sets, walked by the walker, and injected pods, judged by the claims.
//!
//! Every Go module of Istio below the module cache is read. What differs between two of them without a profile that explains
//! it fails. The files belong to Istio; only what the walker and the claims say of them is kept here.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod pods;
mod rules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use meshcheck_suites::profile::{self, Profile};

/// A module of Istio in Go's module cache.
struct Module {
    directory: PathBuf,
    /// Its minor version, as its file VERSION says: `1.31`.
    version: String,
    profile: &'static Profile,
}

/// Returns the modules of Istio at hand, oldest first.
fn modules() -> Vec<Module> {
    let cache = env::var_os("GOMODCACHE").map(PathBuf::from).or_else(|| {
        let output = Command::new("go").args(["env", "GOMODCACHE"]).output().ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().into())
    });
    let cache = cache.filter(|it| it.is_absolute()).unwrap_or_else(|| {
        Path::new(&env::var_os("HOME").unwrap_or_default()).join("go").join("pkg").join("mod")
    });
    let folder = cache.join("istio.io");
    let mut modules: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let directory = entry.ok()?.path();
            directory.file_name()?.to_str()?.strip_prefix("istio@")?;
            let version = fs::read_to_string(directory.join("VERSION")).ok()?.trim().to_owned();
            let nearest = profile::nearest(&format!("{version}.0"));
            let nearest = nearest.unwrap_or_else(|| panic!("no profile for Istio {version}"));
            Some(Module { directory, version, profile: nearest.profile })
        })
        .collect();
    modules.sort_by_key(|module| (module.profile.version, module.directory.clone()));
    assert!(!modules.is_empty(), "`{}` has no module istio.io/istio", folder.display());
    modules
}

/// Returns the texts of the files of a folder with this extension, by name.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| {
        panic!("`{}`: {error}: Istio has moved its golden files", folder.display())
    });
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Compares the line of each file of each module with the expected one. `{default}` in an expected line stands for
/// the kind of sidecar that is the default of the module's version.
fn assert_lines(expected: &str, said: &[(Module, Vec<(String, String)>)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/istio_goldens").join(expected);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut lines: BTreeMap<_, _> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, line)| (name.to_owned(), line.to_owned()))
        .collect();
    let holds = |lines: &BTreeMap<String, String>, module: &Module, name: &str, line: &str| {
        lines.get(name).is_some_and(|it| it.replace("{default}", default_sidecar(module)) == line)
    };
    if env::var_os("MESHCHECK_BLESS").is_some_and(|value| value == "1") {
        for (module, said) in said {
            let default = format!("[{}]", default_sidecar(module));
            for (name, line) in said {
                if !holds(&lines, module, name, line) {
                    lines.insert(name.clone(), line.replace(&default, "[{default}]"));
                }
            }
        }
        let lines: Vec<_> = lines.iter().map(|(name, line)| format!("{name}: {line}\n")).collect();
        return fs::write(&path, lines.concat()).unwrap();
    }
    let mut wrong = Vec::new();
    for (module, said) in said {
        for (name, line) in said {
            if !holds(&lines, module, name, line) {
                let expected = lines.get(name).map_or("nothing: the file is new", String::as_str);
                let version = &module.version;
                wrong.push(format!(
                    "{name} of Istio {version}\n  expected: {expected}\n  now:      {line}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "no profile explains these; a new file needs a line in `{}`, which MESHCHECK_BLESS=1 writes\n{}",
        path.display(),
        wrong.join("\n")
    );
}

/// The sidecar that a version injects by default into a pod of a new enough kubelet.
fn default_sidecar(module: &Module) -> &'static str {
    match module.profile.native_sidecars_from_kubelet {
        Some(_) => "native sidecar",
        None => "sidecar",
    }
}
