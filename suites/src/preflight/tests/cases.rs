//! A change to what was seen, and what a check makes of it.

use super::super::evidence::PreflightEvidence;
use super::super::{CHECKS, When};
use super::ready::{cluster_ready, machine_ready};
use crate::judgement::{Judgement, Verdict};

/// One change to what is ready, and what a check makes of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) check: &'static str,
    pub(super) name: &'static str,
    pub(super) change: fn(&mut PreflightEvidence),
    pub(super) verdict: Verdict,
    /// Words that the judgement must hold.
    pub(super) words: &'static str,
}

/// What a check starts from: where it has a meaning.
pub(super) fn ready_for(id: &str) -> PreflightEvidence {
    let check = CHECKS.iter().find(|check| check.id == id).expect("the check is in the table");
    if check.when == When::ClusterNamed { cluster_ready() } else { machine_ready() }
}

pub(super) fn judgement(id: &str, evidence: &PreflightEvidence) -> Judgement {
    CHECKS.iter().find(|check| check.id == id).expect("the check is in the table").judge(evidence)
}

/// The cases of one check: `NAME(CHANGE, VERDICT, WORDS);`. Each is a test of that name, and a row of the
/// table from which a test learns what is proven.
macro_rules! cases {
    ($module:ident proves $check:literal:
        $($name:ident($change:expr, $verdict:ident, $words:expr);)+
    ) => {
        mod $module {
            pub(in super::super) mod table {
                #[allow(unused_imports, reason = "some tables need no helper")]
                use super::super::*;

                pub(in super::super::super) const CASES: &[crate::preflight::tests::Case] = &[$(
                    crate::preflight::tests::Case {
                        check: $check,
                        name: stringify!($name),
                        change: $change,
                        verdict: crate::judgement::Verdict::$verdict,
                        words: $words,
                    }
                ),+];
            }

            $(
                #[test]
                fn $name() {
                    crate::preflight::tests::cases::prove(table::CASES, stringify!($name));
                }
            )+
        }
    };
}
pub(super) use cases;

/// Judges changed evidence. The verdict and the words must be those expected, and a failure must say
/// everything that a failure has to say.
pub(super) fn prove(cases: &[Case], name: &str) {
    let case = cases.iter().find(|case| case.name == name).expect("a test is made of a row");
    let mut evidence = ready_for(case.check);
    (case.change)(&mut evidence);
    let judgement = judgement(case.check, &evidence);
    assert_eq!(judgement.verdict, case.verdict, "{judgement:#?}");
    let text = format!("{judgement:?}");
    assert!(text.contains(case.words), "`{}` is not in {judgement:#?}", case.words);
    if case.verdict == Verdict::Fail {
        for part in [&judgement.expected, &judgement.observed, &judgement.object] {
            assert!(part.as_ref().is_some_and(|part| !part.trim().is_empty()), "{judgement:#?}");
        }
        let hint = judgement.hint.clone().unwrap_or_default();
        let command = hint.split('`').nth(1).unwrap_or_default();
        assert!(!command.is_empty(), "the hint names a command: {hint}");
        let client = command.starts_with("kubectl") || command.starts_with("istioctl");
        let context = format!("--context {}", evidence.cluster.seen.subject.context);
        assert!(!client || command.contains(&context), "the hint names the cluster: {hint}");
    }
}
