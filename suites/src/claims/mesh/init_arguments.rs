//! istio-init redirects all traffic to the sidecar.

use std::collections::BTreeSet;

use crate::claims::mesh::demo_pods::{has_no_injected_pods, injected_pods, named_pod_of_cause};
use crate::claims::mesh::init_container::argument_words;
use crate::claims::mesh::{INBOUND_PORT, OUTBOUND_PORT, OWN_PORTS, PROXY_ID};
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, Pod};
use crate::facts::injection::{
    INTERCEPTION_MODE, demo_namespace_is_missing, has_mode_none, redirection_annotations,
};
use crate::facts::istiod::lacks_listeners_by_mode_none;
use crate::facts::sidecar::{INIT, VALIDATION, has_validation, init_container, uses_nftables};
use crate::format::{POD, count, list};
use crate::judgement::{Judged, Judgement, TextChange, Verdict};
use crate::object::Object;
use crate::steps::{Purpose, Step, injection, pods};
use meshcheck_netfilter::{InitArguments, arguments};

claim! {
    /// The tutorial says: "Istio use iptables for steer traffic from client application to be proxyed by envoy proxy
    /// instead directly go to backend." The init container `istio-init` sets these rules.
    ///
    /// ## Why it matters
    /// The arguments decide which traffic the rules redirect. A port or range that they exclude bypasses the sidecar,
    /// although the pod looks complete.
    ///
    /// ## How it is checked
    /// Lists the pods of the demo's namespace and reads the arguments of `istio-init` in each pod with a sidecar:
    /// outbound port 15001, inbound port 15006, user 1337, mode REDIRECT, all ports and ranges, except the sidecar's
    /// own ports 15020, 15021 and 15090. It needs `list` on `pods`.
    ///
    /// ## What makes it fail
    /// - An argument excludes a port, a range or an interface, or includes only some.
    /// - A port, the user or the mode differs, for example TPROXY.
    /// - A pod with a sidecar has no init container, for example by annotation `sidecar.istio.io/interceptionMode: NONE`.
    /// - No pod has a sidecar.
    ///
    /// With Istio's CNI plug-in, pods have `istio-validation` instead of `istio-init`, and the claim is *changed*. The
    /// claims on the redirection then judge the rules in force, where they can be read. With the option
    /// `values.global.nativeNftables`, `istio-init` sets nftables rules, and the claim is *changed* too. Those rules are not
    /// simulated: the claims on the redirection are unjudged.
    ///
    /// ## How to fix it
    /// - An annotation `traffic.sidecar.istio.io/*` excludes traffic: remove it from the pod template.
    /// - An option of the installation excludes traffic (`global.proxy.includeIPRanges`): install without it.
    /// - Neither does: correct the injection template in the ConfigMap `istio-sidecar-injector`.
    /// - No pod has a sidecar (`two_containers_per_pod`): fix that first.
    /// - Mode NONE keeps a pod from getting ready (`backend_deployment`, `client_deployment`): fix that first.
    ///
    /// ## Check by hand
    ///     kubectl -n client get pod NAME -o jsonpath='{.spec.initContainers[?(@.name=="istio-init")].args}'
    ///     kubectl -n client get pod NAME -o jsonpath='{.metadata.annotations}'
    mesh::init_arguments: "istio-init redirects all traffic to the sidecar",
    needs: Reading,
    stops: [OutboundRules, InboundRules],
    caused_by: [
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        two_containers_per_pod if has_no_injected_pods,
        backend_deployment if is_unready_by_mode_none,
        client_deployment if is_unready_by_mode_none,
    ],
}

/// The tutorial's words on the redirection.
const SENTENCE: &str = "Istio use iptables for steer traffic from client application to be proxyed by envoy proxy instead \
                        directly go to backend.";

fn judge(evidence: &Evidence) -> Judged {
    let pods = injected_pods(evidence)?;
    all_hold(pods.iter().map(|pod| judge_pod(evidence, pod)))?;
    Ok(Judgement::pass(format!(
        "{INIT} of {} redirects outbound traffic to {OUTBOUND_PORT}, inbound to {INBOUND_PORT} except the sidecar's \
         own ports",
        count(pods.len(), POD)
    )))
}

fn judge_pod(evidence: &Evidence, pod: &Pod) -> Judged {
    let Some(init) = init_container(pod) else { return Err(no_init_container(evidence, pod)) };
    let differences = find_differences(&arguments(&argument_words(init)));
    if differences.is_empty() && uses_nftables(pod) {
        let summary = format!("{INIT} of pod {} sets nftables rules, not iptables rules", pod.name);
        return Err(Judgement::changed(summary, TextChange::new("native-nftables", SENTENCE))
            .expected("iptables rules")
            .observed("nftables rules: option --native-nftables")
            .object(Object::pod(pod))
            .step(Step::advice(
                Purpose::Inspect,
                "Update the tutorial's text: on this cluster, Istio sets nftables rules",
            )));
    }
    if differences.is_empty() {
        return Ok(Judgement::pass(String::new()));
    }
    let all =
        |part: fn(&Difference) -> &str| list(&differences.iter().map(part).collect::<Vec<_>>());
    let annotations = redirection_annotations(pod);
    let origin = match annotations.as_slice() {
        [] => String::new(),
        [only] => format!(" (annotation {only})"),
        several => format!(" (annotations {})", list(several)),
    };
    Err(Judgement::fail(format!("{INIT} of pod {} {}", pod.name, all(|it| &it.text)))
        .expected(all(|it| &it.expected))
        .observed(all(|it| &it.observed) + &origin)
        .object(Object::pod(pod))
        .steps(injection::restore_redirection(evidence, pod)))
}

/// Whether the failure names a pod of a deployment that is not ready because of interception mode NONE: the cause, the
/// deployment's failure, names the annotation.
pub(super) fn is_unready_by_mode_none(effect: &Effect<'_, Evidence>) -> bool {
    effect.judgement.verdict == Verdict::Fail
        && named_pod_of_cause(effect)
            .is_some_and(|pod| !pod.ready && lacks_listeners_by_mode_none(effect.evidence, pod))
}

/// A difference between an init container's arguments and the tutorial's.
struct Difference {
    /// A clause: "excludes outbound port 80".
    text: String,
    /// The expected option.
    expected: String,
    /// The observed option.
    observed: String,
}

/// Returns the differences between an init container's arguments and the tutorial's.
fn find_differences(read: &InitArguments) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (what, option, found, expected) in [
        (
            "redirects outbound traffic to port",
            "-p",
            &read.outbound_port,
            OUTBOUND_PORT.to_string(),
        ),
        ("redirects inbound traffic to port", "-z", &read.inbound_port, INBOUND_PORT.to_string()),
        ("exempts user", "-u", &read.proxy_uid, PROXY_ID.to_string()),
        ("has mode", "-m", &read.mode, "REDIRECT".to_owned()),
        ("redirects only outbound ranges", "-i", &read.outbound_ranges, "*".to_owned()),
        ("redirects only inbound ports", "-b", &read.inbound_ports, "*".to_owned()),
    ] {
        if *found != expected {
            let found = if found.is_empty() { "none" } else { found };
            differences.push(Difference {
                text: format!("{what} {found}"),
                expected: format!("{option} {expected}"),
                observed: format!("{option} {found}"),
            });
        }
    }
    let own = OWN_PORTS.map(|port| port.to_string()).into();
    let inbound = &read.inbound_ports_excluded;
    // An option of another version may exclude traffic too.
    let unknown = read.others.iter().filter(|word| word.contains("exclu"));
    let excluded = |option: &str, values: Vec<String>| match values.as_slice() {
        [] => format!("no {option}"),
        values => format!("{option} {}", values.join(",")),
    };
    for (what, option, which, expected, observed) in [
        (
            "excludes inbound port",
            "-d",
            inbound.difference(&own).cloned().collect::<Vec<_>>(),
            to_vec(&own),
            to_vec(inbound),
        ),
        (
            "does not exclude the sidecar's own port",
            "-d",
            own.difference(inbound).cloned().collect(),
            to_vec(&own),
            to_vec(inbound),
        ),
        (
            "excludes outbound port",
            "-o",
            to_vec(&read.outbound_ports_excluded),
            Vec::new(),
            to_vec(&read.outbound_ports_excluded),
        ),
        (
            "excludes outbound range",
            "-x",
            to_vec(&read.outbound_ranges_excluded),
            Vec::new(),
            to_vec(&read.outbound_ranges_excluded),
        ),
        (
            "excludes interface",
            "-c",
            to_vec(&read.interfaces_excluded),
            Vec::new(),
            to_vec(&read.interfaces_excluded),
        ),
        (
            "excludes traffic by option",
            "option",
            unknown.clone().cloned().collect(),
            Vec::new(),
            unknown.cloned().collect(),
        ),
    ] {
        if !which.is_empty() {
            differences.push(Difference {
                text: format!("{what} {}", list(&which)),
                expected: excluded(option, expected),
                observed: excluded(option, observed),
            });
        }
    }
    differences
}

fn to_vec(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
}

fn no_init_container(evidence: &Evidence, pod: &Pod) -> Judgement {
    let name = &pod.name;
    let expected = format!("init container {INIT}");
    if has_validation(pod) {
        let (rules, id) = if uses_nftables(pod) {
            ("nftables rules", "native-nftables")
        } else {
            ("the rules", "istio-cni")
        };
        let summary =
            format!("pod {name} has {VALIDATION}, not {INIT}: a CNI plug-in sets {rules}");
        return Judgement::changed(summary, TextChange::new(id, SENTENCE))
            .expected(expected)
            .observed(format!("init container {VALIDATION}"))
            .object(Object::pod(pod))
            .step(Step::advice(
                Purpose::Inspect,
                format!(
                    "Update the tutorial's text: on this cluster, Istio's CNI plug-in sets {rules}"
                ),
            ));
    }
    let fail = |why: &str, steps: Vec<Step>| {
        Judgement::fail(format!("pod {name} has no {INIT}{why}"))
            .expected(expected.as_str())
            .observed(format!("no init container {INIT}"))
            .object(Object::pod(pod))
            .steps(steps)
    };
    if has_mode_none(pod) {
        let why = format!(": annotation {INTERCEPTION_MODE}=NONE");
        return fail(&why, injection::restore_redirection(evidence, pod));
    }
    fail(" beside its sidecar", vec![pods::replace(evidence, pod)])
}

#[cfg(test)]
mod cases {
    use crate::claims::mesh::changes::{cni, init, native_nftables, remove_sidecar};
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::{demo_pod, of};

    /// Sets the value of an option.
    fn set(e: &mut Evidence, option: &str, value: &str) {
        let arguments = &mut init(e, "echo").args;
        match arguments.iter().position(|word| word == option) {
            Some(at) => arguments[at + 1] = value.into(),
            None => arguments.extend([option.to_owned(), value.to_owned()]),
        }
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        other_order(|e| set(e, "-d", "15020,15021,15090"), Pass);
        another_outbound_port(|e| set(e, "-p", "15002"), Fail);
        another_inbound_port(|e| set(e, "-z", "15001"), Fail);
        another_user(|e| set(e, "-u", "0"), Fail);
        another_mode(|e| set(e, "-m", "TPROXY"), Fail);
        some_ranges_included(|e| set(e, "-i", "10.0.0.0/8"), Fail);
        some_ranges_included_by_the_installation(|e| {
            set(e, "-i", "10.0.0.0/8");
            let args = init(e, "echo").args.clone();
            let injected = &mut of(&mut e.mesh.dry_run_labelled).init_containers;
            for it in injected.iter_mut() {
                it.args.clone_from(&args);
            }
        }, Fail);
        range_excluded(|e| set(e, "-x", "10.96.0.0/12"), Fail);
        some_inbound_ports_included(|e| set(e, "-b", "80"), Fail);
        inbound_port_excluded(|e| set(e, "-d", "15090,15021,15020,5678"), Fail);
        own_port_not_excluded(|e| set(e, "-d", "15090,15021"), Fail);
        outbound_port_excluded(|e| { set(e, "-o", "80"); demo_pod(e, "echo").annotations.insert("traffic.sidecar.istio.io/excludeOutboundPorts".into(), "80".into()); }, Fail);
        interface_excluded(|e| set(e, "-c", "eth1"), Fail);
        cni(|e| init(e, "echo").name = "istio-validation".into(), Changed);
        native_nftables(native_nftables, Changed);
        native_nftables_with_a_port_excluded(|e| { native_nftables(e); set(e, "-o", "80"); }, Fail);
        native_nftables_by_cni(|e| { native_nftables(e); cni(e); }, Changed);
        mode_none(|e| { let pod = demo_pod(e, "echo"); pod.init_containers.clear(); pod.annotations.insert("sidecar.istio.io/interceptionMode".into(), "NONE".into()); }, Fail);
        no_init_container(|e| demo_pod(e, "echo").init_containers.clear(), Fail);
        no_sidecars(|e| of(&mut e.demo.pods).iter_mut().for_each(remove_sidecar), Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        unknown_exclusion(|e| set(e, "--exclude-everything", "yes"), Fail);
        other_system_namespace(|e| { e.expectations.istio_namespace = "mesh-system".into(); set(e, "-m", "TPROXY"); }, Fail);
        outbound_port_excluded_beside_a_pod_with_cni(|e| { set(e, "-o", "80"); init(e, "client").name = "istio-validation".into(); }, Fail);
    }
}
