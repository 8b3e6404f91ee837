//! Generated files in the repository: a test compares each with what the code says today.

use std::path::Path;
use std::{env, fs};

/// Compares a text with a generated file; with `MESHCHECK_BLESS=1` in the environment, writes the file instead.
/// `what` is the argument of `cargo xtask bless` that renews it. A test that calls this has `generated` in its name.
///
/// # Panics
/// When the file differs or cannot be written.
#[expect(clippy::panic, reason = "it is an assertion")]
pub fn assert_file(path: &Path, text: &str, what: &str) {
    let recorded = fs::read_to_string(path).unwrap_or_default();
    let Some(difference) = first_difference(&recorded, text) else { return };
    if env::var_os("MESHCHECK_BLESS").is_none_or(|value| value != "1") {
        let file = path.display();
        panic!("`{file}` is out of date; {difference}\n`cargo xtask bless {what}` writes it anew");
    }
    if let Err(error) =
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text))
    {
        panic!("failed to write `{}`: {error}", path.display());
    }
}

/// The first line that differs between two texts.
fn first_difference(recorded: &str, text: &str) -> Option<String> {
    let (mut old, mut new) = (recorded.split('\n'), text.split('\n'));
    for line in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let [old, new] = [old, new].map(|it| it.unwrap_or("(the end)"));
                return Some(format!("line {line}:\n  file: {old}\n  now:  {new}"));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_difference_is_the_first_line_that_differs() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let line = |text: &str| first_difference("a\nb\n", text).unwrap();
        assert_eq!(line("a\nc\n"), "line 2:\n  file: b\n  now:  c");
        assert_eq!(line("a\nb"), "line 3:\n  file: \n  now:  (the end)");
        assert_eq!(line("a\nb\n\n"), "line 4:\n  file: (the end)\n  now:  ");
    }

    #[test]
    #[should_panic(expected = "`cargo xtask bless faults` writes it anew")]
    fn missing_file_names_the_command() {
        assert_file(Path::new("/dev/null/no-file"), "text", "faults");
    }
}
