//! The JSON Schemas of the documents that meshcheck writes, made from their types.

use clap::ValueEnum;
use meshcheck_suites::diff::Diff;
use meshcheck_suites::{Evidence, Report};
use schemars::schema_for;

/// A document that meshcheck writes as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// The report of `--output json` and `--report json=FILE`.
    Report,
    /// The evidence of `record` and `--evidence`.
    Evidence,
    /// The comparison of `diff --output json`.
    Diff,
}

/// Returns the JSON Schema of a document, as JSON. A document may have more fields than its schema: newer versions add some.
pub fn schema(document: Document) -> String {
    let schema = match document {
        Document::Report => schema_for!(Report),
        Document::Evidence => schema_for!(Evidence),
        Document::Diff => schema_for!(Diff),
    };
    // A schema has strings, numbers and lists: there is nothing here that cannot be written.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
