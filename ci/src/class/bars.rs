//! The limits of `meshcheck class`, and the figures that are held to them.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde_json::{Value, json};

use crate::results;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    AtMost(f64),
    /// So many must be shown.
    AtLeast(f64),
}

use Limit::{AtLeast, AtMost};

/// What has a limit: its name in the tests, what it is, its limit and its unit.
struct Bar(&'static str, &'static str, Limit, &'static str);

/// The bars that clusters are needed for: machines of all kinds, and a Job, whose figure no test has.
const CLUSTERS: &str = "machines";
pub(super) const JOB: &str = "job";

/// All limits. Source: what `meshcheck class` promises to a trainer on a laptop with two cores.
const BARS: [Bar; 18] = [
    Bar(
        CLUSTERS,
        "two clusters, one behind sshd, four not reached: right verdicts and reasons",
        AtLeast(7.0),
        "machines",
    ),
    Bar(
        JOB,
        "two clusters, checked by a Job on one of them: right verdicts on a board outside",
        AtLeast(2.0),
        "machines",
    ),
    Bar("rows", "300 machines: all rows in a terminal", AtMost(1.0), "s"),
    Bar("verdicts", "300 machines over ssh: all verdicts", AtMost(15.0), "s"),
    Bar("memory", "300 machines over ssh: peak memory of one more machine", AtMost(3.0), "MB"),
    Bar("cpu", "100 machines over TLS: CPU time of a machine", AtMost(0.1), "s"),
    Bar("records", "3,000 records sent to the board", AtMost(60.0), "s"),
    Bar("page_time", "the page of 3,000 machines, median", AtMost(100.0), "ms"),
    Bar("page_size", "the same page", AtMost(1.0), "MB"),
    Bar(
        "hanging",
        "time to a verdict with a hanging and a dead machine, divided by that without",
        AtMost(1.1),
        "",
    ),
    Bar(
        "restart",
        "the same rows after kill -9, half-written records reported",
        AtLeast(300.0),
        "machines",
    ),
    Bar("readers", "readers of the board that get each change", AtLeast(50.0), "readers"),
    Bar(
        "slow_reader",
        "wait for a change with five that do not read, divided by that without",
        AtMost(1.1),
        "",
    ),
    Bar(
        "refusals",
        "kinds of requests without the token, refused beyond loopback",
        AtLeast(10.0),
        "kinds",
    ),
    Bar("guesses", "requests with guessed tokens, refused", AtLeast(2000.0), "requests"),
    Bar("names", "hostile names of records, refused", AtLeast(9.0), "names"),
    Bar(
        "bodies",
        "bodies of 1 GB: claimed, without end, compressed; refused",
        AtLeast(11.0),
        "bodies",
    ),
    Bar("silent", "connections that send nothing and delay nobody", AtLeast(1000.0), "connections"),
];

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            AtMost(limit) => value <= limit,
            AtLeast(limit) => value >= limit,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(limit) => write!(to, "at most {limit}"),
            AtLeast(limit) => write!(to, "at least {limit}"),
        }
    }
}

/// The limits with the figures of a run.
pub(super) struct Bars(Vec<(&'static Bar, Option<f64>)>);

impl Bars {
    /// Takes the figures of a run by the names of their bars.
    pub(super) fn new(figures: &BTreeMap<String, f64>) -> Self {
        Self(BARS.iter().map(|bar| (bar, figures.get(bar.0).copied())).collect())
    }

    /// Leaves out the bars that clusters are needed for.
    pub(super) fn leave_out_clusters(&mut self) {
        self.0.retain(|(bar, _)| ![CLUSTERS, JOB].contains(&bar.0));
    }

    /// Whether every limit is kept. What was not measured is not.
    pub(super) fn hold(&self) -> bool {
        self.0.iter().all(|(bar, value)| holds(bar, *value))
    }

    /// Keeps the figures.
    pub(super) fn write(&self, tests_pass: bool) -> Result<()> {
        let rows = self.0.iter().map(|(bar, value)| {
            let Bar(name, what, limit, unit) = bar;
            json!({
                "bar": name, "what": what, "value": value, "limit": limit.to_string(), "unit": unit,
                "holds": holds(bar, *value),
            })
        });
        let rows = rows.collect::<Value>();
        results::write("class", &json!({ "bars": rows, "tests_pass": tests_pass }))
    }
}

fn holds(bar: &Bar, value: Option<f64>) -> bool {
    value.is_some_and(|value| bar.2.holds(value))
}

impl fmt::Display for Bars {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(bar, _)| bar.1.len()).max().unwrap_or_default();
        let kept = self.0.iter().filter(|(bar, value)| holds(bar, *value)).count();
        for (bar, value) in &self.0 {
            let Bar(_, what, limit, unit) = bar;
            let outcome = match value {
                None => "not shown",
                Some(_) if holds(bar, *value) => "holds",
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
        let mut figures: BTreeMap<_, _> = BARS
            .iter()
            .map(|bar| {
                (
                    bar.0.to_owned(),
                    match bar.2 {
                        AtMost(it) | AtLeast(it) => it,
                    },
                )
            })
            .collect();
        assert!(Bars::new(&figures).hold());
        figures.remove("cpu");
        assert!(!Bars::new(&figures).hold());
        figures.insert("cpu".into(), 0.11);
        let bars = Bars::new(&figures);
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
        let bars: BTreeSet<_> = BARS.iter().map(|bar| bar.0).filter(|bar| *bar != JOB).collect();
        assert_eq!(found.collect::<BTreeSet<_>>(), bars);
    }
}
