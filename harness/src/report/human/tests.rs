//! Tests on the report for people, and the sample that the tests of every report share.

use super::*;
use meshcheck_suites::evidence::{BundleFacts, Evidence, Expectations, Observation, Provider};
use meshcheck_suites::report::{Cause, ClaimReport, ClusterFacts, PhaseTime, Totals};
use meshcheck_suites::steps::{Impact, Purpose, Step};
use meshcheck_suites::{CLAIMS, Judgement, Pattern, TextChange, judge};
use textwrap::core::display_width;

fn step(purpose: Purpose, impact: Impact, command: &str) -> Step {
    let text = match purpose {
        Purpose::Fix => "Restart the deployment so that its pods get a sidecar",
        Purpose::Inspect => "List the pods",
    };
    Step { purpose, impact, text: text.into(), command: Some(command.into()) }
}

pub(crate) fn sample() -> Report {
    let expectations = Expectations::of_the_tutorial("1.20.3", "");
    let claim = |id: &str, verdict, summary: &str| {
        let entry = CLAIMS.iter().find(|entry| entry.id == id).unwrap();
        ClaimReport {
            statement: format!("the statement of {id}"),
            verdict,
            page: format!("https://example.com/{id}"),
            ..ClaimReport::new(entry, &expectations, Judgement::unjudged(summary))
        }
    };
    let mut red = claim(
        "mesh::two_containers_per_pod",
        Verdict::Fail,
        "pod echo-1 has one container: it was created before the namespace was labelled",
    );
    red.expected = Some("the application and istio-proxy".into());
    red.observed = Some("echo\u{1b}[31m <script>alert(1)</script>".into());
    red.object = Some("pod client/echo-1".into());
    red.steps = vec![
        step(
            Purpose::Fix,
            Impact::RestartsPods,
            "kubectl --context kind-x -n client rollout restart deployment/echo-deployment",
        ),
        step(Purpose::Inspect, Impact::Reads, "kubectl --context kind-x -n client get pods"),
    ];
    red.commands = red.steps.iter().filter_map(|step| step.command.clone()).collect();
    red.hint = Some(red.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
    let mut unjudged =
        claim("mesh::proxies_in_sync", Verdict::Unjudged, "cannot read istiod: forbidden");
    unjudged.because = Some(red.id.clone());
    unjudged.steps = vec![step(Purpose::Inspect, Impact::Reads, "istioctl proxy-status")];
    unjudged.hint = Some(unjudged.steps[0].to_string());
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
        change: None,
    }];
    let mut changed = claim("mesh::init_arguments", Verdict::Changed, "a native sidecar");
    changed.change = Some(Box::new(TextChange {
        id: "native-sidecars".into(),
        sentence: "each pod has two containers".into(),
        now: "istio-proxy is an init container".into(),
        since: Some("1.27".into()),
        why: "Istio 1.27 enables native sidecars <by default> (istio#48794)".into(),
        source: "https://example.com/native-sidecar-default.yaml".into(),
        restore: Some("install Istio with ENABLE_NATIVE_SIDECARS=false".into()),
    }));
    let claims = vec![
        claim("prepare::nodes_ready", Verdict::Pass, "1 node is ready"),
        red,
        changed,
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
        caveat: None,
        totals: Totals::of(&claims),
        claims,
        causes,
        phases: vec![PhaseTime { phase: "cluster".into(), seconds: 14.25 }],
    }
}

/// A terminal of 80 columns.
fn style() -> Style {
    Style { width: Some(80), ..Style::plain() }
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

/// Everything that could be read could not.
fn unseen(evidence: &mut Evidence) {
    let why = Observation::failed("forbidden: cannot list");
    let subject = evidence.subject.clone();
    let expectations = evidence.expectations.clone();
    *evidence = Evidence::without_observations(subject, expectations, evidence.recorded_at, &why);
}

#[test]
fn report_on_a_terminal() {
    insta::assert_snapshot!(human(&sample(), style()));
}

#[test]
fn report_in_a_pipe() {
    insta::assert_snapshot!(human(&sample(), Style::plain()));
}

#[test]
fn quiet_report_in_ascii() {
    insta::assert_snapshot!(human(&sample(), Style { quiet: true, ascii: true, ..style() }));
}

#[test]
fn report_on_a_narrow_terminal() {
    insta::assert_snapshot!(human(&sample(), Style { width: Some(50), ..style() }));
}

#[test]
fn report_in_colour() {
    let text = human(&sample(), Style { color: true, ..style() });
    insta::assert_snapshot!(text.replace('\u{1b}', "ESC"));
}

#[test]
fn verbose_report() {
    insta::assert_snapshot!(human(&sample(), Style { verbose: true, ..style() }));
}

#[test]
fn short_report_has_about_ten_lines() {
    let report = judge(&broken(without_namespace), &[]);
    let text = human(&report, Style { short: true, ..style() });
    assert!(text.lines().count() <= 12, "{text}");
    insta::assert_snapshot!(text);
}

/// A fix that its reader must decide on is a comment, and so is what follows it.
#[test]
fn commands_are_fixes_for_a_shell() {
    let mut report = sample();
    let fix = |impact, command: &str| step(Purpose::Fix, impact, command);
    report.causes[0].steps.push(fix(Impact::Changes, "helm upgrade x --version VERSION"));
    report.causes[0].steps.push(fix(Impact::RestartsPods, "kubectl rollout restart daemonset/x"));
    let mut second = report.causes[0].clone();
    second.steps = vec![fix(Impact::Deletes, "kubectl --context kind-x delete service other")];
    report.causes.push(second);
    insta::assert_snapshot!(crate::report::commands(&report));
}

#[test]
fn escape_sequences_do_not_reach_the_terminal() {
    let text = human(&sample(), style());
    assert!(!text.contains('\u{1b}'), "an escape sequence got through");
    assert!(human(&sample(), Style { color: true, ..style() }).contains("\u{1b}[31;1m✗"));
    let mut report = sample();
    report.causes[0].steps[0].command = Some("kubectl\u{1b}[31m get pods".into());
    report.causes[0].summary = "a\u{1b}[31m\nrm -rf ~".into();
    let text = crate::report::commands(&report);
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(
        text.lines().all(|line| !line.starts_with("rm") && !line.starts_with("kubectl")),
        "{text}"
    );
}

/// Every character of a report may come from a cluster: none of them is beyond ASCII then.
#[test]
fn ascii_report_is_ascii() {
    let mut report = sample();
    report.claims[2].observed = Some("é\n世界 …".into());
    report.causes[0].observed.clone_from(&report.claims[2].observed);
    report.claims[0].summary = "ü ".repeat(200);
    report.cluster.context = "kïnd".into();
    let text = human(&report, Style { ascii: true, verbose: true, ..style() });
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn endless_log_line_does_not_fill_the_terminal() {
    let mut report = sample();
    for observed in ["x".repeat(10_000_000), "x ".repeat(5_000_000)] {
        report.claims[2].observed = Some(observed.clone());
        report.causes[0].observed = Some(observed);
        let text = human(&report, style());
        assert!(text.len() < 6000, "{}", text.len());
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words.matches("[the rest is in --report json=FILE]").count(), 2, "{words}");
    }
}

/// A pipe gets whole lines: what searches them must find what it looks for.
#[test]
fn pipe_gets_no_cut_line() {
    for fault in [without_kiali as fn(&mut Evidence), without_namespace, unseen] {
        let report = judge(&broken(fault), &[]);
        let text = human(&report, Style::plain());
        for cause in &report.causes {
            for id in &cause.explains {
                let claim = report.claims.iter().find(|claim| claim.id == *id).unwrap();
                let line = text.lines().find(|line| line.contains(id.as_str())).unwrap();
                assert!(line.ends_with(&claim.summary), "{line}");
            }
        }
    }
}

/// Commands, the line before them and the last line stay whole; everything else keeps to the width.
#[test]
fn lines_keep_to_the_width_of_the_terminal() {
    for color in [false, true] {
        let text = human(&sample(), Style { color, width: Some(60), ..style() });
        let last = text.lines().last().unwrap();
        assert!(last.contains("5 claims: ") && last.ends_with("kind-x"), "{last}");
        // A command and an address stand on one line: a click takes them whole.
        let is_whole = |line: &&str| line.contains("kubectl") || line.contains("https://");
        for line in text.lines().filter(|line| !is_whole(line) && *line != last) {
            assert!(display_width(line) <= 60, "{line}");
        }
    }
}

/// On meshes with many failures, whatever is selected: each cause stands once, with each of its commands on a line
/// of its own.
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
            let wanted: Vec<_> = report
                .causes
                .iter()
                .flat_map(|cause| &cause.steps)
                .filter_map(|step| Some(report.cluster.shorten(step.command.as_deref()?)))
                .collect();
            for command in &wanted {
                let here = text.lines().filter(|line| line.trim_start() == command).count();
                let times = wanted.iter().filter(|it| *it == command).count();
                assert_eq!(here, times, "{command}\n{text}");
                found += 1;
            }
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn command_that_cannot_be_shown_whole_is_marked() {
    for (name, ascii) in
        [("x".repeat(5000), false), ("k\u{200b}x".into(), false), ("kïnd".into(), true)]
    {
        let mut report = sample();
        report.causes[0].steps[0].command = Some(format!("kubectl -n '{name}' get nodes"));
        let text = human(&report, Style { ascii, ..style() });
        assert!(!text.lines().any(|line| line.trim_start().starts_with("kubectl -n '")), "{text}");
        assert!(text.contains("do not copy this line"), "{text}");
    }
}

#[test]
fn cause_with_many_consequences_is_cut_on_a_terminal_only() {
    let report = judge(&broken(without_namespace), &[]);
    let number = report.causes[0].explains.len();
    assert!(number > 9, "{number}");
    let more = format!("and {} more: --verbose shows them", number - 8);
    assert!(human(&report, style()).contains(&more));
    assert!(!human(&report, Style::plain()).contains(" more: "));
    assert!(!human(&report, Style { verbose: true, ..style() }).contains(" more: "));
}

#[test]
fn unjudged_claims_without_steps_take_a_line_each() {
    let text = human(&judge(&broken(unseen), &[]), Style::plain());
    assert!(text.starts_with("Nothing was judged on "), "{text}");
    assert!(text.lines().count() < 60, "{text}");
}

#[test]
fn claim_that_may_fail_keeps_its_reason() {
    let mut report = sample();
    let reason = "may fail by meshcheck.toml (labels are a topic of the second day)";
    report.claims[1].summary = format!("{reason}: {}", report.claims[1].summary);
    let text = human(&report, Style::plain());
    assert!(text.contains(&format!("{reason}: pod echo-1 has one")), "{text}");
}

#[test]
fn notes_on_the_software_take_one_line() {
    let mut report = sample();
    let notes = &mut report.cluster.bundle.as_mut().unwrap().notes;
    notes.extend(["the proxies are upstream Envoy".to_owned(), "Kiali is its server".to_owned()]);
    let text = human(&report, style());
    assert!(text.contains("\nNot an official Istio release: 3 notes with --verbose\n"), "{text}");
    let text = human(&report, Style { verbose: true, ..style() });
    assert!(text.contains("  - the proxies are upstream Envoy\n"), "{text}");
    assert!(!human(&report, Style { quiet: true, ..style() }).contains("official"));
}

#[test]
fn notes_on_a_release_are_shown_whole() {
    let mut report = sample();
    let bundle = report.cluster.bundle.as_mut().unwrap();
    bundle.origin = "release".into();
    bundle.notes = vec!["the newest Istio is 1.31.1, as https://x lists it".into()];
    let text = human(&report, style());
    assert!(text.contains("\nAbout the software:\n  - the newest Istio is 1.31.1"), "{text}");
    assert!(!text.contains("official"), "{text}");
}
