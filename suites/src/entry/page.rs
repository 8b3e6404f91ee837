//! The page of an entry, for `explain` and `docs/claims`.

use std::fmt::Write as _;

use super::{Entry, Subject};

/// The page of an entry, and the messages of its cases.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The doc comment above the entry, each line with the space that follows `///`.
    pub text: &'static str,
    /// The source file, relative to the repository.
    pub file: &'static str,
    /// The expected messages of all cases.
    pub messages: &'static str,
}

impl Page {
    /// The headings of every page, in this order, after the first paragraph.
    pub const HEADINGS: [&'static str; 5] = [
        "Why it matters",
        "How it is checked",
        "What makes it fail",
        "How to fix it",
        "Check by hand",
    ];

    /// Returns the page in Markdown.
    pub fn markdown(&self) -> String {
        let lines = self.text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Returns name and message of the first case that fails.
    fn example(&self) -> Option<(&'static str, &'static str)> {
        self.messages.split("── ").find_map(|case| {
            let (name, message) = case.split_once(" ──\n")?;
            message.starts_with("fail: ").then(|| (name, message.trim_end()))
        })
    }
}

impl<E: Subject> Entry<E> {
    /// Returns the complete page in Markdown, as `explain` prints it.
    pub fn explain(&self) -> String {
        let mut page = format!("# {}\n\n{}.\n\n", self.id, capitalised(self.statement));
        page += self.page.markdown().trim_end();
        if let Some((name, message)) = self.page.example() {
            let _ = write!(page, "\n\n## Example failure\n\nCase `{name}`:\n\n");
            // What else fails in a case is a matter of the tests.
            let lines = message.lines().filter(|line| !line.starts_with("  explains: "));
            page += &lines.map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
        }
        list_causes(&mut page, self);
        page + "\n"
    }

    /// Returns the URL of its page.
    pub fn page_address(&self) -> String {
        let repository = env!("CARGO_PKG_REPOSITORY");
        format!("{repository}/blob/main/docs/claims/{}", self.page_path())
    }

    /// Returns the path of its page below `docs/claims`.
    pub fn page_path(&self) -> String {
        format!("{}/{}.md", self.section(), self.name())
    }
}

/// Adds links to the pages of the entries that may cause this one's failure.
fn list_causes<E: Subject>(page: &mut String, entry: &Entry<E>) {
    let mut listed: Vec<&str> = Vec::new();
    for cause in entry.causes.iter().map(|cause| cause.entry) {
        if listed.contains(&cause.id) {
            continue;
        }
        if listed.is_empty() {
            *page += "\n\n## May be caused by\n";
        }
        listed.push(cause.id);
        let _ = write!(page, "\n- [`{}`](../{})", cause.id, cause.page_path());
    }
}

/// Returns a text with a capital first letter.
fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
