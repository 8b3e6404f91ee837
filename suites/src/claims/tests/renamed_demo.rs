//! Tests on a demo with other names: it has the same verdicts and causes, and reports use its names.

use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::{Evidence, Expectations};
use crate::judge;
use crate::judgement::Verdict;
use crate::report::ClaimReport;
use crate::testing::claim_cases;
use crate::testing::healthy;

/// Patterns in the evidence's JSON with their replacements, applied in this order.
const NAMES: &[(&str, &str)] = &[
    ("client-deployment", "asker-deploy"),
    ("echo-deployment", "greeter-deploy"),
    ("echo-service", "greeter-svc"),
    ("istio-ingressgateway", "edge-gateway"),
    ("\"istio\":\"ingressgateway\"", "\"istio\":\"edge\""),
    ("istio-system", "istio-prod"),
    ("Hello from backend service", "Good morning from the shop"),
    ("train/http-echo", "train/greeter"),
    ("train/curl", "train/asker"),
    ("hashicorp/http-echo", "example/greeter"),
    ("curlimages/curl", "example/asker"),
    (r"\.client\.svc\.", ".shop.svc."),
    (r"cluster\.local", "corp.test"),
    ("namespace client", "namespace shop"),
    ("-text", "-say"),
    (r"outbound\|80\|", "outbound|8081|"),
    // Callers name the port of the service, because it is not 80.
    (
        r"(curl |//)greeter-svc\.shop\.svc\.corp\.test(:80\b)?([^:.\w])",
        "${1}greeter-svc.shop.svc.corp.test:8081$3",
    ),
    (r#""service_port":80\b"#, r#""service_port":8081"#),
    ("5678", "9090"),
    (r"\b20001\b", "20002"),
    (r"\b30001\b", "30002"),
    (r#"([" >]|//[^/" ]+)/kiali/"#, "$1/console/"),
    (r#""app":"client""#, r#""role":"asking""#),
    (r#""app":"echo""#, r#""role":"greeting""#),
    (r#""name":"client","image""#, r#""name":"asker","image""#),
    (r#""container":"client""#, r#""container":"asker""#),
    (r#""client":\{(\}|"[^cl])"#, r#""shop":{$1"#),
    (r#""client"([^:])"#, r#""shop"$1"#),
    (r#"\.client""#, r#".shop""#),
    (r#""echo"([^:])"#, r#""greeter"$1"#),
    // The demo's service; the gateway's keeps its port.
    (r#""port":80\b"#, r#""port":8081"#),
    (r#"("name":"http2","protocol":"TCP","port":)8081"#, "${1}80"),
];

static RENAMED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    NAMES.iter().map(|(old, new)| (Regex::new(old).expect("a pattern"), *new)).collect()
});

/// Names that no report on the renamed demo may contain.
const FOREIGN: [&str; 19] = [
    "client-deployment",
    "echo-deployment",
    "echo-service",
    "ingressgateway",
    "istio-system",
    "Hello from",
    "http-echo",
    "curlimages",
    "cluster.local",
    "5678",
    "port 80 `",
    "from port 80 ",
    "-text",
    "/kiali/",
    "20001",
    "30001",
    "app=echo",
    "-n client ",
    "-c client ",
];

/// Renames all that a tutorial can name differently.
fn renamed(evidence: &Evidence) -> Evidence {
    let text = serde_json::to_string(evidence).expect("evidence is JSON");
    let text = RENAMED.iter().fold(text, |text, (old, new)| old.replace_all(&text, *new).into());
    serde_json::from_str(&text).expect("it is evidence still")
}

/// Returns all texts of a claim's report.
fn texts(claim: &ClaimReport) -> String {
    let ClaimReport { statement, summary, expected, observed, object, hint, .. } = claim;
    let more = [expected, observed, object, hint].map(|it| it.clone().unwrap_or_default());
    format!("{statement}\n{summary}\n{}\n", more.join("\n"))
}

/// Finds a name of the tutorial in a report on the renamed demo.
fn is_foreign(text: &str) -> Option<&'static str> {
    // The configuration does not rename Kiali's image.
    let text = text.replace("quay.io/kiali/kiali", "").replace("example.com/kiali/", "");
    FOREIGN.into_iter().find(|word| text.contains(word))
}

#[test]
fn renamed_demo_holds_with_its_own_names() {
    let evidence = renamed(&healthy());
    let expected = &evidence.expectations;
    assert_eq!(expected.differences(&healthy().expectations).len(), 21, "{expected:#?}");
    let report = judge(&evidence, &[]);
    for claim in &report.claims {
        let text = texts(claim);
        assert_eq!(claim.verdict, Verdict::Pass, "{text}");
        assert_eq!(is_foreign(&text), None, "{text}");
    }
    let of = |id: &str| {
        let claim = report.claims.iter().find(|claim| claim.id == id).map(texts);
        claim.expect("the claim is in the table")
    };
    let service = of("demo::backend_service");
    assert!(service.contains("from port 8081 to the backend's port 9090"), "{service}");
    assert!(of("demo::client_deployment").contains("greeter-svc.shop.svc.corp.test:8081"));
    assert!(of("kiali::redirects_to_web_root").contains("302 to /console/"));
}

#[test]
fn renamed_demo_has_the_same_verdicts_and_causes_in_every_case() {
    let mut differences = Vec::new();
    for (claim, case) in claim_cases() {
        let evidence = case.evidence(claim);
        let (before, after) = (judge(&evidence, &[]), judge(&renamed(&evidence), &[]));
        for (one, other) in before.claims.iter().zip(&after.claims) {
            let same = one.verdict == other.verdict && one.because == other.because;
            let text = texts(other);
            let foreign = if other.verdict == Verdict::Fail { is_foreign(&text) } else { None };
            if !same || foreign.is_some() {
                differences.push(format!(
                    "{} / {}: {} is {} {:?}, then {} {:?}, foreign {foreign:?}\n{}{text}",
                    claim.id,
                    case.name,
                    one.id,
                    one.verdict,
                    one.because,
                    other.verdict,
                    other.because,
                    texts(one),
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn renamed_demo_fails_where_the_tutorials_names_are_expected() {
    let mut evidence = renamed(&healthy());
    evidence.expectations = Expectations {
        kiali_image: evidence.expectations.kiali_image.clone(),
        istio_namespace: evidence.expectations.istio_namespace.clone(),
        ..Expectations::of_the_tutorial(&evidence.expectations.istio_version, "the tutorial")
    };
    let report = judge(&evidence, &[]);
    let expected = [
        ("demo::backend_service", "services in client: greeter-svc"),
        ("demo::backend_deployment", "deployments in client: asker-deploy and greeter-deploy"),
        ("demo::client_deployment", "deployment client-deployment does not exist"),
        ("install::namespace_labelled", "namespace client does not exist"),
        ("ingress::service_is_load_balancer", "istio-ingressgateway"),
        ("kiali::redirects_to_web_root", "/console/"),
    ];
    for (id, words) in expected {
        let claim = report.claims.iter().find(|claim| claim.id == id).expect("it is judged");
        let text = texts(claim);
        assert_eq!(claim.verdict, Verdict::Fail, "{id}\n{text}");
        assert!(text.contains(words), "`{words}` is not in {id}\n{text}");
    }
    assert_eq!(report.exit_code(), 1);
}

#[rstest::rstest]
#[case(|it: &mut Expectations| it.backend.container = "web".into(), "demo::backend_deployment", "has no container web")]
#[case(|it: &mut Expectations| it.backend.image = "example/web".into(), "demo::backend_deployment", "set image deployment/echo-deployment echo=example/web")]
#[case(|it: &mut Expectations| it.backend.port = 8080, "demo::backend_deployment", "container port 8080")]
#[case(|it: &mut Expectations| it.backend.reply_flag = "-say".into(), "demo::backend_deployment", "no -say")]
#[case(|it: &mut Expectations| it.backend.service_port = 81, "demo::backend_service", "has no port 81")]
#[case(|it: &mut Expectations| it.backend.service_port_name = "http-web".into(), "demo::backend_service", "expected `http-web`")]
#[case(|it: &mut Expectations| it.reply = "Hi".into(), "demo::backend_replies", "200 `Hi`")]
#[case(|it: &mut Expectations| it.reply = "Hi".into(), "demo::client_logs_show_reply", "`Hi` every")]
#[case(|it: &mut Expectations| it.client.container = "caller".into(), "demo::client_deployment", "has no container caller")]
#[case(|it: &mut Expectations| it.client.image = "example/caller".into(), "demo::client_deployment", "client=example/caller")]
#[case(|it: &mut Expectations| it.cluster_domain = "corp.test".into(), "demo::client_deployment", "curl echo-service.client.svc.corp.test")]
#[case(|it: &mut Expectations| it.namespace = "shop".into(), "install::namespace_labelled", "namespace shop does not exist")]
#[case(|it: &mut Expectations| it.gateway = "edge".into(), "ingress::external_address", "edge")]
#[case(|it: &mut Expectations| it.kiali.port = 80, "kiali::running", "has no port 80")]
#[case(|it: &mut Expectations| it.kiali.web_root = "/".into(), "kiali::redirects_to_web_root", "does not redirect / to /:")]
fn one_other_expectation_fails_its_claim(
    #[case] change: fn(&mut Expectations),
    #[case] id: &str,
    #[case] words: &str,
) {
    let mut evidence = healthy();
    change(&mut evidence.expectations);
    let report = judge(&evidence, &[]);
    let claim = report.claims.iter().find(|claim| claim.id == id).expect("it is judged");
    let text = texts(claim);
    assert_eq!(claim.verdict, Verdict::Fail, "{text}");
    assert!(text.contains(words), "`{words}` is not in\n{text}");
}

#[test]
fn backend_without_reply_flag_is_judged_by_its_reply() {
    let mut evidence = healthy();
    evidence.expectations.backend.reply_flag.clear();
    for deployment in evidence.demo.deployments.value_mut().expect("it was seen") {
        for container in &mut deployment.containers {
            container.args.clear();
        }
    }
    assert_eq!(judge(&evidence, &[]).exit_code(), 0);
}
