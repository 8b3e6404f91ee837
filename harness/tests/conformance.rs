//! One test per claim.
fn main() {}
