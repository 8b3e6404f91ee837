//! The result of a comparison, as others script against it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The number of the layout of [`Diff`].
pub const DIFF_SCHEMA: u32 = 1;

/// What a comparison shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// What a reader of the tutorial sees: verdicts, and the output of the tutorial's commands.
    #[default]
    Tutorial,
    /// The verdicts of the claims.
    Verdicts,
    /// All observations, with the number of values that each rule for noise leaves out.
    All,
}

/// What a difference means for the tutorial. The order is the order of a report: the worst class comes first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A claim fails now, and did not fail before.
    NowFails,
    /// A claim is *changed* now, or the cluster shows something else without a failure.
    NowChanged,
    /// A claim was judged before, and cannot be judged now.
    NowUnjudged,
    /// A claim could not be judged before, and holds now.
    NowJudged,
    /// A claim did not hold before, and holds now.
    Fixed,
    /// The text differs, the meaning does not.
    Equivalent,
    /// The values differ between any two runs.
    Noise,
}

impl Class {
    /// All classes, the worst first.
    pub const ALL: [Self; 7] = [
        Self::NowFails,
        Self::NowChanged,
        Self::NowUnjudged,
        Self::NowJudged,
        Self::Fixed,
        Self::Equivalent,
        Self::Noise,
    ];

    /// Returns the name in JSON and in every report.
    pub fn word(self) -> &'static str {
        match self {
            Self::NowFails => "now-fails",
            Self::NowChanged => "now-changed",
            Self::NowUnjudged => "now-unjudged",
            Self::NowJudged => "now-judged",
            Self::Fixed => "fixed",
            Self::Equivalent => "equivalent",
            Self::Noise => "noise",
        }
    }
}

/// The differences between two files of evidence. Serialised, it is the JSON of `meshcheck diff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// The number of this layout, [`DIFF_SCHEMA`].
    pub schema: u32,
    /// What is shown.
    pub view: View,
    /// The first file.
    pub old: Side,
    /// The second file.
    pub new: Side,
    /// How much was compared.
    pub compared: Compared,
    /// The differences in this view, the worst first.
    pub differences: Vec<Difference>,
    /// What could not be compared.
    pub not_compared: Vec<NotCompared>,
    /// The values that differ and are left out, by the rule that leaves them out.
    pub noise: Vec<Noise>,
}

/// One of the two files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The context of the cluster.
    pub context: String,
    /// The expected version of Istio.
    pub istio_version: String,
    /// The version of the API server, where it was observed.
    pub kubernetes_version: Option<String>,
    /// The time of the record, RFC 3339.
    pub recorded_at: String,
    /// The program that wrote the file: `meshcheck 0.1.0`.
    pub recorder: String,
    /// Whether the software is known to be no official release: a difference can come from how it was built.
    pub is_unofficial: bool,
}

/// How much was compared. Two records without a difference are equal in this much only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// The claims with a verdict in both files.
    pub claims: usize,
    /// The observations that both files have.
    pub observations: usize,
    /// The claims and observations that could not be compared: [`Diff::not_compared`] lists them.
    pub not_compared: usize,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The kind of difference, in kebab-case: `claim-fails`, `pod-containers`.
    pub id: String,
    /// What it means for the tutorial.
    pub class: Class,
    /// 12 hexadecimal digits of the SHA-256 of id, object and text. It is the same in every run.
    pub fingerprint: String,
    /// The object by its meaning: a claim, or `pods of client-deployment`, without the hash in a pod's name.
    pub object: String,
    /// One line: what differs.
    pub summary: String,
    /// What it was.
    pub was: Option<String>,
    /// What it is now.
    pub now: Option<String>,
    /// Facts that belong to it: what the cluster shows, each in one line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// The claims that have another verdict because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// A packet that ends elsewhere now, for iptables rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
    /// The packets among which no witness was found, for iptables rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched: Option<String>,
    /// Istio's own reason, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A packet that ends elsewhere now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Witness {
    /// The packet: `tcp 10.0.0.7:40000 → :5678`.
    pub packet: String,
    /// Where it ended.
    pub was: String,
    /// Where it ends now.
    pub now: String,
}

/// Istio's own reason for a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The minor version that brought it: `1.27`; nothing where it differs with each version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The reason, one sentence.
    pub why: String,
    /// Where Istio says so.
    pub source: String,
    /// What restores the old way, where something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<String>,
}

/// A claim or an observation that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotCompared {
    /// The claim, or the observation by its meaning: `mesh/live_rules/client-deployment`.
    pub what: String,
    /// Why the first file does not have it; nothing where it does.
    pub old: Option<String>,
    /// Why the second file does not have it; nothing where it does.
    pub new: Option<String>,
}

/// A rule for noise, and how often it applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Noise {
    /// The rule: `times`.
    pub id: String,
    /// Always [`Class::Noise`].
    pub class: Class,
    /// What it leaves out.
    pub what: String,
    /// How many values differ and are left out.
    pub count: usize,
}

impl Diff {
    /// The exit code: 1 where this view has a difference, else 3 where something could not be compared, else 0.
    pub fn exit_code(&self) -> u8 {
        if !self.differences.is_empty() {
            1
        } else if self.compared.not_compared > 0 || self.compared.claims == 0 {
            3
        } else {
            0
        }
    }

    /// Returns how many differences of this class the view has.
    pub fn count(&self, class: Class) -> usize {
        self.differences.iter().filter(|difference| difference.class == class).count()
    }
}
