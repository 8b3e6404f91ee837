//! Kiali redirects / to its web root.

use super::answers::{
    Redirect, answer, check_redirect, expected_redirect, format_redirect, redirect_body,
    wrong_answer,
};
use super::{kiali_object, running_explains};
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::entry::{Effect, claim};
use crate::evidence::Evidence;
use crate::judgement::{Judged, Judgement, TextChange};

claim! {
    /// The tutorial says: Kiali redirects / to /kiali/, and shows the answer `<a href="/kiali/">Found</a>.`
    ///
    /// ## Why it matters
    /// The tutorial shows this answer word for word. With another web root, every link of the tutorial to the console
    /// is wrong.
    ///
    /// ## How it is checked
    /// Sends `GET /` to Kiali's pod through a port-forward, without following the redirect, and compares status, Location
    /// and body. The check needs `get` and `create` on `pods/portforward` in the control plane's namespace.
    ///
    /// ## What makes it fail
    /// - Kiali has another web root (`server.web_root` in its ConfigMap).
    /// - It redirects to another host, as a proxy in front of it does.
    /// - Kiali answers with an error or another page, or another program runs instead.
    /// - Kiali serves HTTPS only: `identity.cert_file` is set in its ConfigMap.
    /// - Its service forwards to a port on which Kiali does not listen: then `running` is the cause.
    /// - No pod of Kiali is ready: then `running` is the cause.
    ///
    /// A redirect to the web root with another status or body is *changed*: the page opens, but the tutorial's text
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
        running if running_explains_page,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let expected = expected_redirect(evidence);
    let answer = answer(evidence, &evidence.kiali.root, "Kiali's answer to /", &expected)?;
    let root = &evidence.expectations.kiali.web_root;
    match check_redirect(evidence, answer) {
        Ok(Redirect::Verbatim) => {
            Ok(Judgement::pass(format!("GET /: 302 to {root}, through {}", answer.vantage)))
        }
        Ok(Redirect::Reworded) => {
            let difference = match answer.status {
                302 => "another body than the tutorial's".to_owned(),
                status => format!("status {status}, the tutorial says 302"),
            };
            let observed = format_redirect(answer);
            let change = TextChange::new("kiali-redirect", redirect_body(evidence)).now(&observed);
            let summary = format!("Kiali redirects / to {root} with {difference}");
            Ok(Judgement::changed(summary, change)
                .expected(expected)
                .observed(observed)
                .object(kiali_object(evidence, "deployment")))
        }
        Err(why) => {
            let summary = format!("Kiali does not redirect / to {root}: {why}");
            Err(wrong_answer(evidence, summary, answer))
        }
    }
}

/// Whether / fails because of Kiali's deployment or service.
fn running_explains_page(effect: &Effect<'_, Evidence>) -> bool {
    running_explains(effect, &[&effect.evidence.kiali.root], true)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, HttpAnswer, Observation};
    use crate::testing::{installed, of, scale_to_zero};

    /// Sets the Location of an answer.
    fn relocate(answer: &mut HttpAnswer, to: &str) {
        answer.headers.insert("location".into(), to.into());
    }

    cases! { Evidence:
        healthy(|_| {}, Pass);
        absolute_location(|e| relocate(of(&mut e.kiali.root), "http://localhost:20001/kiali/"), Pass);
        another_root(|e| relocate(of(&mut e.kiali.root), "/mesh/"), Fail);
        longer_root(|e| relocate(of(&mut e.kiali.root), "/kiali/console"), Fail);
        no_location(|e| of(&mut e.kiali.root).headers.clear(), Fail);
        another_host(|e| relocate(of(&mut e.kiali.root), "https://elsewhere.invalid/kiali/"), Fail);
        another_host_without_scheme(|e| relocate(of(&mut e.kiali.root), "//elsewhere/kiali/"), Fail);
        another_port(|e| relocate(of(&mut e.kiali.root), "http://localhost:80/kiali/"), Fail);
        requested_host(|e| { let root = of(&mut e.kiali.root); root.request = "GET http://localhost:30001/".into(); relocate(root, "http://localhost:30001/kiali/"); }, Pass);
        another_port_of_the_host(|e| { let root = of(&mut e.kiali.root); root.request = "GET http://localhost:30001/".into(); relocate(root, "http://localhost:20001/kiali/"); }, Fail);
        permanent_redirect(|e| of(&mut e.kiali.root).status = 301, Changed);
        temporary_redirect(|e| of(&mut e.kiali.root).status = 307, Changed);
        not_modified(|e| of(&mut e.kiali.root).status = 304, Fail);
        login(|e| of(&mut e.kiali.root).status = 401, Unjudged);
        https_only(|e| { let root = of(&mut e.kiali.root); root.status = 400; root.headers.clear(); root.body = "Client sent an HTTP request to an HTTPS server.\n".into(); }, Fail);
        server_error(|e| of(&mut e.kiali.root).status = 500, Fail);
        another_body(|e| of(&mut e.kiali.root).body = "<a href=\"/mesh/\">Found</a>.".into(), Changed);
        no_pod(|e| e.kiali.root = Observation::absent("no Kiali pod is ready"), Fail);
        forbidden(|e| e.kiali.root = Observation::failed("pods/portforward is forbidden"), Unjudged);
        scaled_to_zero(|e| { scale_to_zero(installed(e, "kiali")); e.kiali.root = Observation::absent("no Kiali pod is ready"); }, Fail);
    }
}
