//! Tests of the page's text. How it looks and behaves is tested in a browser: `tests/browser`.

use super::evidence::{EXCERPT, format_observation};
use super::*;
use crate::report::human::tests::sample;
use meshcheck_suites::evidence::Observation;

#[test]
fn hostile_text_is_escaped_and_nothing_is_fetched() {
    let page = html(&sample(), None).unwrap();
    assert!(!page.contains("<script>") && page.contains("script"), "{page}");
    assert!(!page.contains('\u{1b}'));
    for loading in [" src=", "@import", "url(", "<link", "<script", "<iframe"] {
        assert!(!page.contains(loading), "{loading}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn what_does_not_hold_is_a_step_away() {
    let page = html(&sample(), None).unwrap();
    for id in ["mesh::two_containers_per_pod", "mesh::proxies_in_sync"] {
        assert!(page.contains(&format!("href=\"#{id}\"")), "{id}");
        let place = page.split_once(&format!("id=\"{id}\"")).unwrap().1;
        assert!(place.split_once('>').unwrap().0.ends_with(" open"), "{id}");
    }
    assert!(!page.contains("href=\"#prepare::nodes_ready\""), "it holds");
}

#[test]
fn the_cause_stands_first_and_leads_to_what_follows() {
    let page = html(&sample(), None).unwrap();
    let (before, after) = page.split_once("What to mend first</h2>").unwrap();
    assert_eq!(before.matches("<h2").count(), 1, "no other stands before it");
    let (first, rest) = after.split_once("<h2").unwrap();
    for id in ["mesh::two_containers_per_pod", "mesh::proxies_in_sync"] {
        assert!(first.contains(&format!("href=\"#{id}\"")), "{first}");
    }
    assert!(first.contains("rollout restart"), "{first}");
    let because = "because of <a href=\"#mesh::two_containers_per_pod\">";
    // In the list, with the claim, and beneath the pictures: each sidecar's and the gateway's.
    assert_eq!(rest.matches(because).count(), 5);
}

/// A cause may be none of the claims that were asked for: there is no place to lead to.
#[test]
fn links_lead_to_a_place_or_are_none() {
    let mut report = sample();
    report.claims.remove(1);
    report.causes[0].summary = "<b>bold</b>".into();
    let page = html(&report, None).unwrap();
    assert!(!page.contains("href=\"#mesh::two_containers_per_pod\""), "{page}");
    assert!(page.contains("because of mesh::two_containers_per_pod"), "{page}");
    assert!(!page.contains("<b>bold"), "{page}");
    report.causes.clear();
    assert!(!html(&report, None).unwrap().contains("mend first"));
}

#[test]
fn what_turns_or_hides_text_does_not_reach_the_page() {
    let mut report = sample();
    report.claims[1].observed = Some("a\u{202e}b\u{1b}[31mc\u{200b}\u{0}".into());
    report.cluster.context = "<img onerror=x>\u{202e}".into();
    let page = html(&report, None).unwrap();
    assert!(page.contains("abc") && !page.contains("<img"), "{page}");
    assert!(!page.contains(['\u{202e}', '\u{200b}', '\u{1b}', '\u{0}']));
}

#[test]
fn long_texts_say_that_they_are_cut_and_failed_looks_why() {
    let text = format_observation(&Observation::seen("é".repeat(EXCERPT))).unwrap();
    let end = format!("[cut here, {EXCERPT} bytes more: the evidence has all of it]");
    assert!(text.ends_with(&end), "{text}");
    let text = format_observation(&Observation::failed("pods/exec is forbidden")).unwrap();
    assert_eq!(text, "could not look: pods/exec is forbidden");
    assert_eq!(format_observation(&Observation::not_asked("no")), None);
}

#[test]
fn the_picture_shows_where_it_breaks_and_only_there() {
    let mut report = sample();
    report.claims[1].object = Some("pod client/client-deployment-5b9-abcde".into());
    let page = html(&report, None).unwrap();
    // In words as well, for those who do not see it.
    assert_eq!(page.matches(">✗ breaks here<").count(), 1, "{page}");
    assert_eq!(page.matches("client&#39;s sidecar: breaks here").count(), 1, "{page}");
    // The verdict names the client's pod alone: that is no word that the backend's is well.
    assert_eq!(page.matches("backend&#39;s sidecar: not seen").count(), 1, "{page}");
    // One that names no workload may be on either side.
    report.claims[1].object = Some("namespace client".into());
    assert_eq!(html(&report, None).unwrap().matches(">✗ breaks here<").count(), 2);
    // What follows from something else is no place where it breaks.
    report.claims[1].because = Some("install::namespace_labelled".into());
    let page = html(&report, None).unwrap();
    assert!(!page.contains("breaks here") && page.contains(">follows<"), "{page}");
}

fn recorded() -> Evidence {
    serde_json::from_str(include_str!("../../../../fixtures/evidence/lab.json")).unwrap()
}

#[test]
fn a_packet_s_way_is_marked_from_rule_to_rule_to_its_end() {
    let evidence = recorded();
    let page = html(&meshcheck_suites::judge(&evidence, &[]), Some(&evidence)).unwrap();
    let (_, way) = page.split_once("<summary>inbound rules of").unwrap();
    let (way, _) = way.split_once("</details>").unwrap();
    let hits: Vec<_> = way.split("<li ").filter(|line| line.starts_with("class=\"hit\"")).collect();
    assert_eq!(hits.len(), 3, "{way}");
    assert!(hits[0].contains("→ 1<") && hits[0].contains("on to ISTIO_INBOUND"), "{way}");
    assert!(hits[1].contains("→ 2<") && hits[1].contains("on to ISTIO_IN_REDIRECT"), "{way}");
    assert!(hits[2].contains("→ 3<") && hits[2].contains("redirected to port 15006"), "{way}");
    assert!(way.contains("not for it: ") && way.contains("It ends: redirected to port 15006."));
}

#[test]
fn the_style_is_the_one_that_the_policy_names() {
    let page = html(&sample(), None).unwrap();
    let (_, style) = page.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    assert!(
        page.contains(&format!("style-src &#39;sha256-{hash}&#39;"))
            || page.contains(&format!("style-src 'sha256-{hash}'")),
        "{page}"
    );
}
