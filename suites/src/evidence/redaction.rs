//! What is not in the evidence, because it was secret.

use serde::{Deserialize, Serialize};

/// A place where secrets stood. What they were is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// The text that held them, as a JSON pointer: `/demo/pods/value/0/containers/1/args/3`.
    pub place: String,
    /// What kind of secret: `password`, `jwt`, `private-key`, …
    pub kind: String,
    /// How many.
    pub count: u32,
}
