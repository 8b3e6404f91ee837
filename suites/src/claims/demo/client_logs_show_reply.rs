//! The client's log shows the backend's reply, now and not only once.

use jiff::{SignedDuration, Timestamp};

use crate::claims::by_name::client_deployment::{
    is_container_down, no_client_runs, requests_the_backend, specified,
};
use crate::claims::by_name::nodes_ready::no_node_answers;
use crate::claims::demo::outcome::Outcome;
use crate::claims::mesh::bypass::reply_bypasses_decryption;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{ClientLog, Clock, ContainerState, Evidence, Expectations, Pod, Reply};
use crate::facts::client_log::{find_log, find_trouble_in_log, read};
use crate::facts::demo::{
    find_deployment, find_wrong_reply, is_pod_of, is_scaled_to_zero, running_pods,
};
use crate::facts::injection::demo_namespace_is_missing;
use crate::facts::proxy_replies::find_proxys_own_reply;
use crate::format::{excerpt, format_pod_state};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::object::Object;
use crate::steps::demo::{apply_manifest, restore_client_image, start};
use crate::steps::{Step, pods};

claim! {
    /// The tutorial says: "Verify the setup by checking the logs of the client pod to see responses from the backend
    /// service: `kubectl logs -n client -l app=client -c client`".
    ///
    /// ## Why it matters
    /// The log is the demo's proof that traffic flows. If it has only old replies, the traffic has stopped.
    ///
    /// ## How it is checked
    /// - Reads the log of the container `client` in every running client pod.
    /// - The newest reply is exactly the backend's text, and not older than three turns of the loop.
    /// - No error and no other text follows it.
    ///
    /// It needs `list` on `pods` and `get` on `pods/log` in the demo's namespace. The claim is unjudged where the client has
    /// just started, or where a clock may be wrong.
    ///
    /// ## What makes it fail
    /// - No client pod runs, it does not request the backend, or it has no curl (`client_deployment`).
    /// - curl reports an error, or the log shows another text than the backend's.
    /// - The newest reply is old, or the newest requests got no reply.
    /// - The backend has another text or no pods (`backend_deployment`, `backend_service`).
    /// - New requests fail in the same way (`backend_replies`).
    /// - The name does not resolve (`dns_on_pod_network`), or no node answers (`nodes_ready`).
    /// - The iptables rules bypass the backend's proxy (`inbound_redirected`, `live_rules`).
    ///
    /// ## How to fix it
    /// - A deployment has 0 replicas: scale it to 1. The client is missing: apply `client.yaml`.
    /// - The client has no curl: set its image.
    /// - Another reason: read the log, and fix the error in its newest lines.
    ///
    /// ## Check by hand
    ///     kubectl -n client logs -l app=client -c client --timestamps --tail=20
    demo::client_logs_show_reply: "the client's log shows the backend's reply",
    needs: Reading,
    stops: [Client],
    caused_by: [
        nodes_ready if no_node_answers,
        namespace_labelled if |effect| demo_namespace_is_missing(effect.evidence),
        dns_on_pod_network if |effect| shows(effect, Outcome::is_unresolved),
        client_deployment if |effect| no_client_runs(effect.evidence),
        client_deployment if |effect| shows(effect, Outcome::ends_at_stopped_proxy),
        client_deployment if client_cannot_ask,
        backend_deployment if |effect| shows(effect, Outcome::is_other_reply),
        backend_service if |effect| shows(effect, Outcome::misses_the_backend),
        backend_replies if proxy_answers_instead,
        backend_replies if request_fails_in_the_same_way,
        inbound_redirected if reply_bypasses_decryption,
        live_rules if reply_bypasses_decryption,
    ],
}

/// The time of a loop turn besides its sleep, and the tolerated difference between two clocks.
const GRACE: SignedDuration = SignedDuration::from_secs(5);
/// The number of loop turns after which the newest reply is old.
const TURNS: i32 = 3;

fn judge(evidence: &Evidence) -> Judged {
    let Expectations { namespace, client_deployment, .. } = &evidence.expectations;
    let object = Object::new("deployment", namespace, client_deployment);
    let what = format!("the pods of namespace {namespace}");
    let all = require(&evidence.demo.pods, &what, &object, || list_pods(evidence))?;
    let running = running_pods(evidence, client_deployment).unwrap_or_default();
    if running.is_empty() {
        let waiting = all.iter().find(|pod| is_pod_of(evidence, pod, client_deployment));
        return Err(none_runs(evidence, object, waiting));
    }
    let show = || show_log(evidence, running[0]);
    let logs = require(&evidence.demo.client_logs, "the client's log", &object, show)?;
    let parts = all_hold(running.iter().map(|pod| match find_log(evidence, logs, &pod.name) {
        Some(log) => judge_log(evidence, pod, log),
        None => Err(Judgement::unjudged(format!("log of pod {} is not in the evidence", pod.name))),
    }))?;
    Ok(Judgement::pass(parts.join("; ")))
}

fn none_runs(evidence: &Evidence, object: Object, waiting: Option<&Pod>) -> Judgement {
    let name = &evidence.expectations.client_deployment;
    let fail = Judgement::fail(format!("deployment {name} has no running pod and no log"))
        .expected("a running client pod");
    match waiting {
        Some(pod) => fail
            .observed(format!("pod {} is {}", pod.name, format_pod_state(pod)))
            .object(Object::pod(pod))
            .steps(pods::diagnose(evidence, pod)),
        None => fail.observed("no client pod").object(object).step(
            match find_deployment(evidence, name) {
                Some(client) if client.replicas == 0 => start(evidence, name),
                Some(_) => list_pods(evidence),
                None => apply_manifest(evidence, "client.yaml"),
            },
        ),
    }
}

fn list_pods(evidence: &Evidence) -> Step {
    pods::list(evidence, &evidence.expectations.namespace, &[], "List the pods")
}

fn show_log(evidence: &Evidence, pod: &Pod) -> Step {
    let container = &evidence.expectations.client.container;
    let text = "Show the newest lines of the client's log";
    pods::show_log(evidence, pod, container, &["--timestamps", "--tail=20"], text)
}

fn judge_log(evidence: &Evidence, pod: &Pod, log: &ClientLog) -> Judged {
    let Expectations { reply, client_interval_seconds, backend_deployment, .. } =
        &evidence.expectations;
    let interval = SignedDuration::from_secs(i64::from(*client_interval_seconds));
    let reading = read(log, reply);
    let has_no_backend = is_scaled_to_zero(evidence, backend_deployment);
    let fail = |summary: String, observed: String| {
        let (cause, step) = if has_no_backend {
            let cause = format!(", {backend_deployment} is scaled to 0");
            (cause, start(evidence, backend_deployment))
        } else if observed.contains("curl: not found") {
            let cause = ", the client's image has no curl".to_owned();
            (cause, restore_client_image(evidence))
        } else {
            (String::new(), show_log(evidence, pod))
        };
        Err(Judgement::fail(format!("{summary}{cause}"))
            .expected(format!("`{reply}` every {client_interval_seconds} s, and no error after it"))
            .observed(observed)
            .object(Object::pod(pod))
            .step(step))
    };
    if let Some(trouble) = &reading.trouble {
        let line = format!("`{}`", excerpt(trouble));
        // The whole line stands in `observed` alone.
        let mut last = line.clone();
        if line.chars().count() > 80 {
            last = format!("`{}...`", excerpt(trouble).chars().take(80).collect::<String>());
        }
        let summary = if reading.reply.is_some() {
            format!("the client's log ends with {last}")
        } else {
            format!("the client's log has no reply: it ends with {last}")
        };
        return fail(summary, line);
    }
    let Some(newest) = reading.reply else {
        if let Some(age) =
            running_for(evidence, pod, log.read_at).filter(|age| *age < interval * 2 + GRACE)
        {
            return Err(Judgement::unjudged(format!(
                "too early: client pod {} started {} s ago, with a request every {client_interval_seconds} s",
                pod.name,
                age.as_secs()
            )));
        }
        let requests = reading.requests.len();
        return fail(
            "the client's log has no reply".to_owned(),
            match requests {
                0 => "no requests".to_owned(),
                number => format!("{number} requests without a reply"),
            },
        );
    };
    // One request may be in progress. A request right beside the reply is that of the reply: the log's two streams
    // are not in step.
    let unanswered =
        reading.requests.iter().filter(|at| at.duration_since(newest) > interval / 2).count();
    if unanswered > 1 {
        return fail(
            format!("the client's last {unanswered} requests got no reply"),
            format!("{unanswered} requests without a reply since {newest}"),
        );
    }
    let age = log.read_at.duration_since(newest);
    let limit = interval * TURNS + GRACE;
    let clocks_differ = match log.clock {
        // This clock wrote the log.
        Clock::Node => false,
        Clock::ApiServer | Clock::Collector => age < -GRACE,
    };
    if clocks_differ {
        return Err(Judgement::unjudged(format!(
            "age of the newest reply of pod {} unknown: it is {} s in the future by the clock of {}",
            pod.name,
            -age.as_secs(),
            owner(log.clock)
        )));
    }
    if age <= limit {
        return Ok(Judgement::pass(format!(
            "newest reply of pod {}: `{reply}`, {} s ago",
            pod.name,
            age.as_secs().max(0)
        )));
    }
    let seconds = age.as_secs();
    let observed = format!("newest reply {seconds} s ago, by the clock of {}", owner(log.clock));
    // Only a wrong clock may make a log without a newer line old, unless it is the log's own clock.
    if log.clock == Clock::Collector && !has_no_backend {
        return Err(Judgement::unjudged(format!("{observed}: that clock may be wrong")));
    }
    fail(format!("the client's newest reply is {seconds} s old"), observed)
}

/// Returns the owner of a clock.
fn owner(clock: Clock) -> &'static str {
    match clock {
        Clock::Node => "the node",
        Clock::ApiServer => "the API server",
        Clock::Collector => "the machine that ran meshcheck",
    }
}

/// Returns how long a pod's client container has been running.
fn running_for(evidence: &Evidence, pod: &Pod, now: Timestamp) -> Option<SignedDuration> {
    let name = &evidence.expectations.client.container;
    let client = pod.containers.iter().find(|container| container.name == *name)?;
    match client.state {
        ContainerState::Running { since } => {
            since.or(pod.created_at).map(|since| now.duration_since(since))
        }
        _ => None,
    }
}

/// Finds the text that stands in place of the reply in the log of the failure's client pod.
fn outcome(effect: &Effect<'_, Evidence>) -> Option<Outcome<'static>> {
    let evidence = effect.evidence;
    if effect.judgement.verdict != Verdict::Fail {
        return None;
    }
    let pods = running_pods(evidence, &evidence.expectations.client_deployment)?;
    let pod = pods.into_iter().find(|pod| effect.is_about(Object::pod(pod)))?;
    Some(find_trouble_in_log(evidence, &pod.name).map_or(Outcome::Nothing, Outcome::Text))
}

/// Whether the log shows this failure.
fn shows(effect: &Effect<'_, Evidence>, failure: fn(&Outcome<'static>, &Evidence) -> bool) -> bool {
    outcome(effect).is_some_and(|outcome| failure(&outcome, effect.evidence))
}

/// Whether the deployed client is not the tutorial's: it has no curl, or does not request the backend.
fn client_cannot_ask(effect: &Effect<'_, Evidence>) -> bool {
    if specified(effect.evidence).is_some() || effect.judgement.verdict != Verdict::Fail {
        return false;
    }
    !requests_the_backend(effect.evidence)
        || outcome(effect).is_some_and(|outcome| match outcome {
            // A container that never ran has sent no request.
            Outcome::Nothing => is_container_down(effect.evidence),
            outcome => outcome.contains(&["curl: not found", "curl: command not found"]),
        })
}

/// Whether a proxy answers instead of the backend.
fn proxy_answers_instead(effect: &Effect<'_, Evidence>) -> bool {
    find_proxys_own_reply(effect.evidence).is_some() && outcome(effect).is_some()
}

/// Whether a new request fails with the error of the log, or gets the text of the log.
fn request_fails_in_the_same_way(effect: &Effect<'_, Evidence>) -> bool {
    match (outcome(effect), find_wrong_reply(effect.evidence)) {
        (Some(Outcome::Text(text)), Some(Reply { error, body, .. })) => {
            !error.is_empty() && text.contains(error) || body.contains(&text)
        }
        _ => false,
    }
}

#[cfg(test)]
mod cases;
