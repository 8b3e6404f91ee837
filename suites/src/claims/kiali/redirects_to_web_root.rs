//! Kiali redirects / to its web root.

use super::answers::{Redirect, answer, check_redirect, format_redirect, wrong_answer};
use super::{is_elsewhere, no_pod_is_ready, runs_another_program, service_misses_kiali};
use crate::claims::by_name::default_profile::{self, looks_in_wrong_place};
use crate::claims::by_name::running;
use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement};

claim! {
    /// The tutorial says: "Kiali redirects / to /kiali/": a request for / is answered
    /// `<a href="/kiali/">Found</a>.`
    ///
    /// ## Why it matters
    /// The reader sees this answer when she opens Kiali without a path, and the tutorial shows it word by word.
    /// Another web root makes every link of the tutorial to the console wrong.
    ///
    /// ## How it is checked
    /// Asks Kiali's pod for / through a port-forward, without following the redirect, and compares status, Location
    /// and body. It needs `get` and `create` on `pods/portforward` in the control plane's namespace.
    ///
    /// ## What makes it fail
    /// - Kiali has another web root (`server.web_root` in its ConfigMap).
    /// - It redirects to another host, as something in front of it or in its place does.
    /// - Kiali answers with an error or another page, or another program runs in its place.
    /// - Kiali serves TLS only: `identity.cert_file` is set in its ConfigMap.
    /// - Its service leads to a port on which Kiali does not listen: then `running` is the cause.
    /// - No pod of Kiali is ready: then `running` is the cause.
    ///
    /// A redirect to the right place with another status or body is *changed*: the page opens, and the tutorial's text
    /// differs. Where a login is needed, the claim is unjudged.
    ///
    /// ## How to fix it
    /// Set `server.web_root: /kiali` in the ConfigMap `kiali` and restart the deployment, or apply the addon's manifest
    /// again. A tutorial with another web root sets `kiali.web_root` in `meshcheck.toml`.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system port-forward svc/kiali 20001:20001
    ///     curl -i http://127.0.0.1:20001/
    kiali::redirects_to_web_root: "Kiali redirects / to /kiali/",
    statement_for: |expectations| format!("Kiali redirects / to {}", expectations.kiali.web_root),
    needs: Request,
    caused_by: [
        default_profile if looks_in_wrong_place,
        running if is_elsewhere,
        running if no_pod_is_ready_to_answer,
        running if another_program_answers,
        running if service_misses_kiali,
    ],
    judge: judge,
}

fn judge(evidence: &Evidence) -> Judged {
    let answer = answer(evidence, &evidence.kiali.root, "Kiali's answer to /")?;
    let root = &evidence.expectations.kiali.web_root;
    match check_redirect(evidence, answer) {
        Ok(Redirect::Verbatim) => {
            Ok(Judgement::pass(format!("302 to {root}, through {}", answer.vantage)))
        }
        Ok(Redirect::Reworded) => {
            let words = format_redirect(answer);
            Ok(Judgement::changed(format!("Kiali redirects / to {root} in other words: {words}")))
        }
        Err(why) => {
            let summary = format!("Kiali does not redirect / to {root}: {why}");
            Err(wrong_answer(evidence, summary, answer))
        }
    }
}

fn no_pod_is_ready_to_answer(effect: &Effect<'_, Evidence>) -> bool {
    no_pod_is_ready(effect, effect.evidence.kiali.root.value().is_some())
}

fn another_program_answers(effect: &Effect<'_, Evidence>) -> bool {
    runs_another_program(effect.evidence)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, HttpAnswer, Observation};
    use crate::testing::{installed, of, scale_to_zero};

    fn relocate(answer: &mut HttpAnswer, to: &str) {
        answer.headers.insert("location".into(), to.into());
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        absolute(|e| relocate(of(&mut e.kiali.root), "http://localhost:20001/kiali/"), Pass);
        another_root(|e| relocate(of(&mut e.kiali.root), "/mesh/"), Fail);
        longer_root(|e| relocate(of(&mut e.kiali.root), "/kiali/console"), Fail);
        no_location(|e| of(&mut e.kiali.root).headers.clear(), Fail);
        another_host(|e| relocate(of(&mut e.kiali.root), "https://elsewhere.invalid/kiali/"), Fail);
        another_host_without_scheme(|e| relocate(of(&mut e.kiali.root), "//elsewhere/kiali/"), Fail);
        another_port(|e| relocate(of(&mut e.kiali.root), "http://localhost:80/kiali/"), Fail);
        host_that_was_asked(|e| { let root = of(&mut e.kiali.root); root.request = "GET http://localhost:30001/".into(); relocate(root, "http://localhost:30001/kiali/"); }, Pass);
        host_that_was_not_asked(|e| { let root = of(&mut e.kiali.root); root.request = "GET http://localhost:30001/".into(); relocate(root, "http://localhost:20001/kiali/"); }, Fail);
        moved_for_ever(|e| of(&mut e.kiali.root).status = 301, Changed);
        moved_for_a_while(|e| of(&mut e.kiali.root).status = 307, Changed);
        not_modified(|e| of(&mut e.kiali.root).status = 304, Fail);
        login(|e| of(&mut e.kiali.root).status = 401, Unjudged);
        tls(|e| { let root = of(&mut e.kiali.root); root.status = 400; root.headers.clear(); root.body = "Client sent an HTTP request to an HTTPS server.\n".into(); }, Fail);
        broken(|e| of(&mut e.kiali.root).status = 500, Fail);
        another_body(|e| of(&mut e.kiali.root).body = "<a href=\"/mesh/\">Found</a>.".into(), Changed);
        no_pod(|e| e.kiali.root = Observation::absent("no Kiali pod is ready"), Fail);
        forbidden(|e| e.kiali.root = Observation::failed("pods/portforward is forbidden"), Unjudged);
        asleep(|e| { scale_to_zero(installed(e, "kiali")); e.kiali.root = Observation::absent("no Kiali pod is ready"); }, Fail);
    }
}
