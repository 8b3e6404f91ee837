//! The limits of `meshcheck class`, and the figures that are held to them.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::results;

/// All limits, as data.
const LIMITS: &str = include_str!("../../class-limits.toml");

/// The limits that clusters are needed for: machines of all kinds, and a Job, whose figure no test has.
const CLUSTERS: &str = "machines";
pub(super) const JOB: &str = "job";

/// The file of all limits.
#[derive(Deserialize)]
struct Limits {
    limits: Vec<Bar>,
}

/// What has a limit.
#[derive(Deserialize)]
struct Bar {
    /// Its name in the tests.
    name: String,
    what: String,
    #[serde(flatten)]
    limit: Limit,
    unit: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Limit {
    AtMost(f64),
    /// So many must be shown.
    AtLeast(f64),
}

use Limit::{AtLeast, AtMost};

impl fmt::Display for Limit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(limit) => write!(to, "at most {limit}"),
            AtLeast(limit) => write!(to, "at least {limit}"),
        }
    }
}

/// The limits with the figures of a run.
pub(super) struct Bars(Vec<(Bar, Option<f64>)>);

impl Bars {
    /// Takes the figures of a run by the names of their bars.
    pub(super) fn new(figures: &BTreeMap<String, f64>) -> Result<Self> {
        let all: Limits = toml::from_str(LIMITS).context("reading ci/class-limits.toml")?;
        let with_figure = |bar: Bar| {
            let figure = figures.get(&bar.name).copied();
            (bar, figure)
        };
        Ok(Self(all.limits.into_iter().map(with_figure).collect()))
    }

    /// Leaves out the bars that clusters are needed for.
    pub(super) fn leave_out_clusters(&mut self) {
        self.0.retain(|(bar, _)| ![CLUSTERS, JOB].contains(&bar.name.as_str()));
    }

    /// Whether every limit is kept. What was not measured is not.
    pub(super) fn hold(&self) -> bool {
        self.0.iter().all(|(bar, value)| bar.holds(*value))
    }

    /// Keeps the figures.
    pub(super) fn write(&self, tests_pass: bool) -> Result<()> {
        let rows = self.0.iter().map(|(bar, value)| {
            let Bar { name, what, limit, unit } = bar;
            json!({
                "bar": name, "what": what, "value": value, "limit": limit.to_string(), "unit": unit,
                "holds": bar.holds(*value),
            })
        });
        let rows = rows.collect::<Value>();
        results::write("class", &json!({ "bars": rows, "tests_pass": tests_pass }))
    }
}

impl Bar {
    fn holds(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| match self.limit {
            AtMost(limit) => value <= limit,
            AtLeast(limit) => value >= limit,
        })
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(bar, _)| bar.what.len()).max().unwrap_or_default();
        let kept = self.0.iter().filter(|(bar, value)| bar.holds(*value)).count();
        for (bar, value) in &self.0 {
            let Bar { what, limit, unit, .. } = bar;
            let outcome = match value {
                None => "not shown",
                Some(_) if bar.holds(*value) => "holds",
                Some(_) => "DOES NOT HOLD",
            };
            let value = value.map_or_else(|| "-".to_owned(), number);
            let limit = format!("{limit} {unit}");
            writeln!(to, "{what:width$}  {value:>8}  {limit:<24}  {outcome}")?;
        }
        write!(to, "{kept} of {} limits are kept", self.0.len())
    }
}

/// A figure as people read it: whole numbers, and three digits of others.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::command::Program;
    use crate::workspace::repository;

    #[test]
    fn bar_without_a_figure_does_not_hold() {
        let bars = Bars::new(&BTreeMap::new()).unwrap().0;
        let kept = bars.into_iter().map(|(bar, _)| {
            let (AtMost(figure) | AtLeast(figure)) = bar.limit;
            (bar.name, figure)
        });
        let mut figures: BTreeMap<_, _> = kept.collect();
        assert!(Bars::new(&figures).unwrap().hold());
        figures.remove("cpu");
        assert!(!Bars::new(&figures).unwrap().hold());
        figures.insert("cpu".into(), 0.11);
        let bars = Bars::new(&figures).unwrap();
        assert!(!bars.hold());
        assert!(bars.to_string().contains("0.110  at most 0.1 s"), "{bars}");
    }

    #[test]
    fn every_bar_has_a_figure_in_the_tests_and_no_figure_lacks_a_bar() {
        let listed =
            Program::new("git").args(["ls-files", "harness/tests/*.rs"]).dir(repository()).read();
        let texts = listed.unwrap();
        let texts: String = texts
            .lines()
            .map(|path| fs::read_to_string(repository().join(path)).unwrap())
            .collect();
        let found = texts.split("figure(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let bars = Bars::new(&BTreeMap::new()).unwrap().0;
        let names = bars.iter().map(|(bar, _)| bar.name.as_str()).filter(|name| *name != JOB);
        assert_eq!(found.collect::<BTreeSet<_>>(), names.collect());
    }
}
