//! Files that are read, and the errors for those that are refused.

use proptest::prelude::*;

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
    let elsewhere = read(&settings.elsewhere);
    assert_eq!(elsewhere, settings, "the text for another machine has the same names");
    let settings = Settings { waivers: None, file: None, elsewhere: String::new(), ..settings };
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
        gateway-namespace = "edge"
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
    assert_eq!(expected.gateway_namespace(), "edge");
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

/// Texts that are refused. The error of each stands in the snapshot.
const REFUSED: &[&str] = &[
    // Unknown keys.
    "[demo]\nnamespce = \"shop\"",
    "[dmeo]\nnamespace = \"shop\"",
    "[demo.backend]\nservice_port = 80",
    "[demo]\n  interval = 5",
    "reply = \"x\"",
    "[demo.backend]\nfoo = 1",
    "[claims.skipp]\nx = 1",
    "[demo]\n\"a\\u001b\" = 1",
    "demo = 3",
    // Other types.
    "[demo.client]\ninterval = \"10\"",
    "[demo]\nnamespace = 7",
    "[demo]\nnamespace = [\"a\"]",
    "[demo.backend]\nlabels = \"app=echo\"",
    "[demo.backend]\nlabels = {}",
    "[limits]\nlook = true",
    "claims.skip = [\"kiali\"]",
    "claims.skip.kiali = true",
    // Other values.
    "[demo]\nnamespace = \"Shop\"",
    "[demo]\nnamespace = \"\"",
    "[demo]\nnamespace = \"-shop\"",
    "[demo]\nnamespace = \"a.b\"",
    "[demo.backend]\nservice = \"1st\"",
    "[demo.client]\ninterval = 0",
    "[demo.client]\ninterval = -1",
    "[demo.client]\ninterval = 99999999999999999999",
    "[demo.backend]\nport = 65536",
    "[demo]\nreply = \"a\\u0000b\"",
    "[demo]\nreply = \"\"\"\na\nb\"\"\"",
    "[demo]\nreply = \" \"",
    "[demo.backend]\nimage = \"hashicorp/http-echo:1.0\"",
    "[demo.backend]\nimage = \"a b\"",
    "[demo.backend]\nservice-port-name = \"web\"",
    "[demo.backend]\nreply-flag = \"text\"",
    "[demo.backend]\nlabels = { \"a b\" = \"x\" }",
    "[demo.backend]\nlabels = { a = \"x y\" }",
    "[kiali]\nimage = \"kiali/kiali\"",
    "[kiali]\nweb-root = \"/\"",
    "[kiali]\nweb-root = \"kiali\"",
    "[kiali]\nurl = \"ftp://a/\"",
    "[kiali]\nurl = \"http://me:secret@a/\"",
    "[kiali]\nurl = \"a\"",
    "[istio]\nversion = \"1.20\"",
    "[limits]\nlook = 0",
    "[limits]\nlook = nan",
    "[claims.skip]\n\"kiaali\" = \"x\"",
    "[claims.skip]\n\"kiali\" = \"\"",
    "[demo]\nnamespace = \"istio-system\"",
    "[demo.client]\ndeployment = \"echo-deployment\"",
    // A column counts characters.
    "demo = { reply = \"Grüße\", namespace = 1 }",
    // No TOML.
    "[demo\n",
    "[demo]\nreply = Hello",
    "[demo]\nreply = \"a\"\nreply = \"b\"",
];

#[test]
fn wrong_text_is_refused_with_its_place() {
    let refusals = REFUSED.iter().map(|text| format!("{text}\n=> {}", refusal(text)));
    insta::assert_snapshot!(refusals.collect::<Vec<_>>().join("\n\n"));
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
