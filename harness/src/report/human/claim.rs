//! One claim in its section: a line where it holds, and what there is to know where it does not.

use meshcheck_suites::Verdict;
use meshcheck_suites::report::{Cause, ClaimReport};

use crate::report::style::Style;
use crate::report::writer::Writer;

/// What is told of a claim beyond its summary.
pub(super) struct Details<'a> {
    named: [(&'static str, &'a Option<String>); 3],
    hint: &'a Option<String>,
    /// The entry that `explain` explains, where it does not hold.
    explained: Option<&'a str>,
}

impl<'a> From<&'a Cause> for Details<'a> {
    fn from(Cause { claim, object, expected, observed, hint, .. }: &'a Cause) -> Self {
        let named = [("object", object), ("expected", expected), ("observed", observed)];
        Self { named, hint, explained: Some(claim) }
    }
}

impl<'a> From<&'a ClaimReport> for Details<'a> {
    fn from(claim: &'a ClaimReport) -> Self {
        let ClaimReport { id, verdict, object, expected, observed, hint, .. } = claim;
        let named = [("object", object), ("expected", expected), ("observed", observed)];
        let holds = matches!(verdict, Verdict::Pass | Verdict::Skipped);
        Self { named, hint, explained: (!holds).then_some(id) }
    }
}

/// Writes a claim. What is said with the causes is not said again, unless everything is asked for.
pub(super) fn write_claim(to: &mut Writer, claim: &ClaimReport, causes: &[Cause]) {
    let style = to.style;
    let name = claim.id.split_once("::").map_or(claim.id.as_str(), |(_, name)| name);
    let mark = format!("  {} ", style.mark(claim.verdict));
    let words = format!("{name}: {}", style.detail(&claim.summary));
    if style.verbose {
        to.wrapped(&words, &mark, style.indent());
        write_detail(to, &format!("claim: {}", style.clean(&claim.statement)));
        write_because(to, claim);
        write_details(to, &Details::from(claim));
        return;
    }
    let with = |id: &str| causes.iter().find(|cause| cause.claim == id);
    match (&claim.because, with(&claim.id)) {
        _ if claim.verdict == Verdict::Pass => to.cut(&words, &mark, ""),
        // What to do about it stands with the cause.
        (Some(root), _) => {
            if with(root).is_some_and(|root| root.summary == claim.summary) {
                let words = format!("{name}: because of {}", style.clean(root));
                to.wrapped(&words, &mark, style.indent());
            } else {
                to.cut(&words, &mark, "");
                write_because(to, claim);
            }
        }
        (None, Some(cause)) if cause.summary == claim.summary => {
            to.cut(&words, &mark, " (see above)");
        }
        // It may fail, and its summary says why.
        (None, Some(_)) => to.wrapped(&format!("{words} (see above)"), &mark, style.indent()),
        (None, None) => {
            to.wrapped(&words, &mark, style.indent());
            write_details(to, &Details::from(claim));
        }
    }
}

fn write_because(to: &mut Writer, claim: &ClaimReport) {
    if let Some(because) = &claim.because {
        write_detail(to, &format!("because of {}", to.style.clean(because)));
    }
}

/// Writes what is told beyond the summary, as far as there is anything.
pub(super) fn write_details(to: &mut Writer, details: &Details<'_>) {
    for (name, words) in details.named {
        if let Some(words) = words {
            write_detail(to, &format!("{name}: {}", to.style.detail(words)));
        }
    }
    if let Some(hint) = details.hint {
        to.hint("hint", hint, &indent(to.style));
    }
    if let Some(id) = details.explained {
        write_detail(to, &format!("more: meshcheck explain {}", to.style.clean(id)));
    }
}

fn write_detail(to: &mut Writer, words: &str) {
    let indent = indent(to.style);
    to.wrapped(words, &indent, &format!("{indent}  "));
}

/// Where the details of a claim stand.
pub(super) fn indent(style: Style) -> String {
    format!("{}  ", style.indent())
}
