//! Which meshes a matrix tries: of versions on the command line, or of a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use meshcheck_suites::profile;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::settings::{parse_kubernetes, parse_version};
use crate::source::LATEST;
use crate::text::io_reason;

/// A mesh to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name, which is also that of its record.
    pub(crate) name: String,
    /// What is installed.
    pub(crate) software: Software,
}

/// The software of a mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Software {
    /// Official releases.
    Release {
        /// The version of Istio.
        istio: String,
        /// The version of Kubernetes; by default the one that fits.
        kubernetes: Option<String>,
    },
    /// The bundle in this directory.
    Bundle(PathBuf),
}

/// Why there are no columns.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ColumnError {
    /// The file cannot be read.
    #[error("cannot read {}: {}", path.display(), io_reason(error))]
    Read { path: PathBuf, error: std::io::Error },
    /// The file is not what it must be.
    #[error("cannot read {}: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    /// No pair of versions fits.
    #[error("no pair of these versions is supported: {0}")]
    NoPair(String),
    /// Two columns have one name.
    #[error("two columns are called {0}")]
    Twice(String),
}

impl ColumnError {
    /// Returns the fix.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "name a file of columns with --columns, or versions with --istio",
            Self::Content { .. } => {
                "write a [[column]] for each mesh, as `meshcheck help matrix` describes"
            }
            Self::NoPair(_) => "name other versions with --kubernetes, or leave the option out",
            Self::Twice(_) => "give one of them another `name`",
        }
    }
}

/// A file of columns.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnFile {
    column: Vec<Row>,
}

/// A `[[column]]` of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: Option<String>,
    istio: Option<String>,
    kubernetes: Option<String>,
    bundle: Option<PathBuf>,
}

/// Returns the columns of a file. Paths in it are relative to it.
pub(crate) fn of_file(path: &Path) -> Result<Vec<Column>, ColumnError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ColumnError::Read { path: path.to_owned(), error })?;
    let content = |reason| ColumnError::Content { path: path.to_owned(), reason };
    let file: ColumnFile = toml::from_str(&text).map_err(|error| content(error.to_string()))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let columns = file.column.into_iter().enumerate().map(|(at, row)| {
        let place = |reason: String| content(format!("column {}: {reason}", at + 1));
        row.column(base).map_err(place)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Err(content("it has no [[column]]".into()));
    }
    unique(columns)
}

impl Row {
    fn column(self, base: &Path) -> Result<Column, String> {
        let software = match (self.istio, self.kubernetes, self.bundle) {
            (None, None, Some(bundle)) => Software::Bundle(base.join(bundle)),
            (Some(istio), kubernetes, None) => Software::Release {
                istio: if istio == LATEST { istio } else { parse_version(&istio)? },
                kubernetes: kubernetes.as_deref().map(parse_kubernetes).transpose()?,
            },
            _ => return Err("it needs either `istio`, or `bundle` alone".into()),
        };
        match self.name {
            Some(name) if !is_name(&name) => {
                Err(format!("`{name}` is no name: use letters, digits, `.`, `-` and `_`"))
            }
            Some(name) => Ok(Column { name, software }),
            None => Ok(Column::new(software)),
        }
    }
}

/// Whether a name can be that of a file.
fn is_name(name: &str) -> bool {
    let is_good = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    name.starts_with(|it: char| it.is_ascii_alphanumeric()) && name.chars().all(is_good)
}

impl Column {
    fn new(software: Software) -> Self {
        let name = match &software {
            Software::Release { istio, kubernetes: None } => format!("istio-{istio}"),
            Software::Release { istio, kubernetes: Some(kubernetes) } => {
                format!("istio-{istio}-kubernetes-{}", kubernetes.trim_start_matches('v'))
            }
            Software::Bundle(directory) => {
                let name = directory.file_name().unwrap_or_default().to_string_lossy();
                name.chars().map(|it| if is_name(&format!("a{it}")) { it } else { '-' }).collect()
            }
        };
        Self { name, software }
    }
}

/// Returns a column for each pair of versions that Istio supports, then one for each bundle; and the pairs that were
/// left out.
pub(crate) fn of_versions(
    istio: &[String],
    kubernetes: &[String],
    bundles: &[PathBuf],
) -> Result<(Vec<Column>, Vec<String>), ColumnError> {
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for istio in istio {
        let release = |kubernetes| Software::Release { istio: istio.clone(), kubernetes };
        if kubernetes.is_empty() {
            columns.push(Column::new(release(None)));
        }
        for kubernetes in kubernetes {
            match unsupported(istio, kubernetes) {
                Some(reason) => left_out.push(reason),
                None => columns.push(Column::new(release(Some(kubernetes.clone())))),
            }
        }
    }
    columns.extend(bundles.iter().map(|it| Column::new(Software::Bundle(it.clone()))));
    if columns.is_empty() {
        return Err(ColumnError::NoPair(left_out.join("; ")));
    }
    Ok((unique(columns)?, left_out))
}

/// Describes why a version of Istio does not support a version of Kubernetes, where that is known.
fn unsupported(istio: &str, kubernetes: &str) -> Option<String> {
    let (oldest, newest) = profile::of(istio)?.kubernetes;
    let minor = profile::minor_of_kubernetes(kubernetes)?;
    let fits = (oldest..=newest).contains(&minor);
    (!fits).then(|| {
        format!("Istio {istio} supports Kubernetes 1.{oldest} to 1.{newest}, not {kubernetes}")
    })
}

fn unique(columns: Vec<Column>) -> Result<Vec<Column>, ColumnError> {
    let mut names = BTreeSet::new();
    match columns.iter().find(|column| !names.insert(column.name.as_str())) {
        Some(column) => Err(ColumnError::Twice(column.name.clone())),
        None => Ok(columns),
    }
}

/// Returns the job matrix of GitHub Actions, for `fromJSON`: an entry for each column of releases. A bundle is a
/// directory of this machine, which a job elsewhere does not have.
pub(crate) fn github(columns: &[Column]) -> Value {
    let jobs: Vec<_> = columns
        .iter()
        .filter_map(|column| match &column.software {
            Software::Release { istio, kubernetes } => Some(json!({
                "name": column.name, "istio": istio, "kubernetes": kubernetes,
            })),
            Software::Bundle(_) => None,
        })
        .collect();
    json!({ "include": jobs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(text: &str) -> Result<Vec<Column>, ColumnError> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("matrix.toml");
        fs::write(&path, text).unwrap();
        let mut columns = of_file(&path);
        for column in columns.iter_mut().flatten() {
            if let Software::Bundle(directory) = &mut column.software {
                *directory = directory.strip_prefix(place.path()).unwrap().to_owned();
            }
        }
        columns
    }

    #[test]
    fn file_names_releases_and_bundles() {
        let columns = read(
            "[[column]]\nistio = \"1.20.3\"\n[[column]]\nname = \"newest\"\nistio = \"1.31.1\"\nkubernetes = \"1.34.0\"\n[[column]]\nbundle = \"a/b c\"\n",
        )
        .unwrap();
        let release = |istio: &str, kubernetes: Option<&str>| Software::Release {
            istio: istio.into(),
            kubernetes: kubernetes.map(Into::into),
        };
        let expected = [
            ("istio-1.20.3", release("1.20.3", None)),
            ("newest", release("1.31.1", Some("1.34.0"))),
            ("b-c", Software::Bundle("a/b c".into())),
        ];
        let expected = expected.map(|(name, software)| Column { name: name.into(), software });
        assert_eq!(columns, expected);
    }

    #[rstest]
    #[case::empty("", "missing field `column`")]
    #[case::unknown_key("[[column]]\nistoi = \"1.20.3\"", "unknown field `istoi`")]
    #[case::neither(
        "[[column]]\nname = \"a\"",
        "column 1: it needs either `istio`, or `bundle` alone"
    )]
    #[case::both("[[column]]\nistio = \"1.20.3\"\nbundle = \"b\"", "column 1: it needs either")]
    #[case::bad_version("[[column]]\nistio = \"latest one\"", "column 1: ")]
    #[case::path_as_name("[[column]]\nistio = \"1.20.3\"\nname = \"../x\"", "`../x` is no name")]
    #[case::twice(
        "[[column]]\nistio = \"1.20.3\"\n[[column]]\nistio = \"1.20.3\"",
        "two columns are called istio-1.20.3"
    )]
    fn wrong_file_is_refused_with_its_place(#[case] text: &str, #[case] words: &str) {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn unsupported_pairs_are_left_out_and_named() {
        let of = |it: &str| vec![it.to_owned()];
        let (columns, left_out) =
            of_versions(&of("1.20.3"), &["1.29.2".into(), "1.34.0".into()], &[]).unwrap();
        assert_eq!(columns.len(), 1);
        assert_eq!(left_out, ["Istio 1.20.3 supports Kubernetes 1.25 to 1.29, not 1.34.0"]);
        let error = of_versions(&of("1.20.3"), &of("1.34.0"), &[]).unwrap_err();
        assert!(error.to_string().starts_with("no pair of these versions is supported: Istio"));
    }

    #[test]
    fn job_matrix_has_an_entry_for_each_release() {
        let (columns, _) =
            of_versions(&["1.20.3".into(), "1.31.1".into()], &[], &["/media/stick/bundle".into()])
                .unwrap();
        let expected = json!({ "include": [
            { "name": "istio-1.20.3", "istio": "1.20.3", "kubernetes": null },
            { "name": "istio-1.31.1", "istio": "1.31.1", "kubernetes": null },
        ]});
        assert_eq!(github(&columns), expected);
    }
}
