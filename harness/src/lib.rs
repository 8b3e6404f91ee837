//! How it is done: sources, clusters, installation, collectors, reports.

pub mod cli;
pub mod cluster;
pub mod collect;
pub mod conformance;
pub mod connect;
pub mod events;
pub mod evidence_file;
pub mod install;
pub mod process;
pub mod progress;
pub mod report;
pub mod signals;
pub mod source;
pub mod state;
pub mod text;
pub mod wait;

/// An error with its causes, on one line. Causes that repeat what was said already are left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}
