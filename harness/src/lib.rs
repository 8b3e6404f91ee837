//! How it is done: sources, clusters, installation, collectors, reports.

pub mod cli;
pub mod cluster;
pub mod collect;
pub mod conformance;
pub mod connect;
pub mod events;
pub mod evidence_file;
mod expected;
mod failpoint;
pub mod install;
pub mod owner;
pub mod preflight;
pub mod process;
pub mod progress;
pub mod report;
pub mod settings;
pub mod signals;
pub mod source;
pub mod state;
pub mod support;
pub mod text;
pub mod wait;
mod whole_file;

/// An error with its causes, on one line. Causes that repeat what was said already are left out.
///
/// An answer of the API server is its message alone: the client's own words repeat it with every field.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = words(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let words = words(cause);
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

fn words(error: &(dyn std::error::Error + 'static)) -> String {
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
