//! The verdicts of a check: read from its JSON, as any script would.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The verdicts of one check.
#[derive(Debug)]
pub(crate) struct Verdicts {
    claims: Vec<Claim>,
    causes: Vec<Cause>,
    /// The report as people read it.
    pub(crate) text: String,
}

#[derive(Debug, Deserialize)]
struct Report {
    claims: Vec<Claim>,
    #[serde(default)]
    causes: Vec<Cause>,
}

#[derive(Debug, Deserialize)]
struct Cause {
    claim: String,
}

#[derive(Debug, Deserialize)]
struct Claim {
    id: String,
    verdict: String,
    summary: String,
    expected: Option<String>,
    observed: Option<String>,
    object: Option<String>,
    #[serde(default)]
    commands: Vec<String>,
}

impl Verdicts {
    pub(crate) fn read(json: &str, text: String) -> Result<Self> {
        let report: Report = serde_json::from_str(json).context("reading the JSON report")?;
        Ok(Self { claims: report.claims, causes: report.causes, text })
    }

    fn with(&self, verdicts: &[&str]) -> BTreeSet<String> {
        let has = |claim: &&Claim| verdicts.contains(&claim.verdict.as_str());
        self.claims.iter().filter(has).map(|claim| claim.id.clone()).collect()
    }

    /// The claims that fail, or hold in other words.
    pub(crate) fn red(&self) -> BTreeSet<String> {
        self.with(&["fail", "changed"])
    }

    /// The claims that could not be judged, or were not.
    pub(crate) fn unjudged(&self) -> BTreeSet<String> {
        self.with(&["unjudged", "skipped"])
    }

    /// The causes, the first one first.
    pub(crate) fn causes(&self) -> Vec<String> {
        self.causes.iter().map(|cause| cause.claim.clone()).collect()
    }

    /// Whether every claim holds.
    pub(crate) fn is_green(&self) -> bool {
        !self.claims.is_empty() && self.claims.iter().all(|claim| claim.verdict == "pass")
    }

    /// The exit code that fits.
    pub(crate) fn exit_code(&self) -> i32 {
        match (self.red().is_empty(), self.with(&["unjudged"]).is_empty()) {
            (false, _) => 1,
            (true, false) => 3,
            (true, true) => 0,
        }
    }

    /// The texts of the claims that do not hold, as one text.
    pub(crate) fn texts(&self) -> String {
        let red = self.claims.iter().filter(|claim| claim.verdict != "pass");
        let words = red.flat_map(|claim| {
            [Some(&claim.summary), claim.expected.as_ref(), claim.observed.as_ref()]
                .into_iter()
                .chain([claim.object.as_ref()])
                .flatten()
        });
        words.map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The commands in the hints, the causes' first: a list for each claim that does not hold.
    pub(crate) fn commands(&self) -> Vec<Vec<String>> {
        let causes = self.causes.iter().map(|cause| cause.claim.as_str());
        let all = self.claims.iter().filter(|claim| claim.verdict != "pass");
        let order = causes.chain(all.map(|claim| claim.id.as_str()));
        order
            .filter_map(|id| self.claims.iter().find(|claim| claim.id == id))
            .map(|claim| claim.commands.clone())
            .filter(|commands| !commands.is_empty())
            .collect()
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        for claim in self.claims.iter().filter(|claim| claim.verdict != "pass") {
            words.push(format!("{} {}: {}", claim.verdict, claim.id, claim.summary));
        }
        f.write_str(&if words.is_empty() { "all green".to_owned() } else { words.join("; ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"claims": [
        {"id": "a::one", "verdict": "pass", "summary": "well"},
        {"id": "a::two", "verdict": "fail", "summary": "ill", "object": "pod x",
         "commands": ["kubectl get pods", "kubectl apply -f x"]},
        {"id": "a::three", "verdict": "unjudged", "summary": "unseen"},
        {"id": "a::four", "verdict": "fail", "summary": "ill", "commands": ["first"]}],
        "causes": [{"claim": "a::four"}]}"#;

    #[test]
    fn each_verdict_is_read() {
        let verdicts = Verdicts::read(REPORT, String::new()).unwrap();
        let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(verdicts.red(), set(&["a::two", "a::four"]));
        assert_eq!(verdicts.unjudged(), set(&["a::three"]));
        assert!(!verdicts.is_green());
        assert_eq!(verdicts.exit_code(), 1);
        assert!(verdicts.texts().contains("pod x") && !verdicts.texts().contains("well"));
    }

    #[test]
    fn commands_of_the_cause_come_first() {
        let verdicts = Verdicts::read(REPORT, String::new()).unwrap();
        let commands = verdicts.commands();
        assert_eq!(commands[0], ["first"]);
        assert_eq!(commands[1], ["kubectl get pods", "kubectl apply -f x"]);
    }

    #[test]
    fn empty_report_is_not_green() {
        let verdicts = Verdicts::read(r#"{"claims": []}"#, String::new()).unwrap();
        assert!(!verdicts.is_green());
    }
}
