//! One claim in its section: a line where it holds, and what there is to know where it does not.

use meshcheck_suites::Verdict;
use meshcheck_suites::report::{Cause, ClaimReport};

use super::super::hint::hint;
use super::super::lines::{cut, wrapped};
use super::super::style::Style;

/// What is told of a claim beyond its summary.
pub(super) struct Details<'a> {
    object: Option<&'a str>,
    expected: Option<&'a str>,
    observed: Option<&'a str>,
    hint: Option<&'a str>,
}

impl<'a> From<&'a Cause> for Details<'a> {
    fn from(cause: &'a Cause) -> Self {
        Self {
            object: cause.object.as_deref(),
            expected: cause.expected.as_deref(),
            observed: cause.observed.as_deref(),
            hint: cause.hint.as_deref(),
        }
    }
}

impl<'a> From<&'a ClaimReport> for Details<'a> {
    fn from(claim: &'a ClaimReport) -> Self {
        Self {
            object: claim.object.as_deref(),
            expected: claim.expected.as_deref(),
            observed: claim.observed.as_deref(),
            hint: claim.hint.as_deref(),
        }
    }
}

/// A claim. What is said with the causes is not said again, unless everything is asked for.
pub(super) fn claim(text: &mut String, claim: &ClaimReport, causes: &[Cause], style: Style) {
    let name = claim.id.split_once("::").map_or(claim.id.as_str(), |(_, name)| name);
    let mark = format!("  {} ", style.mark(claim.verdict));
    let words = format!("{name}: {}", style.detail(&claim.summary));
    if style.verbose {
        wrapped(text, &words, &mark, style.indent(), style);
        said(text, &format!("claim: {}", style.clean(&claim.statement)), style);
        because(text, claim, style);
        details(text, &Details::from(claim), style);
        return;
    }
    let with = |id: &str| causes.iter().find(|cause| cause.claim == id);
    match (&claim.because, with(&claim.id)) {
        _ if claim.verdict == Verdict::Pass => cut(text, &words, &mark, "", style),
        // What to do about it stands with the cause.
        (Some(root), _) => {
            if with(root).is_some_and(|root| root.summary == claim.summary) {
                let words = format!("{name}: because of {}", style.clean(root));
                wrapped(text, &words, &mark, style.indent(), style);
            } else {
                cut(text, &words, &mark, "", style);
                because(text, claim, style);
            }
        }
        (None, Some(cause)) if cause.summary == claim.summary => {
            cut(text, &words, &mark, " (see above)", style);
        }
        // It may fail, and its summary says why.
        (None, Some(_)) => {
            wrapped(text, &format!("{words} (see above)"), &mark, style.indent(), style);
        }
        (None, None) => {
            wrapped(text, &words, &mark, style.indent(), style);
            details(text, &Details::from(claim), style);
        }
    }
}

fn because(text: &mut String, claim: &ClaimReport, style: Style) {
    if let Some(because) = &claim.because {
        said(text, &format!("because of {}", style.clean(because)), style);
    }
}

/// What is told beyond the summary, as far as there is anything.
pub(super) fn details(text: &mut String, details: &Details<'_>, style: Style) {
    let named = [
        ("object", details.object),
        ("expected", details.expected),
        ("observed", details.observed),
    ];
    for (name, words) in named {
        if let Some(words) = words {
            said(text, &format!("{name}: {}", style.detail(words)), style);
        }
    }
    if let Some(words) = details.hint {
        text.push_str(&hint("hint", words, &inner(style), style));
    }
}

fn said(text: &mut String, words: &str, style: Style) {
    let inner = inner(style);
    wrapped(text, words, &inner, &format!("{inner}  "), style);
}

/// Where the details of a claim stand.
pub(super) fn inner(style: Style) -> String {
    format!("{}  ", style.indent())
}
