//! A hint on a terminal: its words wrapped, each command on a line of its own that can be copied as it stands.

use meshcheck_suites::hint::{Part, parts};
use textwrap::core::display_width;

use super::Style;
use super::lines::{line, wrapped};

/// The longest command that is shown, in columns. A part of one is none.
const COMMAND: usize = 4000;

/// A hint behind its label. A command has its line for itself and is never broken: what a click on the line
/// takes is what a shell is to get. What is said of it stands beneath, further in.
pub(crate) fn hint(label: &str, hint: &str, indent: &str, style: Style) -> String {
    let mut text = String::new();
    let words = format!("{indent}    ");
    let label = format!("{indent}{}:", style.paint("36", label));
    let mut parts = parts(hint).into_iter().peekable();
    if let Some(Part::Words(first)) = parts.peek() {
        wrapped(&mut text, &style.detail(first), &format!("{label} "), &words, style);
        parts.next();
    } else {
        line(&mut text, &label);
    }
    for part in parts {
        match part {
            Part::Words(said) => wrapped(&mut text, &style.detail(said), &words, &words, style),
            Part::Command(command) if is_shown(command, style) => {
                line(&mut text, &format!("{indent}  {}", style.paint("1", command)));
            }
            Part::Command(command) => {
                let said = format!(
                    "`{}`: not to be copied from here, for it is too long or has characters that are not \
                     shown; --report json=FILE has it",
                    style.detail(command)
                );
                wrapped(&mut text, &said, &format!("{indent}  "), &words, style);
            }
        }
    }
    text
}

/// Whether a command can be shown to its last character.
fn is_shown(command: &str, style: Style) -> bool {
    display_width(command) <= COMMAND && style.clean(command) == command
}
