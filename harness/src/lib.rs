//! How it is done: sources, clusters, installation, collectors, reports.

mod atomic_file;
pub mod class;
pub mod cli;
mod cluster;
pub mod collect;
pub mod conformance;
pub mod connect;
mod deadline;
pub mod events;
mod evidence_file;
mod expected;
mod failpoint;
mod install;
pub mod matrix;
mod owner;
pub mod preflight;
mod process;
mod progress;
pub mod report;
mod settings;
mod signals;
pub mod source;
mod state;
mod suggest;
mod support;
mod text;
pub mod wait;

/// An error with its causes, on one line. Causes that repeat what was said already are left out.
///
/// An answer of the API server is its message alone: the client's own words repeat it with every field.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = message(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let next = message(cause);
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = cause.source();
    }
    text
}

fn message(error: &(dyn std::error::Error + 'static)) -> String {
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) if !status.message.is_empty() => {
            text::excerpt(&status.message)
        }
        // Its own words are none: `ServiceError: …`.
        Some(kube::Error::Service(service)) => service.to_string(),
        _ => {
            // The client's error holds it in a box, and that box is the cause that it names.
            let boxed = error.downcast_ref::<Box<kube::core::Status>>().map(AsRef::as_ref);
            match boxed.or_else(|| error.downcast_ref::<kube::core::Status>()) {
                Some(status) => text::excerpt(&status.message),
                None => error.to_string(),
            }
        }
    }
}
