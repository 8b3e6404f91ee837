//! The rules of a pod with a packet's path through them, hop by hop.

use std::collections::BTreeMap;

use meshcheck_netfilter::{Fit, Hook, Packet, Step, parse};
use meshcheck_suites::Evidence;
use meshcheck_suites::claims::{PacketTrace, RulesSource, packet_traces};

use super::{clean, cut};

/// How many lines of rules are shown for one trace. Istio writes thirty.
const LINES: usize = 300;
/// How much of one rule is shown, in bytes.
const RULE: usize = 400;

/// One trace.
pub(super) struct TraceView {
    pub(super) name: String,
    pub(super) packet: String,
    pub(super) lines: Vec<RuleView>,
    pub(super) end: String,
    /// Whether it leads to a wrong place.
    pub(super) open: bool,
}

/// A line of the rules.
pub(super) struct RuleView {
    pub(super) mark: String,
    pub(super) text: String,
    pub(super) note: String,
    pub(super) class: &'static str,
}

/// The traces of this evidence: those to wrong places first.
pub(super) fn traces(evidence: &Evidence) -> Vec<TraceView> {
    let mut traces: Vec<_> = packet_traces(evidence).iter().map(trace_view).collect();
    traces.sort_by_key(|trace| !trace.open);
    traces
}

fn trace_view(trace: &PacketTrace) -> TraceView {
    let direction = match trace.packet.hook {
        Hook::Inbound => "inbound",
        Hook::Outbound => "outbound",
    };
    let family = if trace.packet.source.is_ipv6() { " IPv6" } else { "" };
    let source = if trace.source == RulesSource::InForce { " in force" } else { "" };
    let outcome = clean(&trace.walk.outcome.to_string());
    let right = if trace.right { "" } else { ", which is wrong" };
    let mut lines = lines(trace);
    let more = lines.len().saturating_sub(LINES);
    if more > 0 {
        lines.truncate(LINES);
        lines.push(RuleView {
            mark: String::new(),
            text: format!("[cut here, {more} lines more: the evidence has all of them]"),
            note: String::new(),
            class: "other",
        });
    }
    TraceView {
        name: format!(
            "{direction}{family} rules{source} of {}: port {} is {outcome}{right}",
            clean(&trace.pod),
            trace.packet.destination_port
        ),
        packet: format!("{}. {}", packet(&trace.packet), clean(&trace.walk.summary())),
        lines,
        end: format!("It ends: {outcome}{right}."),
        open: !trace.right,
    }
}

/// The packet in words.
fn packet(packet: &Packet) -> String {
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
    // A packet that is turned round comes by a rule twice.
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
            Some("RETURN") => "it fits: back to where this chain was called".to_owned(),
            Some(chain) if is_chain(trace, chain) => {
                format!("it fits: on to {}", clean(chain))
            }
            _ if ends => format!("it fits: {}", clean(&trace.walk.outcome.to_string())),
            _ => "it fits".to_owned(),
        };
        let class = if ends && !trace.right { "lost" } else { "hit" };
        return view(format!("→ {}", mark.join(", ")), note, class);
    }
    match here.first() {
        Some((_, Step { fit: Fit::Failed { condition }, .. })) => {
            view("no".to_owned(), format!("not for it: {}", clean(condition)), "other")
        }
        Some((_, Step { fit: Fit::Unknown { condition }, .. })) => {
            view("?".to_owned(), format!("not understood: {}", clean(condition)), "lost")
        }
        _ => view(String::new(), String::new(), "other"),
    }
}

/// The target of a rule: one of iptables' own, or a chain.
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
