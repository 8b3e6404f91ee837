//! What is at the root of what does not hold: the only place with all there is to say of it.

use meshcheck_suites::report::Cause;

use super::super::lines::{line, wrapped};
use super::super::style::Style;
use super::claim::{Details, details, inner};

/// How many of its consequences a cause names: each of them says below what it follows from.
const CONSEQUENCES: usize = 6;

/// What to mend first, and what follows from it.
pub(super) fn causes(text: &mut String, causes: &[Cause], style: Style) {
    if causes.is_empty() {
        return;
    }
    line(text, &style.paint("1", "what to mend first"));
    for cause in causes {
        let words = format!("{}: {}", style.clean(&cause.claim), style.detail(&cause.summary));
        let mark = format!("  {} ", style.mark(cause.verdict));
        wrapped(text, &words, &mark, style.indent(), style);
        details(text, &Details::from(cause), style);
        consequences(text, cause, style);
        text.push('\n');
    }
}

fn consequences(text: &mut String, cause: &Cause, style: Style) {
    if cause.explains.is_empty() {
        return;
    }
    // Two more are named, rather than that there are two more.
    let named = match cause.explains.len() {
        number if style.verbose || number <= CONSEQUENCES + 2 => number,
        _ => CONSEQUENCES,
    };
    let first = cause.explains.iter().take(named).cloned().collect::<Vec<_>>().join(", ");
    let more = match cause.explains.len() - named {
        0 => String::new(),
        more => format!(", and {more} more, below"),
    };
    let words = format!("follows from it: {}{more}", style.clean(&first));
    let inner = inner(style);
    wrapped(text, &words, &inner, &format!("{inner}  "), style);
}
