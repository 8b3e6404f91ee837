//! The two deployments: what they say, and whether their pods are available.

use super::super::mesh::INIT;
use super::{apply, client_image, scale_up};
use crate::evidence::{BackendDetails, Condition, Container, Deployment, Evidence};
use crate::facts::workload::find_unready_pod;
use crate::format::rollout::{format_availability, format_headline, format_rollout_trouble};
use crate::format::{excerpt, format_pod_state, list};
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};
use crate::object::Object;
use crate::steps;

/// The label by which a namespace says what its pods may do.
/// Source: <https://kubernetes.io/docs/concepts/security/pod-security-admission/>.
const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";

pub(in super::super) fn backend_deployment(evidence: &Evidence) -> Judged {
    let (deployment, container) = backend_as_told(evidence)?;
    available(evidence, deployment)?;
    let reply = &evidence.expectations.reply;
    Ok(Judgement::pass(format!(
        "{}, {} replies `{reply}`",
        format_availability(deployment),
        container.image
    )))
}

/// The backend's deployment, where its specification is the tutorial's.
pub(in super::super) fn backend_as_told(
    evidence: &Evidence,
) -> Result<(&Deployment, &Container), Judgement> {
    let name = &evidence.expectations.backend_deployment;
    let BackendDetails { container: its, image: wanted, port, reply_flag: flag, .. } =
        &evidence.expectations.backend;
    let (deployment, container) = find(evidence, name, its, "backend.yaml")?;
    let reply = &evidence.expectations.reply;
    let namespace = &evidence.expectations.namespace;
    let fail = |summary: String| Judgement::fail(summary).object(Object::deployment(deployment));
    if !is_image(&container.image, wanted) {
        let image = format!("{its}={wanted}");
        let target = format!("deployment/{name}");
        let command = evidence.kubectl(&["-n", namespace, "set", "image", &target, &image]);
        return Err(fail(format!("{name} runs another image than the tutorial's"))
            .expected(wanted)
            .observed(&container.image)
            .legacy_hint(format!("`{command}` changes it")));
    }
    let text = text_argument(container, flag);
    if !flag.is_empty() && text != Some(reply.as_str()) {
        let patch = serde_json::json!({"spec": {"template": {"spec": {"containers": [
            {"name": its, "args": told_arguments(container, flag, reply)}
        ]}}}})
        .to_string();
        let command =
            evidence.kubectl(&["-n", namespace, "patch", "deployment", name, "-p", &patch]);
        return Err(fail(format!("{name} is told to reply with another text"))
            .expected(format!("{flag}={reply}"))
            .observed(
                text.map_or_else(
                    || format!("no {flag}"),
                    |text| excerpt(&format!("{flag}={text}")),
                ),
            )
            .legacy_hint(format!("`{command}` gives it the tutorial's text")));
    }
    if !container.ports.contains(port) {
        let ports: Vec<_> = container.ports.iter().map(u16::to_string).collect();
        return Err(fail(format!("{name} does not declare port {port}"))
            .expected(format!("container port {port}"))
            .observed(list(&ports))
            .legacy_hint(apply(evidence, "backend.yaml")));
    }
    Ok((deployment, container))
}

/// The text with which the backend that is deployed is told to reply.
pub(in super::super) fn told_text(evidence: &Evidence) -> Option<&str> {
    let name = &evidence.expectations.backend_deployment;
    let BackendDetails { container, reply_flag, .. } = &evidence.expectations.backend;
    let (_, container) = find(evidence, name, container, "").ok()?;
    text_argument(container, reply_flag)
}

pub(in super::super) fn client_deployment(evidence: &Evidence) -> Judged {
    let (deployment, container) = client_as_told(evidence)?;
    available(evidence, deployment)?;
    let host = evidence.expectations.backend_address();
    Ok(Judgement::pass(format!(
        "{}, {} asks {host}",
        format_availability(deployment),
        container.image
    )))
}

/// The client's deployment, where its specification is the tutorial's.
pub(in super::super) fn client_as_told(
    evidence: &Evidence,
) -> Result<(&Deployment, &Container), Judgement> {
    let name = &evidence.expectations.client_deployment;
    let wanted = &evidence.expectations.client;
    let (deployment, container) = find(evidence, name, &wanted.container, "client.yaml")?;
    let fail = |summary: String| Judgement::fail(summary).object(Object::deployment(deployment));
    if !is_image(&container.image, &wanted.image) {
        return Err(fail(format!("{name} runs another image than the tutorial's"))
            .expected(&wanted.image)
            .observed(&container.image)
            .legacy_hint(client_image(evidence)));
    }
    let host = evidence.expectations.backend_address();
    let script = script(container);
    if !is_loop_asking(&script, &host) {
        return Err(fail(format!(
            "{name} is told something else than to ask the backend in a loop"
        ))
        .expected(format!("a shell loop with `curl {host}`"))
        .observed(if script.is_empty() { "no command".to_owned() } else { excerpt(&script) })
        .legacy_hint(apply(evidence, "client.yaml")));
    }
    Ok((deployment, container))
}

fn script(container: &Container) -> String {
    [&container.command[..], &container.args].concat().join(" ")
}

/// Whether the client that is deployed asks the backend, whatever its image.
pub(in super::super) fn asks_the_backend(evidence: &Evidence) -> bool {
    let name = &evidence.expectations.client_deployment;
    find(evidence, name, &evidence.expectations.client.container, "")
        .is_ok_and(|(_, it)| is_loop_asking(&script(it), &evidence.expectations.backend_address()))
}

fn find<'e>(
    evidence: &'e Evidence,
    name: &str,
    container: &str,
    file: &str,
) -> Result<(&'e Deployment, &'e Container), Judgement> {
    let namespace = &evidence.expectations.namespace;
    let what = format!("the deployments of namespace {namespace}");
    let object = format!("deployment {namespace}/{name}");
    let deployments =
        require(&evidence.demo.deployments, &what, &object, || apply(evidence, file))?;
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { list(&names) };
    let Some(deployment) = deployments.iter().find(|deployment| deployment.name == name) else {
        let there = names(deployments.iter().map(|one| one.name.as_str()).collect());
        return Err(Judgement::fail(format!("there is no deployment {name}"))
            .expected(format!("deployment {name}"))
            .observed(format!("deployments in {namespace}: {there}"))
            .object(object)
            .legacy_hint(apply(evidence, file)));
    };
    let found = deployment.containers.iter().find(|one| one.name == container);
    let found = found.ok_or_else(|| {
        let there = names(deployment.containers.iter().map(|one| one.name.as_str()).collect());
        Judgement::fail(format!("{name} has no container `{container}`"))
            .expected(format!("a container `{container}`"))
            .observed(format!("containers: {there}"))
            .object(object)
            .legacy_hint(apply(evidence, file))
    })?;
    Ok((deployment, found))
}

/// All replicas available, and nothing on its way.
fn available(evidence: &Evidence, deployment: &Deployment) -> Result<(), Judgement> {
    let Some(trouble) = format_rollout_trouble(deployment) else { return Ok(()) };
    let name = &deployment.name;
    let pods = evidence.demo.pods.value().map(Vec::as_slice).unwrap_or_default();
    let ill = find_unready_pod(deployment, pods);
    let mut observed = trouble.clone();
    if let Some(pod) = ill {
        observed = format!("{observed}; {} is {}", pod.name, format_pod_state(pod));
    }
    let refused = refusal(deployment);
    if let Some(reason) = refused {
        observed = format!("{observed}; no pod could be made: {}", excerpt(reason));
    }
    if let Some(settling) = evidence.demo.settling.value().filter(|settling| !settling.settled) {
        observed = format!("{observed}; waited {} s for it", settling.waited_ms / 1000);
    }
    let namespace = &deployment.namespace;
    let target = format!("deployment/{name}");
    let hint = match ill {
        _ if deployment.replicas == 0 => scale_up(evidence, name),
        Some(pod) => steps::joined(steps::pods::diagnose(evidence, pod)),
        None if refused.is_some() => {
            let command = evidence.kubectl(&["-n", namespace, "rollout", "restart", &target]);
            let again = format!(
                "`{command}` asks for its pods at once: Kubernetes waits longer after each refusal, also once its reason is gone"
            );
            if refused.is_some_and(|reason| reason.contains("violates PodSecurity")) {
                let label = format!("{POD_SECURITY}=privileged");
                let label =
                    evidence.kubectl(&["label", "namespace", namespace, &label, "--overwrite"]);
                format!("`{label}` allows what {INIT} needs to set its rules; {again}")
            } else {
                again
            }
        }
        None => {
            let command = evidence.kubectl(&["-n", namespace, "describe", &target]);
            format!("`{command}` shows what it waits for")
        }
    };
    Err(Judgement::fail(format!("{name} is not available: {}", format_headline(&trouble, ill)))
        .expected("at least one replica, all of them available, no rollout going on")
        .observed(observed)
        .object(Object::deployment(deployment))
        .legacy_hint(hint))
}

/// Why the last pod that a deployment asked for was refused, where it was: by a quota, or by a webhook that
/// nobody answered.
fn refusal(deployment: &Deployment) -> Option<&str> {
    let failure = |it: &&Condition| it.kind == "ReplicaFailure" && it.status == "True";
    deployment.conditions.iter().find(failure).map(|condition| condition.message.as_str())
}

/// Whether an image is of this repository, of whatever tag, from whatever registry or mirror.
fn is_image(image: &str, repository: &str) -> bool {
    let name = image.split('@').next().unwrap_or(image);
    // A colon after the last slash begins the tag; one before it is a registry's port.
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    name == repository || name.strip_suffix(repository).is_some_and(|mirror| mirror.ends_with('/'))
}

/// The value of a flag, as Go's flag parser reads it, with one dash or two: the last one counts.
fn text_argument<'c>(container: &'c Container, flag: &str) -> Option<&'c str> {
    let wanted = flag.trim_start_matches('-');
    if wanted.is_empty() {
        return None;
    }
    let mut words = container.command.iter().chain(&container.args);
    let mut text = None;
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            continue;
        };
        if flag == wanted {
            text = words.next().map(String::as_str);
        } else if let Some(value) = flag.strip_prefix(wanted).and_then(|it| it.strip_prefix('=')) {
            text = Some(value);
        }
    }
    text
}

/// A container's arguments with this value for a flag, and the others as they are.
fn told_arguments(container: &Container, flag: &str, value: &str) -> Vec<String> {
    let wanted = flag.trim_start_matches('-');
    let mut told = vec![format!("{flag}={value}")];
    let mut words = container.args.iter();
    while let Some(word) = words.next() {
        let name = word.trim_start_matches('-');
        if word.starts_with('-') && name == wanted {
            words.next();
        } else if !(word.starts_with('-')
            && name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('=')))
        {
            told.push(word.clone());
        }
    }
    told
}

/// Whether a script is a shell loop that asks this host, or host and port, with curl.
fn is_loop_asking(script: &str, host: &str) -> bool {
    let separator = |c: char| c.is_whitespace() || ";|&()'\"".contains(c);
    let words: Vec<_> = script.split(separator).filter(|word| !word.is_empty()).collect();
    let loops = words.iter().any(|word| ["while", "until", "for"].contains(word));
    let curls = words.iter().any(|word| *word == "curl" || word.ends_with("/curl"));
    let asks = words.iter().any(|word| {
        let address = word.strip_prefix("http://").unwrap_or(word);
        let address = address.strip_suffix('/').unwrap_or(address);
        address.strip_suffix(":80").unwrap_or(address) == host
    });
    loops && curls && asks
}
