//! `record`, `show`: writes evidence to a file, and shows the contents of one.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use meshcheck_suites::Evidence;
use meshcheck_suites::evidence::ContainerLog;
use meshcheck_suites::hint::quote;

use super::arguments::{Record, Show};
use super::cleanup::listen;
use super::failure::Failure;
use super::observe::{CollectOptions, collect_evidence};
use crate::evidence_file;
use crate::report::{STDOUT, to_stdout};
use crate::settings::Settings;
use crate::support;
use crate::text::for_page;

/// `meshcheck record`
pub(super) async fn record(
    arguments: Record,
    settings: &Settings,
    quiet: bool,
) -> Result<u8, Failure> {
    evidence_file::check_writable(&arguments.out)?;
    let cancel = listen()?;
    let options = CollectOptions {
        include_logs: arguments.include_logs,
        quiet,
        settle: Duration::MAX,
        claims: None,
    };
    let collected = collect_evidence(&arguments.target, settings, options, &cancel);
    let (evidence, _) = Box::pin(collected).await?;
    evidence_file::write(&arguments.out, &evidence)?;
    if quiet {
        return Ok(0);
    }
    let mut text = format!("recorded: {}\n", named(&arguments.out));
    text.push_str(&support::summary(&evidence));
    if !arguments.include_logs {
        text.push_str(
            "logs: only those that claims need; --include-logs adds the last lines of the others\n",
        );
    }
    text.push_str(
        "secrets were redacted by name and by pattern: review the file before you share it\n",
    );
    if arguments.out != Path::new(STDOUT) {
        let file = quote(&arguments.out.to_string_lossy());
        let _ = writeln!(text, "\njudge it on any machine: meshcheck judge {file}");
    }
    // Standard output may be the file.
    let _ = std::io::stderr().write_all(text.as_bytes());
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
                return Err(no_such_log(&evidence, part));
            }
            for_page(&logs)
        }
    };
    to_stdout(&text)?;
    Ok(0)
}

/// Names the logs that the evidence has.
fn no_such_log(evidence: &Evidence, part: &str) -> Failure {
    let mut names: Vec<_> = evidence.logs.iter().map(ContainerLog::name).collect();
    names.sort();
    let what =
        if part.is_empty() { String::new() } else { format!(" whose name contains `{part}`") };
    let fix = if names.is_empty() {
        "record the evidence with logs: `meshcheck record --include-logs --out FILE`".to_owned()
    } else {
        format!("name one of them: {}", names.join(", "))
    };
    Failure::usage(format!("the evidence has no log{what}"), fix)
}
