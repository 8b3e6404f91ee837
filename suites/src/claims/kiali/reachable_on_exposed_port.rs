//! Kiali answers on the exposed port.

use super::answers::{
    answer, check_redirect, expected_redirect, format_redirect, has_same_answer_as_root, needs_tls,
    wrong_answer,
};
use super::{
    find_wrong_selector, kiali_object, require_target, restore_selector, running_explains,
    silent_target,
};
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, HttpAnswer, KialiDetails, Observation, selector};
use crate::facts::gateway_address::has_local_server;
use crate::facts::kiali::NAME;
use crate::format::format_silence;
use crate::judgement::{Judged, Judgement, Verdict};
use crate::steps::{Purpose, Step, services, vantage};

claim! {
    /// The tutorial says: expose Kiali with `kubectl port-forward` and `socat`, and open it on port 30001.
    ///
    /// ## Why it matters
    /// The reader of the tutorial opens the console from outside of the cluster, through this port.
    ///
    /// ## How it is checked
    /// Sends a request to the URL of `--kiali-url`. Without it, sends one through meshcheck's own port-forward, and one
    /// to port 30001 of the API server's host. The answer must be the redirect to the web root, or the console itself.
    /// The check needs `get` and `create` on `pods/portforward`.
    ///
    /// Where only the port-forward answers, the claim passes and says so: `socat` may not run yet. It is unjudged where
    /// another program answers on port 30001, or where a login is needed.
    ///
    /// ## What makes it fail
    /// - There is no answer, or another program answers.
    /// - Its service selects another pod: then `running` is the cause.
    /// - Kiali has another web root, or answers every page with the same error: then
    ///   `redirects_to_web_root` is the cause.
    /// - No pod of Kiali is ready, or its service forwards to a port on which Kiali does not listen: then `running` is
    ///   the cause.
    ///
    /// ## How to fix it
    /// Run the port-forward and `socat` as in the tutorial, and keep both running.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system port-forward svc/kiali 20001:20001
    ///     curl -i http://127.0.0.1:20001/
    kiali::reachable_on_exposed_port: "Kiali answers on the exposed port",
    needs: Request,
    caused_by: [
        default_profile if looks_in_wrong_place,
        running if running_explains_page,
        redirects_to_web_root if answers_like_root,
    ],
    holds_without: [
        ("/kiali/machine", "the port-forward answers, and the pass says that port 30001 does not"),
    ],
    holds_unasked: [("/kiali/machine", "`--kiali-url` names another URL, or the pass says so")],
}

fn judge(evidence: &Evidence) -> Judged {
    let port = evidence.expectations.kiali.exposed_port;
    let what = format!("Kiali on exposed port {port}");
    let answer = answer(evidence, &evidence.kiali.exposed, &what, &expected_redirect(evidence))?;
    let HttpAnswer { request, vantage, status, .. } = answer;
    let is_forwarded = vantage.contains("port-forward");
    if !is_of_kiali(evidence, answer) {
        let summary = if needs_tls(answer) {
            format!("{request} returns {status}: Kiali serves HTTPS only")
        } else if is_forwarded {
            let root = &evidence.expectations.kiali.web_root;
            format!(
                "GET / through meshcheck's port-forward returns {status}, no redirect to {root}"
            )
        } else {
            format!("exposed port {port} does not serve Kiali: {request} returns {status}")
        };
        let mut failure = wrong_answer(evidence, summary, answer);
        failure.steps = expose(evidence);
        return Err(failure);
    }
    if !is_forwarded {
        return Ok(Judgement::pass(format!("{request} from {vantage}: {status}")));
    }
    // meshcheck's port-forward goes to the pod, the tutorial's to the service.
    require_target(evidence)?;
    if let Some(service) = find_wrong_selector(evidence) {
        let found = format!("selector {}", selector(&service.selector));
        return Err(Judgement::fail(format!("service kiali selects no pod of Kiali: {found}"))
            .expected("a selector of Kiali's pods")
            .observed(found)
            .object(kiali_object(evidence, "service"))
            .step(restore_selector(evidence)));
    }
    if let Some(target) = silent_target(evidence) {
        let (number, wanted) = (target.number, evidence.expectations.kiali.port);
        let summary =
            format!("service kiali forwards to targetPort {number}, where Kiali does not listen");
        return Err(Judgement::fail(summary)
            .expected(format!("targetPort {wanted}"))
            .observed(format!("targetPort {number}"))
            .object(kiali_object(evidence, "service"))
            .step(target.fix(evidence)));
    }
    let forwarded = format!("{status} through meshcheck's port-forward");
    match &evidence.kiali.machine {
        Observation::Seen { value } if is_of_kiali(evidence, value) => Ok(Judgement::pass(
            format!("{} from {}: {}", value.request, value.vantage, value.status),
        )),
        Observation::Seen { value } => Err(Judgement::unjudged(format!(
            "{} from {}: {}, not Kiali's answer: another program or a proxy has port {port}",
            value.request, value.vantage, value.status
        ))
        .expected(expected_redirect(evidence))
        .observed(format_redirect(value))
        .steps(name_exposed_url(evidence))),
        Observation::Absent { reason } => {
            Ok(Judgement::pass(format!("{forwarded}; {}", format_silence(reason))))
        }
        Observation::Failed { .. } | Observation::NotAsked { .. } => {
            Ok(Judgement::pass(format!("{forwarded}; port {port} of the machine was not tested")))
        }
    }
}

/// Returns the steps where another program has the exposed port of the machine.
fn name_exposed_url(evidence: &Evidence) -> Vec<Step> {
    let port = evidence.expectations.kiali.exposed_port;
    let url = "Expose Kiali on another port, and name its URL with --kiali-url";
    let show = has_local_server(evidence).then(|| vantage::show_listener(evidence, port));
    show.into_iter().chain([Step::advice(Purpose::Fix, url)]).collect()
}

/// Whether an answer is Kiali's: the redirect to its console, or the console at its own URL.
fn is_of_kiali(evidence: &Evidence, answer: &HttpAnswer) -> bool {
    let html = answer.headers.get("content-type").is_some_and(|it| it.starts_with("text/html"));
    let at_console = answer.request.contains(&evidence.expectations.kiali.web_root);
    check_redirect(evidence, answer).is_ok() || answer.status == 200 && html && at_console
}

/// Returns the tutorial's commands that expose Kiali.
fn expose(evidence: &Evidence) -> Vec<Step> {
    let KialiDetails { port, exposed_port, .. } = evidence.expectations.kiali;
    services::expose(evidence, &evidence.expectations.istio_namespace, NAME, port, exposed_port)
}

/// Whether the exposed port fails because of Kiali's deployment or service. Another program answers there like at /.
fn running_explains_page(effect: &Effect<'_, Evidence>) -> bool {
    let exposed = &effect.evidence.kiali.exposed;
    if effect.judgement.verdict == Verdict::Fail && find_wrong_selector(effect.evidence).is_some() {
        return true;
    }
    running_explains(effect, &[exposed], has_same_answer_as_root(effect.evidence, exposed))
}

/// Whether the exposed port redirects to the same other root as the pod, or has the same error.
fn answers_like_root(effect: &Effect<'_, Evidence>) -> bool {
    let pages = &effect.evidence.kiali;
    let location = |answer: &HttpAnswer| answer.headers.get("location").cloned();
    let (Some(root), Some(exposed)) = (pages.root.value(), pages.exposed.value()) else {
        return false;
    };
    has_same_answer_as_root(effect.evidence, &pages.exposed) && location(exposed) == location(root)
}

#[cfg(test)]
mod cases {
    use crate::claims::kiali::changes::{select_another, target_port};
    use crate::entry::cases;
    use crate::evidence::{Evidence, HttpAnswer, Observation};
    use crate::testing::of;

    /// Returns the redirect from port 30001 of the API server's host.
    fn of_the_machine(evidence: &Evidence) -> Observation<HttpAnswer> {
        evidence.kiali.exposed.clone().map(|answer| HttpAnswer {
            request: "GET http://192.0.2.7:30001/".into(),
            vantage: "this machine".into(),
            ..answer
        })
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        console_of_a_named_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.vantage = "this machine".into(); e.kiali.exposed = Observation::seen(console); }, Pass);
        another_program(|e| { let answer = of(&mut e.kiali.exposed); answer.status = 200; answer.headers.clear(); answer.body = "nginx".into(); }, Fail);
        console_with_an_error(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.status = 500; e.kiali.exposed = Observation::seen(console); }, Fail);
        no_html_at_the_consoles_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.headers.clear(); e.kiali.exposed = Observation::seen(console); }, Fail);
        another_page(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/".into(); e.kiali.exposed = Observation::seen(console); }, Fail);
        port_not_tested(|e| e.kiali.machine = Observation::default(), Pass);
        port_answers(|e| e.kiali.machine = of_the_machine(e), Pass);
        port_of_another_program(|e| { e.kiali.machine = of_the_machine(e); of(&mut e.kiali.machine).status = 404; }, Unjudged);
        port_redirects_elsewhere(|e| { e.kiali.machine = of_the_machine(e); of(&mut e.kiali.machine).headers.insert("location".into(), "//elsewhere/kiali/".into()); }, Unjudged);
        login(|e| of(&mut e.kiali.exposed).status = 401, Unjudged);
        selects_another_pod(select_another, Fail);
        selects_another_pod_with_another_target(|e| { target_port(e, "30001"); select_another(e); }, Fail);
        another_target_port(|e| target_port(e, "30001"), Fail);
        another_target_port_and_no_endpoints(|e| { target_port(e, "30001"); e.install.endpoints = Observation::failed("endpointslices is forbidden"); }, Unjudged);
        another_target_port_and_no_pods(|e| { target_port(e, "30001"); e.install.pods = Observation::failed("pods is forbidden"); }, Unjudged);
        no_services(|e| e.install.services = Observation::failed("services is forbidden"), Unjudged);
        hangs(|e| e.kiali.exposed = Observation::absent("nothing answers: no answer within 5 s"), Fail);
        refused(|e| e.kiali.exposed = Observation::absent("nothing answers: refused"), Fail);
        forbidden(|e| e.kiali.exposed = Observation::failed("pods/portforward is forbidden"), Unjudged);
    }
}
