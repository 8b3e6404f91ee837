//! What came of every moment.

use std::fmt;

use serde::Serialize;

/// What came of one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    name: String,
    /// From the signal to the end of the program.
    pub(crate) seconds: f64,
    /// As a shell would say it.
    pub(crate) exit: i32,
    /// What was left, as text.
    pub(crate) left: Vec<String>,
    /// What else was not as it must be.
    pub(crate) fault: Option<String>,
}

impl Case {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), seconds: 0.0, exit: 0, left: Vec::new(), fault: None }
    }

    fn is_clean(&self) -> bool {
        self.left.is_empty() && self.fault.is_none()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, exit, left, fault, .. } = self;
        match (left.is_empty(), fault) {
            (true, None) => write!(f, "clean: ended with {exit} after {seconds:.1} s"),
            (false, _) => write!(f, "LEFT (exit {exit}, {seconds:.1} s): {}", left.join(", ")),
            (true, Some(fault)) => write!(f, "NOT AS IT MUST BE: {fault}"),
        }
    }
}

/// All of them, and the sums.
#[derive(Debug, Serialize)]
pub(crate) struct Sums<'a> {
    tried: usize,
    clean: usize,
    leaked: usize,
    cases: &'a [Case],
}

impl<'a> Sums<'a> {
    /// Sums up what came of the moments.
    pub(crate) fn new(cases: &'a [Case]) -> Self {
        let count = |is: fn(&Case) -> bool| cases.iter().filter(|case| is(case)).count();
        Self {
            tried: cases.len(),
            clean: count(Case::is_clean),
            leaked: count(|case| !case.left.is_empty()),
            cases,
        }
    }

    /// Whether all were as they must be.
    pub(crate) fn is_clean(&self) -> bool {
        self.clean == self.tried
    }
}

impl fmt::Display for Sums<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} moments, {} clean, {} leaked", self.tried, self.clean, self.leaked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_and_wrong_results_are_counted_separately() {
        let mut cases = vec![Case::new("well")];
        assert!(Sums::new(&cases).is_clean());
        cases.push(Case { left: vec!["volume x".into()], ..Case::new("left") });
        cases.push(Case { fault: Some("exit 7".into()), ..Case::new("wrong") });
        let sums = Sums::new(&cases);
        assert_eq!(sums.to_string(), "3 moments, 1 clean, 1 leaked");
        assert!(!sums.is_clean());
        let json = serde_json::to_value(&sums).unwrap();
        assert_eq!((&json["tried"], &json["leaked"]), (&3.into(), &1.into()));
        assert_eq!(json["cases"][1]["left"][0], "volume x");
    }
}
