//! Kiali answers on the exposed port.

use super::answers::{
    answer, answers_an_error, check_redirect, has_same_answer_as_root, wrong_answer,
};
use super::{is_elsewhere, no_pod_is_ready, runs_another_program};
use crate::claims::by_name::default_profile::{self, looks_in_wrong_place};
use crate::claims::by_name::{redirects_to_web_root, running};
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, HttpAnswer, KialiDetails};
use crate::facts::kiali::NAME;
use crate::judgement::{Judged, Judgement};
use crate::steps::services;

claim! {
    /// The tutorial says: expose Kiali with `kubectl port-forward` and `socat`, and open it on port 30001.
    ///
    /// ## Why it matters
    /// The reader of the tutorial opens the console from outside of the cluster, through this port.
    ///
    /// ## How it is checked
    /// Asks Kiali's port through a port-forward, or the URL that `--kiali-url` names. The answer must be the redirect
    /// to the web root, or the console itself. It needs `get` and `create` on `pods/portforward`.
    ///
    /// ## What makes it fail
    /// - Nothing answers, or another program does.
    /// - Kiali has another web root, or answers every page with the same error: then
    ///   `redirects_to_web_root` is the cause.
    /// - No pod of Kiali is ready: then `running` is the cause.
    ///
    /// ## How to fix it
    /// Run the port-forward and `socat` as the tutorial has them. Both must go on running.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system port-forward svc/kiali 20001:20001
    ///     curl -i http://127.0.0.1:20001/
    kiali::reachable_on_exposed_port: "Kiali answers on the exposed port",
    needs: Request,
    caused_by: [
        default_profile if looks_in_wrong_place,
        running if is_elsewhere,
        running if no_pod_is_ready_to_answer,
        running if another_program_answers,
        redirects_to_web_root if redirects_elsewhere,
        redirects_to_web_root if answers_the_same_error,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let answer = answer(evidence, &evidence.kiali.exposed, "Kiali on its exposed port")?;
    let root = &evidence.expectations.kiali.web_root;
    let html = answer.headers.get("content-type").is_some_and(|it| it.starts_with("text/html"));
    // A URL that the caller named may be that of the console itself.
    let console = answer.status == 200 && html && answer.request.contains(root);
    if check_redirect(evidence, answer).is_ok() || console {
        return Ok(Judgement::pass(format!(
            "{} through {}: {}",
            answer.request, answer.vantage, answer.status
        )));
    }
    let KialiDetails { port, exposed_port, .. } = evidence.expectations.kiali;
    let namespace = &evidence.expectations.istio_namespace;
    let summary = "Kiali does not answer as it should on the exposed port".to_owned();
    let mut failure = wrong_answer(evidence, summary, answer);
    failure.steps = services::expose(evidence, namespace, NAME, port, exposed_port);
    Err(failure)
}

fn no_pod_is_ready_to_answer(effect: &Effect<'_, Evidence>) -> bool {
    no_pod_is_ready(effect, effect.evidence.kiali.exposed.value().is_some())
}

fn another_program_answers(effect: &Effect<'_, Evidence>) -> bool {
    let evidence = effect.evidence;
    runs_another_program(evidence) && has_same_answer_as_root(evidence, &evidence.kiali.exposed)
}

/// The exposed port redirects to the same other root.
fn redirects_elsewhere(effect: &Effect<'_, Evidence>) -> bool {
    let pages = &effect.evidence.kiali;
    let location = |answer: &HttpAnswer| answer.headers.get("location").cloned();
    let (Some(root), Some(exposed)) = (pages.root.value(), pages.exposed.value()) else {
        return false;
    };
    has_same_answer_as_root(effect.evidence, &pages.exposed) && location(exposed) == location(root)
}

fn answers_the_same_error(effect: &Effect<'_, Evidence>) -> bool {
    answers_an_error(effect.evidence, &effect.evidence.kiali.exposed)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::of;

    cases! { Evidence:
        healthy(|_| {}, Pass);
        console_of_a_named_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); e.kiali.exposed = Observation::seen(console); }, Pass);
        something_else_is_there(|e| { let answer = of(&mut e.kiali.exposed); answer.status = 200; answer.headers.clear(); answer.body = "nginx".into(); }, Fail);
        console_that_is_broken(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.status = 500; e.kiali.exposed = Observation::seen(console); }, Fail);
        words_at_the_consoles_url(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/kiali/".into(); console.headers.clear(); e.kiali.exposed = Observation::seen(console); }, Fail);
        another_page(|e| { let mut console = of(&mut e.kiali.console).clone(); console.request = "GET http://vm:30001/".into(); e.kiali.exposed = Observation::seen(console); }, Fail);
        hangs(|e| e.kiali.exposed = Observation::absent("nothing answers: no answer within 5 s"), Fail);
        refused(|e| e.kiali.exposed = Observation::absent("nothing answers: refused"), Fail);
        forbidden(|e| e.kiali.exposed = Observation::failed("pods/portforward is forbidden"), Unjudged);
    }
}
