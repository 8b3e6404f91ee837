//! The demo's namespace is labelled for injection.

use crate::claims::causes;
use crate::entry::claim;

claim! {
    /// TODO
    "install::namespace_labelled": "the demo's namespace is labelled for injection",
    needs: Reading,
    caused_by: [
        crate::claims::install::default_profile if causes::install::no_revision_is_installed,
    ],
    judge: crate::claims::install::namespace_labelled,
}

#[cfg(test)]
use crate::claims::install::tests::the_namespace_is_labelled as cases;
