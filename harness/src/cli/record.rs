//! `record`, `show`: a file of what was seen, for somebody elsewhere; and what is in one.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use meshcheck_suites::hint::quote;

use super::arguments::{Record, Show};
use super::failure::Failure;
use super::observe::{CollectOptions, collect_evidence};
use crate::evidence_file;
use crate::report::to_stdout;
use crate::settings::Settings;
use crate::support;
use crate::text::for_page;

/// `meshcheck record`
pub(super) async fn record(arguments: Record, settings: &Settings) -> Result<u8, Failure> {
    // Found out before the look, not after it.
    evidence_file::check_writable(&arguments.out)?;
    let options = CollectOptions { include_logs: arguments.include_logs, quiet: false };
    let (evidence, _) = Box::pin(collect_evidence(&arguments.target, settings, options)).await?;
    evidence_file::write(&arguments.out, &evidence)?;
    let mut told = format!("recorded: {}\n", named(&arguments.out));
    told.push_str(&support::summary(&evidence));
    if !arguments.include_logs {
        told.push_str("logs: only those that claims need; --include-logs adds the others' ends\n");
    }
    told.push_str("what is in it was looked through for secrets by their looks: look it through yourself too\n");
    let file = quote(&arguments.out.to_string_lossy());
    let _ = writeln!(told, "\nto judge it, anywhere: meshcheck judge {file}");
    // Standard output may be the file.
    let _ = std::io::stderr().write_all(told.as_bytes());
    Ok(0)
}

/// The file and its size.
fn named(file: &Path) -> String {
    let name = quote(&file.to_string_lossy());
    match std::fs::metadata(file) {
        Ok(there) if there.is_file() => format!("{name}, {}", support::size(there.len())),
        _ => name,
    }
}

/// `meshcheck show`
pub(super) fn show(arguments: &Show) -> Result<u8, Failure> {
    let evidence = evidence_file::read(&arguments.file)?;
    let text = match &arguments.logs {
        None => format!("{}\n{}", named(&arguments.file), support::summary(&evidence)),
        Some(part) => {
            let logs = support::logs(&evidence, part);
            if logs.is_empty() {
                let hint = if evidence.logs.is_empty() {
                    "`meshcheck record --include-logs` writes them into it".to_owned()
                } else {
                    format!(
                        "`meshcheck show {}` lists them",
                        quote(&arguments.file.to_string_lossy())
                    )
                };
                let what = if part.is_empty() { String::new() } else { format!(" of `{part}`") };
                return Err(Failure::usage(format!("the file holds no log{what}"), hint));
            }
            for_page(&logs)
        }
    };
    to_stdout(&text)?;
    Ok(0)
}
