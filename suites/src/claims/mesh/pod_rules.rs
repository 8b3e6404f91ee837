//! The rules of a pod: those in the log of its init container, and those in force in its network.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::evidence::{Evidence, Observation, Pod};
use crate::facts::sidecar::{INIT, init_container};
use crate::judgement::Judgement;
use crate::steps::pods;
use meshcheck_netfilter::{Family, ParseError, Printed, RuleSet, parse, rules_in_log};

/// Where rules were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulesSource {
    /// In the log of the init container.
    Log,
    /// In the pod's network: there is no log that shows them.
    InForce,
}

/// Pods with each family of their addresses.
pub(super) fn by_family(pods: Vec<&Pod>) -> Vec<(&Pod, Family)> {
    let families = |pod: &Pod| {
        let mut families: BTreeSet<_> = pod.addresses().map(Family::of).collect();
        // Rules of IPv4 are set whatever the address is.
        if families.is_empty() {
            families.insert(Family::V4);
        }
        families
    };
    pods.into_iter().flat_map(|pod| families(pod).into_iter().map(move |it| (pod, it))).collect()
}

/// What the summary of a pass says of the families.
pub(super) fn format_families(all: &[(&Pod, Family)]) -> &'static str {
    if all.iter().any(|it| it.1 == Family::V6) { ", IPv6 included" } else { "" }
}

/// The rules of a pod that are judged: those that its init container has logged. Where it has none, as with a CNI
/// plug-in, or its log is gone, those in force.
pub(super) fn judged_rules(
    evidence: &Evidence,
    pod: &Pod,
    family: Family,
) -> Result<(RuleSet, RulesSource), Judgement> {
    if has_log(evidence, pod) {
        return Ok((logged_rules(evidence, pod, family)?, RulesSource::Log));
    }
    let in_force = rules_in_force(evidence, pod, family);
    in_force.map(|rules| (rules, RulesSource::InForce)).map_err(|unread| {
        let missing = logged_rules(evidence, pod, family).err();
        missing.unwrap_or_else(|| unread.clone()).observed(unread.summary)
    })
}

/// Whether a pod has an init container whose log may show rules.
fn has_log(evidence: &Evidence, pod: &Pod) -> bool {
    let log = evidence.mesh.init_logs.get(&pod.name).and_then(Observation::value);
    init_container(pod).is_some() && log.is_none_or(|log| !is_gone(log))
}

/// Whether the kubelet answered that it has no log any more, in the place of the log.
/// Source: `pkg/kubelet/kuberuntime/kuberuntime_container.go` and `logs/logs.go` of Kubernetes.
fn is_gone(log: &str) -> bool {
    log.starts_with("unable to retrieve container logs for ")
        || log.starts_with("failed to try resolving symlinks in path ")
}

/// The rules of a family that a pod's init container has logged.
pub(super) fn logged_rules(
    evidence: &Evidence,
    pod: &Pod,
    family: Family,
) -> Result<RuleSet, Judgement> {
    let name = &pod.name;
    let unjudged = |summary: String| Err(Judgement::unjudged(summary));
    let log = match evidence.mesh.init_logs.get(name) {
        Some(Observation::Seen { value }) => value,
        Some(other) => {
            let why = other.reason().unwrap_or_default();
            return unjudged(format!("could not look at the log of {name}'s {INIT}: {why}"));
        }
        None if init_container(pod).is_some() => {
            return unjudged(format!("the log of {name}'s {INIT} was not read"));
        }
        None => return unjudged(format!("{name} has no {INIT} whose log would show the rules")),
    };
    if is_gone(log) {
        let summary = format!("the log of {name}'s {INIT} is gone: {}", log.trim());
        return Err(Judgement::unjudged(summary).step(pods::replace(evidence, pod)));
    }
    let why = match rules_in_log(&messages(log), family) {
        Ok(logged) if logged.printed == Printed::InForce => return Ok(logged.rules),
        // Rules that were asked for and perhaps not set prove nothing.
        Ok(_) => " logged the rules that it asked for, and not those that were set then".to_owned(),
        Err(error) => format!(": {error}"),
    };
    let of_family = if family == Family::V6 { " (IPv6)" } else { "" };
    let show = pods::show_log(evidence, pod, INIT, &[], "shows its whole log");
    Err(Judgement::unjudged(format!("{name}'s {INIT}{of_family}{why}")).step(show))
}

/// The messages of a log. Where it is in JSON, each is a string with lines of its own.
fn messages(log: &str) -> Cow<'_, str> {
    if !log.lines().any(|line| line.starts_with('{')) {
        return log.into();
    }
    let message = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        Some(entry.get("msg")?.as_str()?.to_owned())
    };
    let lines = log.lines().map(|line| message(line).unwrap_or_else(|| line.to_owned()) + "\n");
    lines.collect::<String>().into()
}

/// The rules of a family in force in a pod's network.
pub(super) fn rules_in_force(
    evidence: &Evidence,
    pod: &Pod,
    family: Family,
) -> Result<RuleSet, Judgement> {
    let what = match family {
        Family::V4 => format!("the rules in force in {}", pod.name),
        Family::V6 => format!("the IPv6 rules in force in {}", pod.name),
    };
    let unjudged = |summary: String| Err(Judgement::unjudged(summary));
    let printed = match saved_rules(evidence, pod, family) {
        Some(Observation::Seen { value }) => value,
        Some(Observation::NotAsked { reason }) => {
            return Err(Judgement::skipped(format!("the rules in force: {reason}")));
        }
        Some(other) => {
            let why = other.reason().unwrap_or_default();
            return unjudged(format!("could not look at {what}: {why}"));
        }
        None => return unjudged(format!("{what} were not read")),
    };
    match parse(printed) {
        Ok(rules) => Ok(rules),
        // A network namespace without any rules prints nothing.
        Err(ParseError::Empty) => Ok(RuleSet::default()),
        Err(error) => unjudged(format!("{what}: {error}")),
    }
}

/// What `iptables-save` or `ip6tables-save` printed in a pod's network.
fn saved_rules<'e>(
    evidence: &'e Evidence,
    pod: &Pod,
    family: Family,
) -> Option<&'e Observation<String>> {
    let by_pod = match family {
        Family::V4 => &evidence.mesh.live_rules,
        Family::V6 => &evidence.mesh.live_rules_v6,
    };
    by_pod.get(&pod.name)
}

/// The lines that print these rules, from the first table's head to the last one's `COMMIT`, with their numbers
/// from 1.
pub(super) fn printed_lines(
    evidence: &Evidence,
    pod: &Pod,
    (rules, source, family): (&RuleSet, RulesSource, Family),
) -> Vec<(usize, String)> {
    let text = match source {
        RulesSource::Log => {
            let log = evidence.mesh.init_logs.get(&pod.name).and_then(Observation::value);
            log.map(|log| messages(log))
        }
        RulesSource::InForce => {
            let saved = saved_rules(evidence, pod, family).and_then(Observation::value);
            saved.map(Into::into)
        }
    };
    let text = text.unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let numbers = || rules.rules().map(|rule| rule.line);
    let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else { return Vec::new() };
    let head = lines.iter().take(first).rposition(|line| line.starts_with('*'));
    let end = lines.iter().skip(last).position(|line| *line == "COMMIT");
    let (head, end) = (head.unwrap_or(first - 1), end.map_or(last, |more| last + more + 1));
    let numbered = (1..).zip(lines.iter().map(|line| (*line).to_owned()));
    numbered.take(end).skip(head).collect()
}
