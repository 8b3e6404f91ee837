//! The evidence of a preflight as a document: what a file has of it.

use serde::{Deserialize, Serialize};

use super::PreflightEvidence;
use crate::evidence::{Redaction, SCHEMA};

/// The evidence of a preflight, with what other programs need to recognise it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreflightRecord {
    /// The schema of this document, [`SCHEMA`] when it was written.
    pub schema: u32,
    /// The program that wrote it: `meshcheck 0.1.0`.
    pub recorder: String,
    /// All observations.
    pub preflight: PreflightEvidence,
    /// The texts from which secrets were removed: see [`crate::redact`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
}

impl PreflightRecord {
    /// Creates the document of this evidence, without its secrets. `recorder` is the program that writes it.
    pub fn new(preflight: PreflightEvidence, recorder: &str) -> Self {
        let (schema, recorder) = (SCHEMA, recorder.to_owned());
        crate::redact::redact(Self { schema, recorder, preflight, redactions: Vec::new() })
    }
}
