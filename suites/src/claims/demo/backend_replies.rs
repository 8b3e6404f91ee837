//! Asked now, from the client, the backend replies.

use crate::claims::by_name::client_deployment::{self, no_client_can_ask, specified};
use crate::claims::by_name::nodes_ready::{self, no_node_answers};
use crate::claims::by_name::{
    backend_deployment, backend_service, dns_on_pod_network, inbound_redirected, live_rules,
    namespace_labelled,
};
use crate::claims::demo::outcome::Outcome;
use crate::claims::mesh::bypass::reply_bypasses_decryption;
use crate::entry::{Effect, claim};
use crate::evidence::{Asked, Evidence, Expectations, Reply, text_of};
use crate::facts::demo::{find_wrong_reply, is_scaled_to_zero};
use crate::facts::injection::demo_namespace_is_missing;
use crate::format::excerpt;
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::demo::{ask_again, restore_client_image, show_answerer, start};
use crate::steps::pods;

claim! {
    /// The tutorial implies it: the client's loop runs `curl echo-service.client.svc.cluster.local` and gets "Hello
    /// from backend service".
    ///
    /// ## Why it matters
    /// A log can be old. Requests that are sent now show whether the backend replies now, and what comes instead.
    ///
    /// ## How it is checked
    /// Runs curl several times in the client's container. Every answer has status 200 and exactly the backend's text.
    /// It needs `list` on `pods` and `get` on `pods/exec` in the demo's namespace, from Kubernetes 1.35 on also
    /// `create`.
    ///
    /// ## What makes it fail
    /// - An answer has another status or text, or there is none.
    /// - No client can ask (`client_deployment`), or curl is not in its image.
    /// - The backend has another text or no pods (`backend_deployment`, `backend_service`).
    /// - The name is not resolved (`dns_on_pod_network`), or no node answers (`nodes_ready`).
    /// - The rules lead past the backend's proxy (`inbound_redirected`, `live_rules`).
    /// - A proxy answers by itself, because of an `AuthorizationPolicy` or a `VirtualService`.
    ///
    /// ## How to fix it
    /// - The backend has 0 replicas: scale it to 1. The client has no curl: set its image.
    /// - A proxy answers: list the policies or virtual services, and remove the one that is not wanted.
    /// - Anything else: ask again by hand, and read the backend's log.
    ///
    /// ## Check by hand
    ///     kubectl -n client exec deploy/client-deployment -c client -- curl -sSi echo-service
    ///     kubectl -n client logs deploy/echo-deployment -c echo --tail=20
    demo::backend_replies: "asked now, from the client, the backend replies",
    beyond: true,
    needs: Exec,
    stops: [BackendPort],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        dns_on_pod_network if |effect| shows(effect, Outcome::is_unresolved),
        client_deployment if |effect| no_client_can_ask(effect.evidence),
        client_deployment if |effect| shows(effect, Outcome::ends_at_stopped_proxy),
        client_deployment if client_has_no_curl,
        backend_deployment if |effect| shows(effect, Outcome::is_other_reply),
        backend_service if |effect| shows(effect, Outcome::misses_the_backend),
        inbound_redirected if |effect| reply_bypasses_decryption(effect, &inbound_redirected::CLAIM),
        live_rules if |effect| reply_bypasses_decryption(effect, &live_rules::CLAIM),
    ],
    judge: judge,
}

/// curl's exit codes, by the shell, where it cannot be run or is not found.
const NO_CURL: [i32; 2] = [126, 127];

fn judge(evidence: &Evidence) -> Judged {
    let Expectations { namespace, client_deployment, reply, .. } = &evidence.expectations;
    let object = Object::new("deployment", namespace, client_deployment);
    let show = || pods::list(evidence, namespace, &[], "shows the client's pods");
    let what = "the backend, asked from a client pod";
    let asked = require(&evidence.demo.asked, what, object, show)?;
    if asked.requests == 0 {
        return Err(Judgement::unjudged("the backend was asked nothing"));
    }
    let wanted = usize::try_from(asked.requests).unwrap_or(usize::MAX);
    if let Some(at) = asked.replies.iter().position(|it| !it.says(reply)) {
        let trouble = format_reply(&asked.replies[at]);
        return Err(wrong(evidence, asked, &format!("request {} of {wanted}: {trouble}", at + 1)));
    }
    if asked.replies.len() < wanted {
        return Err(too_few(evidence, asked, wanted));
    }
    Ok(Judgement::pass(format!("{wanted} of {wanted} requests: 200 `{reply}`")))
}

/// An answer that is not as it should be: status and body, or curl's error.
fn format_reply(reply: &Reply) -> String {
    if reply.status == 0 {
        return excerpt(if reply.error.is_empty() { "no answer" } else { &reply.error });
    }
    let body = text_of(&reply.body);
    let body = if body.is_empty() { "an empty body".to_owned() } else { excerpt(body) };
    format!("{} {body}", reply.status)
}

fn too_few(evidence: &Evidence, asked: &Asked, wanted: usize) -> Judgement {
    let exec = &asked.exec;
    let output = excerpt(if exec.stderr.trim().is_empty() { &exec.stdout } else { &exec.stderr });
    if NO_CURL.contains(&exec.exit_code) {
        return Judgement::fail("the client cannot ask: curl is not in its image")
            .expected(format!("{wanted} answers"))
            .observed(format!("exit {}: {output}", exec.exit_code))
            .object(pod(evidence, asked))
            .step(restore_client_image(evidence));
    }
    let output = if output.is_empty() { String::new() } else { format!(": {output}") };
    let (number, code) = (asked.replies.len(), exec.exit_code);
    wrong(evidence, asked, &format!("{number} of {wanted} answers, exit {code}{output}"))
}

fn pod(evidence: &Evidence, asked: &Asked) -> Object {
    Object::new("pod", &evidence.expectations.namespace, &asked.exec.pod)
}

fn wrong(evidence: &Evidence, asked: &Asked, observed: &str) -> Judgement {
    let Expectations { backend_deployment, reply, .. } = &evidence.expectations;
    let (cause, steps) = if is_scaled_to_zero(evidence, backend_deployment) {
        let cause = format!(": {backend_deployment} is scaled to zero");
        (cause, vec![start(evidence, backend_deployment)])
    } else {
        let again = ask_again(evidence, &asked.url);
        (String::new(), [vec![again], show_answerer(evidence, observed)].concat())
    };
    Judgement::fail(format!("the backend does not reply as it should{cause}"))
        .expected(format!("200 `{reply}`, {} times", asked.requests))
        .observed(observed)
        .object(pod(evidence, asked))
        .steps(steps)
}

/// Whether the first wrong answer shows this failure.
fn shows<'e>(effect: &Effect<'e, Evidence>, failure: fn(&Outcome<'e>, &Evidence) -> bool) -> bool {
    effect.judgement.verdict == Verdict::Fail
        && find_wrong_reply(effect.evidence)
            .is_some_and(|reply| failure(&Outcome::Reply(reply), effect.evidence))
}

/// The client that is deployed is not the tutorial's, and has no curl.
fn client_has_no_curl(effect: &Effect<'_, Evidence>) -> bool {
    let asked = effect.evidence.demo.asked.value();
    effect.judgement.verdict == Verdict::Fail
        && specified(effect.evidence).is_none()
        && asked.is_some_and(|asked| NO_CURL.contains(&asked.exec.exit_code))
}

#[cfg(test)]
mod cases {
    use crate::claims::demo::testing::remove_backend;
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation, Reply};
    use crate::testing::of;

    /// The first answer.
    fn first(evidence: &mut Evidence) -> &mut Reply {
        &mut of(&mut evidence.demo.asked).replies[0]
    }

    /// No answer: curl ended with this code.
    fn exit(evidence: &mut Evidence, code: i32) {
        let asked = of(&mut evidence.demo.asked);
        asked.replies.clear();
        asked.exec.exit_code = code;
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        without_newline(|e| of(&mut e.demo.asked).replies.iter_mut().for_each(|reply| { reply.body.pop(); }), Pass);
        similar_body(|e| first(e).body = "Hello from backend service v2\n".into(), Fail);
        two_newlines(|e| first(e).body.push('\n'), Fail);
        last_one_failed(|e| { let last = of(&mut e.demo.asked).replies.last_mut().unwrap(); last.status = 503; last.body = "no healthy upstream".into(); }, Fail);
        right_body_wrong_status(|e| of(&mut e.demo.asked).replies[1].status = 404, Fail);
        curl_error(|e| { first(e).status = 0; first(e).error = "curl: (7) Failed to connect".into(); }, Fail);
        denied(|e| { first(e).status = 403; first(e).body = "RBAC: access denied".into(); }, Fail);
        aborted(|e| { first(e).status = 503; first(e).body = "fault filter abort".into(); }, Fail);
        refused_by_the_backend(|e| { first(e).status = 403; first(e).body = "go away".into(); }, Fail);
        too_few(|e| { of(&mut e.demo.asked).replies.pop(); }, Fail);
        no_curl(|e| { exit(e, 127); of(&mut e.demo.asked).exec.stderr = "sh: curl: not found".into(); }, Fail);
        cannot_start(|e| exit(e, 126), Fail);
        killed(|e| exit(e, 137), Fail);
        backend_gone(|e| { remove_backend(e); first(e).status = 503; }, Fail);
        no_client(|e| e.demo.asked = Observation::absent("no client pod runs"), Fail);
        asked_nothing(|e| { exit(e, 0); of(&mut e.demo.asked).requests = 0; }, Unjudged);
        unseen(|e| e.demo.asked = Observation::failed("forbidden"), Unjudged);
        not_asked(|e| e.demo.asked = Observation::not_asked("--only"), Skipped);
    }
}
