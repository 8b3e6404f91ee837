//! The page of an entry: what `explain` prints and `docs/claims` holds.

/// The text above an entry, in Markdown.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The lines of the doc comment, each with the space that follows `///`.
    pub raw: &'static str,
    /// The source file, relative to the repository.
    pub file: &'static str,
}

impl Page {
    /// The sections that every page has, in this order, below what the tutorial says.
    pub const HEADINGS: [&'static str; 5] = [
        "Why it matters",
        "How it is checked",
        "What makes it fail",
        "How to fix it",
        "Check by hand",
    ];

    /// The text in Markdown.
    pub fn text(&self) -> String {
        let lines = self.raw.lines().map(|line| line.strip_prefix(' ').unwrap_or(line));
        lines.collect::<Vec<_>>().join("\n")
    }
}
