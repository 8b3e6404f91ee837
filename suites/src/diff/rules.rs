//! The iptables rules of the demo's pods: rules that differ, with a packet that ends elsewhere now.

use std::collections::{BTreeMap, BTreeSet};

use meshcheck_netfilter::{
    Difference as RuleDifference, Family, Hook, Outcome, Packet, RuleSet, Search, differences,
    find_witness,
};

use super::kinds::Kind;
use super::model::{NotCompared, Witness};
use super::names::workload;
use crate::claims::mesh::pod_rules::{by_family, judged_rules, rules_in_force};
use crate::evidence::{Evidence, Pod};
use crate::format::list;

/// The kind of these differences.
pub(super) const RULES: Kind = Kind {
    id: "iptables-rules",
    label: "iptables rules in the pods of",
    read: |_| None,
    claims: &[
        "mesh::inbound_redirected",
        "mesh::outbound_redirected",
        "mesh::live_rules",
        "mesh::init_arguments",
        "mesh::two_containers_per_pod",
    ],
    in_both: true,
    change: |was, now| {
        let output = |text: &str, rule: &str| text.contains(&format!("nat/OUTPUT `{rule}`"));
        let is_lost = output(was, "-p tcp -j ISTIO_OUTPUT") && output(now, "-j ISTIO_OUTPUT");
        let is_back = output(now, "-p tcp -j ISTIO_OUTPUT") && output(was, "-j ISTIO_OUTPUT");
        if is_lost || is_back { "udp-through-istio-output" } else { "" }
    },
};

/// Rules that differ, of all workloads with the same difference.
pub(super) struct RuleChange {
    /// The workloads.
    pub(super) objects: Vec<String>,
    /// What differs, in clauses.
    pub(super) summary: String,
    /// The rules that only the first record has.
    pub(super) was: String,
    /// The rules that only the second record has.
    pub(super) now: String,
    /// A packet that ends elsewhere now.
    pub(super) witness: Option<Witness>,
    /// The packets among which there is none.
    pub(super) searched: Option<String>,
}

/// Where rules are from: a log or the kernel.
type Source = fn(&Evidence, &Pod, Family) -> Option<Result<RuleSet, String>>;

/// The rules of a workload's pods, by workload and family.
type ByWorkload = BTreeMap<(String, Family), Vec<Result<RuleSet, String>>>;

/// The most rules that a difference lists for each side.
const LISTED: usize = 3;

/// Compares the rules of the workloads that both records have.
pub(super) fn compare_rules(old: &Evidence, new: &Evidence) -> (Vec<RuleChange>, Vec<NotCompared>) {
    let sources: [Source; 2] = [
        |evidence, pod, family| {
            Some(judged_rules(evidence, pod, family).map(|it| it.0).map_err(|it| it.summary))
        },
        // Where they were not read, the log is what both have.
        |evidence, pod, family| rules_in_force(evidence, pod, family).ok().map(Ok),
    ];
    let mut comparison = Comparison::default();
    for source in sources {
        let (old, new) = (rules(old, source), rules(new, source));
        for ((workload, family), now) in &new {
            if let Some(was) = old.get(&(workload.clone(), *family)) {
                comparison.compare(workload, *family, was, now);
            }
        }
    }
    (comparison.changes, comparison.not_compared)
}

fn rules(evidence: &Evidence, source: Source) -> ByWorkload {
    let pods = evidence.demo.pods.value().into_iter().flatten();
    let injected: Vec<_> = pods.filter(|it| it.is_running() && it.sidecar().is_some()).collect();
    let mut all = ByWorkload::new();
    for (pod, family) in by_family(injected) {
        if let Some(rules) = source(evidence, pod, family) {
            all.entry((workload(pod), family)).or_default().push(rules);
        }
    }
    all
}

/// The rules of a workload's pods, or why they cannot be read.
type OfPods = [Result<RuleSet, String>];

/// A comparison of rules, as far as it has come.
#[derive(Default)]
struct Comparison {
    changes: Vec<RuleChange>,
    not_compared: Vec<NotCompared>,
    /// The searches that were made: pods of one mesh mostly have the same rules.
    searches: BTreeMap<(String, String, Family), Search>,
}

impl Comparison {
    fn compare(&mut self, workload: &str, family: Family, was: &OfPods, now: &OfPods) {
        let unread = |all: &OfPods| all.iter().find_map(|it| it.clone().err());
        if was.iter().chain(now).any(Result::is_err) {
            return self.without_result(workload, family, unread(was), unread(now));
        }
        for rules in now.iter().flatten() {
            let mut before = was.iter().flatten();
            if before.clone().any(|it| differences(it, rules).is_empty()) {
                continue;
            }
            if let Some(before) = before.next() {
                self.add(workload, family, before, rules);
            }
        }
    }

    fn add(&mut self, workload: &str, family: Family, before: &RuleSet, rules: &RuleSet) {
        let found = differences(before, rules);
        let of_family = if family == Family::V6 { " (IPv6)" } else { "" };
        let object = format!("{workload}{of_family}");
        let mut change = RuleChange {
            objects: vec![object.clone()],
            summary: summarise(&found),
            was: format_rules(&found, true),
            now: format_rules(&found, false),
            witness: None,
            searched: None,
        };
        let key = (normal(before), normal(rules), family);
        let search = self
            .searches
            .entry(key)
            .or_insert_with(|| find_witness(before, rules, family, usual_ports));
        match search {
            Search::Found(witness) => change.witness = Some(format_witness(witness)),
            Search::None { packets } => {
                change.searched = Some(format!(
                    "no packet ends elsewhere: {packets} kinds of packets on all ports, by every protocol, address, \
                     user, group and interface that the rules distinguish"
                ));
            }
            Search::Unknown { why } => {
                let why = format!("it is unknown where packets end: {why}");
                self.without_result(workload, family, None, Some(why));
            }
        }
        let same = |it: &&mut RuleChange| {
            (&it.was, &it.now, &it.witness, &it.searched)
                == (&change.was, &change.now, &change.witness, &change.searched)
        };
        match self.changes.iter_mut().find(same) {
            Some(known) if known.objects.contains(&object) => {}
            Some(known) => known.objects.push(object),
            None => self.changes.push(change),
        }
    }

    fn without_result(
        &mut self,
        workload: &str,
        family: Family,
        old: Option<String>,
        new: Option<String>,
    ) {
        let what = format!("iptables rules in the pods of {workload} ({family})");
        if !self.not_compared.iter().any(|it| it.what == what) {
            self.not_compared.push(NotCompared { what, old, new });
        }
    }
}

/// Returns the rules as a text that is the same for rules with the same meaning.
fn normal(rules: &RuleSet) -> String {
    let chains = rules.tables.iter().flat_map(|table| {
        let name = &table.name;
        table.chains.iter().map(move |chain| {
            let rules: Vec<_> = chain.rules.iter().map(meshcheck_netfilter::Rule::normal).collect();
            format!("{name} {} {:?}\n{}", chain.name, chain.policy, rules.join("\n"))
        })
    });
    chains.collect::<Vec<_>>().join("\n")
}

/// Returns the ports of the demo, Istio and DNS: a witness with one of them says more.
fn usual_ports(hook: Hook) -> &'static [u16] {
    match hook {
        Hook::Inbound => &[5678, 80],
        Hook::Outbound => &[80, 5678, 443, 15012, 53],
    }
}

/// Formats what differs: the rules of both sides, then each chain with another order or policy.
fn summarise(found: &[RuleDifference]) -> String {
    let (chains, rules): (Vec<_>, Vec<_>) = found
        .iter()
        .cloned()
        .partition(|it| matches!(it, RuleDifference::Order { .. } | RuleDifference::Policy { .. }));
    let rules = match (format_rules(&rules, true), format_rules(&rules, false)) {
        (was, now) if was.is_empty() && now.is_empty() => None,
        (was, now) if was.is_empty() => Some(format!("now also {now}")),
        (was, now) if now.is_empty() => Some(format!("no longer {was}")),
        (was, now) => Some(format!("{was} → {now}")),
    };
    let chains = chains.iter().map(ToString::to_string).collect();
    let chains = Some(format_listed(chains)).filter(|it| !it.is_empty());
    rules.into_iter().chain(chains).collect::<Vec<_>>().join("; ")
}

/// Formats the rules of one side.
fn format_rules(found: &[RuleDifference], is_old: bool) -> String {
    let texts = found.iter().filter_map(|difference| match difference {
        RuleDifference::Missing { chain, rule } if is_old => Some(format!("{chain} `{rule}`")),
        RuleDifference::Extra { chain, rule } if !is_old => Some(format!("{chain} `{rule}`")),
        RuleDifference::Order { chain } if !is_old => Some(format!("{chain} in another order")),
        RuleDifference::Policy { chain } if !is_old => Some(format!("{chain} with another policy")),
        _ => None,
    });
    format_listed(texts.collect())
}

/// Formats the first texts, and how many more there are.
fn format_listed(texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(LISTED);
    let mut shown: Vec<_> = texts.into_iter().take(LISTED).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    // An empty list is no word.
    if shown.is_empty() { String::new() } else { list(&shown) }
}

fn format_witness(witness: &meshcheck_netfilter::Witness) -> Witness {
    let meshcheck_netfilter::Witness { packet, first, second } = witness;
    let end = |outcome: &Outcome| match outcome {
        Outcome::Redirected { port } => format!("port {port}"),
        Outcome::TransparentlyProxied { port } => format!("port {port} (TPROXY)"),
        Outcome::Accepted if packet.hook == Hook::Inbound => "the application".to_owned(),
        Outcome::Accepted => "its destination".to_owned(),
        Outcome::DestinationChanged { to } => to.clone(),
        other => format!("nowhere ({other})"),
    };
    Witness { packet: format_packet(packet), was: end(first), now: end(second) }
}

/// Formats a packet: `tcp 10.0.0.7:40000 → :5678` where it arrives, with the destination's address where it leaves.
fn format_packet(packet: &Packet) -> String {
    let host = |address: std::net::IpAddr| {
        if address.is_ipv6() { format!("[{address}]") } else { address.to_string() }
    };
    let to = match packet.hook {
        Hook::Inbound => String::new(),
        Hook::Outbound => host(packet.destination),
    };
    let mut notes = BTreeSet::new();
    if let Some(user) = packet.user.filter(|_| packet.hook == Hook::Outbound) {
        notes.insert(format!("user {user}"));
    }
    if let Some(group) = packet.group.filter(|group| packet.user != Some(*group)) {
        notes.insert(format!("group {group}"));
    }
    if packet.interface != "eth0" {
        notes.insert(format!("interface {}", packet.interface));
    }
    if packet.state != meshcheck_netfilter::ConnectionState::New {
        notes.insert(format!("{:?} connection", packet.state).to_lowercase());
    }
    let notes: Vec<_> = notes.into_iter().collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!(
        "{} {}:{} → {to}:{}{notes}",
        packet.protocol,
        host(packet.source),
        packet.source_port,
        packet.destination_port
    )
}

#[cfg(test)]
mod tests {
    use crate::diff::{Class, View, diff};
    use crate::testing::healthy;

    #[test]
    fn rules_in_another_order_are_equivalent_where_packets_end_at_the_same_place() {
        let rule = |port: u16| format!("-A ISTIO_INBOUND -p tcp -m tcp --dport {port} -j RETURN\n");
        let mut changed = healthy();
        for rules in changed.mesh.live_rules.values_mut() {
            let rules = rules.value_mut().unwrap();
            let (old, new) = (rule(15090) + &rule(15021), rule(15021) + &rule(15090));
            assert!(rules.contains(&old), "{rules}");
            *rules = rules.replace(&old, &new);
        }
        let diff = diff(&healthy(), &changed, View::Tutorial);
        let found = diff.differences.iter().find(|it| it.class == Class::Equivalent).unwrap();
        let (was, now) = (found.was.as_deref(), found.now.as_deref());
        assert_eq!((was, now), (Some(""), Some("nat/ISTIO_INBOUND in another order")));
        assert!(
            found.summary.ends_with(": nat/ISTIO_INBOUND has its rules in another order"),
            "{}",
            found.summary
        );
    }

    #[test]
    fn workloads_with_different_changes_of_rules_have_results_of_their_own() {
        let rule = "-A PREROUTING -p tcp -j ISTIO_INBOUND\n";
        let mut changed = healthy();
        for (pod, rules) in &mut changed.mesh.live_rules {
            let twice = if pod.starts_with("client") { rule.repeat(2) } else { String::new() };
            let rules = rules.value_mut().unwrap();
            *rules = rules.replace(rule, &twice);
        }
        let diff = diff(&healthy(), &changed, View::Tutorial);
        assert_eq!(
            diff.differences.iter().filter(|it| it.witness.is_some()).count(),
            1,
            "{diff:#?}"
        );
        assert_eq!(diff.count(Class::Equivalent), 1, "{diff:#?}");
    }
}
