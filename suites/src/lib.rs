//! What the tutorial claims.
