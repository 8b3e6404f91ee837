//! One fault: broken, judged, mended as the report says, undone.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::case::{Fault, Mend};
use super::results::Outcome;
use super::steps::take;
use crate::live::Cluster;
use crate::out::{elapsed, say};
use crate::wait::until;

/// How long the mesh may take to be well again after the last command.
const RECOVERY: Duration = Duration::from_mins(2);

/// How long one hint may take to show its effect.
const EFFECT: Duration = Duration::from_secs(40);

/// How many hints are followed, one after the other.
const HINTS: usize = 4;

/// Runs a fault from green to green, and keeps the evidence of its first check in this file. Wrong verdicts
/// are an outcome, and so is a fault that cannot be brought about.
///
/// # Errors
/// When the mesh does not get well again: there is nothing left to break.
pub(crate) fn run(cluster: &Cluster, fault: &Fault, evidence: &Path) -> Result<Outcome> {
    say(format_args!("── {}", fault.name));
    match broken(cluster, fault, evidence) {
        Ok(outcome) => Ok(outcome),
        Err(error) => {
            say(format_args!("   {}: {error:#}", fault.name));
            take(cluster, fault.undo).with_context(|| format!("{}: undoing", fault.name))?;
            cluster.until_green(&format!("{}: all green again", fault.name), RECOVERY)?;
            Ok(Outcome {
                name: fault.name.to_owned(),
                expected: fault.red.iter().map(ToString::to_string).collect(),
                missed: fault.red.iter().map(ToString::to_string).collect(),
                failed: Some(format!("{error:#}")),
                ..Outcome::default()
            })
        }
    }
}

fn broken(cluster: &Cluster, fault: &Fault, evidence: &Path) -> Result<Outcome> {
    let start = Instant::now();
    take(cluster, fault.breaks).with_context(|| format!("{}: breaking", fault.name))?;
    let expected: BTreeSet<&str> = fault.red.iter().copied().collect();
    let unseen: BTreeSet<&str> = fault.unjudged.iter().copied().collect();
    let seconds_to_break = start.elapsed();
    let checked = Instant::now();
    let verdicts = cluster.check(&["--evidence", &evidence.display().to_string()])?;
    let check = checked.elapsed();
    let told = verdicts.told();
    let silent: Vec<_> =
        fault.says.iter().filter(|word| !told.contains(**word)).map(ToString::to_string).collect();
    let own = |set: BTreeSet<&str>| set.into_iter().map(ToOwned::to_owned).collect();
    let mut outcome = Outcome {
        name: fault.name.to_owned(),
        missed: own(&expected - &verdicts.red()),
        false_red: own(&verdicts.red() - &expected),
        expected: own(expected),
        red: own(verdicts.red()),
        unjudged: own(verdicts.unjudged()),
        unjudged_as_expected: verdicts.unjudged() == unseen,
        silent,
        mended: None,
        commands: Vec::new(),
        seconds: 0.0,
        failed: None,
        text: verdicts.text.clone(),
    };
    let begun = Instant::now();
    if let Mend::ByHints = fault.mend {
        let (mended, commands) = follow_hints(cluster)?;
        (outcome.mended, outcome.commands) = (Some(mended), commands);
    }
    let mending = begun.elapsed();
    let begun = Instant::now();
    take(cluster, fault.undo).with_context(|| format!("{}: undoing", fault.name))?;
    cluster.until_green(&format!("{}: all green after it is undone", fault.name), RECOVERY)?;
    outcome.seconds = start.elapsed().as_secs_f64();
    say(format_args!(
        "   {}: {outcome}; broken in {}, checked in {}, hints {}, undone in {}",
        fault.name,
        elapsed(seconds_to_break),
        elapsed(check),
        elapsed(mending),
        elapsed(begun.elapsed())
    ));
    Ok(outcome)
}

/// Types what the hints say, the first claim's first, until all is green. Whether that mended it, and
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
        let before = verdicts.red().into_iter().map(ToOwned::to_owned).collect::<BTreeSet<_>>();
        // Green, or red in another way: then another hint comes next.
        let settled = until("the hint's effect", Duration::from_millis(500), EFFECT, || {
            let now = cluster.check(&[]).map_err(|error| format!("{error:#}"))?;
            let red: BTreeSet<_> = now.red().into_iter().map(ToOwned::to_owned).collect();
            let fewer = red.is_subset(&before) && red != before;
            if now.is_green() {
                Ok(true)
            } else if fewer {
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
