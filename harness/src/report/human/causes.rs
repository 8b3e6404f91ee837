//! What is at the root of what does not hold: the only place with all there is to say of it.

use meshcheck_suites::report::Cause;

use super::claim::{Details, indent, write_details};
use crate::report::writer::Writer;

/// How many of its consequences a cause names: each of them says below what it follows from.
const CONSEQUENCES: usize = 6;

/// Writes what to mend first, and what follows from it.
pub(super) fn write_causes(to: &mut Writer, causes: &[Cause]) {
    let style = to.style;
    if causes.is_empty() {
        return;
    }
    to.line(&style.paint("1", "what to mend first"));
    for cause in causes {
        let words = format!("{}: {}", style.clean(&cause.claim), style.detail(&cause.summary));
        to.wrapped(&words, &format!("  {} ", style.mark(cause.verdict)), style.indent());
        write_details(to, &Details::from(cause));
        write_consequences(to, &cause.explains);
        to.text.push('\n');
    }
}

fn write_consequences(to: &mut Writer, explains: &[String]) {
    if explains.is_empty() {
        return;
    }
    // Two more are named, rather than that there are two more.
    let named = match explains.len() {
        number if to.style.verbose || number <= CONSEQUENCES + 2 => number,
        _ => CONSEQUENCES,
    };
    let first = explains.iter().take(named).cloned().collect::<Vec<_>>().join(", ");
    let more = match explains.len() - named {
        0 => String::new(),
        more => format!(", and {more} more, below"),
    };
    let words = format!("follows from it: {}{more}", to.style.clean(&first));
    let indent = indent(to.style);
    to.wrapped(&words, &indent, &format!("{indent}  "));
}
