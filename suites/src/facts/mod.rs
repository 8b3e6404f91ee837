//! Facts about the evidence that several claims ask for: predicates and lookups, without any text.

pub(crate) mod gateway;
pub(crate) mod image;
pub(crate) mod kiali;
pub(crate) mod scheduling;
pub(crate) mod workload;
