//! The init container is told to redirect all traffic to the sidecar.

use std::collections::BTreeSet;

use crate::claims::by_name::{namespace_labelled, two_containers_per_pod};
use crate::claims::mesh::demo_pods::{has_no_injected_pods, injected_pods};
use crate::claims::mesh::init_container::argument_words;
use crate::claims::mesh::{INBOUND_PORT, OUTBOUND_PORT, OWN_PORTS, PROXY_ID};
use crate::combine::all_hold;
use crate::entry::claim;
use crate::evidence::{Evidence, Pod};
use crate::facts::injection::{INTERCEPTION_MODE, demo_namespace_is_missing};
use crate::facts::sidecar::{INIT, VALIDATION, has_validation, init_container};
use crate::format::{POD, count, list};
use crate::judgement::{Judged, Judgement};
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
    /// - A pod with a sidecar has no init container, because its annotation `sidecar.istio.io/interceptionMode` is
    ///   `NONE` or for another reason, or no pod has a sidecar.
    ///
    /// With Istio's CNI plug-in, `istio-validation` stands in the place of `istio-init`, and the claim is *changed*. The
    /// claims on the redirection then judge the rules in force, where they can be read.
    ///
    /// ## How to fix it
    /// - An annotation `traffic.sidecar.istio.io/…` excludes traffic: remove it from the template of the workload.
    /// - Options of the installation do (`global.proxy.includeIPRanges`): install without them.
    /// - No annotation and no option does: correct the injection template in the ConfigMap `istio-sidecar-injector`.
    /// - No pod has a sidecar (`two_containers_per_pod`): fix that first.
    ///
    /// ## Check by hand
    ///     kubectl -n client get pod NAME -o jsonpath='{.spec.initContainers[?(@.name=="istio-init")].args}'
    ///     kubectl -n client get pod NAME -o jsonpath='{.metadata.annotations}'
    mesh::init_arguments: "the init container is told to redirect all traffic to the sidecar",
    needs: Reading,
    stops: [OutboundRules, InboundRules],
    caused_by: [
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        two_containers_per_pod if has_no_injected_pods,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let pods = injected_pods(evidence)?;
    all_hold(pods.iter().map(|pod| judge_pod(evidence, pod)))?;
    Ok(Judgement::pass(format!(
        "{}: all traffic, outbound to {OUTBOUND_PORT}, inbound to {INBOUND_PORT} except the \
         sidecar's own ports",
        count(pods.len(), POD)
    )))
}

fn judge_pod(evidence: &Evidence, pod: &Pod) -> Judged {
    let Some(init) = init_container(pod) else { return Err(no_init_container(evidence, pod)) };
    let words = argument_words(init);
    let differences = find_differences(&arguments(&words));
    if differences.is_empty() {
        return Ok(Judgement::pass(String::new()));
    }
    let differences = list(&differences);
    Err(Judgement::fail(format!("{}: {INIT} {differences}", pod.name))
        .expected(format!(
            "-p {OUTBOUND_PORT} -z {INBOUND_PORT} -u {PROXY_ID} -m REDIRECT -i '*' -x '' -b '*' -d {}",
            OWN_PORTS.map(|port| port.to_string()).join(",")
        ))
        .observed(words.join(" "))
        .object(Object::pod(pod))
        .steps(injection::restore_redirection(evidence, pod)))
}

/// The arguments of an init container that differ from the tutorial's.
fn find_differences(read: &InitArguments) -> Vec<String> {
    let mut differences = Vec::new();
    for (what, found, expected) in [
        ("redirects outbound traffic to port", &read.outbound_port, OUTBOUND_PORT.to_string()),
        ("redirects inbound traffic to port", &read.inbound_port, INBOUND_PORT.to_string()),
        ("exempts user", &read.proxy_uid, PROXY_ID.to_string()),
        ("has the mode", &read.mode, "REDIRECT".to_owned()),
        ("redirects outbound ranges", &read.outbound_ranges, "*".to_owned()),
        ("redirects inbound ports", &read.inbound_ports, "*".to_owned()),
    ] {
        if *found != expected {
            let found = if found.is_empty() { "none" } else { found };
            differences.push(format!("{what} {found}, not {expected}"));
        }
    }
    let own = OWN_PORTS.map(|port| port.to_string()).into();
    let excluded = &read.inbound_ports_excluded;
    // An option of another version that excludes something must not be overlooked.
    let unknown = read.others.iter().filter(|word| word.contains("exclu"));
    for (what, which) in [
        ("excludes inbound port", excluded.difference(&own).cloned().collect::<Vec<_>>()),
        ("does not exclude the sidecar's own port", own.difference(excluded).cloned().collect()),
        ("excludes outbound port", to_vec(&read.outbound_ports_excluded)),
        ("excludes outbound range", to_vec(&read.outbound_ranges_excluded)),
        ("excludes interface", to_vec(&read.interfaces_excluded)),
        ("excludes something by", unknown.cloned().collect()),
    ] {
        if !which.is_empty() {
            differences.push(format!("{what} {}", list(&which)));
        }
    }
    differences
}

fn to_vec(set: &BTreeSet<String>) -> Vec<String> {
    set.iter().cloned().collect()
}

fn no_init_container(evidence: &Evidence, pod: &Pod) -> Judgement {
    let name = &pod.name;
    let expected = format!("the init container {INIT}");
    if has_validation(pod) {
        return Judgement::changed(format!(
            "{name} has no {INIT}: a CNI plug-in on the node programs its redirection"
        ))
        .expected(expected)
        .observed(format!("the init container {VALIDATION}"))
        .object(Object::pod(pod))
        .step(Step::advice(
            Purpose::Inspect,
            "the tutorial's text does not hold where Istio's CNI plug-in is installed",
        ));
    }
    let fail = |why: &str, steps: Vec<Step>| {
        Judgement::fail(format!("{name} has a sidecar, and no {INIT} that redirects to it{why}"))
            .expected(expected.as_str())
            .observed("none")
            .object(Object::pod(pod))
            .steps(steps)
    };
    let mode = pod.annotations.get(INTERCEPTION_MODE);
    if mode.is_some_and(|mode| mode == "NONE") {
        let why = format!(": its annotation {INTERCEPTION_MODE} is NONE");
        return fail(&why, injection::restore_redirection(evidence, pod));
    }
    fail("", vec![pods::replace(evidence, pod)])
}

#[cfg(test)]
mod cases {
    use crate::claims::mesh::changes::{init, remove_sidecar};
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
        outbound_port(|e| set(e, "-p", "15002"), Fail);
        inbound_port(|e| set(e, "-z", "15001"), Fail);
        user(|e| set(e, "-u", "0"), Fail);
        mode(|e| set(e, "-m", "TPROXY"), Fail);
        ranges(|e| set(e, "-i", "10.0.0.0/8"), Fail);
        ranges_of_the_mesh(|e| {
            set(e, "-i", "10.0.0.0/8");
            let args = init(e, "echo").args.clone();
            let injected = &mut of(&mut e.mesh.dry_run_labelled).init_containers;
            for it in injected.iter_mut() {
                it.args.clone_from(&args);
            }
        }, Fail);
        ranges_left_out(|e| set(e, "-x", "10.96.0.0/12"), Fail);
        inbound_ports(|e| set(e, "-b", "80"), Fail);
        inbound_left_out(|e| set(e, "-d", "15090,15021,15020,5678"), Fail);
        own_port_not_left_out(|e| set(e, "-d", "15090,15021"), Fail);
        outbound_left_out(|e| { set(e, "-o", "80"); demo_pod(e, "echo").annotations.insert("traffic.sidecar.istio.io/excludeOutboundPorts".into(), "80".into()); }, Fail);
        interface_left_out(|e| set(e, "-c", "eth1"), Fail);
        cni(|e| init(e, "echo").name = "istio-validation".into(), Changed);
        mode_none(|e| { let pod = demo_pod(e, "echo"); pod.init_containers.clear(); pod.annotations.insert("sidecar.istio.io/interceptionMode".into(), "NONE".into()); }, Fail);
        no_init(|e| demo_pod(e, "echo").init_containers.clear(), Fail);
        no_sidecars(|e| of(&mut e.demo.pods).iter_mut().for_each(remove_sidecar), Fail);
        forbidden(|e| e.demo.pods = Observation::failed("pods is forbidden"), Unjudged);
        unknown_exclusion(|e| set(e, "--exclude-everything", "yes"), Fail);
        other_system_namespace(|e| { e.expectations.istio_namespace = "mesh-system".into(); set(e, "-m", "TPROXY"); }, Fail);
        one_wrong_one_by_cni(|e| { set(e, "-o", "80"); init(e, "client").name = "istio-validation".into(); }, Fail);
    }
}
