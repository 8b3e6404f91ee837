//! `check`, `judge`: looking at a cluster that is there, and judging what was seen.

use std::time::Duration;

use meshcheck_suites::evidence::{Evidence, Observation};

use super::arguments::{Check, Judge, Target};
use super::cleanup::{listen, remove_probes, until_cancelled};
use super::failure::Failure;
use super::reports::{write_evidence_and_verdicts, write_verdicts};
use super::software;
use super::target::{NamedCluster, own_choice};
use crate::collect::{Options, Timings, collect};
use crate::connect::{Choice, connect};
use crate::events::{Events, Phase};
use crate::evidence_file;
use crate::progress;
use crate::report::writable;
use crate::settings::Settings;

/// How long any one look may take, where nobody said.
const LOOK: Duration = Duration::from_secs(5);

/// How long rollouts may take to come to an end before the look.
const SETTLE: Duration = Duration::from_secs(30);

/// `meshcheck check`
pub(super) async fn check(arguments: Check, settings: &Settings) -> Result<u8, Failure> {
    writable(&arguments.judging.output)?;
    arguments.evidence.iter().try_for_each(|path| evidence_file::check_writable(path))?;
    let options = CollectOptions { include_logs: false, quiet: arguments.judging.output.quiet };
    let collected = Box::pin(collect_evidence(&arguments.target, settings, options)).await;
    let (evidence, timings) =
        collected.map_err(|failure| failure.in_phase(Some(Phase::Collect)))?;
    let report = meshcheck_suites::judge(&evidence, &arguments.judging.selection.only);
    if arguments.judging.output.verbose {
        print_timings(&timings);
    }
    write_evidence_and_verdicts(
        &evidence,
        &report,
        arguments.evidence.as_deref(),
        &arguments.judging.output,
    )
}

/// `meshcheck judge`. Evidence is judged by the names for which it was recorded: what has others was
/// never looked at. A configuration says which claims are skipped or may fail.
pub(super) fn judge(
    arguments: &Judge,
    settings: &Settings,
    file_was_named: bool,
) -> Result<u8, Failure> {
    let mut evidence = evidence_file::read(&arguments.file)?;
    if settings.file.is_some() {
        let others = settings.differences(&evidence.expectations);
        let difference = |separator: &str| {
            let start = "the evidence was recorded for other names than";
            let others = others.join(separator);
            format!("{start} {} says:{separator}{others}", settings.source())
        };
        if !others.is_empty() && file_was_named {
            let hint = "record with this configuration, or judge without it";
            return Err(Failure::usage(difference("\n"), hint.into()));
        }
        if !others.is_empty() {
            super::say(&format!("note: {}; its own are judged", difference(" ")));
        }
    }
    if let Some(waivers) = &settings.waivers {
        evidence.expectations.waivers.clone_from(waivers);
    }
    let report = meshcheck_suites::judge(&evidence, &arguments.judging.selection.only);
    write_verdicts(&report, Some(&evidence), &arguments.judging.output)
}

/// How evidence is collected.
#[derive(Clone, Copy)]
pub(super) struct CollectOptions {
    /// With the ends of logs.
    pub(super) include_logs: bool,
    /// Without progress.
    pub(super) quiet: bool,
}

/// Collects evidence on the cluster that the options name.
pub(super) async fn collect_evidence(
    target: &Target,
    settings: &Settings,
    CollectOptions { include_logs, quiet }: CollectOptions,
) -> Result<(Evidence, Timings), Failure> {
    let cancel = listen()?;
    let named = NamedCluster::new(target, settings);
    let own = named.find_own()?;
    let expectations = software::expectations(&target.source, settings, own.as_ref())?;
    // The configuration's URL is that of its cluster: another one's Kiali would be green for this one.
    let configured_url =
        settings.kiali_url.clone().filter(|_| own.is_none() && named.is_configured);
    let limit = target.timeout.or(settings.look).unwrap_or(LOOK);
    let choice = match &own {
        Some(cluster) => own_choice(cluster, limit)?,
        None => Choice {
            kubeconfig: named.kubeconfig,
            context: named.context,
            active: target.active,
            patience: limit,
            ..Choice::default()
        },
    };
    let connection = until_cancelled(&cancel, Box::pin(connect(&choice))).await??;
    let (events, receiver) = Events::channel();
    let shown = progress::show(receiver, quiet);
    let options = Options {
        expectations,
        kiali_url: target.kiali_url.clone().or(configured_url),
        limit,
        settle: settings.settle.unwrap_or(SETTLE),
        load_balancer_probe: Observation::not_asked(
            "a service of ours asks for an address before the install only",
        ),
        istioctl_version: match own.and_then(|cluster| cluster.istioctl_version) {
            Some(version) => Observation::seen(version),
            None => Observation::not_asked("this run used no istioctl"),
        },
        include_logs,
        events,
    };
    let outcome = until_cancelled(&cancel, Box::pin(collect(&connection, &options))).await;
    // What was waited for stands before what was found.
    drop(options);
    let _ = shown.await;
    remove_probes(&connection, outcome).await
}

pub(super) fn print_timings(timings: &Timings) {
    use std::io::Write as _;
    let mut timings = timings.clone();
    timings.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    let mut to = std::io::stderr().lock();
    for (name, took) in timings {
        let _ = writeln!(to, "{:6} ms  {name}", took.as_millis());
    }
}
