//! The backend's answers to questions of our own.

use super::{client_image, deployment, scale_up};
use crate::evidence::{Asked, Evidence, Expectations, Reply, text_of};
use crate::format::excerpt;
use crate::judgement::require;
use crate::judgement::{Judged, Judgement};

pub(in super::super) fn backend_replies(evidence: &Evidence) -> Judged {
    let Expectations { namespace, client_deployment, .. } = &evidence.expectations;
    let object = format!("deployment {namespace}/{client_deployment}");
    let asked =
        require(&evidence.demo.asked, "the backend, asked from a client pod", &object, || {
            format!(
                "`{}` shows the client's pods",
                evidence.kubectl(&["-n", namespace, "get", "pods"])
            )
        })?;
    if asked.requests == 0 {
        return Err(Judgement::unjudged("the backend was asked nothing"));
    }
    let wanted = usize::try_from(asked.requests).unwrap_or(usize::MAX);
    if let Some((at, _, trouble)) = find_trouble(evidence, asked) {
        return Err(wrong(evidence, asked, &format!("request {} of {wanted}: {trouble}", at + 1)));
    }
    if asked.replies.len() < wanted {
        return Err(too_few(evidence, asked, wanted));
    }
    let reply = &evidence.expectations.reply;
    Ok(Judgement::pass(format!("{wanted} of {wanted} requests: 200 `{reply}`")))
}

/// The first answer that is not as it should be.
fn find_trouble<'e>(evidence: &Evidence, asked: &'e Asked) -> Option<(usize, &'e Reply, String)> {
    let mut replies = asked.replies.iter().enumerate();
    replies.find_map(|(at, reply)| trouble(evidence, reply).map(|trouble| (at, reply, trouble)))
}

/// The first answer that is not as it should be, where the backend was asked.
pub(in super::super) fn first_trouble(evidence: &Evidence) -> Option<&Reply> {
    find_trouble(evidence, evidence.demo.asked.value()?).map(|(_, reply, _)| reply)
}

/// What is wrong with an answer.
fn trouble(evidence: &Evidence, reply: &Reply) -> Option<String> {
    if reply.status == 0 {
        let error = if reply.error.is_empty() { "no answer" } else { &reply.error };
        return Some(excerpt(error));
    }
    if reply.says(&evidence.expectations.reply) {
        return None;
    }
    let body = text_of(&reply.body);
    let body = if body.is_empty() { "an empty body".to_owned() } else { excerpt(body) };
    Some(format!("{} {body}", reply.status))
}

fn too_few(evidence: &Evidence, asked: &Asked, wanted: usize) -> Judgement {
    let exec = &asked.exec;
    let said = excerpt(if exec.stderr.trim().is_empty() { &exec.stdout } else { &exec.stderr });
    if exec.exit_code == 126 || exec.exit_code == 127 {
        return Judgement::fail("the client cannot ask: curl is not in its image")
            .expected(format!("{wanted} answers"))
            .observed(format!("exit {}: {said}", exec.exit_code))
            .object(pod(evidence, asked))
            .legacy_hint(client_image(evidence));
    }
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    wrong(
        evidence,
        asked,
        &format!("{} of {wanted} answers, exit {}{said}", asked.replies.len(), exec.exit_code),
    )
}

fn pod(evidence: &Evidence, asked: &Asked) -> String {
    format!("pod {}/{}", evidence.expectations.namespace, asked.exec.pod)
}

/// What shows the configuration of the mesh that makes a proxy answer like that.
fn configured(evidence: &Evidence, observed: &str) -> Option<String> {
    let kinds = if observed.contains("RBAC: access denied") {
        "authorizationpolicies"
    } else if observed.contains("fault filter abort") {
        "virtualservices"
    } else {
        return None;
    };
    let command = evidence.kubectl(&["get", kinds, "--all-namespaces"]);
    Some(format!("a proxy answered by itself, as it was told: `{command}` shows by whom"))
}

fn wrong(evidence: &Evidence, asked: &Asked, observed: &str) -> Judgement {
    let Expectations { namespace, backend_deployment, client_deployment, reply, .. } =
        &evidence.expectations;
    let (client, backend_container) =
        (&evidence.expectations.client, evidence.expectations.backend.container.as_str());
    let backend = deployment(evidence, backend_deployment);
    let (cause, hint) = if backend.is_some_and(|backend| backend.replicas == 0) {
        (
            format!(": {backend_deployment} is scaled to zero"),
            scale_up(evidence, backend_deployment),
        )
    } else {
        let target = format!("deployment/{client_deployment}");
        let exec = ["-n", namespace, "exec", &target, "-c", &client.container, "--"];
        let again = evidence.kubectl(&[&exec[..], &["curl", "-sSi", &asked.url]].concat());
        let target = format!("deployment/{backend_deployment}");
        let container = ["-c", backend_container, "--tail=20"];
        let logs =
            evidence.kubectl(&[&["-n", namespace, "logs", &target][..], &container].concat());
        let more = configured(evidence, observed)
            .unwrap_or_else(|| format!("`{logs}` shows the backend's side"));
        (String::new(), format!("`{again}` asks again; {more}"))
    };
    Judgement::fail(format!("the backend does not reply as it should{cause}"))
        .expected(format!("200 `{reply}`, {} times", asked.requests))
        .observed(observed)
        .object(pod(evidence, asked))
        .legacy_hint(hint)
}
