//! Tests on a tutorial that calls everything otherwise: the same verdicts for the same reasons, in its
//! own names.

use serde_json::Value;

use crate::evidence::{Evidence, Expectations};
use crate::judge;
use crate::judgement::Verdict;
use crate::report::ClaimReport;
use crate::testing::claim_cases;
use crate::testing::healthy;

/// What stands in any text, and what stands there in the varied tutorial.
const WORDS: [(&str, &str); 14] = [
    ("client-deployment", "asker-deploy"),
    ("echo-deployment", "greeter-deploy"),
    ("echo-service", "greeter-svc"),
    ("istio-ingressgateway", "edge-gateway"),
    ("istio-system", "istio-prod"),
    ("Hello from backend service", "Good morning from the shop"),
    ("hashicorp/http-echo", "example/greeter"),
    ("curlimages/curl", "example/asker"),
    (".client.svc.cluster.local", ".shop.svc.corp.test"),
    ("cluster.local", "corp.test"),
    ("outbound|80|", "outbound|8081|"),
    ("5678", "9090"),
    ("namespace client", "namespace shop"),
    ("-text", "-say"),
];

/// What no report on the varied tutorial may say.
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

/// Where in the evidence a value stands.
#[derive(Clone, Copy, Default)]
struct Place<'p> {
    section: &'p str,
    key: &'p str,
    in_container: bool,
}

fn renamed_text(text: &str, at: Place<'_>) -> String {
    let mut text = match (text, at.key) {
        ("client", "name") if at.in_container => "asker".to_owned(),
        ("client", "container") => "asker".to_owned(),
        ("client", "app") => "asking".to_owned(),
        ("client", _) => "shop".to_owned(),
        ("echo", "app") => "greeting".to_owned(),
        ("echo", _) => "greeter".to_owned(),
        ("ingressgateway", "istio") => "edge".to_owned(),
        (other, _) => other.to_owned(),
    };
    for (one, other) in WORDS {
        text = text.replace(one, other);
    }
    if text.contains("curl ") || text.contains("http://") {
        text = with_port(&text);
    }
    if let Some(proxy) = text.strip_suffix(".client") {
        text = format!("{proxy}.shop");
    }
    if at.section == "kiali" || at.key == "web_root" {
        text = text.replace("/kiali/", "/console/");
    }
    text
}

/// Whoever asks the service asks for its port, which is not HTTP's own.
fn with_port(text: &str) -> String {
    const HOST: &str = "greeter-svc.shop.svc.corp.test";
    let mut pieces = text.split(HOST);
    let mut told = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        told.push_str(HOST);
        match piece.strip_prefix(":80").filter(|rest| !rest.starts_with(char::is_numeric)) {
            Some(rest) => told.extend([":8081", rest]),
            None if piece.starts_with(':') => told.push_str(piece),
            None => told.extend([":8081", piece]),
        }
    }
    told
}

/// The same evidence, of a cluster on which everything has another name.
fn renamed(value: Value, at: Place<'_>) -> Value {
    match value {
        Value::String(text) => renamed_text(&text, at).into(),
        Value::Number(number) => match (number.as_u64(), at.key) {
            (Some(5678), _) => 9090.into(),
            (Some(20001), _) => 20002.into(),
            (Some(30001), _) => 30002.into(),
            (Some(80), "service_port") => 8081.into(),
            (Some(80), "port") if at.section == "demo" => 8081.into(),
            _ => number.into(),
        },
        Value::Array(items) => items.into_iter().map(|item| renamed(item, at)).collect(),
        Value::Object(fields) => {
            let in_container = fields.contains_key("image");
            let fields = fields.into_iter().map(|(key, value)| {
                let section = if at.section.is_empty() { key.as_str() } else { at.section };
                let inner = Place { section, key: &key, in_container };
                let value = renamed(value, inner);
                let ours = ["demo", "expectations"].contains(&section);
                let new = match key.as_str() {
                    "app" if ours => "role".to_owned(),
                    "client" if section == "install" => "shop".to_owned(),
                    // A field has its name whatever the tutorial says.
                    other if other.contains('-') => renamed_text(other, Place::default()),
                    other => other.to_owned(),
                };
                (new, value)
            });
            Value::Object(fields.collect())
        }
        other => other,
    }
}

fn varied(evidence: &Evidence) -> Evidence {
    let value = serde_json::to_value(evidence).expect("evidence is JSON");
    serde_json::from_value(renamed(value, Place::default())).expect("it is evidence still")
}

fn texts(claim: &ClaimReport) -> String {
    let ClaimReport { statement, summary, expected, observed, object, hint, .. } = claim;
    let more = [expected, observed, object, hint].map(|it| it.clone().unwrap_or_default());
    format!("{statement}\n{summary}\n{}\n", more.join("\n"))
}

/// Apart from what the cluster calls its own, a report speaks the varied tutorial's language.
fn is_foreign(text: &str) -> Option<&'static str> {
    // Kiali's image is not the tutorial's to name.
    let text = text.replace("quay.io/kiali/kiali", "").replace("example.com/kiali/", "");
    FOREIGN.into_iter().find(|word| text.contains(word))
}

#[test]
fn a_varied_tutorial_holds_in_its_own_words() {
    let evidence = varied(&healthy());
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

/// Every change that the tables of cases know has the same consequence there.
#[test]
fn a_varied_tutorial_breaks_for_the_same_reasons() {
    let mut told = Vec::new();
    for (claim, case) in claim_cases() {
        let evidence = case.evidence(claim);
        let (before, after) = (judge(&evidence, &[]), judge(&varied(&evidence), &[]));
        for (one, other) in before.claims.iter().zip(&after.claims) {
            let same = one.verdict == other.verdict && one.because == other.because;
            let text = texts(other);
            let foreign = if other.verdict == Verdict::Fail { is_foreign(&text) } else { None };
            if !same || foreign.is_some() {
                told.push(format!(
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
    assert!(told.is_empty(), "{} differ:\n{}", told.len(), told.join("\n"));
}

/// What is expected in one tutorial's words and found in another's is red, and says both.
#[test]
fn other_expectations_are_red_and_say_what_is_there() {
    let mut evidence = varied(&healthy());
    evidence.expectations = Expectations {
        kiali_image: evidence.expectations.kiali_image.clone(),
        ..Expectations::of_the_tutorial(&evidence.expectations.istio_version, "the tutorial")
    };
    let report = judge(&evidence, &[]);
    let expected = [
        ("demo::backend_service", "services in client: greeter-svc"),
        ("demo::backend_deployment", "deployments in client: asker-deploy and greeter-deploy"),
        ("demo::client_deployment", "there is no deployment client-deployment"),
        ("install::namespace_labelled", "there is no namespace client"),
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

/// One name that differs alone.
#[rstest::rstest]
#[case(|it: &mut Expectations| it.backend.container = "web".into(), "demo::backend_deployment", "a container `web`")]
#[case(|it: &mut Expectations| it.backend.image = "example/web".into(), "demo::backend_deployment", "set image deployment/echo-deployment echo=example/web")]
#[case(|it: &mut Expectations| it.backend.port = 8080, "demo::backend_deployment", "container port 8080")]
#[case(|it: &mut Expectations| it.backend.reply_flag = "-say".into(), "demo::backend_deployment", "no -say")]
#[case(|it: &mut Expectations| it.backend.service_port = 81, "demo::backend_service", "has no port 81")]
#[case(|it: &mut Expectations| it.backend.service_port_name = "http-web".into(), "demo::backend_service", "not named `http-web`")]
#[case(|it: &mut Expectations| it.reply = "Hi".into(), "demo::backend_replies", "200 `Hi`")]
#[case(|it: &mut Expectations| it.reply = "Hi".into(), "demo::client_logs_show_reply", "the line `Hi` every")]
#[case(|it: &mut Expectations| it.client.container = "caller".into(), "demo::client_deployment", "a container `caller`")]
#[case(|it: &mut Expectations| it.client.image = "example/caller".into(), "demo::client_deployment", "client=example/caller")]
#[case(|it: &mut Expectations| it.cluster_domain = "corp.test".into(), "demo::client_deployment", "curl echo-service.client.svc.corp.test")]
#[case(|it: &mut Expectations| it.namespace = "shop".into(), "install::namespace_labelled", "there is no namespace shop")]
#[case(|it: &mut Expectations| it.gateway = "edge".into(), "ingress::external_address", "edge")]
#[case(|it: &mut Expectations| it.kiali.port = 80, "kiali::running", "has no port 80")]
#[case(|it: &mut Expectations| it.kiali.web_root = "/".into(), "kiali::redirects_to_web_root", "does not redirect / to /:")]
fn one_other_expectation_is_told(
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

/// A backend that is not told its reply by a flag is judged by what it replies.
#[test]
fn without_a_flag_the_reply_is_what_counts() {
    let mut evidence = healthy();
    evidence.expectations.backend.reply_flag.clear();
    for deployment in evidence.demo.deployments.value_mut().expect("it was seen") {
        for container in &mut deployment.containers {
            container.args.clear();
        }
    }
    assert_eq!(judge(&evidence, &[]).exit_code(), 0);
}
