//! One case: made, judged, fixed as the report says, undone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::case::{Case, Check};
use super::networks::Other;
use super::results::Outcome;
use super::steps;
use super::timing::{self, Times};
use crate::live::{Cluster, Verdicts};
use crate::out::{elapsed, say};
use crate::wait::until;

/// How long the mesh may take to be well again after the last command.
const RECOVERY: Duration = Duration::from_mins(2);

/// How long one hint may take to show its effect.
const EFFECT: Duration = Duration::from_secs(40);

/// How many hints are followed, one after the other.
const HINTS: usize = 4;

/// How long each call is held up where the API server is slow.
const DELAY: Duration = Duration::from_millis(300);

/// Runs a case from green to green, and keeps the evidence of its first check in this file. Wrong verdicts
/// are an outcome, and so is a fault that cannot be made.
pub(crate) fn run(cluster: &Cluster, case: &Case, evidence: &Path) -> Result<Outcome> {
    let name = case.name();
    say(format_args!("── {name}"));
    match make_and_undo(cluster, case, evidence) {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            say(format_args!("   {name}: {error:#}"));
            undo(cluster, case)?;
            Ok(Outcome {
                expected: case.red.clone(),
                missed: case.red.clone(),
                failed: Some(format!("{error:#}")),
                ..Outcome::of(case)
            })
        }
    }
}

fn make_and_undo(cluster: &Cluster, case: &Case, evidence: &Path) -> Result<Outcome> {
    let name = case.name();
    let mut times = vec![Instant::now()];
    let healthy = case.rollout_cannot_end.then(|| timing::measure(cluster)).transpose()?;
    if !case.check.has_own_cluster() {
        steps::run(cluster, &case.make).with_context(|| format!("{name}: making it"))?;
    }
    times.push(Instant::now());
    let evidence = evidence.display().to_string();
    let verdicts = check(cluster, case, &["--evidence", &evidence])?;
    times.push(Instant::now());
    let texts = verdicts.texts();
    let mut outcome = Outcome {
        missed: &case.red - &verdicts.red(),
        false_red: &verdicts.red() - &case.red,
        expected: case.red.clone(),
        red: verdicts.red(),
        unjudged: verdicts.unjudged(),
        unjudged_as_expected: verdicts.unjudged() == case.unjudged,
        causes_as_expected: !case.is_fault() || verdicts.causes() == case.causes,
        causes: verdicts.causes(),
        silent: case.says.iter().filter(|text| !texts.contains(*text)).cloned().collect(),
        text: verdicts.text.clone(),
        ..Outcome::of(case)
    };
    if let Some(healthy) = healthy {
        outcome.times = Some(Times::of(healthy, timing::measure(cluster)?));
    }
    if let Some(text) = &case.shows {
        outcome.shown = Some(is_shown(cluster, &verdicts, text));
    }
    if case.is_fault() && case.by_hand.is_none() {
        let (mended, commands) = follow_hints(cluster)?;
        (outcome.mended, outcome.commands) = (Some(mended), commands);
    }
    times.push(Instant::now());
    undo(cluster, case)?;
    times.push(Instant::now());
    outcome.seconds = times[0].elapsed().as_secs_f64();
    let took: Vec<_> = times.windows(2).map(|pair| elapsed(pair[1] - pair[0])).collect();
    say(format_args!(
        "   {name}: {outcome}; made in {}, checked in {}, hints {}, undone in {}",
        took[0], took[1], took[2], took[3]
    ));
    Ok(outcome)
}

/// Whether one of the commands that the report names first prints a text.
fn is_shown(cluster: &Cluster, verdicts: &Verdicts, text: &str) -> bool {
    let first = verdicts.commands().into_iter().next().unwrap_or_default();
    first.iter().any(|command| {
        let ended = cluster.typed(command).ended();
        ended.is_ok_and(|it| it.stdout.contains(text) || it.stderr.contains(text))
    })
}

fn undo(cluster: &Cluster, case: &Case) -> Result<()> {
    let name = case.name();
    steps::run(cluster, &case.undo).with_context(|| format!("{name}: undoing it"))?;
    cluster.until_green(&format!("{name}: all green after it is undone"), RECOVERY)
}

/// Checks the cluster as the case says, or one that is made for it.
fn check(cluster: &Cluster, case: &Case, arguments: &[&str]) -> Result<Verdicts> {
    match case.check {
        Check::Plain => cluster.check(arguments),
        Check::OtherNetworks | Check::DualStack => {
            let other = match case.check {
                Check::DualStack => Other::dual_stack(cluster)?,
                _ => Other::beside(cluster)?,
            };
            steps::run(&other.cluster, &case.make)?;
            other.cluster.check(arguments)
        }
        Check::RenamedContext => {
            let other = tempfile::NamedTempFile::new()?;
            fs::copy(cluster.kubeconfig(), other.path())?;
            let path = other.path().display();
            let rename = format!(
                "kubectl --kubeconfig {path} config rename-context \
                 \"$(kubectl --kubeconfig {path} config current-context)\" training-vm-7"
            );
            cluster.typed(&rename).run()?;
            let context = ["--context", "training-vm-7"];
            check_by(cluster, other.path(), &[&context, arguments].concat())
        }
        Check::SlowApiServer => {
            let (_line, other) = cluster.line(DELAY)?;
            let patience = ["--timeout", "10"];
            check_by(cluster, other.path(), &[&patience, arguments].concat())
        }
    }
}

/// Checks the cluster by this kubeconfig, as one that meshcheck did not make.
fn check_by(cluster: &Cluster, kubeconfig: &Path, more: &[&str]) -> Result<Verdicts> {
    let (bundle, kubeconfig) = (cluster.bundle().display(), kubeconfig.display());
    let (bundle, kubeconfig) = (bundle.to_string(), kubeconfig.to_string());
    let arguments = ["--kubeconfig", &kubeconfig, "--active", "--bundle", &bundle];
    cluster.check(&[&arguments, more].concat())
}

/// Types what the hints say, the first claim's first, until all is green. Whether that fixed it, and
/// what was typed.
fn follow_hints(cluster: &Cluster) -> Result<(bool, Vec<String>)> {
    let mut typed: Vec<String> = Vec::new();
    for _ in 0..HINTS {
        let verdicts = cluster.check(&[])?;
        if verdicts.is_green() {
            return Ok((true, typed));
        }
        let hints = verdicts.commands();
        let new = |commands: &&Vec<String>| commands.iter().any(|one| !typed.contains(one));
        let Some(hint) = hints.iter().find(new).cloned() else {
            return Ok((false, typed));
        };
        for command in hint {
            if !typed.contains(&command) {
                // One that only shows something may well fail: what it shows is not there.
                let _ = cluster.typed(&command).succeeds();
                typed.push(command);
            }
        }
        let before: BTreeSet<_> = verdicts.red();
        // Green, or red in another way: then another hint comes next.
        let settled = until("the hint's effect", Duration::from_millis(500), EFFECT, || {
            let now = cluster.check(&[]).map_err(|error| format!("{error:#}"))?;
            let red = now.red();
            if now.is_green() {
                Ok(true)
            } else if red.is_subset(&before) && red != before {
                Ok(false)
            } else {
                Err(now.to_string())
            }
        });
        if matches!(settled, Ok(true)) {
            return Ok((true, typed));
        }
    }
    Ok((cluster.check(&[])?.is_green(), typed))
}
