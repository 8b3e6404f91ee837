//! Where pods get a sidecar, and what its init container is told.

use std::collections::BTreeSet;

use super::{
    INBOUND_PORT, INIT, OUTBOUND_PORT, OWN_PORTS, PROXY_ID, SIDECAR, VALIDATION, injected,
};
use crate::combine::all_hold;
use crate::evidence::{Container, DryRun, Evidence, Pod};
use crate::facts::workload::owner_workload;
use crate::format::{POD, count, list};
use crate::hint::said;
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use meshcheck_netfilter::{InitArguments, arguments};

pub(in super::super) fn unlabelled_namespace_left_alone(evidence: &Evidence) -> Judged {
    let words = all_hold([outside(evidence), inside(evidence)])?;
    Ok(Judgement::pass(words.join("; ")))
}

pub(in super::super) fn has_sidecar(run: &DryRun) -> bool {
    run.containers.iter().chain(&run.init_containers).any(|container| container.name == SIDECAR)
}

fn names(run: &DryRun) -> String {
    list(&run.containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>())
}

fn webhooks(evidence: &Evidence) -> String {
    let command = evidence.kubectl(&["get", "mutatingwebhookconfigurations"]);
    format!("`{command}` shows who injects; their namespace selectors decide where")
}

fn outside(evidence: &Evidence) -> Judged {
    let what = "a pod in a namespace without labels";
    let object = "a namespace without labels";
    let run = require(&evidence.mesh.dry_run_unlabelled, what, object, || webhooks(evidence))?;
    if has_sidecar(run) {
        return Err(Judgement::fail(format!(
            "a pod in namespace {}, which is not labelled, would get a sidecar",
            run.namespace
        ))
        .expected("no sidecar")
        .observed(names(run))
        .object(format!("namespace {}", run.namespace))
        .legacy_hint(webhooks(evidence)));
    }
    Ok(Judgement::pass(format!("none in {}", run.namespace)))
}

fn inside(evidence: &Evidence) -> Judged {
    let namespace = &evidence.expectations.namespace;
    let what = format!("a pod in namespace {namespace}");
    let object = format!("namespace {namespace}");
    // Where the label is there, it is the webhooks that do not do their part.
    let labelled =
        evidence.install.namespaces.value().and_then(|all| all.get(namespace)).is_some_and(
            |labels| {
                labels.get("istio-injection").is_some_and(|value| value == "enabled")
                    || labels.contains_key("istio.io/rev")
            },
        );
    let label = || {
        if labelled {
            return webhooks(evidence);
        }
        let arguments = ["label", "namespace", namespace, "istio-injection=enabled", "--overwrite"];
        format!("`{}` labels it", evidence.kubectl(&arguments))
    };
    let run = require(&evidence.mesh.dry_run_labelled, &what, &object, label)?;
    if !has_sidecar(run) {
        return Err(Judgement::fail(format!(
            "a pod in namespace {} would get no sidecar",
            run.namespace
        ))
        .expected(format!("a container {SIDECAR}"))
        .observed(names(run))
        .object(object)
        .legacy_hint(label()));
    }
    Ok(Judgement::pass(format!("a sidecar in {}", run.namespace)))
}

pub(in super::super) fn init_arguments(evidence: &Evidence) -> Judged {
    let pods = injected(evidence)?;
    let number = pods.len();
    let parts: Vec<_> = pods.into_iter().map(|pod| told(evidence, pod)).collect();
    all_hold(parts)?;
    Ok(Judgement::pass(format!(
        "{}: all traffic, outbound to {OUTBOUND_PORT}, inbound to {INBOUND_PORT} except the \
         sidecar's own ports",
        count(number, POD)
    )))
}

fn told(evidence: &Evidence, pod: &Pod) -> Judged {
    let Some(init) = pod.init_containers.iter().find(|container| container.name == INIT) else {
        return Err(no_init(evidence, pod));
    };
    let words = told_words(init);
    let wrong = wrong(&arguments(&words));
    if wrong.is_empty() {
        return Ok(Judgement::pass(String::new()));
    }
    Err(Judgement::fail(format!("{}'s {INIT} is told otherwise: {}", pod.name, list(&wrong)))
        .expected(expected())
        .observed(words.join(" "))
        .object(Object::pod(pod))
        .legacy_hint(change(evidence, pod)))
}

/// What an init container is told, in words. Older forms have the program in the command.
pub(in super::super) fn told_words(init: &Container) -> Vec<String> {
    let words = init.command.iter().chain(&init.args);
    words.filter(|word| !word.ends_with("pilot-agent")).cloned().collect()
}

fn expected() -> String {
    let ports: Vec<_> = OWN_PORTS.iter().map(ToString::to_string).collect();
    format!(
        "-p {OUTBOUND_PORT} -z {INBOUND_PORT} -u {PROXY_ID} -m REDIRECT -i '*' -x '' -b '*' -d {}",
        ports.join(",")
    )
}

/// What an init container is told that the tutorial does not show.
fn wrong(read: &InitArguments) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut differs = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            let found = if found.is_empty() { "not said" } else { found };
            wrong.push(format!("{what} {found}, not {wanted}"));
        }
    };
    differs("the outbound port is", &read.outbound_port, &OUTBOUND_PORT.to_string());
    differs("the inbound port is", &read.inbound_port, &INBOUND_PORT.to_string());
    differs("the proxy's user is", &read.proxy_uid, &PROXY_ID.to_string());
    differs("the mode is", &read.mode, "REDIRECT");
    differs("outbound ranges are", &read.outbound_ranges, "*");
    differs("inbound ports are", &read.inbound_ports, "*");
    let own: BTreeSet<_> = OWN_PORTS.iter().map(ToString::to_string).collect();
    let excluded = &read.inbound_ports_excluded;
    let more: Vec<_> = excluded.difference(&own).cloned().collect();
    let fewer: Vec<_> = own.difference(excluded).cloned().collect();
    let mut left_out = |what: &str, which: &[String]| {
        if !which.is_empty() {
            wrong.push(format!("{what} {}", list(which)));
        }
    };
    left_out("it leaves out inbound port", &more);
    left_out("it does not leave out the sidecar's own port", &fewer);
    let all = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
    left_out("it leaves out outbound port", &all(&read.outbound_ports_excluded));
    left_out("it leaves out outbound range", &all(&read.outbound_ranges_excluded));
    left_out("it leaves out interface", &all(&read.interfaces_excluded));
    // An option of another version that leaves something out must not go unseen.
    let unknown = read.others.iter().filter(|word| word.contains("exclu"));
    left_out("it leaves out something by", &unknown.cloned().collect::<Vec<_>>());
    wrong
}

/// Which annotation of the pod is behind it, and how to take it away.
pub(super) fn change(evidence: &Evidence, pod: &Pod) -> String {
    let ours = |key: &&String| {
        key.starts_with("traffic.sidecar.istio.io/") || key.ends_with("/interceptionMode")
    };
    let annotations: Vec<_> = pod.annotations.keys().filter(ours).map(String::as_str).collect();
    let Some(workload) = owner_workload(pod) else {
        return super::renew(evidence, pod);
    };
    if annotations.is_empty() {
        let namespace = &evidence.expectations.istio_namespace;
        let arguments =
            ["-n", namespace, "get", "configmap", "istio-sidecar-injector", "-o", "yaml"];
        return format!(
            "no annotation of the pod asks for it: `{}` shows what injection adds",
            evidence.kubectl(&arguments)
        );
    }
    let command = super::take_out(evidence, &workload, "annotations", &annotations);
    format!("`{command}` takes out of its template: {}", said(&list(&annotations)))
}

fn no_init(evidence: &Evidence, pod: &Pod) -> Judgement {
    if pod.init_containers.iter().any(|container| container.name == VALIDATION) {
        return Judgement::changed(format!(
            "{} has no {INIT}: a CNI plug-in on the node programs its redirection",
            pod.name
        ))
        .expected(format!("the init container {INIT}"))
        .observed(format!("the init container {VALIDATION}"))
        .object(Object::pod(pod))
        .legacy_hint("the tutorial's text does not hold where Istio's CNI plug-in is installed");
    }
    Judgement::fail(format!("{} has a sidecar, and no {INIT} that redirects to it", pod.name))
        .expected(format!("the init container {INIT}"))
        .observed("none")
        .object(Object::pod(pod))
        .legacy_hint(super::renew(evidence, pod))
}
