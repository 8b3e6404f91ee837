//! The rules in the log of a pod's init container.

use std::net::IpAddr;

use crate::evidence::{Evidence, Observation, Pod};
use crate::facts::sidecar::{INIT, init_container};
use crate::judgement::Judgement;
use crate::object::Object;
use crate::steps::pods;
use meshcheck_netfilter::{Printed, RuleSet, rules_in_log};

/// The rules of IPv4 that a pod's init container has logged. They show nothing about a pod with an address of IPv6.
pub(super) fn logged_rules(evidence: &Evidence, pod: &Pod) -> Result<RuleSet, Judgement> {
    let name = &pod.name;
    if let Some(IpAddr::V6(address)) = pod.ip.as_deref().and_then(|ip| ip.parse().ok()) {
        return Err(Judgement::unjudged(format!(
            "{name} has the address {address}: rules for IPv6 are not judged here"
        ))
        .object(Object::pod(pod)));
    }
    let log = match evidence.mesh.init_logs.get(name) {
        Some(Observation::Seen { value }) => value,
        Some(other) => {
            let why = other.reason().unwrap_or_default();
            let summary = format!("could not look at the log of {name}'s {INIT}: {why}");
            return Err(Judgement::unjudged(summary));
        }
        None if init_container(pod).is_some() => {
            return Err(Judgement::unjudged(format!("the log of {name}'s {INIT} was not read")));
        }
        None => {
            let summary = format!("{name} has no {INIT} whose log would show the rules");
            return Err(Judgement::unjudged(summary));
        }
    };
    let why = match rules_in_log(log) {
        Ok(logged) if logged.printed == Printed::InForce => return Ok(logged.rules),
        // Rules that were asked for and perhaps not set prove nothing.
        Ok(_) => " logged the rules that it asked for, and not those that were set then".to_owned(),
        Err(error) => format!(": {error}"),
    };
    let show = pods::show_log(evidence, pod, INIT, &[], "shows its log");
    Err(Judgement::unjudged(format!("{name}'s {INIT}{why}")).step(show))
}

/// The lines of the log that print these rules, from the first table's head to the last one's `COMMIT`, with
/// their numbers from 1.
pub(super) fn logged_lines(
    evidence: &Evidence,
    pod: &Pod,
    rules: &RuleSet,
) -> Vec<(usize, String)> {
    let log = evidence.mesh.init_logs.get(&pod.name).and_then(Observation::value);
    let lines: Vec<_> = log.map(|log| log.lines().map(str::trim).collect()).unwrap_or_default();
    let numbers = || rules.rules().map(|rule| rule.line);
    let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else { return Vec::new() };
    let head = lines.iter().take(first).rposition(|line| line.starts_with('*'));
    let end = lines.iter().skip(last).position(|line| *line == "COMMIT");
    let (head, end) = (head.unwrap_or(first - 1), end.map_or(last, |more| last + more + 1));
    let numbered = (1..).zip(lines.iter().map(|line| (*line).to_owned()));
    numbered.take(end).skip(head).collect()
}
