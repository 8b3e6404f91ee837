//! `record`, `show`: writes evidence to a file, and shows the contents of one.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use meshcheck_suites::Evidence;
use meshcheck_suites::evidence::ContainerLog;
use meshcheck_suites::hint::quote;

use super::arguments::{Record as Arguments, Show};
use super::cleanup::{listen, until_cancelled};
use super::failure::Failure;
use super::observe::{CollectOptions, collect_evidence};
use super::preflight;
use super::send::Destination;
use crate::evidence_file::{self, Record};
use crate::report::{STDOUT, to_stdout};
use crate::settings::Settings;
use crate::support;
use crate::text::for_page;

/// `meshcheck record`
pub(super) async fn record(
    arguments: Arguments,
    settings: &Settings,
    quiet: bool,
) -> Result<u8, Failure> {
    if let Some(out) = &arguments.out {
        evidence_file::check_writable(out)?;
    }
    let destination = arguments.send.as_deref();
    let destination = destination.map(|url| Destination::new(url, arguments.token_file.as_deref()));
    let destination = destination.transpose()?;
    let cancel = listen()?;
    let record = if arguments.preflight {
        let target = arguments.target.for_preflight();
        let collected = preflight::collect_evidence(&target, settings, &cancel);
        Record::preflight(Box::pin(collected).await?.0)
    } else {
        let options = CollectOptions {
            include_logs: arguments.include_logs,
            quiet,
            settle: Duration::MAX,
            claims: None,
        };
        let collected = collect_evidence(&arguments.target, settings, options, &cancel);
        Record::Mesh(Box::new(Box::pin(collected).await?.0))
    };
    if let Some(out) = &arguments.out {
        evidence_file::write(out, &record)?;
    }
    if let Some(destination) = &destination {
        until_cancelled(&cancel, destination.send(&record)).await??;
    }
    if quiet {
        return Ok(0);
    }
    let mut text = String::new();
    if let Some(destination) = &destination {
        let _ = writeln!(text, "sent: {}", destination.name());
    }
    if let Some(out) = &arguments.out {
        let _ = writeln!(text, "recorded: {}", named(out));
    }
    if let Record::Mesh(evidence) = &record {
        text.push_str(&support::summary(evidence));
    }
    if !arguments.include_logs && !arguments.preflight {
        text.push_str(
            "logs: only those that claims need; --include-logs adds the last lines of the others\n",
        );
    }
    if arguments.out.is_some() {
        text.push_str(
            "secrets were redacted by name and by pattern: review the file before you share it\n",
        );
    }
    let file = arguments.out.as_deref().filter(|out| *out != Path::new(STDOUT));
    if let Some(out) = file.filter(|_| !arguments.preflight) {
        let file = quote(&out.to_string_lossy());
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
