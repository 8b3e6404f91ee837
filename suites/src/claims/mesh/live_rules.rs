//! The iptables rules in force match the log of istio-init.

use std::collections::BTreeSet;

use crate::claims::by_name::nodes_ready::no_node_answers;
use crate::claims::mesh::demo_pods::{all_pods_hold, has_no_injected_pods, injected_pods};
use crate::claims::mesh::init_container::has_no_log_of_rules;
use crate::claims::mesh::pod_rules::{by_family, format_families, logged_rules, rules_in_force};
use crate::entry::claim;
use crate::evidence::{Evidence, Pod};
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::sidecar::INIT;
use crate::format::{POD, count, list};
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps::{Purpose, Step, pods, workloads};
use meshcheck_netfilter::{Difference, Family, RuleSet, differences};

claim! {
    /// The tutorial says: "Istio use iptables for steer traffic from client application to be proxyed by envoy proxy".
    /// It only implies that the rules that `istio-init` logged are still in force.
    ///
    /// ## Why it matters
    /// The log shows the rules that were set when the pod started. Later changes of the rules appear neither in the log nor
    /// in the pod, but they change the path of the traffic.
    ///
    /// ## How it is checked
    /// On kind, runs `iptables-save` through the node in the network namespace of each pod with a sidecar. It compares
    /// tables, chains and rules with the log of `istio-init`, in their order and without counters. Where the pod has an
    /// address of IPv6, `ip6tables-save` does the same. On other clusters the claim is skipped. It needs `list` on `pods`,
    /// `get` on `pods/log`, and access to docker.
    ///
    /// ## What makes it fail
    /// A rule is missing, was added, differs, or has another position than in the log.
    ///
    /// ## How to fix it
    /// - The rules of `istio-init` changed: restart the deployment. The init container of its new pods sets them again.
    /// - Only a table differs that `istio-init` does not use: find the program that sets it, often security software.
    /// - No pod has a sidecar (`two_containers_per_pod`), or a CNI plug-in sets the rules (`init_arguments`): there is no
    ///   log to compare with. Fix that first.
    ///
    /// ## Check by hand
    ///     kubectl -n client logs NAME -c istio-init
    ///     docker exec NODE sh -c 'nsenter -t PID -n iptables-save'
    mesh::live_rules: "the iptables rules in force match the log of istio-init",
    beyond: true,
    needs: Node,
    stops: [OutboundRules, InboundRules],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        two_containers_per_pod if has_no_injected_pods,
        init_arguments if has_no_log_of_rules,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let pods = injected_pods(evidence)?;
    let number = count(pods.len(), POD);
    let all = by_family(pods);
    all_pods_hold(all.iter().map(|(pod, family)| (*pod, judge_pod(evidence, pod, *family))))?;
    let v6 = format_families(&all);
    Ok(Judgement::pass(format!("iptables rules match the log of {INIT}: {number}{v6}")))
}

fn judge_pod(evidence: &Evidence, pod: &Pod, family: Family) -> Judged {
    // Without the rules in force, the log does not matter.
    let in_force = rules_in_force(evidence, pod, family)?;
    let logged = logged_rules(evidence, pod, family)?;
    let differences = differences(&logged, &in_force);
    if differences.is_empty() {
        return Ok(Judgement::pass(String::new()));
    }
    let first = differences[0].to_string();
    let observed = match differences.len() {
        1 => first,
        number => format!("{number} differences, the first is: {first}"),
    };
    let tables: BTreeSet<_> = differences.iter().map(Difference::table).collect();
    // A program that sets another table than istio-init sets it in new pods too.
    let foreign = tables.iter().all(|table| logged.table(table).is_none());
    let tables: Vec<_> = tables.into_iter().collect();
    let v6 = if family == Family::V6 { " IPv6" } else { "" };
    if foreign && !logged.tables.is_empty() {
        return Err(foreign_rules(evidence, pod, &in_force, &tables, v6)
            .observed(observed)
            .steps(pods::show_live_rules(evidence, pod, family, &tables)));
    }
    let summary = format!(
        "pod {}:{v6} iptables rules in table {} differ from the log of {INIT}",
        pod.name,
        list(&tables)
    );
    Err(Judgement::fail(summary)
        .expected(format!("the rules of the log of {INIT}"))
        .observed(observed)
        .object(Object::pod(pod))
        .step(pods::replace(evidence, pod))
        .steps(pods::show_live_rules(evidence, pod, family, &tables)))
}

/// Returns the failure that another program has set rules in tables that istio-init does not use.
fn foreign_rules(
    evidence: &Evidence,
    pod: &Pod,
    in_force: &RuleSet,
    tables: &[&str],
    v6: &str,
) -> Judgement {
    let chains = tables.iter().filter_map(|it| in_force.table(it)).flat_map(|it| &it.chains);
    // Built-in chains have a policy.
    let chains: Vec<_> = chains.filter(|it| it.policy.is_none()).map(|it| &it.name).collect();
    let noun = if chains.len() == 1 { "chain" } else { "chains" };
    let added = match chains.as_slice() {
        [] => "rules".to_owned(),
        chains => format!("{noun} {}", list(chains)),
    };
    // NeuVector's enforcer names its chains so.
    let by = if chains.iter().any(|it| it.starts_with("NV_")) { " (NV_ is NeuVector)" } else { "" };
    let text = format!(
        "Find the program that sets these rules{by} and exclude the namespace from it; a restart does not help"
    );
    let tables = list(tables);
    Judgement::fail(format!(
        "pod {}: another program added{v6} {added} in table {tables}",
        pod.name
    ))
    .expected(format!("no rules in table {tables}"))
    .object(Object::pod(pod))
    .step(Step::advice(Purpose::Fix, text))
    .step(workloads::list_daemon_sets(evidence))
}

#[cfg(test)]
mod cases {
    use crate::claims::mesh::changes::{
        LOG_1_31, change_log, cni, dual_stack, log_in_json, native_nftables, replace_logs,
    };
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation, Provider};
    use crate::testing::{demo_pod, of};

    fn flush(rules: &mut String) {
        *rules =
            rules.lines().filter(|line| !line.starts_with("-A")).collect::<Vec<_>>().join("\n");
    }

    fn change(e: &mut Evidence, change: impl Fn(&str) -> String) {
        let rules = of(e.mesh.live_rules.values_mut().next().unwrap());
        *rules = change(rules);
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        version_6_rules_not_read(|e| demo_pod(e, "echo").ip = Some("fd00:10:244::8".into()), Unjudged);
        both_families(dual_stack, Pass);
        version_6_flushed(|e| { dual_stack(e); flush(of(e.mesh.live_rules_v6.values_mut().next().unwrap())); }, Fail);
        foreign_table(|e| change(e, |rules| format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j NFQUEUE --queue-num 0\nCOMMIT\n{rules}")), Fail);
        foreign_chain(|e| for rules in e.mesh.live_rules.values_mut() { let rules = of(rules); *rules = format!("*filter\n:INPUT ACCEPT [0:0]\n:NV_INPUT - [0:0]\n-A INPUT -j NV_INPUT\nCOMMIT\n{rules}"); }, Fail);
        log_cut_at_its_head(|e| change_log(e, |log| log[log.rfind("-A ISTIO_OUTPUT").unwrap()..].into()), Unjudged);
        log_in_json(log_in_json, Pass);
        log_of_istio_1_31(|e| {
            replace_logs(e, LOG_1_31);
            let saved = LOG_1_31.split_once("(IPv4):\n").unwrap().1;
            for rules in e.mesh.live_rules.values_mut() { *of(rules) = saved.into(); }
        }, Pass);
        log_of_istio_1_31_and_older_rules(|e| replace_logs(e, LOG_1_31), Fail);
        native_nftables(native_nftables, Unjudged);
        native_nftables_by_cni(|e| { native_nftables(e); cni(e); }, Unjudged);
        only_counters_differ(|e| change(e, |rules| rules.replace("[0:0]", "[7:420]")), Pass);
        rules_flushed(|e| flush(of(e.mesh.live_rules.values_mut().next().unwrap())), Fail);
        no_rules(|e| change(e, |_| String::new()), Fail);
        rules_reordered(|e| change(e, |rules| {
            let mut lines: Vec<_> = rules.lines().collect();
            let first = lines.iter().position(|line| line.starts_with("-A ISTIO_OUTPUT")).unwrap();
            lines.swap(first, first + 1);
            lines.join("\n")
        }), Fail);
        rule_added(|e| change(e, |rules| rules.replace("-A OUTPUT", "-A OUTPUT -p tcp --dport 80 -j RETURN\n-A OUTPUT")), Fail);
        unreadable_rules(|e| change(e, |_| "Segmentation fault".into()), Unjudged);
        no_log(|e| e.mesh.init_logs.values_mut().for_each(|it| *it = Observation::failed("pods/log is forbidden")), Unjudged);
        rules_not_readable(|e| *e.mesh.live_rules.values_mut().next().unwrap() = Observation::failed("no docker"), Unjudged);
        not_kind(|e| e.mesh.live_rules.values_mut().for_each(|it| *it = Observation::not_asked("not kind")), Skipped);
        rules_not_read(|e| e.mesh.live_rules.clear(), Unjudged);
        no_rules_on_another_cluster(|e| { e.subject.provider = Provider::Existing; e.subject.context = "room-7".into(); change(e, |_| String::new()); }, Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
    }
}
