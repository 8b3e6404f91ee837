//! The rows of a class: a machine each, from waiting to its verdict.

use meshcheck_suites::report::ClaimReport;
use meshcheck_suites::{Report, Section, Verdict, worst_code};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

/// A machine of the class, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The machine's name.
    pub name: String,
    /// How far the look at it is.
    pub state: State,
}

/// How far the look at a machine is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Its turn has not come.
    Waiting,
    /// It is being connected to.
    Connecting,
    /// It answered, and its claims are being checked.
    Checking,
    /// Its verdicts.
    Judged(Box<Report>),
    /// There are none: why.
    NotReached(String),
}

/// Whether a section of the tutorial holds on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// No claim of it fails, and none is unjudged.
    Holds,
    /// A claim of it fails.
    Fails,
    /// No claim of it fails, and one is unjudged.
    Unjudged,
}

impl Row {
    /// A machine whose turn has not come.
    pub fn waiting(name: &str) -> Self {
        Self { name: name.to_owned(), state: State::Waiting }
    }

    /// Returns its verdicts, where it has some.
    pub fn report(&self) -> Option<&Report> {
        self.outcome().ok()
    }

    /// Returns its verdicts, or why there are none.
    ///
    /// # Errors
    ///
    /// Why it was not reached.
    pub fn outcome(&self) -> Result<&Report, &str> {
        match &self.state {
            State::Judged(report) => Ok(report),
            State::NotReached(reason) => Err(reason),
            _ => Err("not reached yet"),
        }
    }

    /// Returns the sections that it has claims of, in the order of the report, each with its state. A section of the
    /// preflight is not among them where every check of it is skipped.
    pub fn stages(&self) -> Vec<(Section, Stage)> {
        let Some(report) = self.report() else { return Vec::new() };
        let is_skipped = |section: &Section| {
            let mut claims = report.claims.iter().filter(|claim| claim.section == *section);
            report.is_preflight() && claims.all(|claim| claim.verdict == Verdict::Skipped)
        };
        let sections = report.sections().into_iter().filter(|section| !is_skipped(section));
        sections.map(|section| (section, stage(report, section))).collect()
    }

    /// Returns where its participant is: the last section such that it and all before it hold. *changed* counts as
    /// holding; a section with a claim that is unjudged ends the way. A preflight has no such section.
    pub fn position(&self) -> Option<Section> {
        if self.report().is_some_and(Report::is_preflight) {
            return None;
        }
        let stages = self.stages();
        let holding = stages.iter().take_while(|(_, stage)| *stage == Stage::Holds);
        holding.last().map(|(section, _)| *section)
    }

    /// Returns its place among the rows, from 0 for the worst: see [`Board::worst_first`].
    pub(crate) fn badness(&self) -> u8 {
        match &self.state {
            State::Judged(report) => match report.exit_code() {
                1 if report.totals.fail > 0 => 0,
                3 => 2,
                1 => 3,
                _ => 5,
            },
            State::NotReached(_) => 1,
            _ => 4,
        }
    }

    /// Returns the exit code of its verdicts; 3 where it was not reached, or not yet.
    pub fn code(&self, counted: &[Verdict]) -> u8 {
        self.report().map_or(3, |report| report.exit_code_for(counted))
    }
}

fn stage(report: &Report, section: Section) -> Stage {
    let counts = |claim: &&ClaimReport| claim.section == section && claim.may_fail.is_none();
    let verdicts = || report.claims.iter().filter(counts).map(|claim| claim.verdict);
    if verdicts().any(|verdict| verdict == Verdict::Fail) {
        Stage::Fails
    } else if verdicts().any(|verdict| verdict == Verdict::Unjudged) {
        Stage::Unjudged
    } else {
        Stage::Holds
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Row", 5)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("reached", &self.report().is_some())?;
        fields.serialize_field("reason", &self.outcome().err())?;
        fields.serialize_field("section", &self.position())?;
        fields.serialize_field("report", &self.report())?;
        fields.end()
    }
}

/// All rows. Serialised, it is the JSON report of `meshcheck class`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Board {
    /// The number of this layout.
    pub schema: u32,
    /// The machines, in the inventory's order.
    pub machines: Vec<Row>,
    /// The sections of all reports: those of the tutorial, or those of the preflight.
    #[serde(skip)]
    pub sections: &'static [Section],
}

impl Board {
    /// A board of the tutorial on which every machine waits.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let machines = names.into_iter().map(Row::waiting).collect();
        Self { schema: 1, machines, sections: &Section::ALL }
    }

    /// The same of the preflight.
    pub fn of_preflight<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self { sections: &Section::PREFLIGHT, ..Self::new(names) }
    }

    /// Whether it is of the preflight.
    pub fn is_preflight(&self) -> bool {
        self.sections == Section::PREFLIGHT
    }

    /// Returns the exit code: that of the worst machine, 1 before 3.
    pub fn exit_code(&self, counted: &[Verdict]) -> u8 {
        worst_code(self.machines.iter().map(|row| row.code(counted)))
    }

    /// Returns the indices of the machines, the worst first: those with a failing claim, those that were not reached,
    /// those with an unjudged claim, and those on which all holds. Equal ones keep their order.
    pub fn worst_first(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.machines.len()).collect();
        order.sort_by_cached_key(|at| self.machines[*at].badness());
        order
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use meshcheck_suites::Evidence;
    use meshcheck_suites::evidence::Observation;
    use rstest::rstest;

    pub(crate) fn judged(change: impl FnOnce(&mut Evidence)) -> State {
        let text = include_str!("../../../fixtures/evidence/lab.json");
        let mut evidence: Evidence = serde_json::from_str(text).unwrap();
        change(&mut evidence);
        State::Judged(Box::new(meshcheck_suites::judge(&evidence, &[])))
    }

    fn row(state: State) -> Row {
        Row { name: "vm1".into(), state }
    }

    #[test]
    fn healthy_machine_is_at_the_last_section() {
        let row = row(judged(|_| ()));
        assert_eq!(row.position(), Some(Section::Kiali));
        assert!(row.stages().iter().all(|(_, stage)| *stage == Stage::Holds));
    }

    #[test]
    fn failing_section_ends_the_way_whatever_holds_behind_it() {
        let row = row(judged(|it| it.demo.services.value_mut().unwrap().clear()));
        assert_eq!(row.position(), Some(Section::Install));
        assert!(row.stages().contains(&(Section::Demo, Stage::Fails)));
        assert!(row.stages().contains(&(Section::Kiali, Stage::Holds)));
    }

    #[test]
    fn unjudged_section_ends_the_way() {
        let row = row(judged(|it| it.cluster.server_version = Observation::failed("forbidden")));
        assert_eq!(row.position(), None);
        assert!(row.stages().contains(&(Section::Prepare, Stage::Unjudged)));
    }

    #[rstest]
    #[case::waiting(State::Waiting)]
    #[case::not_reached(State::NotReached("refused".into()))]
    fn machine_without_verdicts_has_no_position_and_is_not_green(#[case] state: State) {
        let row = row(state);
        assert_eq!((row.position(), row.code(&[Verdict::Fail])), (None, 3));
    }

    #[test]
    fn worst_machine_comes_first_and_decides_the_exit_code() {
        let mut board = Board::new(["ok", "off", "bad"]);
        board.machines[0].state = judged(|_| ());
        board.machines[1].state = State::NotReached("refused".into());
        board.machines[2].state = judged(|it| it.demo.services.value_mut().unwrap().clear());
        let counted = [Verdict::Fail, Verdict::Changed, Verdict::Unjudged];
        assert_eq!(board.worst_first(), [2, 1, 0]);
        assert_eq!(board.exit_code(&counted), 1);
        board.machines.pop();
        assert_eq!(board.exit_code(&counted), 3);
        board.machines.pop();
        assert_eq!(board.exit_code(&counted), 0);
    }

    #[test]
    fn json_keeps_its_contract() {
        let mut board = Board::new(["vm1", "vm2"]);
        board.machines[1].state = State::NotReached("refused".into());
        let json = serde_json::to_value(&board).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["machines"][0]["name"], "vm1");
        assert_eq!(json["machines"][1]["reached"], false);
        assert_eq!(json["machines"][1]["reason"], "refused");
        assert_eq!(json["machines"][1]["report"], serde_json::Value::Null);
    }
}
