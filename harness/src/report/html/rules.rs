//! The rules of a pod with a packet's path through them, rule by rule.

use std::collections::BTreeMap;

use meshcheck_netfilter::{Fit, Hook, Outcome, Packet, Step, parse};
use meshcheck_suites::Evidence;
use meshcheck_suites::claims::{PacketTrace, RulesSource, packet_traces};

use super::{clean, cut};

/// How many lines of rules are shown for one trace. Istio writes thirty.
const LINES: usize = 300;
/// How much of one rule is shown, in bytes.
const RULE: usize = 400;

/// One trace.
pub(super) struct TraceView {
    pub(super) pod: String,
    pub(super) name: String,
    pub(super) packet: String,
    pub(super) lines: Vec<RuleView>,
    pub(super) end: String,
    /// Whether it ends at a wrong place.
    pub(super) is_wrong: bool,
}

/// A line of the rules.
pub(super) struct RuleView {
    pub(super) mark: String,
    pub(super) text: String,
    pub(super) note: String,
    pub(super) class: &'static str,
}

/// Collects the traces of this evidence; those that end at a wrong place come first.
pub(super) fn traces(evidence: &Evidence) -> Vec<TraceView> {
    let mut traces: Vec<_> = packet_traces(evidence).iter().map(trace_view).collect();
    traces.sort_by_key(|trace| !trace.is_wrong);
    traces
}

fn trace_view(trace: &PacketTrace) -> TraceView {
    let direction = match trace.packet.hook {
        Hook::Inbound => "inbound",
        Hook::Outbound => "outbound",
    };
    let family = if trace.packet.source.is_ipv6() { " IPv6" } else { "" };
    let source = if trace.source == RulesSource::InForce { " in force" } else { "" };
    let outcome = outcome(trace);
    let mut lines = lines(trace);
    let more = lines.len().saturating_sub(LINES);
    if more > 0 {
        lines.truncate(LINES);
        lines.push(RuleView {
            mark: String::new(),
            text: format!("[{more} more lines are left out: the evidence has all of them]"),
            note: String::new(),
            class: "other",
        });
    }
    TraceView {
        pod: clean(&trace.pod),
        name: format!(
            "{direction}{family} rules{source} of {}: port {} is {outcome}",
            clean(&trace.pod),
            trace.packet.destination_port
        ),
        packet: format!("{}: {}", format_packet(&trace.packet), clean(&trace.walk.summary())),
        lines,
        end: format!("Result: {outcome}"),
        is_wrong: !trace.right,
    }
}

/// Formats where the packet ends.
fn outcome(trace: &PacketTrace) -> String {
    match trace.walk.outcome {
        Outcome::Accepted => "not redirected".to_owned(),
        ref other => clean(&other.to_string()),
    }
}

/// Formats the packet.
fn format_packet(packet: &Packet) -> String {
    let user = packet.user.map(|user| format!(" of user {user}")).unwrap_or_default();
    let direction = match packet.hook {
        Hook::Inbound => "arrives at",
        Hook::Outbound => "leaves by",
    };
    format!(
        "A connection{user} from {} to {}, {} port {}, {direction} {}",
        packet.source,
        packet.destination,
        packet.protocol,
        packet.destination_port,
        clean(&packet.interface)
    )
}

fn lines(trace: &PacketTrace) -> Vec<RuleView> {
    // A packet that loops back passes a rule twice.
    let mut steps: BTreeMap<usize, Vec<(usize, &Step)>> = BTreeMap::new();
    let mut number = 0;
    for step in &trace.walk.trail {
        if step.fit == Fit::Matched {
            number += 1;
        }
        steps.entry(step.line).or_default().push((number, step));
    }
    trace
        .lines
        .iter()
        .map(|(line, text)| {
            let here = steps.get(line).map(Vec::as_slice).unwrap_or_default();
            line_view(trace, text, here, number)
        })
        .collect()
}

fn line_view(trace: &PacketTrace, text: &str, here: &[(usize, &Step)], last: usize) -> RuleView {
    let text = cut(&clean(text), RULE, "the evidence has all of it");
    let view = |mark: String, note: String, class| RuleView { mark, text, note, class };
    let hits: Vec<_> = here.iter().filter(|(_, step)| step.fit == Fit::Matched).collect();
    if let Some((number, step)) = hits.last() {
        let mark: Vec<_> = hits.iter().map(|(number, _)| number.to_string()).collect();
        let ends = *number == last;
        let note = match target(&step.rule) {
            Some("RETURN") => "matches: return to the calling chain".to_owned(),
            Some(chain) if is_chain(trace, chain) => {
                format!("matches: continue in {}", clean(chain))
            }
            _ if ends => format!("matches: {}", outcome(trace)),
            _ => "matches".to_owned(),
        };
        let class = if ends && !trace.right { "lost" } else { "hit" };
        return view(format!("→ {}", mark.join(", ")), note, class);
    }
    match here.first() {
        Some((_, Step { fit: Fit::Failed { condition }, .. })) => {
            view("no".to_owned(), format!("no match: {}", clean(condition)), "other")
        }
        Some((_, Step { fit: Fit::Unknown { condition }, .. })) => {
            view("?".to_owned(), format!("unknown condition: {}", clean(condition)), "lost")
        }
        _ => view(String::new(), String::new(), "other"),
    }
}

/// Returns the target of a rule: one of iptables' own, or a chain.
fn target(rule: &str) -> Option<&str> {
    let mut words = rule.split_whitespace();
    words.find(|word| ["-j", "--jump", "-g", "--goto"].contains(word))?;
    words.next()
}

fn is_chain(trace: &PacketTrace, name: &str) -> bool {
    let text: Vec<_> = trace.lines.iter().map(|(_, line)| line.as_str()).collect();
    parse(&text.join("\n"))
        .is_ok_and(|rules| rules.tables.iter().any(|table| table.chain(name).is_some()))
}
