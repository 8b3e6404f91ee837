//! Files that are read, and what is said of those that are refused.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn read(text: &str) -> Settings {
    parse(Path::new("/class/meshcheck.toml"), text).unwrap()
}

fn refusal(text: &str) -> String {
    let error = parse(Path::new("meshcheck.toml"), text).unwrap_err().to_string();
    error.strip_prefix("meshcheck.toml:").unwrap().to_owned()
}

#[test]
fn default_file_reads_as_default() {
    let settings = read(DEFAULT);
    // Its sections are there, and empty.
    assert_eq!(settings.waivers, Some(Vec::new()));
    let settings = Settings { waivers: None, file: None, ..settings };
    assert_eq!(settings, Settings::default());
    assert!(DEFAULT.lines().all(|line| line.chars().count() <= 100));
}

/// Every example can be used as it stands.
#[test]
fn examples_of_default_file_are_read() {
    let is_key = |line: &str| {
        let words = line.strip_prefix("# ").unwrap_or_default();
        words.starts_with('"')
            || words.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '))
    };
    let lines: Vec<_> = DEFAULT
        .lines()
        .map(|line| if is_key(line) { line[2..].to_owned() } else { line.to_owned() })
        .collect();
    let settings = read(&lines.join("\n"));
    assert_eq!(settings.istio_version.as_deref(), Some("1.20.3"));
    assert_eq!(settings.context.as_deref(), Some("training-vm-7"));
    assert_eq!(settings.waivers.as_ref().map(Vec::len), Some(2));
    assert!(settings.look.is_some() && settings.settle.is_some());
    assert!(settings.kiali_url.is_some() && settings.kubeconfig.is_some());
    let kiali = settings.expectations("", "").kiali_image;
    assert_eq!(kiali.as_deref(), Some("quay.io/kiali/kiali:v1.76"));
}

#[test]
fn varied_tutorial_is_read() {
    let text = r#"
        [istio]
        version = "1.21.0"
        gateway = "istio-edge"
        [demo]
        namespace = "shop"
        [demo.backend]
        labels = { "app.kubernetes.io/name" = "greeter", tier = "back" }
        service-port = 0x1f90
        [demo.client]
        interval = 5
        [kiali]
        web-root = "/console"
        [limits]
        look = 2.5
        [claims]
        may-fail = { "kiali" = "no console" }
    "#;
    let settings = read(text);
    assert_eq!(settings.istio_version.as_deref(), Some("1.21.0"));
    assert_eq!(settings.look.unwrap().as_millis(), 2500);
    let expected = settings.expectations("1.21.0", "meshcheck.toml");
    assert_eq!(expected.backend_host(), "echo-service.shop.svc.cluster.local");
    assert_eq!(expected.backend.service_port, 8080);
    assert_eq!(expected.backend.labels.len(), 2);
    assert_eq!(expected.gateway_labels["istio"], "edge");
    assert_eq!(expected.kiali.web_root, "/console/");
    assert_eq!(expected.waivers[0].source, "meshcheck.toml");
    assert_eq!(expected.client_interval_seconds, 5);
}

#[test]
fn kubeconfig_is_relative_to_its_file() {
    let text = "cluster.kubeconfig = \"vms.yaml\"";
    let settings = read(text);
    assert_eq!(settings.kubeconfig.as_deref(), Some(Path::new("/class/vms.yaml")));
    let text = "cluster.kubeconfig = \"/root/vms.yaml\"";
    let settings = read(text);
    assert_eq!(settings.kubeconfig.as_deref(), Some(Path::new("/root/vms.yaml")));
}

/// Unknown keys, with what may be meant.
#[rstest]
#[case(
    "[demo]\nnamespce = \"shop\"",
    "2:1: unknown key `namespce` in [demo]: did you mean `namespace`?"
)]
#[case("[dmeo]\nnamespace = \"shop\"", "1:2: unknown key `dmeo`: did you mean `demo`?")]
#[case(
    "[demo.backend]\nservice_port = 80",
    "2:1: unknown key `service_port` in [demo.backend]: did you mean `service-port`?"
)]
#[case(
    "[demo]\n  interval = 5",
    "2:3: unknown key `interval` in [demo]: did you mean `demo.client.interval`?"
)]
#[case("reply = \"x\"", "1:1: unknown key `reply`: did you mean `demo.reply`?")]
#[case(
    "[demo.backend]\nfoo = 1",
    "2:1: unknown key `foo` in [demo.backend]: expected one of `service`, `service-port`, `service-port-name`, `deployment`, `container`, `labels`, `image`, `port`, `reply-flag`"
)]
#[case("[claims.skipp]\nx = 1", "1:9: unknown key `skipp` in [claims]: did you mean `skip`?")]
#[case(
    "[demo]\n\"a\\u001b\" = 1",
    "2:1: unknown key `\"a\\u001b\"` in [demo]: expected one of `namespace`, `reply`"
)]
#[case("demo = 3", "1:8: `demo` is a section: its keys stand below `[demo]`")]
// Other types.
#[case(
    "[demo.client]\ninterval = \"10\"",
    "2:12: demo.client.interval: a whole number from 1 to 3600 is needed here, without quotes, and this is a text"
)]
#[case(
    "[demo]\nnamespace = 7",
    "2:13: demo.namespace: a text in quotes is needed here, and this is a whole number"
)]
#[case(
    "[demo]\nnamespace = [\"a\"]",
    "2:13: demo.namespace: a text in quotes is needed here, and this is a list"
)]
#[case(
    "[demo.backend]\nlabels = \"app=echo\"",
    "2:10: demo.backend.labels: labels are needed here, as in `{ app = \"echo\" }`, and this is a text"
)]
#[case("[demo.backend]\nlabels = {}", "one at least")]
#[case(
    "[limits]\nlook = true",
    "2:8: limits.look: a number of seconds is needed here, and this is true or false"
)]
#[case(
    "claims.skip = [\"kiali\"]",
    "1:15: `claims.skip` is a section: its keys stand below `[claims.skip]`"
)]
#[case("claims.skip.kiali = true", "claims.skip.kiali: a text in quotes is needed here")]
// Other values.
#[case(
    "[demo]\nnamespace = \"Shop\"",
    "2:13: demo.namespace: `Shop` is no such name: Kubernetes takes 1 to 63 lower-case letters"
)]
#[case("[demo]\nnamespace = \"\"", "is no such name")]
#[case("[demo]\nnamespace = \"-shop\"", "is no such name")]
#[case("[demo]\nnamespace = \"a.b\"", "is no such name")]
#[case("[demo.backend]\nservice = \"1st\"", "begins with a letter")]
#[case(
    "[demo.client]\ninterval = 0",
    "2:12: demo.client.interval: a whole number from 1 to 3600 is needed here"
)]
#[case("[demo.client]\ninterval = -1", "from 1 to 3600")]
#[case("[demo.client]\ninterval = 99999999999999999999", "the number is too large")]
#[case("[demo.backend]\nport = 65536", "from 1 to 65535")]
#[case(
    "[demo]\nreply = \"a\\u0000b\"",
    "2:9: demo.reply: a text with control characters is not usable here"
)]
#[case("[demo]\nreply = \"\"\"\na\nb\"\"\"", "write one line")]
#[case("[demo]\nreply = \" \"", "it is empty")]
#[case("[demo.backend]\nimage = \"hashicorp/http-echo:1.0\"", "leave the tag out")]
#[case("[demo.backend]\nimage = \"a b\"", "is no image")]
#[case("[demo.backend]\nservice-port-name = \"web\"", "speaks HTTP")]
#[case("[demo.backend]\nreply-flag = \"text\"", "is no flag")]
#[case("[demo.backend]\nlabels = { \"a b\" = \"x\" }", "`a b` is no label")]
#[case("[demo.backend]\nlabels = { a = \"x y\" }", "`x y` is no value of a label")]
#[case("[kiali]\nimage = \"kiali/kiali\"", "has no tag")]
#[case("[kiali]\nweb-root = \"/\"", "no path below the root")]
#[case("[kiali]\nweb-root = \"kiali\"", "no path below the root")]
#[case("[kiali]\nurl = \"ftp://a/\"", "no address for HTTP")]
#[case("[kiali]\nurl = \"http://me:secret@a/\"", "leave the password out")]
#[case("[kiali]\nurl = \"a\"", "`a` is no address")]
#[case("[istio]\nversion = \"1.20\"", "`1.20` is no version: write one as in `1.20.3`")]
#[case("[limits]\nlook = 0", "a number of seconds from 0.1 to 600")]
#[case("[limits]\nlook = nan", "a number of seconds from 0.1 to 600")]
#[case(
    "[claims.skip]\n\"kiaali\" = \"x\"",
    "no claim matches `kiaali`: `meshcheck claims` lists them"
)]
#[case("[claims.skip]\n\"kiali\" = \"\"", "2:11: claims.skip.kiali: it is empty")]
#[case(
    "[demo]\nnamespace = \"istio-system\"",
    "2:13: demo.namespace: the demo and Istio have the same namespace"
)]
#[case("[demo.client]\ndeployment = \"echo-deployment\"", "are the same deployment")]
// No TOML.
#[case("[demo\n", "1:6: this is not TOML")]
#[case("[demo]\nreply = Hello", "2:9: this is not TOML")]
#[case("[demo]\nreply = \"a\"\nreply = \"b\"", "3:1: this is not TOML: duplicate key")]
fn wrong_key_or_value_is_refused_with_its_place(#[case] text: &str, #[case] words: &str) {
    let refusal = refusal(text);
    assert!(refusal.contains(words), "`{words}` is not in `{refusal}`");
}

#[test]
fn column_counts_characters() {
    let refusal = refusal("demo = { reply = \"Grüße\", namespace = 1 }");
    assert!(refusal.starts_with("1:39: demo.namespace"), "{refusal}");
}

proptest! {
    #[test]
    fn damaged_file_is_read_or_refused_with_its_line(
        at in 0usize..4000,
        more in "(\\[|\\{|\"| = |\n|[ -~]|\\PC){1,4}",
    ) {
        let mut text = DEFAULT.to_owned();
        if text.is_char_boundary(at) && at < text.len() {
            text.insert_str(at, &more);
        }
        if let Err(error) = parse(Path::new("m.toml"), &text) {
            let SettingsError::Wrong { line, .. } = error else { panic!("{error:?}") };
            prop_assert!(line <= text.lines().count() + 1, "{line}");
        }
    }
}
