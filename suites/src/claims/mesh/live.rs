//! Whether the rules in force are those that the init container's log shows.

use super::rules::logged;
use super::{INIT, injected};
use crate::combine::all_hold;
use crate::evidence::{Evidence, Observation, Pod};
use crate::format::{POD, count, list};
use crate::hint::quote;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use meshcheck_netfilter::{ParseError, RuleSet, differences, parse};

/// Where containerd keeps what it runs on a node.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";
/// How many differences are told; more say nothing more.
const TOLD: usize = 4;

pub(in super::super) fn live_rules(evidence: &Evidence) -> Judged {
    let pods = injected(evidence)?;
    let number = pods.len();
    let parts: Vec<_> = pods.into_iter().map(|pod| live(evidence, pod)).collect();
    all_hold(parts)?;
    Ok(Judgement::pass(format!("{}: in force is what the log shows", count(number, POD))))
}

fn live(evidence: &Evidence, pod: &Pod) -> Judged {
    let live = match evidence.mesh.live_rules.get(&pod.name) {
        Some(Observation::Seen { value }) => value,
        Some(Observation::NotAsked { reason }) => {
            return Err(Judgement::skipped(format!("the rules in force: {reason}")));
        }
        Some(other) => {
            return Err(Judgement::unjudged(format!(
                "could not look at the rules in force in {}: {}",
                pod.name,
                other.reason().unwrap_or_default()
            )));
        }
        None => {
            return Err(Judgement::unjudged(format!(
                "the rules in force in {} were not read",
                pod.name
            )));
        }
    };
    // A network namespace without any rules prints nothing.
    let live = match parse(live) {
        Ok(live) => live,
        Err(ParseError::Empty) => RuleSet::default(),
        Err(error) => {
            return Err(Judgement::unjudged(format!(
                "the rules in force in {}: {error}",
                pod.name
            )));
        }
    };
    let found = differences(&logged(evidence, pod)?, &live);
    if found.is_empty() {
        return Ok(Judgement::pass(String::new()));
    }
    let told: Vec<_> = found.iter().take(TOLD).map(ToString::to_string).collect();
    let more = match found.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Err(Judgement::fail(format!("{}: other rules are in force than the log shows", pod.name))
        .expected(format!("the rules in the log of {INIT}"))
        .observed(format!("{}{more}", list(&told)))
        .object(Object::pod(pod))
        .legacy_hint(format!("{}{}", super::renew(evidence, pod), shown(evidence, pod))))
}

/// What shows the rules in force, which were read through the node: the containers of a pod share its
/// network, and containerd notes the pod's name with each of them.
fn shown(evidence: &Evidence, pod: &Pod) -> String {
    let script = format!(
        "cd {TASKS} && nsenter -t \"$(cat \"$(dirname \"$(grep -lF {} */config.json | head -n 1)\")/init.pid\")\" \
         -n iptables-save -t nat",
        quote(&pod.name)
    );
    let command = pod.node.as_deref().map(|node| evidence.on_node(node, &["sh", "-c", &script]));
    command.map_or_else(String::new, |command| format!("; `{command}` shows those in force"))
}
