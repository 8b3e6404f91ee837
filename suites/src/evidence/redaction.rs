//! The list of secrets that were removed from evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text from which secrets were removed. The secrets are not kept.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Redaction {
    /// The JSON pointer of the text: `/demo/pods/value/0/containers/1/args/3`.
    pub place: String,
    /// The kind of secret: `password`, `jwt`, `private-key`, …
    pub kind: String,
    /// The number of secrets.
    pub count: u32,
}
