//! Several meshes side by side: a column for each, made of one record; known differences come from a baseline.

mod columns;
mod provision;

use std::path::Path;

use meshcheck_suites::diff::{Diff, View, diff};
use meshcheck_suites::{Evidence, Report, Verdict, worst_code};
use semver::Version;
use serde::{Deserialize, Serialize};

pub(crate) use columns::{Column, ColumnError, Software, github, of_file, of_versions};
pub(crate) use provision::{jobs, record};

/// The number of the matrix' JSON layout.
const SCHEMA: u32 = 1;

/// Why a claim does not count that is in the baseline.
const KNOWN: &str = "the baseline has the same verdict and the same cause";

/// The verdicts on several meshes. Serialised, it is the JSON report of `meshcheck matrix`, and a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// The number of this layout.
    pub schema: u32,
    /// The meshes, from left to right.
    pub columns: Vec<Tried>,
}

/// One mesh of a matrix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Its name, which is unique in the matrix.
    pub name: String,
    /// The verdicts on its record; nothing where there is no record.
    pub report: Option<Report>,
    /// Why there is no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// Whether the baseline lacks its record too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed_before: bool,
    /// The comparison with the next column to the left that has a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differences: Option<Diff>,
    /// What the verdicts are on.
    #[serde(skip)]
    evidence: Option<Box<Evidence>>,
}

impl Tried {
    /// A mesh with its record, and the verdicts on it.
    pub fn recorded(name: &str, evidence: Evidence, report: Report) -> Self {
        let (report, evidence) = (Some(report), Some(Box::new(evidence)));
        Self { name: name.to_owned(), report, evidence, ..Self::default() }
    }

    /// A mesh without a record, and why.
    pub fn failed(name: &str, reason: String) -> Self {
        Self { name: name.to_owned(), failed: Some(reason), ..Self::default() }
    }

    /// Returns what was seen of its versions: `Istio 1.20.3, Kubernetes v1.29.2`.
    pub fn versions(&self) -> Option<String> {
        let report = self.report.as_ref()?;
        let kubernetes = report.cluster.kubernetes_version.as_deref();
        let kubernetes = kubernetes.map(|it| format!(", Kubernetes {it}")).unwrap_or_default();
        Some(format!("Istio {}{kubernetes}", report.istio_version))
    }

    /// Returns its verdicts, or why there are none.
    ///
    /// # Errors
    ///
    /// Why there is no record.
    pub fn outcome(&self) -> Result<&Report, &str> {
        self.report.as_ref().ok_or(self.failed.as_deref().unwrap_or("there is no record"))
    }

    /// Returns the verdict on a claim, where it has one.
    pub fn verdict(&self, id: &str) -> Option<Verdict> {
        Some(self.claim(id)?.verdict)
    }

    /// Returns what the report says of a claim.
    pub fn claim(&self, id: &str) -> Option<&meshcheck_suites::report::ClaimReport> {
        self.report.as_ref()?.claims.iter().find(|claim| claim.id == id)
    }

    fn code(&self, counted: &[Verdict]) -> u8 {
        match &self.report {
            Some(report) => report.exit_code_for(counted),
            None if self.failed_before => 0,
            None => 3,
        }
    }
}

impl Matrix {
    /// Makes a matrix of columns, in this order.
    pub fn new(columns: Vec<Tried>) -> Self {
        Self { schema: SCHEMA, columns }
    }

    /// Sorts the columns by the versions of Istio and Kubernetes that were seen, the oldest first.
    pub fn sort(&mut self) {
        self.columns.sort_by_cached_key(|column| {
            let report = column.report.as_ref();
            let version = |text: Option<&str>| Version::parse(text?.trim_start_matches('v')).ok();
            let istio = version(report.map(|it| it.istio_version.as_str()));
            let kubernetes = report.and_then(|it| it.cluster.kubernetes_version.as_deref());
            (report.is_none(), istio, version(kubernetes), column.name.clone())
        });
    }

    /// Compares each column with the next one to the left that has a record, in the view of a reader of the tutorial.
    pub fn compare_columns(&mut self) {
        let mut left: Option<Box<Evidence>> = None;
        for column in &mut self.columns {
            let Some(evidence) = column.evidence.take() else { continue };
            column.differences = left.map(|left| diff(&left, &evidence, View::Tutorial));
            left = Some(evidence);
        }
    }

    /// Lists the ids of all claims that any column has, in the order of the first that has them.
    pub fn claims(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for claim in
            self.columns.iter().filter_map(|it| it.report.as_ref()).flat_map(|it| &it.claims)
        {
            if !ids.contains(&claim.id.as_str()) {
                ids.push(&claim.id);
            }
        }
        ids
    }

    /// Marks what an earlier matrix knew: a claim with the same verdict because of the same cause in the column of
    /// the same name, and a column that had no record. It does not count for the exit code.
    pub fn compare_with(&mut self, baseline: &Self) {
        for column in &mut self.columns {
            let Some(before) = baseline.columns.iter().find(|it| it.name == column.name) else {
                continue;
            };
            column.failed_before = column.failed.is_some() && before.failed.is_some();
            for claim in column.report.iter_mut().flat_map(|it| &mut it.claims) {
                let was = before.claim(&claim.id);
                let is_known = was.is_some_and(|was| {
                    was.verdict == claim.verdict && was.because == claim.because
                });
                let holds = matches!(claim.verdict, Verdict::Pass | Verdict::Skipped);
                if is_known && !holds && claim.may_fail.is_none() {
                    claim.may_fail = Some(KNOWN.to_owned());
                }
            }
        }
    }

    /// Returns the exit code: that of the worst column, 1 before 3. A column without a record is a 3.
    pub fn exit_code(&self, counted: &[Verdict]) -> u8 {
        worst_code(self.columns.iter().map(|column| column.code(counted)))
    }
}

/// Returns the name of the column of a record: that of the file, without its ending.
pub(crate) fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.strip_suffix(".json").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ALL: [Verdict; 3] = [Verdict::Fail, Verdict::Changed, Verdict::Unjudged];

    fn healthy() -> Evidence {
        serde_json::from_str(include_str!("../../../fixtures/evidence/lab.json")).unwrap()
    }

    fn column(name: &str, change: impl FnOnce(&mut Evidence)) -> Tried {
        let mut evidence = healthy();
        change(&mut evidence);
        let report = meshcheck_suites::judge(&evidence, &[]);
        Tried::recorded(name, evidence, report)
    }

    fn without_services(evidence: &mut Evidence) {
        evidence.demo.services.value_mut().unwrap().clear();
    }

    fn failed(name: &str) -> Tried {
        Tried::failed(name, "no space left".to_owned())
    }

    #[rstest]
    #[case::all_hold(vec![column("a", |_| ()), column("b", |_| ())], 0)]
    #[case::one_without_a_record(vec![column("a", |_| ()), failed("b")], 3)]
    #[case::a_failing_claim_wins(vec![failed("a"), column("b", without_services)], 1)]
    fn worst_column_decides_the_exit_code(#[case] columns: Vec<Tried>, #[case] code: u8) {
        assert_eq!(Matrix::new(columns).exit_code(&ALL), code);
    }

    #[test]
    fn what_the_baseline_has_does_not_count() {
        let baseline = Matrix::new(vec![column("a", without_services), failed("b")]);
        let mut now = baseline.clone();
        now.compare_with(&baseline);
        assert_eq!(now.exit_code(&ALL), 0);
    }

    #[test]
    fn failure_that_the_baseline_lacks_counts() {
        let baseline = Matrix::new(vec![column("a", |_| ()), column("other", without_services)]);
        let mut now = Matrix::new(vec![column("a", without_services)]);
        now.compare_with(&baseline);
        assert_eq!(now.exit_code(&ALL), 1);
    }

    #[test]
    fn failure_of_another_cause_counts() {
        let mut baseline = Matrix::new(vec![column("a", without_services)]);
        for claim in &mut baseline.columns[0].report.as_mut().unwrap().claims {
            claim.because = Some("install::istiod_ready".into());
        }
        let mut now = Matrix::new(vec![column("a", without_services)]);
        now.compare_with(&baseline);
        assert_eq!(now.exit_code(&ALL), 1);
    }

    #[test]
    fn columns_are_sorted_by_version_and_those_without_a_record_come_last() {
        let of = |name: &str, istio: &str| {
            let mut column = column(name, |_| ());
            column.report.as_mut().unwrap().istio_version = istio.into();
            column
        };
        let mut matrix =
            Matrix::new(vec![failed("broken"), of("new", "1.31.1"), of("old", "1.9.0")]);
        matrix.sort();
        let names: Vec<_> = matrix.columns.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["old", "new", "broken"]);
    }

    #[test]
    fn json_of_a_matrix_reads_as_a_baseline() {
        let mut matrix = Matrix::new(vec![column("a", without_services), failed("b")]);
        matrix.compare_columns();
        let text = serde_json::to_string(&matrix).unwrap();
        assert_eq!(serde_json::from_str::<Matrix>(&text).unwrap(), matrix);
    }

    #[rstest]
    #[case("records/istio-1.20.3.json.gz", "istio-1.20.3")]
    #[case("lab.json", "lab")]
    fn column_is_called_as_its_file(#[case] file: &str, #[case] name: &str) {
        assert_eq!(name_of(Path::new(file)), name);
    }
}
