//! `check`, `judge`: collects evidence on an existing cluster, and judges evidence.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::ZonedDateTime;
use meshcheck_suites::evidence::{Evidence, Observation};
use meshcheck_suites::{Report, Verdict, judged_early};
use tokio_util::sync::CancellationToken;

use super::arguments::{Check, Judge, Judging, Target};
use super::cleanup::{listen, remove_probes, until_cancelled};
use super::failure::Failure;
use super::reports::{Judged, Reports, write_evidence_and_verdicts, write_verdicts};
use super::software;
use super::target::{NamedCluster, own_choice};
use crate::collect::{Options, Timings, collect};
use crate::connect::{Choice, connect, expand_home};
use crate::events::{Events, Phase};
use crate::evidence_file;
use crate::progress;
use crate::report::{Kind, OutputOptions, Style, format_progress, writable};
use crate::settings::Settings;

/// The time limit of each request, by default.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// How long rollouts are waited for before the evidence is collected, by default.
const SETTLE: Duration = Duration::from_secs(30);

/// The pause between two checks of `--wait`.
const PAUSE: Duration = Duration::from_secs(5);

/// `meshcheck check`
pub(super) async fn check(arguments: Check, settings: &Settings) -> Result<u8, Failure> {
    let output = &arguments.judging.output;
    writable(output)?;
    arguments.evidence.iter().try_for_each(|path| evidence_file::check_writable(path))?;
    let cancel = listen()?;
    let checks = Checks { arguments: &arguments, settings, cancel };
    match (arguments.wait, arguments.watch) {
        (Some(wait), _) => checks.until_all_hold(wait).await,
        (None, Some(pause)) => checks.until_interrupted(pause).await,
        (None, None) => checks.write(checks.check(Duration::MAX).await),
    }
}

/// The checks of one call.
struct Checks<'a> {
    arguments: &'a Check,
    settings: &'a Settings,
    cancel: CancellationToken,
}

/// What one check found.
struct Checked {
    evidence: Evidence,
    timings: Timings,
    report: Report,
}

impl Checks<'_> {
    /// Checks once. Rollouts are waited for at most so long.
    async fn check(&self, settle: Duration) -> Result<Checked, Failure> {
        let Check { target, judging, wait, watch, .. } = self.arguments;
        let is_only_check = wait.is_none() && watch.is_none();
        let claims = is_only_check.then(|| early_claims(judging));
        let options =
            CollectOptions { include_logs: false, quiet: judging.output.quiet, settle, claims };
        let collected =
            Box::pin(collect_evidence(target, self.settings, options, &self.cancel)).await;
        let (evidence, timings) =
            collected.map_err(|failure| failure.in_phase(Some(Phase::Collect)))?;
        let report = judged(&evidence, judging);
        Ok(Checked { evidence, timings, report })
    }

    /// Prints and writes the verdicts. Returns the exit code.
    fn write(&self, checked: Result<Checked, Failure>) -> Result<u8, Failure> {
        let Checked { evidence, timings, report } = checked?;
        let output = &self.arguments.judging.output;
        if output.verbose {
            print_timings(&timings);
        }
        let time = self.arguments.watch.map(|_| time_of(&report));
        let judged = Judged { time, ..Judged::alone(&report, Some(&evidence)) };
        write_evidence_and_verdicts(&evidence, &judged, self.arguments.evidence.as_deref(), output)
    }

    async fn pause(&self, pause: Duration) -> Result<(), Failure> {
        until_cancelled(&self.cancel, tokio::time::sleep(pause)).await
    }

    /// `--wait`: checks until every claim holds or the time is over, and reports the last check.
    async fn until_all_hold(&self, wait: Duration) -> Result<u8, Failure> {
        let output = &self.arguments.judging.output;
        let end = Instant::now() + wait;
        let left = || end.saturating_duration_since(Instant::now());
        let mut last_note = String::new();
        loop {
            let checked = self.check(left()).await;
            let is_done = match &checked {
                Ok(checked) => checked.report.exit_code_for(&output.counted()) == 0,
                Err(failure) => !failure.is_environment(),
            };
            if is_done || left().is_zero() {
                return self.write(checked);
            }
            let note = describe_wait(&checked);
            if note != last_note && !output.quiet {
                super::say(&note);
            }
            last_note = note;
            self.pause(PAUSE.min(left())).await?;
        }
    }

    /// `--watch`: checks and reports until Ctrl-C, which leaves the reports of the last check as they are.
    async fn until_interrupted(&self, pause: Duration) -> Result<u8, Failure> {
        let mut has_verdicts = false;
        loop {
            let written = self.write(self.check(Duration::MAX).await);
            has_verdicts |= written.is_ok();
            let ended = match written {
                Err(failure) if !failure.is_environment() => Err(failure),
                Err(failure) => {
                    Reports::of_claims(&self.arguments.judging).write_failure(failure).print();
                    self.pause(pause).await
                }
                Ok(_) => self.pause(pause).await,
            };
            ended
                .map_err(|failure| if has_verdicts { failure.with_verdicts(0) } else { failure })?;
        }
    }
}

/// The heading of a report that `--watch` prints.
fn time_of(report: &Report) -> String {
    format!("{}, {}", report.cluster.context, ZonedDateTime::now().strftime("%H:%M:%S"))
}

/// Describes why `--wait` checks again.
fn describe_wait(checked: &Result<Checked, Failure>) -> String {
    let report = match checked {
        Ok(checked) => &checked.report,
        Err(failure) => return format!("waiting: {}", failure.message()),
    };
    let holds = [Verdict::Pass, Verdict::Skipped];
    let open: Vec<_> =
        report.claims.iter().filter(|claim| !holds.contains(&claim.verdict)).collect();
    let first = open.first().map_or("", |claim| claim.id.as_str());
    match open.len() {
        0 => "waiting".to_owned(),
        1 => format!("waiting for 1 claim: {first}"),
        number => format!("waiting for {number} claims: {first} and {} more", number - 1),
    }
}

/// Judges evidence by the options.
pub(super) fn judged(evidence: &Evidence, Judging { selection, .. }: &Judging) -> Report {
    let mut report = meshcheck_suites::judge(evidence, &selection.only);
    report.skip(&selection.skip);
    report
}

/// Returns what formats the claims that can be judged before all evidence is collected.
pub(super) fn early_claims(judging: &Judging) -> progress::Claims {
    let judging = judging.clone();
    let style = Style::for_stderr(&judging.output);
    Box::new(move |evidence, complete| {
        let report = judged(evidence, &judging);
        judged_early(&report, complete).map(|claim| format_progress(claim, style)).collect()
    })
}

/// `meshcheck judge`
pub(super) fn judge(
    arguments: &Judge,
    settings: &Settings,
    file_was_named: bool,
) -> Result<u8, Failure> {
    let Judge { files, judging } = arguments;
    let output: &OutputOptions = &judging.output;
    if files.len() > 1 && output.reports.iter().any(|report| report.kind == Kind::Html) {
        return Err(Failure::usage(
            "an HTML report shows one file, and the call names several".into(),
            "judge one file a call, or write --report junit=FILE or json=FILE".into(),
        ));
    }
    writable(output)?;
    let mut evidence = Vec::new();
    let mut failures = Vec::new();
    for file in files {
        match read(file, settings, file_was_named) {
            Ok(read) => evidence.push((file, read)),
            Err(failure) => failures.push(failure),
        }
    }
    let last = if evidence.is_empty() { failures.pop() } else { None };
    failures.iter().for_each(Failure::print);
    if let Some(last) = last {
        return Err(last);
    }
    let several = files.len() > 1;
    let reports: Vec<_> = evidence.iter().map(|(_, evidence)| judged(evidence, judging)).collect();
    let judged: Vec<_> = evidence
        .iter()
        .zip(&reports)
        .map(|((file, evidence), report)| {
            let file = several.then(|| file.display().to_string());
            Judged { file, ..Judged::alone(report, Some(evidence)) }
        })
        .collect();
    let code = write_verdicts(&judged, output)?;
    // A file that cannot be read weighs more than any verdict.
    Ok(failures.iter().map(Failure::code).max().unwrap_or(code))
}

/// Reads evidence to judge it by the names for which it was recorded. A configuration says which claims are
/// skipped or may fail.
pub(super) fn read(
    file: &Path,
    settings: &Settings,
    file_was_named: bool,
) -> Result<Evidence, Failure> {
    let mut evidence = evidence_file::read(file)?;
    if settings.file.is_some() {
        let others = settings.differences(&evidence.expectations);
        let difference = |separator: &str| {
            let start = "the evidence was recorded with other names than";
            let others = others.join(separator);
            format!("{start} those of {}:{separator}{others}", settings.source())
        };
        if !others.is_empty() && file_was_named {
            let fix = "record the evidence with this configuration, or judge it without --config";
            return Err(Failure::usage(difference("\n"), fix.into()));
        }
        if !others.is_empty() {
            super::say(&format!("note: {}; the names of the evidence apply", difference(" ")));
        }
    }
    if let Some(waivers) = &settings.waivers {
        evidence.expectations.waivers.clone_from(waivers);
    }
    // The file of another machine: commands that name it, or rely on its current context, do not work here.
    let subject = &mut evidence.subject;
    let kubeconfig = subject.kubeconfig.as_deref().and_then(expand_home);
    if !kubeconfig.is_some_and(|file| file.is_file()) {
        subject.kubeconfig = None;
        subject.context_is_current = false;
    }
    Ok(evidence)
}

/// How evidence is collected.
pub(super) struct CollectOptions {
    /// With the ends of logs.
    pub(super) include_logs: bool,
    /// Without progress.
    pub(super) quiet: bool,
    /// How long rollouts are waited for at the most.
    pub(super) settle: Duration,
    /// Which claims are shown before all evidence is collected.
    pub(super) claims: Option<progress::Claims>,
}

/// Collects evidence on the cluster that the options name.
pub(super) async fn collect_evidence(
    target: &Target,
    settings: &Settings,
    CollectOptions { include_logs, quiet, settle, claims }: CollectOptions,
    cancel: &CancellationToken,
) -> Result<(Evidence, Timings), Failure> {
    let named = NamedCluster::new(target, settings);
    let own = named.find_own()?;
    let mut expectations = software::expectations(&target.source, settings, own.as_ref())?;
    target.namespaces.apply(&mut expectations)?;
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
    let connection = until_cancelled(cancel, Box::pin(connect(&choice))).await??;
    let (events, shown) = if quiet {
        (Events::silent(), None)
    } else {
        let (events, receiver) = Events::channel();
        (events, Some(progress::show(receiver, quiet, claims)))
    };
    let options = Options {
        expectations,
        kiali_url: target.kiali_url.clone().or(configured_url),
        limit,
        settle: settings.settle.unwrap_or(SETTLE).min(settle),
        load_balancer_probe: Observation::not_asked("the probe runs only before the install"),
        istioctl_version: match own.and_then(|cluster| cluster.istioctl_version) {
            Some(version) => Observation::seen(version),
            None => Observation::not_asked("this run used no istioctl"),
        },
        include_logs,
        events,
    };
    let outcome = until_cancelled(cancel, Box::pin(collect(&connection, &options))).await;
    // What was waited for stands before what was found.
    drop(options);
    if let Some(shown) = shown {
        let _ = shown.await;
    }
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
