//! A claim that has several parts: what proves it wrong comes before what could not be seen.

use crate::judgement::{Judged, Judgement, Verdict};

/// The words of all parts, where each holds.
///
/// # Errors
///
/// The first part that fails; else the first that is *changed*; else the first that could not be
/// judged; else the first that was not asked for.
pub(crate) fn all_hold(parts: impl IntoIterator<Item = Judged>) -> Result<Vec<String>, Judgement> {
    let mut words = Vec::new();
    let mut worst: Option<Judgement> = None;
    for part in parts {
        let part = part.unwrap_or_else(|early| early);
        if part.verdict == Verdict::Pass {
            words.push(part.summary);
        } else if worst.as_ref().is_none_or(|worst| rank(part.verdict) < rank(worst.verdict)) {
            worst = Some(part);
        }
    }
    worst.map_or(Ok(words), Err)
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Changed => 1,
        Verdict::Unjudged => 2,
        Verdict::Skipped => 3,
        Verdict::Pass => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::all_hold;
    use crate::judgement::{Judgement, Verdict};
    use rstest::rstest;

    #[rstest]
    #[case(&[Verdict::Pass, Verdict::Unjudged, Verdict::Fail, Verdict::Skipped], Verdict::Fail)]
    #[case(&[Verdict::Unjudged, Verdict::Changed], Verdict::Changed)]
    #[case(&[Verdict::Skipped, Verdict::Pass, Verdict::Unjudged], Verdict::Unjudged)]
    #[case(&[Verdict::Pass, Verdict::Skipped], Verdict::Skipped)]
    fn worst_part_decides_the_verdict(#[case] parts: &[Verdict], #[case] expected: Verdict) {
        let parts = parts.iter().map(|&verdict| {
            let mut part = Judgement::pass("");
            part.verdict = verdict;
            Ok(part)
        });
        assert_eq!(all_hold(parts).unwrap_err().verdict, expected);
    }

    #[test]
    fn passing_parts_keep_their_summaries() {
        let parts = ["a", "b"].map(|word| Ok(Judgement::pass(word)));
        assert_eq!(all_hold(parts), Ok(vec!["a".to_owned(), "b".to_owned()]));
    }
}
