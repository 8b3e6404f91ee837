//! A configuration file's text, read key by key: all that is wrong in it, each with its place.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Settings;
use super::error::{Problem, SettingsError};
use super::keys::{KEYS, Key};

/// Reads the text of a file.
///
/// # Errors
///
/// Everything that is wrong in it.
pub(super) fn parse(path: &Path, text: &str) -> Result<Settings, SettingsError> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = absolute.parent().unwrap_or(Path::new("."));
    let mut reading = Reading {
        settings: Settings { file: Some(path.to_owned()), ..Settings::default() },
        directory,
        text,
        problems: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => {
            reading.table("", table.get_ref());
            reading.whole(table.get_ref());
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            // The parser explains in several lines what one can tell.
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            reading.problem(&span, format!("this is not TOML: {message}"));
        }
    }
    let Reading { mut settings, mut problems, .. } = reading;
    problems.sort();
    if problems.is_empty() {
        if !settings.gateway_labels {
            let gateway = &settings.names.gateway;
            let label = gateway.strip_prefix("istio-").unwrap_or(gateway).to_owned();
            settings.names.gateway_labels = [("istio".to_owned(), label)].into();
        }
        Ok(settings)
    } else {
        Err(SettingsError::Wrong { path: path.to_owned(), problems })
    }
}

struct Reading<'t> {
    settings: Settings,
    directory: &'t Path,
    text: &'t str,
    problems: Vec<Problem>,
}

impl Reading<'_> {
    /// Reads a section, and those in it.
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let here = join(section, name.get_ref());
            let find = |name: &str| KEYS.iter().find(|it| it.section == section && it.name == name);
            if let Some(key) = find(name.get_ref()) {
                self.value(key, value);
            } else if let Some(key) =
                KEYS.iter().find(|it| it.section == here && it.name.is_empty())
            {
                // The names in here are the caller's.
                self.value(key, value);
            } else if KEYS.iter().any(|key| is_in(key.section, &here)) {
                match value.get_ref() {
                    DeValue::Table(inner) => self.table(&here, inner),
                    _ => self.problem(
                        &name.span(),
                        format!("`{here}` is a section: its keys stand below `[{here}]`"),
                    ),
                }
            } else {
                let message = unknown(section, name.get_ref());
                self.problem(&name.span(), message);
            }
        }
    }

    fn value(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) {
        if let Err(message) = (key.read)(&mut self.settings, value.get_ref(), self.directory) {
            let name = join(key.section, key.name);
            self.problem(&value.span(), format!("{name}: {message}"));
        }
    }

    /// What no value can be blamed for alone.
    fn whole(&mut self, root: &DeTable<'_>) {
        let names = &self.settings.names;
        let same = [
            (
                names.namespace == names.istio_namespace,
                "namespace",
                "the demo and Istio have the same namespace: whose pods are whose could not be told",
            ),
            (
                names.backend_deployment == names.client_deployment,
                "client",
                "backend and client are the same deployment",
            ),
        ];
        for (is_same, key, message) in same {
            let demo = root.get("demo").and_then(|demo| demo.get_ref().as_table());
            let at = demo.and_then(|demo| demo.get_key_value(key)).map(|(name, _)| name.span());
            let at = at.or_else(|| root.iter().next().map(|(name, _)| name.span()));
            if is_same {
                self.problem(&at.unwrap_or(0..0), message.to_owned());
            }
        }
    }

    fn problem(&mut self, span: &Range<usize>, message: String) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        self.problems.push(Problem { line, column, message });
    }
}

fn join(section: &str, name: &str) -> String {
    match (section, name) {
        ("", name) => name.to_owned(),
        (section, "") => section.to_owned(),
        (section, name) => format!("{section}.{name}"),
    }
}

/// Whether a section is this one, or stands in it.
fn is_in(section: &str, outer: &str) -> bool {
    section.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// That a key is not known, and which one may be meant.
fn unknown(section: &str, name: &str) -> String {
    let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
    let start = format!("unknown key `{}`{place}", name.escape_debug());
    let here: Vec<&str> = names_in(section);
    if let Some(near) = nearest(name, here.iter().copied()) {
        return format!("{start}: did you mean `{near}`?");
    }
    // It may have its place elsewhere.
    let all = KEYS.iter().filter(|key| !key.name.is_empty());
    if let Some(near) = nearest(name, all.clone().map(|key| key.name)) {
        let sections: Vec<_> = all
            .filter(|key| key.name == near)
            .map(|key| format!("`{}`", join(key.section, near)))
            .collect();
        return format!("{start}: did you mean {}?", sections.join(" or "));
    }
    format!("{start}: there are {}", here.join(", "))
}

/// The keys and sections that may stand in a section.
fn names_in(section: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let inside = match section {
            "" => Some(key.section),
            outer => key.section.strip_prefix(outer).and_then(|rest| rest.strip_prefix('.')),
        };
        let name = match inside {
            _ if key.section == section => key.name,
            Some(rest) => rest.split('.').next().unwrap_or_default(),
            None => continue,
        };
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The name that is most like this one, where any is like it.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |name: &str| name.to_lowercase().replace('_', "-");
    let wanted = plain(name);
    let score = |one: &str| strsim::normalized_damerau_levenshtein(&wanted, &plain(one));
    names
        .map(|one| (score(one), one))
        // Two letters of a short word may be wrong; of `foo` nothing is like `port`.
        .filter(|(score, _)| *score >= 0.6)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn wrong(text: &str) -> Vec<String> {
        match parse(Path::new("meshcheck.toml"), text) {
            Err(SettingsError::Wrong { problems, .. }) => {
                problems.iter().map(ToString::to_string).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_varied_tutorial_is_read() {
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
        let settings = parse(Path::new("/class/meshcheck.toml"), text).unwrap();
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
    fn a_kubeconfig_is_beside_the_file_that_names_it() {
        let text = "cluster.kubeconfig = \"vms.yaml\"";
        let settings = parse(Path::new("/class/meshcheck.toml"), text).unwrap();
        assert_eq!(settings.kubeconfig.as_deref(), Some(Path::new("/class/vms.yaml")));
        let text = "cluster.kubeconfig = \"/root/vms.yaml\"";
        let settings = parse(Path::new("/class/meshcheck.toml"), text).unwrap();
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
        "2:1: unknown key `foo` in [demo.backend]: there are service, service-port, service-port-name, deployment, container, labels, image, port, reply-flag"
    )]
    #[case("[claims.skipp]\nx = 1", "1:9: unknown key `skipp` in [claims]: did you mean `skip`?")]
    #[case(
        "[demo]\n\"a\\u001b\" = 1",
        "2:1: unknown key `a\\u{1b}` in [demo]: there are namespace, reply, cluster-domain, backend, client"
    )]
    #[case("demo = 3", "1:1: `demo` is a section: its keys stand below `[demo]`")]
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
        "1:15: claims.skip: patterns of claims with a reason each are needed here"
    )]
    #[case("claims.skip.kiali = true", "the reason for `kiali`: a text in quotes is needed here")]
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
    #[case("[demo.client]\ninterval = 99999999999999999999", "from 1 to 3600")]
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
    #[case("[claims.skip]\n\"kiali\" = \"\"", "the reason for `kiali`: it is empty")]
    #[case(
        "[demo]\nnamespace = \"istio-system\"",
        "2:1: the demo and Istio have the same namespace"
    )]
    #[case("[demo.client]\ndeployment = \"echo-deployment\"", "are the same deployment")]
    // No TOML.
    #[case("[demo\n", "1:6: this is not TOML")]
    #[case("[demo]\nreply = Hello", "2:9: this is not TOML")]
    #[case("[demo]\nreply = \"a\"\nreply = \"b\"", "3:1: this is not TOML: duplicate key")]
    fn what_is_wrong_is_told_with_its_place(#[case] text: &str, #[case] words: &str) {
        let told = wrong(text);
        assert!(told.iter().any(|it| it.contains(words)), "`{words}` is not in {told:#?}");
    }

    #[test]
    fn everything_that_is_wrong_is_told_in_the_order_of_the_file() {
        let told = wrong("[kiali]\nport = 0\n[demo]\nrepply = \"x\"\nnamespace = \"ä\"\n");
        let places: Vec<_> = told.iter().map(|it| it.split(": ").next().unwrap()).collect();
        assert_eq!(places, ["2:8", "4:1", "5:13"], "{told:#?}");
    }

    /// Columns are counted in characters.
    #[test]
    fn a_column_is_what_an_editor_shows() {
        let told = wrong("demo = { reply = \"Grüße\", namespace = 1 }");
        assert!(told[0].starts_with("1:39: demo.namespace"), "{told:?}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(\\[?[a-z.]{0,9}\\]?( ?= ?[\"\\[{]?\\PC{0,9}[\"\\]}]?)?\n){0,6}") {
            let _ = parse(Path::new("meshcheck.toml"), &text);
        }

        #[test]
        fn what_is_damaged_is_read_or_told(at in 0usize..4000, byte in " -~") {
            let mut text = super::super::default_file();
            if text.is_char_boundary(at) && at < text.len() {
                text.insert_str(at, &byte);
            }
            if let Err(SettingsError::Wrong { problems, .. }) = parse(Path::new("m.toml"), &text) {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.line <= text.lines().count() + 1, "{problem}");
                }
            }
        }
    }
}
