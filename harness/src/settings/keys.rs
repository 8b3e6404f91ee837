//! Every key of the configuration: where it stands, what it is for, what it is by default, how it is
//! read. The table is read from top to bottom, and so is the file that is made of it.

use std::fmt::Write as _;
use std::path::Path;

use meshcheck_suites::Pattern;
use meshcheck_suites::evidence::{Asks, Waiver};
use toml::de::DeValue;

use super::Settings;
use super::values as v;

/// One key.
pub(super) struct Key {
    /// The section that it stands in: `demo.backend`.
    pub(super) section: &'static str,
    /// Its name; empty for a section whose names are the caller's.
    pub(super) name: &'static str,
    /// What it is for.
    about: &'static str,
    /// What stands behind `=` in the default file. Without a default: an example.
    shown: &'static str,
    /// Whether what is shown is the default, and not an example.
    is_default: bool,
    /// Takes the value over.
    pub(super) read: fn(&mut Settings, &DeValue<'_>, &Path) -> Result<(), String>,
}

const fn key(
    section: &'static str,
    name: &'static str,
    shown: &'static str,
    about: &'static str,
    read: fn(&mut Settings, &DeValue<'_>, &Path) -> Result<(), String>,
) -> Key {
    Key { section, name, about, shown, is_default: true, read }
}

const fn example(
    section: &'static str,
    name: &'static str,
    shown: &'static str,
    about: &'static str,
    read: fn(&mut Settings, &DeValue<'_>, &Path) -> Result<(), String>,
) -> Key {
    Key { section, name, about, shown, is_default: false, read }
}

/// The sections, in the order of the file, with a word on each.
const SECTIONS: [(&str, &str); 9] = [
    ("istio", "The control plane and its gateway."),
    ("demo", "The demo: a backend that replies, and a client that asks it."),
    ("demo.backend", ""),
    ("demo.client", ""),
    ("kiali", "The console. Its manifest is the release's own, in Istio's namespace."),
    (
        "cluster",
        "Which cluster `check`, `record` and `preflight` look at. --active is never set from a file.",
    ),
    ("limits", "How long things may take, in seconds."),
    ("claims.skip", "Claims that are not judged, each with the reason: they are shown as skipped."),
    (
        "claims.may-fail",
        "Claims that are judged and shown, and do not turn the exit code when they do not hold.",
    ),
];

/// All keys.
pub(super) const KEYS: &[Key] = &[
    example(
        "istio",
        "version",
        "\"1.20.3\"",
        "The version of Istio: what `run` installs, and what must be found [default: the tutorial's, or the bundle's].",
        |s, value, _| {
            s.istio_version = Some(v::text(value, v::version)?);
            Ok(())
        },
    ),
    key(
        "istio",
        "namespace",
        "\"istio-system\"",
        "The namespace of the control plane.",
        |s, value, _| {
            s.names.istio_namespace = v::text(value, v::label)?;
            Ok(())
        },
    ),
    key(
        "istio",
        "gateway",
        "\"istio-ingressgateway\"",
        "The ingress gateway's service and deployment.",
        |s, value, _| {
            s.names.gateway = v::text(value, v::service)?;
            Ok(())
        },
    ),
    example(
        "istio",
        "gateway-labels",
        "{ istio = \"ingressgateway\" }",
        "The labels of the gateway's pods [default: `istio`, with the gateway's name less `istio-`].",
        |s, value, _| {
            s.names.gateway_labels = v::labels(value)?;
            s.gateway_labels = true;
            Ok(())
        },
    ),
    key(
        "demo",
        "namespace",
        "\"client\"",
        "The namespace of backend and client.",
        |s, value, _| {
            s.names.namespace = v::text(value, v::label)?;
            Ok(())
        },
    ),
    key(
        "demo",
        "reply",
        "\"Hello from backend service\"",
        "The line with which the backend replies.",
        |s, value, _| {
            s.names.reply = v::text(value, v::filled)?;
            Ok(())
        },
    ),
    key(
        "demo",
        "cluster-domain",
        "\"cluster.local\"",
        "The domain of the cluster's DNS: the client asks SERVICE.NAMESPACE.svc.DOMAIN.",
        |s, value, _| {
            s.names.cluster_domain = v::text(value, v::subdomain)?;
            Ok(())
        },
    ),
    key("demo.backend", "service", "\"echo-service\"", "The backend's service.", |s, value, _| {
        s.names.backend_service = v::text(value, v::service)?;
        Ok(())
    }),
    key("demo.backend", "service-port", "80", "The service's port.", |s, value, _| {
        s.names.backend.service_port = v::port(value)?;
        Ok(())
    }),
    key(
        "demo.backend",
        "service-port-name",
        "\"http\"",
        "The name of that port, by which the mesh knows what is spoken there.",
        |s, value, _| {
            s.names.backend.service_port_name = v::text(value, v::port_name)?;
            Ok(())
        },
    ),
    key(
        "demo.backend",
        "deployment",
        "\"echo-deployment\"",
        "The backend's deployment.",
        |s, value, _| {
            s.names.backend_deployment = v::text(value, v::subdomain)?;
            Ok(())
        },
    ),
    key("demo.backend", "container", "\"echo\"", "Its container.", |s, value, _| {
        s.names.backend.container = v::text(value, v::label)?;
        Ok(())
    }),
    key(
        "demo.backend",
        "labels",
        "{ app = \"echo\" }",
        "The labels of its pods, which the service selects.",
        |s, value, _| {
            s.names.backend.labels = v::labels(value)?;
            Ok(())
        },
    ),
    key(
        "demo.backend",
        "image",
        "\"hashicorp/http-echo\"",
        "Its image, without a tag; any registry is taken.",
        |s, value, _| {
            s.names.backend.image = v::text(value, v::repository)?;
            Ok(())
        },
    ),
    key("demo.backend", "port", "5678", "The port on which it listens.", |s, value, _| {
        s.names.backend.port = v::port(value)?;
        Ok(())
    }),
    key(
        "demo.backend",
        "reply-flag",
        "\"-text\"",
        "The flag that tells it the reply; \"\" where no flag does.",
        |s, value, _| {
            let text =
                if value.as_str() == Some("") { String::new() } else { v::text(value, v::flag)? };
            s.names.backend.reply_flag = text;
            Ok(())
        },
    ),
    key(
        "demo.client",
        "deployment",
        "\"client-deployment\"",
        "The client's deployment.",
        |s, value, _| {
            s.names.client_deployment = v::text(value, v::subdomain)?;
            Ok(())
        },
    ),
    key("demo.client", "container", "\"client\"", "Its container.", |s, value, _| {
        s.names.client.container = v::text(value, v::label)?;
        Ok(())
    }),
    key(
        "demo.client",
        "labels",
        "{ app = \"client\" }",
        "The labels of its pods.",
        |s, value, _| {
            s.names.client.labels = v::labels(value)?;
            Ok(())
        },
    ),
    key(
        "demo.client",
        "image",
        "\"curlimages/curl\"",
        "Its image, without a tag; any registry is taken. It needs curl and a shell.",
        |s, value, _| {
            s.names.client.image = v::text(value, v::repository)?;
            Ok(())
        },
    ),
    key("demo.client", "interval", "10", "Seconds between two of its requests.", |s, value, _| {
        s.names.client_interval_seconds = v::whole(value, 1, 3600)?;
        Ok(())
    }),
    example(
        "kiali",
        "image",
        "\"quay.io/kiali/kiali:v1.76\"",
        "Its image [default: that of the addon's manifest in the release].",
        |s, value, _| {
            s.names.kiali_image = Some(v::text(value, v::image)?);
            Ok(())
        },
    ),
    key("kiali", "web-root", "\"/kiali/\"", "The path of its console.", |s, value, _| {
        let path = v::text(value, v::web_root)?;
        s.names.kiali.web_root = format!("/{}/", path.trim_matches('/'));
        Ok(())
    }),
    key("kiali", "port", "20001", "The port of its service and server.", |s, value, _| {
        s.names.kiali.port = v::port(value)?;
        Ok(())
    }),
    key(
        "kiali",
        "exposed-port",
        "30001",
        "The port on which the tutorial exposes it: for hints.",
        |s, value, _| {
            s.names.kiali.exposed_port = v::port(value)?;
            Ok(())
        },
    ),
    example(
        "kiali",
        "url",
        "\"http://192.0.2.7:30001/\"",
        "Where it is exposed, as a participant would open it: --kiali-url. Asked for the cluster below only.",
        |s, value, _| {
            s.kiali_url = Some(v::text(value, v::url)?);
            Ok(())
        },
    ),
    example(
        "cluster",
        "context",
        "\"training-vm-7\"",
        "The context of the kubeconfig: --context.",
        |s, value, _| {
            s.context = Some(v::text(value, v::filled)?);
            Ok(())
        },
    ),
    example(
        "cluster",
        "kubeconfig",
        "\"classroom.yaml\"",
        "The kubeconfig, from this file's directory or `~/`: --kubeconfig.",
        |s, value, directory| {
            s.kubeconfig = Some(v::path(&v::text(value, v::filled)?, directory)?);
            Ok(())
        },
    ),
    example(
        "limits",
        "look",
        "5",
        "The longest that any one look may take: --timeout [default: 5, in `run` 10].",
        |s, value, _| {
            s.look = Some(v::seconds(value)?);
            Ok(())
        },
    ),
    example(
        "limits",
        "settle",
        "30",
        "The longest that rollouts are waited for before the look [default: 30, in `run` 60].",
        |s, value, _| {
            s.settle = Some(v::seconds(value)?);
            Ok(())
        },
    ),
    example(
        "claims.skip",
        "",
        "\"kiali::*\" = \"this class has no console\"",
        "",
        |s, value, _| waive(s, value, Asks::Nothing),
    ),
    example(
        "claims.may-fail",
        "",
        "\"prepare::no_competing_load_balancer\" = \"another class shares the cluster\"",
        "",
        |s, value, _| waive(s, value, Asks::AVerdict),
    ),
];

fn waive(settings: &mut Settings, value: &DeValue<'_>, asks: Asks) -> Result<(), String> {
    let source = settings.source();
    for (claims, reason) in v::reasons(value)? {
        let pattern: Result<Pattern, _> = claims.parse();
        pattern.map_err(|error| format!("{error}: `meshcheck claims` lists them"))?;
        let reason = v::text(reason.get_ref(), v::filled)
            .map_err(|error| format!("the reason for `{claims}`: {error}"))?;
        settings.waivers.get_or_insert_default().push(Waiver {
            claims: claims.to_owned(),
            asks,
            reason,
            source: source.clone(),
        });
    }
    settings.waivers.get_or_insert_default();
    Ok(())
}

/// A configuration with every key, its purpose and its default: what it says is what holds without it.
pub fn default_file() -> String {
    let mut text = "\
# meshcheck.toml: what your tutorial calls otherwise than the one that meshcheck knows.
# Every key stands here with its default, or behind `#` with an example. Keep what you vary.
# Used: --config FILE, else $MESHCHECK_CONFIG, else ./meshcheck.toml. Options win over it.
"
    .to_owned();
    for (section, about) in SECTIONS {
        text.push('\n');
        for line in textwrap::wrap(about, 98).iter().filter(|line| !line.is_empty()) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "[{section}]");
        for key in KEYS.iter().filter(|key| key.section == section) {
            for line in textwrap::wrap(key.about, 98).iter().filter(|line| !line.is_empty()) {
                let _ = writeln!(text, "# {line}");
            }
            let mark = if key.is_default { "" } else { "# " };
            let name = if key.name.is_empty() { "" } else { key.name };
            let equals = if key.name.is_empty() { "" } else { " = " };
            let _ = writeln!(text, "{mark}{name}{equals}{}", key.shown);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::*;

    fn read(text: &str) -> Settings {
        let settings = parse(Path::new("meshcheck.toml"), text).unwrap();
        Settings { file: None, ..settings }
    }

    #[test]
    fn the_default_file_says_what_holds_without_it() {
        let settings = read(&default_file());
        // Its sections are there, and empty.
        assert_eq!(settings.waivers, Some(Vec::new()));
        assert_eq!(Settings { waivers: None, ..settings }, Settings::default());
    }

    /// Every example can be used as it stands.
    #[test]
    fn the_examples_of_the_default_file_are_read() {
        let is_key = |line: &str| {
            let words = line.strip_prefix("# ").unwrap_or_default();
            words.starts_with('"')
                || words.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '))
        };
        let lines: Vec<_> = default_file()
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
        assert!(settings.gateway_labels);
    }

    #[test]
    fn every_key_stands_in_a_section_that_is_told() {
        for key in KEYS {
            let known = SECTIONS.iter().any(|(section, _)| *section == key.section);
            assert!(known, "{}", key.section);
        }
        for line in default_file().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
