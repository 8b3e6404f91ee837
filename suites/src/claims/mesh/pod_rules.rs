//! The rules of a pod: those in the log of its init container, and those in force in its network.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::evidence::{Evidence, Observation, Pod};
use crate::facts::sidecar::{INIT, init_container, uses_nftables};
use crate::facts::workload::owner_deployments;
use crate::format::list;
use crate::judgement::{Judgement, Verdict};
use crate::steps::{Step, injection, pods};
use meshcheck_netfilter::{Family, ParseError, Printed, RuleSet, parse, rules_in_log};

/// Why the rules in force were not read: only a node of kind that is a container of this machine can show them.
const NOT_READ: &str = "not read: only possible on a kind node of this machine; the logs of istio-init were judged instead";

/// The source of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RulesSource {
    /// The log of the init container.
    Log,
    /// The pod's network: no log has them.
    InForce,
}

/// Returns each pod with each family of its addresses.
pub(crate) fn by_family(pods: Vec<&Pod>) -> Vec<(&Pod, Family)> {
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

/// Formats the families for the summary of a pass.
pub(super) fn format_families(all: &[(&Pod, Family)]) -> &'static str {
    if all.iter().any(|it| it.1 == Family::V6) { ", IPv6 included" } else { "" }
}

/// Returns the rules of a pod that are judged: those in the log of its init container. Without an init container, as with
/// a CNI plug-in, or without its log, these are the rules in force.
pub(crate) fn judged_rules(
    evidence: &Evidence,
    pod: &Pod,
    family: Family,
) -> Result<(RuleSet, RulesSource), Judgement> {
    if uses_nftables(pod) {
        return Err(nftables(pod));
    }
    if has_log(evidence, pod) {
        return Ok((logged_rules(evidence, pod, family)?, RulesSource::Log));
    }
    let in_force = rules_in_force(evidence, pod, family);
    in_force.map(|rules| (rules, RulesSource::InForce)).map_err(|unread| {
        let missing = logged_rules(evidence, pod, family).err();
        let is_skipped = unread.verdict == Verdict::Skipped;
        match missing {
            Some(missing) if is_skipped => missing,
            missing => missing.unwrap_or_else(|| unread.clone()).observed(unread.summary),
        }
    })
}

/// Returns the judgement on rules that neither `iptables-save` nor the walker can show.
fn nftables(pod: &Pod) -> Judgement {
    let name = &pod.name;
    Judgement::unjudged(format!(
        "pod {name}: the rules are nftables rules, which meshcheck does not simulate"
    ))
}

/// Whether a pod has an init container, and its log may still exist.
fn has_log(evidence: &Evidence, pod: &Pod) -> bool {
    let log = evidence.mesh.init_logs.get(&pod.name).and_then(Observation::value);
    init_container(pod).is_some() && log.is_none_or(|log| !is_gone(log))
}

/// Whether the text is the kubelet's answer that the log does not exist any more.
/// Source: `pkg/kubelet/kuberuntime/kuberuntime_container.go` and `logs/logs.go` of Kubernetes.
fn is_gone(log: &str) -> bool {
    log.starts_with("unable to retrieve container logs for ")
        || log.starts_with("failed to try resolving symlinks in path ")
}

/// Returns the rules of a family in the log of a pod's init container.
pub(crate) fn logged_rules(
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
            return unjudged(format!("cannot read the log of {INIT} in pod {name}: {why}"));
        }
        None if init_container(pod).is_some() => {
            return unjudged(format!("the log of {INIT} in pod {name} was not read"));
        }
        None => return unjudged(format!("pod {name} has no {INIT} and so no log of its rules")),
    };
    if is_gone(log) {
        let summary = format!(
            "the log of {INIT} in pod {name} is gone: the kubelet has removed the container"
        );
        let renew = Step {
            text: "Restart the deployment: a new pod has a new log".into(),
            ..pods::replace(evidence, pod)
        };
        return Err(Judgement::unjudged(summary).step(renew));
    }
    let why = match rules_in_log(&messages(log), family) {
        Ok(logged) if logged.printed == Printed::InForce => return Ok(logged.rules),
        // Requested rules may not have been set.
        Ok(_) => ": the log has the requested rules, but not the rules in force".to_owned(),
        Err(error) => format!(": {error}"),
    };
    let of_family = if family == Family::V6 { " (IPv6)" } else { "" };
    let show = pods::show_log(evidence, pod, INIT, &[], "Show the whole log of istio-init");
    // The kubelet rotates logs, and a new container writes a whole one.
    let is_cut = why.contains(CUT_OFF);
    let cut = owner_deployments(pods_with_cut_log(evidence, family));
    if is_cut && cut.len() > 1 {
        let text = "Restart the deployments if their logs are cut off too, then check again: istio-init writes new logs";
        let summary = format!("{INIT} in the pods of {}{of_family}{why}", list(&cut));
        let renew = injection::restart_deployments(evidence, &cut, text);
        return Err(Judgement::unjudged(summary).step(show).step(renew));
    }
    let renew = is_cut.then(|| Step {
        text: "Restart the deployment if that log is cut off too, then check again: istio-init writes a new log"
            .into(),
        ..pods::replace(evidence, pod)
    });
    let summary = format!("{INIT} in pod {name}{of_family}{why}");
    Err(Judgement::unjudged(summary).step(show).steps(renew))
}

/// The words of an error on a log that has only some of its lines.
const CUT_OFF: &str = "cut off";

/// Returns the demo's pods with a log that is cut off.
fn pods_with_cut_log(evidence: &Evidence, family: Family) -> impl Iterator<Item = &Pod> {
    let pods = evidence.demo.pods.value().into_iter().flatten().filter(|pod| !pod.terminating);
    pods.filter(move |pod| {
        let log = evidence.mesh.init_logs.get(&pod.name).and_then(Observation::value);
        let error = log.and_then(|log| rules_in_log(&messages(log), family).err());
        error.is_some_and(|error| error.to_string().contains(CUT_OFF))
    })
}

/// Returns the messages of a log. In a log in JSON, each is a string that may have several lines.
pub(crate) fn messages(log: &str) -> Cow<'_, str> {
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

/// Returns the rules of a family in force in a pod's network.
pub(crate) fn rules_in_force(
    evidence: &Evidence,
    pod: &Pod,
    family: Family,
) -> Result<RuleSet, Judgement> {
    let what = match family {
        Family::V4 => format!("the rules in force in pod {}", pod.name),
        Family::V6 => format!("the IPv6 rules in force in pod {}", pod.name),
    };
    let unjudged = |summary: String| Err(Judgement::unjudged(summary));
    let printed = match saved_rules(evidence, pod, family) {
        Some(Observation::Seen { .. }) if uses_nftables(pod) => return Err(nftables(pod)),
        Some(Observation::Seen { value }) => value,
        Some(Observation::NotAsked { .. }) => {
            return Err(Judgement::skipped(NOT_READ));
        }
        Some(other) => {
            let why = other.reason().unwrap_or_default();
            return unjudged(format!("cannot read {what}: {why}"));
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

/// Returns the output of `iptables-save` or `ip6tables-save` in a pod's network.
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

/// Returns the lines of these rules with their numbers from 1. They begin at the head of the first table and end with the
/// `COMMIT` that follows the last rule.
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
    // The parser accepts no rule outside of a table.
    let head = lines.iter().take(first).rposition(|line| line.starts_with('*')).unwrap_or(0);
    let numbered = (1..).zip(lines.iter().map(|line| (*line).to_owned()));
    numbered.take(last + 1).skip(head).collect()
}
