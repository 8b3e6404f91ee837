//! Kiali serves its console, and its API reports a version.

use super::answers::{answer, answers_an_error, has_same_answer_as_root, is_html_page, needs_tls};
use super::{kiali_object, running_explains, show_or_scale_up};
use crate::claims::by_name::default_profile::looks_in_wrong_place;
use crate::claims::by_name::redirects_to_web_root;
use crate::combine::all_hold;
use crate::entry::{Effect, claim};
use crate::evidence::{Evidence, HttpAnswer};
use crate::facts::image::{same_version, split_image};
use crate::facts::kiali::find_kiali;
use crate::format::{excerpt, format_answer};
use crate::judgement::{Judged, Judgement, Verdict, require};
use crate::steps::kiali::show_image;

claim! {
    /// The tutorial implies that the console opens in a browser at Kiali's web root.
    ///
    /// ## Why it matters
    /// A Kiali that is ready and redirects can still lack its console, or have an API of another version.
    ///
    /// ## How it is checked
    /// Requests the web root of Kiali's pod, and `api` below it, through a port-forward (`get` and `create` on
    /// `pods/portforward`). The console must be an HTML page. The API must report the version in the tag of the image
    /// (`list` on deployments).
    ///
    /// ## What makes it fail
    /// - The console answers with an error, an empty page, or no HTML.
    /// - The API answers with an error, reports no version, or a version that differs from the image's tag.
    /// - Kiali has another web root or answers every page with the same error (`redirects_to_web_root`).
    /// - No pod of Kiali is ready, another program runs instead, or its service forwards to a port on which Kiali does
    ///   not listen (`running`).
    ///
    /// Where a login is needed, the claim is unjudged. A bundle may have another Kiali under this tag and say so in its notes:
    /// then the claim holds, and the report says what is not proven.
    ///
    /// ## How to fix it
    /// Check Kiali's pods and their logs. Apply the addon manifest of the release again.
    ///
    /// ## Check by hand
    ///     kubectl -n istio-system port-forward svc/kiali 20001:20001
    ///     curl -i http://127.0.0.1:20001/kiali/
    ///     curl http://127.0.0.1:20001/kiali/api
    kiali::console_served: "Kiali serves its console, and its API reports a version",
    beyond: true,
    needs: Request,
    caused_by: [
        default_profile if looks_in_wrong_place,
        running if running_explains_page,
        redirects_to_web_root if stands_at_another_root,
        redirects_to_web_root if answers_the_same_error,
    ],
}

fn judge(evidence: &Evidence) -> Judged {
    let parts = all_hold([console(evidence), api(evidence), image_is_known(evidence)])?;
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let pass = Judgement::pass(parts.join(", "));
    Ok(match find_renamed_version(evidence) {
        Some((version, tag)) => pass.caveat(format!(
            "the pages of Kiali {tag} are not checked: the bundle has Kiali {version} under this tag"
        )),
        None => pass,
    })
}

/// Judges the answer to the web root.
fn console(evidence: &Evidence) -> Judged {
    let expected = "200 text/html, an HTML page";
    let answer = answer(evidence, &evidence.kiali.console, "Kiali's console", expected)?;
    let kind = answer.headers.get("content-type").map(String::as_str).unwrap_or_default();
    let root = &evidence.expectations.kiali.web_root;
    let is_page = is_html_page(&answer.body);
    if answer.status == 200 && kind.starts_with("text/html") && is_page {
        return Ok(Judgement::pass(format!("GET {root}: 200, an HTML page")));
    }
    let body = match answer.body.trim() {
        "" => "an empty body".to_owned(),
        _ if is_page => "an HTML page".to_owned(),
        body => format!("`{}`", excerpt(body)),
    };
    let wrong = match answer.status {
        200 => "200 without an HTML page".to_owned(),
        status if needs_tls(answer) => format!("{status}, it serves HTTPS only"),
        status => status.to_string(),
    };
    Err(Judgement::fail(format!("Kiali does not serve its console: GET {root} returns {wrong}"))
        .expected(expected)
        .observed(format!("{}, {body}", format!("{} {}", answer.status, excerpt(kind)).trim_end()))
        .object(kiali_object(evidence, "deployment"))
        .step(show_or_scale_up(evidence)))
}

/// Judges the answer of the API.
fn api(evidence: &Evidence) -> Judged {
    let expected = "200, JSON with a Kiali version";
    let needs_login = evidence.kiali.api.value().is_some_and(|api| api.status == 401);
    let answer = answer(evidence, &evidence.kiali.api, "Kiali's API", expected);
    let answer = answer.map_err(|mut early| {
        if needs_login {
            early.summary += "; its version is unknown, the console answers";
        }
        early
    })?;
    let fail = |summary: String, expected: &str, observed: String| {
        Judgement::fail(summary)
            .expected(expected)
            .observed(observed)
            .object(kiali_object(evidence, "deployment"))
            .step(show_or_scale_up(evidence))
    };
    if answer.status != 200 {
        let summary = format!("Kiali's API returns {}, expected 200", answer.status);
        return Err(fail(summary, expected, format_answer(answer)));
    }
    let Some(version) = reported_version(answer) else {
        let summary = "Kiali's API reports no version".into();
        return Err(fail(summary, expected, format!("{} without a Kiali version", answer.status)));
    };
    // A tag that is a version must be the reported one.
    let image = find_kiali(evidence)
        .and_then(|kiali| kiali.containers.first())
        .map(|container| split_image(&container.image).1)
        .filter(|tag| tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()));
    if let Some(tag) = image
        && !same_version(tag, &version)
        && find_renamed_version(evidence).is_none()
    {
        let version = excerpt(&version);
        let summary = format!(
            "Kiali's API reports {version}, its image is tagged {tag}: the tag may be on another build"
        );
        return Err(Judgement {
            steps: vec![show_image(evidence)],
            ..fail(summary, &format!("version {tag}"), format!("version {version}"))
        });
    }
    Ok(Judgement::pass(format!("the API reports {}", excerpt(&version))))
}

/// Returns version and tag of Kiali where the bundle has that version under another tag, and says so in a note.
fn find_renamed_version(evidence: &Evidence) -> Option<(String, String)> {
    let version = reported_version(evidence.kiali.api.value()?)?;
    let tag = split_image(&find_kiali(evidence)?.containers.first()?.image).1.to_owned();
    let note = format!("Kiali {version} under the name {tag}");
    let bundle = evidence.subject.bundle.as_ref()?;
    bundle.notes.iter().any(|it| it.contains(&note)).then_some((version, tag))
}

/// Passes where the deployments, and with them Kiali's image, were read.
fn image_is_known(evidence: &Evidence) -> Judged {
    let what = "the image of Kiali";
    require(&evidence.install.deployments, what, kiali_object(evidence, "deployment"), || {
        show_or_scale_up(evidence)
    })?;
    Ok(Judgement::pass(String::new()))
}

/// Returns the version in the API's answer. Evidence keeps only the beginning of a long answer; the status is in it.
pub(crate) fn reported_version(answer: &HttpAnswer) -> Option<String> {
    let body = &answer.body;
    let found = if answer.body_cut {
        let (_, rest) = body.split_once("\"Kiali version\"")?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        rest.split_once('"').map(|(version, _)| version.to_owned())
    } else {
        let value: serde_json::Value = serde_json::from_str(body).ok()?;
        value["status"]["Kiali version"].as_str().map(str::to_owned)
    };
    found.filter(|version| {
        version
            .trim_start_matches('v')
            .split('.')
            .filter(|part| part.parse::<u64>().is_ok())
            .count()
            >= 2
    })
}

/// Whether both pages fail because of Kiali's deployment or service. Another program does not redirect as Kiali does, or
/// answers the console like /.
fn running_explains_page(effect: &Effect<'_, Evidence>) -> bool {
    let pages = &effect.evidence.kiali;
    let is_foreign = effect.judgement.verdict == Verdict::Fail
        && (effect.fails(&redirects_to_web_root::CLAIM)
            || has_same_answer_as_root(effect.evidence, &pages.console));
    running_explains(effect, &[&pages.console, &pages.api], is_foreign)
}

/// Whether Kiali redirects to another root or has a page at /, and answers 404 at the tutorial's root.
fn stands_at_another_root(effect: &Effect<'_, Evidence>) -> bool {
    let pages = &effect.evidence.kiali;
    let expected = effect.evidence.expectations.kiali.web_root.trim_end_matches('/');
    let leads_elsewhere = |root: &HttpAnswer| match root.headers.get("location") {
        Some(it) => {
            it.starts_with('/') && !it.starts_with("//") && it.trim_end_matches('/') != expected
        }
        None => root.status == 200 && is_html_page(&root.body),
    };
    pages.root.value().is_some_and(leads_elsewhere)
        && pages.console.value().is_some_and(|console| console.status == 404)
}

/// Whether the console has the same error as /.
fn answers_the_same_error(effect: &Effect<'_, Evidence>) -> bool {
    answers_an_error(effect.evidence, &effect.evidence.kiali.console)
}

#[cfg(test)]
mod cases {
    use crate::entry::cases;
    use crate::evidence::{Evidence, Observation};
    use crate::testing::{installed, of};

    cases! { Evidence:
        healthy(|_| {}, Pass);
        not_found(|e| of(&mut e.kiali.console).status = 404, Fail);
        page_at_the_root(|e| { let page = of(&mut e.kiali.console).clone(); of(&mut e.kiali.root).clone_from(&page); of(&mut e.kiali.root).headers.remove("location"); of(&mut e.kiali.console).status = 404; }, Fail);
        https_only(|e| { let console = of(&mut e.kiali.console); console.status = 400; console.body = "Client sent an HTTP request to an HTTPS server.\n".into(); }, Fail);
        not_an_html_type(|e| { of(&mut e.kiali.console).headers.insert("content-type".into(), "text/plain".into()); }, Fail);
        empty_page(|e| of(&mut e.kiali.console).body.clear(), Fail);
        no_type_and_empty_page(|e| { let it = of(&mut e.kiali.console); it.headers.remove("content-type"); it.body.clear(); }, Fail);
        no_markup(|e| of(&mut e.kiali.console).body = "it works".into(), Fail);
        only_a_doctype(|e| of(&mut e.kiali.console).body = "<!DOCTYPE html>".into(), Pass);
        only_a_tag(|e| of(&mut e.kiali.console).body = "<html lang=en>".into(), Pass);
        api_broken(|e| of(&mut e.kiali.api).status = 500, Fail);
        api_needs_login(|e| of(&mut e.kiali.api).status = 401, Unjudged);
        console_needs_login(|e| of(&mut e.kiali.console).status = 401, Unjudged);
        api_forbids(|e| of(&mut e.kiali.api).status = 403, Fail);
        api_is_html(|e| of(&mut e.kiali.api).body = "<html>".into(), Fail);
        no_version(|e| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"unknown\"}}".into(), Fail);
        another_version(|e| of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"v9.9.9\"}}".into(), Fail);
        renamed_by_the_bundle(|e| {
            of(&mut e.kiali.api).body = "{\"status\":{\"Kiali version\":\"v1.89.0\"}}".into();
            installed(e, "kiali").containers[0].image = "quay.io/kiali/kiali:v2.27".into();
            e.subject.bundle.as_mut().unwrap().notes.push("Kubernetes v1.34.4, Kiali v1.89.0 under the name v2.27".into());
        }, Pass);
        console_unknown(|e| e.kiali.console = Observation::failed("no answer"), Unjudged);
        image_unknown(|e| e.install.deployments = Observation::failed("deployments is forbidden"), Unjudged);
        api_unknown(|e| e.kiali.api = Observation::failed("no answer"), Unjudged);
        no_pod(|e| { e.kiali.console = Observation::absent("no Kiali pod is ready"); e.kiali.api = Observation::absent("no Kiali pod is ready"); }, Fail);
        cut_answer(|e| { let api = of(&mut e.kiali.api); api.body = api.body.replace("\"externalServices\"", "\"more\": [{\"x"); api.body_cut = true; }, Pass);
        cut_answer_with_another_version(|e| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version\" : \"v9.9.9\", ".into(); api.body_cut = true; }, Fail);
        cut_answer_without_version(|e| { let api = of(&mut e.kiali.api); api.body = "{\"status\": {\"Kiali version".into(); api.body_cut = true; }, Fail);
        digest(|e| { let image = format!("{}@sha256:0123", installed(e, "kiali").containers[0].image); installed(e, "kiali").containers[0].image = image; }, Pass);
        console_fails_and_api_unknown(|e| { e.kiali.api = Observation::failed("no answer"); of(&mut e.kiali.console).status = 500; }, Fail);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::CLAIM;
    use crate::judgement::Verdict;
    use crate::testing::{healthy, of};

    proptest! {
        /// Any answer of the API gives a pass or a complete failure.
        #[test]
        fn any_answer_of_the_api_is_judged(
            body in "(\\{|\\}|\"status\":|\"Kiali version\"|:|\"v1\\.79\\.0\"|\"|\\[|,|1|\\PC){0,12}",
            body_cut in any::<bool>(),
        ) {
            let mut evidence = healthy();
            let api = of(&mut evidence.kiali.api);
            (api.body, api.body_cut) = (body, body_cut);
            let judgement = CLAIM.judge(&evidence);
            let complete = !judgement.steps.is_empty() && judgement.observed.is_some();
            prop_assert!(judgement.verdict == Verdict::Pass || complete, "{judgement:#?}");
        }
    }
}
