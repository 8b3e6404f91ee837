//! Tests on the report for people, and the sample that the tests of every report share.

use super::*;
use meshcheck_suites::evidence::{BundleFacts, Evidence, Observation, Provider};
use meshcheck_suites::hint::{Part, parts};
use meshcheck_suites::report::{Cause, ClusterFacts, PhaseTime, Totals};
use meshcheck_suites::{Pattern, Section, judge};

pub(crate) fn sample() -> Report {
    let claim = |id: &str, verdict, summary: &str| ClaimReport {
        id: id.into(),
        section: Section::ALL.into_iter().find(|section| id.starts_with(section.word())).unwrap(),
        statement: format!("the statement of {id}"),
        verdict,
        summary: summary.into(),
        expected: None,
        observed: None,
        object: None,
        hint: None,
        commands: Vec::new(),
        steps: Vec::new(),
        because: None,
        page: format!("https://example.com/{id}"),
        may_fail: None,
    };
    let mut red = claim(
        "mesh::two_containers_per_pod",
        Verdict::Fail,
        "pod echo-1 has one container: it was created before the namespace was labelled",
    );
    red.expected = Some("the application and istio-proxy".into());
    red.observed = Some("echo\u{1b}[31m <script>alert(1)</script>".into());
    red.object = Some("pod client/echo-1".into());
    red.hint = Some("kubectl --context kind-x -n client rollout restart deployment/echo-deployment, then check again".into());
    let mut unjudged =
        claim("mesh::proxies_in_sync", Verdict::Unjudged, "could not look at istiod: forbidden");
    unjudged.because = Some(red.id.clone());
    unjudged.hint = Some("`istioctl proxy-status`".into());
    let causes = vec![Cause {
        claim: red.id.clone(),
        explains: vec![unjudged.id.clone()],
        verdict: red.verdict,
        summary: red.summary.clone(),
        expected: red.expected.clone(),
        observed: red.observed.clone(),
        object: red.object.clone(),
        hint: red.hint.clone(),
        commands: red.commands.clone(),
        steps: red.steps.clone(),
    }];
    let claims = vec![
        claim("prepare::nodes_ready", Verdict::Pass, "1 node is ready"),
        red,
        claim("mesh::init_arguments", Verdict::Changed, "a native sidecar"),
        unjudged,
        claim("ingress::routes_into_mesh", Verdict::Skipped, "needs --active"),
    ];
    Report {
        schema: 1,
        istio_version: "1.20.3".into(),
        cluster: ClusterFacts {
            name: "x".into(),
            provider: Provider::Existing,
            context: "kind-x".into(),
            context_is_current: false,
            kubeconfig: None,
            server: "https://127.0.0.1:6443".into(),
            kubernetes_version: Some("v1.29.2".into()),
            recorded_at: "2026-01-01T00:00:00Z".into(),
            collection_ms: 420,
            bundle: Some(BundleFacts {
                origin: "lab".into(),
                key: "0".into(),
                install_set: Vec::new(),
                notes: vec!["Istio is a commit of the main branch".into()],
            }),
        },
        totals: Totals::of(&claims),
        claims,
        causes,
        phases: vec![PhaseTime { phase: "cluster".into(), seconds: 14.25 }],
    }
}

fn style() -> Style {
    Style { color: false, ascii: false, quiet: false, verbose: false, width: 80 }
}

/// The sample with hints as they are: commands in backquotes, and what is said of them.
fn advised() -> Report {
    let mut report = sample();
    report.claims[1].hint = Some(
        "`kubectl --context kind-x label namespace client istio-injection=enabled`, then `kubectl --context \
         kind-x -n client rollout restart deployment`: a pod gets its sidecar when it is made, and this one \
         was made before"
            .into(),
    );
    report.causes[0].hint.clone_from(&report.claims[1].hint);
    // What stands alone keeps its details where it is: it is no cause.
    report.claims[2].expected = Some("the container istio-init".into());
    report.claims[2].observed = Some("an init container that restarts always".into());
    report.claims[2].object = Some("pod client/echo-1".into());
    report.claims[2].hint = Some(
        "the tutorial's text needs a new edition: `kubectl --context kind-x -n client describe pod echo-1` \
         shows how it looks"
            .into(),
    );
    report
}

/// The recorded evidence with this change.
fn broken(change: impl Fn(&mut Evidence)) -> Evidence {
    let recorded = include_str!("../../../../fixtures/evidence/lab.json");
    let mut evidence: Evidence = serde_json::from_str(recorded).unwrap();
    evidence.subject.kubeconfig = None;
    change(&mut evidence);
    evidence
}

/// Kiali is not there, and what is asked of it is not either.
fn without_kiali(evidence: &mut Evidence) {
    evidence.install.deployments.value_mut().unwrap().retain(|it| it.name != "kiali");
    evidence.install.pods.value_mut().unwrap().retain(|it| !it.name.starts_with("kiali"));
    let nothing = Observation::absent("no Kiali pod is ready");
    let pages = &mut evidence.kiali;
    for page in [&mut pages.root, &mut pages.exposed, &mut pages.console, &mut pages.api] {
        *page = nothing.clone();
    }
}

/// Nothing of the demo's namespace is there.
fn without_namespace(evidence: &mut Evidence) {
    let why = "there is no namespace client";
    evidence.install.namespaces.value_mut().unwrap().remove("client");
    evidence.demo.pods = Observation::absent(why);
    evidence.demo.pods_at_end = Observation::absent(why);
    evidence.demo.deployments.value_mut().unwrap().clear();
    evidence.demo.services.value_mut().unwrap().clear();
    evidence.demo.client_logs = Observation::absent(why);
    evidence.demo.asked = Observation::absent(why);
    evidence.mesh.traffic = Observation::absent(why);
    evidence.mesh.dry_run_labelled = Observation::absent(why);
}

/// Everything that could be looked at could not.
fn unseen(evidence: &mut Evidence) {
    let why = Observation::failed("forbidden: cannot list");
    let subject = evidence.subject.clone();
    let expectations = evidence.expectations.clone();
    *evidence = Evidence::without_observations(subject, expectations, evidence.recorded_at, &why);
}

fn commands(hint: &str) -> Vec<&str> {
    let all = parts(hint).into_iter();
    all.filter_map(|part| match part {
        Part::Command(command) => Some(command),
        Part::Words(_) => None,
    })
    .collect()
}

#[test]
fn it_reads_well_at_80_columns() {
    insta::assert_snapshot!(human(&advised(), style()));
}

#[test]
fn quiet_leaves_out_what_holds() {
    insta::assert_snapshot!(human(&advised(), Style { quiet: true, ascii: true, ..style() }));
}

#[test]
fn a_narrow_terminal_breaks_words_and_no_command() {
    insta::assert_snapshot!(human(&advised(), Style { width: 50, ..style() }));
}

#[test]
fn with_colour_marks_labels_and_commands_are_told_apart() {
    let text = human(&advised(), Style { color: true, ..style() });
    insta::assert_snapshot!(text.replace('\u{1b}', "ESC"));
}

#[test]
fn everything_is_there_for_who_asks_for_it() {
    insta::assert_snapshot!(human(&advised(), Style { verbose: true, ..style() }));
}

#[test]
fn nothing_from_the_cluster_reaches_the_terminal_raw() {
    let text = human(&sample(), style());
    assert!(!text.contains('\u{1b}'), "an escape sequence got through");
    assert!(human(&sample(), Style { color: true, ..style() }).contains("\u{1b}[31;1m✗"));
}

/// Every character of a report may come from a cluster: none of them is beyond ASCII then.
#[test]
fn ascii_means_ascii() {
    let mut report = sample();
    report.claims[2].observed = Some("é\n世界 …".into());
    report.causes[0].observed.clone_from(&report.claims[2].observed);
    report.claims[0].summary = "ü ".repeat(200);
    report.cluster.context = "kïnd".into();
    let text = human(&report, Style { ascii: true, verbose: true, ..style() });
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn verbose_shows_statements_and_what_was_seen() {
    let mut report = sample();
    report.claims[0].observed = Some("node x-control-plane: Ready".into());
    let text = human(&report, Style { verbose: true, ..style() });
    assert!(text.contains("claim: the statement of prepare::nodes_ready"), "{text}");
    assert!(text.contains("observed: node x-control-plane: Ready"), "{text}");
    assert!(!human(&report, style()).contains("x-control-plane"));
}

#[test]
fn a_log_line_without_end_does_not_fill_the_terminal() {
    let mut report = sample();
    for observed in ["x".repeat(10_000_000), "x ".repeat(5_000_000)] {
        report.claims[2].observed = Some(observed.clone());
        report.causes[0].observed = Some(observed);
        let text = human(&report, style());
        assert!(text.len() < 5000, "{}", text.len());
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words.matches("(--report json=FILE has all)").count(), 2, "the reader is told");
    }
}

/// What to do stands with the cause; what else there is to know, where all is asked for.
#[test]
fn a_consequence_names_its_cause_and_leaves_the_rest_to_it() {
    let text = human(&sample(), style());
    assert!(text.starts_with("what to mend first\n"), "{text}");
    assert!(text.contains("because of mesh::two_containers_per_pod\n"), "{text}");
    assert!(!text.contains("proxy-status"), "{text}");
    assert!(text.contains("(1 cause);"), "{text}");
    let text = human(&sample(), Style { verbose: true, ..style() });
    assert!(text.contains("hint:\n        istioctl proxy-status\n"), "{text}");
}

#[test]
fn where_nothing_is_to_be_mended_nothing_is_said_of_it() {
    let mut report = sample();
    report.causes.clear();
    let text = human(&report, style());
    assert!(!text.contains("mend") && !text.contains("cause)"), "{text}");
    // No cause has its details: they stand with the claim.
    assert!(text.contains("object: pod client/echo-1") && !text.contains("see above"), "{text}");
}

/// Commands and the summary are one line, whatever their length; everything else keeps to the width.
#[test]
fn nothing_but_commands_and_the_last_line_is_wider_than_the_terminal() {
    for color in [false, true] {
        let report = advised();
        let text = human(&report, Style { color, width: 60, ..style() });
        let last = text.lines().last().unwrap();
        assert!(last.contains("5 claims: ") && last.ends_with("kind-x"), "{last}");
        for line in text.lines().filter(|line| !line.contains("kubectl") && *line != last) {
            assert!(textwrap::core::display_width(line) <= 60, "{line}");
        }
    }
}

/// On clusters that are broken in many ways, whatever is left out of the report: each cause is told whole and
/// once, and so is what fails without being one.
#[test]
fn every_command_stands_once_on_a_line_of_its_own() {
    let faults = [without_kiali as fn(&mut Evidence), without_namespace, unseen];
    let one: [Pattern; 1] = ["mesh::pods_ready".parse().unwrap()];
    let consequence: [Pattern; 1] = ["kiali::console_served".parse().unwrap()];
    let mut found = 0;
    for (fault, only) in
        faults.iter().flat_map(|it| [(it, &[][..]), (it, &one), (it, &consequence)])
    {
        let report = judge(&broken(fault), only);
        for quiet in [false, true] {
            let text = human(&report, Style { quiet, ..style() });
            let lines: Vec<_> = text.lines().collect();
            let alone = report.claims.iter().filter(|claim| {
                let is_cause = report.causes.iter().any(|cause| cause.claim == claim.id);
                claim.verdict != Verdict::Pass && claim.because.is_none() && !is_cause
            });
            let causes = report.causes.iter().map(|it| (&it.hint, &it.expected, &it.observed));
            let told = causes.chain(alone.map(|it| (&it.hint, &it.expected, &it.observed)));
            let mut wanted = std::collections::BTreeMap::new();
            for (hint, expected, observed) in told {
                for command in hint.iter().flat_map(|hint| commands(hint)) {
                    *wanted.entry(command).or_insert(0) += 1;
                }
                for (name, detail) in [("expected", expected), ("observed", observed)] {
                    let Some(first) = detail.iter().find_map(|it| it.split(' ').next()) else {
                        continue;
                    };
                    assert!(
                        text.contains(&format!("{name}: {first}")),
                        "{name}: {detail:?}\n{text}"
                    );
                }
            }
            for (command, times) in wanted {
                let here = lines.iter().filter(|line| line.trim_start() == command).count();
                assert_eq!(here, times, "{command}\n{text}");
                found += 1;
            }
            assert!(!text.contains("--context vm7`"), "{text}");
        }
    }
    assert!(found > 10, "{found}");
}

/// What is shown in part, or not as it is, would be another command.
#[test]
fn a_command_that_cannot_be_shown_whole_is_not_one_to_copy() {
    for (name, ascii) in
        [("x".repeat(5000), false), ("k\u{200b}x".into(), false), ("kïnd".into(), true)]
    {
        let mut report = advised();
        report.causes[0].hint = Some(format!("`kubectl --context '{name}' get nodes` shows them"));
        let text = human(&report, Style { ascii, ..style() });
        assert!(
            !text.lines().any(|line| line.trim_start().starts_with("kubectl --context '")),
            "{text}"
        );
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("not to be copied from here"), "{text}");
        assert!(words.contains("has it shows them"), "{text}");
    }
}

#[test]
fn the_end_leads_back_to_the_cause_where_it_is_far() {
    let report = judge(&broken(without_namespace), &[]);
    let text = human(&report, style());
    assert!(text.contains("\nmend first: install::namespace_labelled, at the top\n"), "{text}");
    assert!(!human(&sample(), style()).contains("mend first: "));
}

#[test]
fn where_lines_are_cut_it_is_said_how_to_get_them_whole() {
    let said = "\nlines that end in … are whole with --verbose\n";
    let mut report = sample();
    assert!(!human(&report, style()).contains(said));
    report.claims[0].summary = "ready ".repeat(50);
    let text = human(&report, style());
    assert!(text.contains(said), "{text}");
    let whole = human(&report, Style { verbose: true, ..style() });
    assert_eq!(whole.matches("ready").count(), 52, "{whole}");
    assert!(!whole.contains(said), "{whole}");
}

/// Each of them says below what it follows from.
#[test]
fn a_cause_with_many_consequences_does_not_name_all() {
    let report = judge(&broken(without_namespace), &[]);
    let number = report.causes[0].explains.len();
    assert!(number > 8, "{number}");
    let text = human(&report, style());
    assert!(text.contains(&format!("and {} more, below", number - 6)), "{text}");
    assert_eq!(text.matches("because of install::namespace_labelled\n").count(), number, "{text}");
    let text = human(&report, Style { verbose: true, ..style() });
    assert!(!text.contains("more, below"), "{text}");
}

/// What may fail says why, also where it is the cause of what may not.
#[test]
fn a_cause_that_may_fail_keeps_its_words() {
    let mut report = sample();
    let reason =
        "may fail by meshcheck.toml (nobody labels namespaces in this class before the second day)";
    report.claims[1].summary = format!("{reason}: {}", report.claims[1].summary);
    let text = human(&report, style());
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("{reason}: pod echo-1 has one")), "{text}");
    assert_eq!(text.matches("observed: ").count(), 1, "{text}");
}

#[test]
fn the_softwares_notes_are_one_and_the_rest_with_verbose() {
    let mut report = sample();
    let notes = &mut report.cluster.bundle.as_mut().unwrap().notes;
    notes.extend(["the proxies are upstream Envoy".to_owned(), "Kiali is its server".to_owned()]);
    let text = human(&report, style());
    assert!(
        text.contains("a commit of the main branch\n  - and 2 more with --verbose\n"),
        "{text}"
    );
    let text = human(&report, Style { verbose: true, ..style() });
    assert!(text.contains("  - the proxies are upstream Envoy\n") && !text.contains("more with"));
    assert!(!human(&report, Style { quiet: true, ..style() }).contains("main branch"));
}
