//! Reads the text of a configuration file: its sections and keys as structs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use meshcheck_suites::evidence::{Asks, Expectations, Waiver};
use serde::Deserialize;
use toml::{Deserializer, Spanned, Table, Value};

use super::Settings;
use super::error::SettingsError;
use super::values::{
    Claims, Domain, Flag, Image, Interval, Label, Labels, Line, Port, PortName, Repository,
    Seconds, Service, Url, Version, WebRoot,
};
use crate::connect::expand_home;
use crate::suggest;

/// The commented configuration with every key and its default, or an example.
pub(crate) const DEFAULT: &str = include_str!("default.toml");

/// Why the demo and Istio cannot share a namespace.
pub(crate) const SAME_NAMESPACE: &str =
    "the demo and Istio have the same namespace, so that their pods cannot be told apart";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    istio: Istio,
    demo: Demo,
    kiali: Kiali,
    cluster: Cluster,
    limits: Limits,
    claims: Waivers,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Istio {
    version: Option<Version>,
    namespace: Option<Spanned<Label>>,
    gateway: Option<Service>,
    gateway_namespace: Option<Label>,
    gateway_labels: Option<Labels>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Demo {
    namespace: Option<Spanned<Label>>,
    reply: Option<Line>,
    cluster_domain: Option<Domain>,
    backend: Backend,
    client: Client,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Backend {
    service: Option<Service>,
    service_port: Option<Port>,
    service_port_name: Option<PortName>,
    deployment: Option<Spanned<Domain>>,
    container: Option<Label>,
    labels: Option<Labels>,
    image: Option<Repository>,
    port: Option<Port>,
    reply_flag: Option<Flag>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Client {
    deployment: Option<Spanned<Domain>>,
    container: Option<Label>,
    labels: Option<Labels>,
    image: Option<Repository>,
    interval: Option<Interval>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Kiali {
    image: Option<Image>,
    web_root: Option<WebRoot>,
    port: Option<Port>,
    exposed_port: Option<Port>,
    url: Option<Url>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Cluster {
    context: Option<Line>,
    kubeconfig: Option<Spanned<Line>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    look: Option<Seconds>,
    settle: Option<Seconds>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Waivers {
    skip: Option<BTreeMap<Claims, Line>>,
    may_fail: Option<BTreeMap<Claims, Line>>,
}

/// Reads the text of a file; anything wrong in it refuses it whole.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Settings, SettingsError> {
    let wrong = |span: Option<Range<usize>>, message: String| {
        SettingsError::wrong(path, text, span.unwrap_or_default().start, message)
    };
    let document = Deserializer::parse(text).map_err(|error| {
        // The message of the parser has several lines.
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        wrong(error.span(), format!("this is not TOML: {message}"))
    })?;
    let file =
        File::deserialize(document).map_err(|error| wrong(error.span(), explain(error, text)))?;
    let settings = file.settings(path).map_err(|(span, message)| wrong(span, message))?;
    Ok(Settings { elsewhere: elsewhere(text), ..settings })
}

/// Returns the text of a file without what belongs to one cluster.
fn elsewhere(text: &str) -> String {
    let mut table: Table = toml::from_str(text).unwrap_or_default();
    table.remove("cluster");
    if let Some(Value::Table(kiali)) = table.get_mut("kiali") {
        kiali.remove("url");
    }
    // What was read can be written.
    toml::to_string(&table).unwrap_or_default()
}

impl File {
    /// Returns the settings, or what no value can be blamed for alone.
    fn settings(self, path: &Path) -> Result<Settings, (Option<Range<usize>>, String)> {
        let Self { istio, demo, kiali, cluster, limits, claims } = self;
        let Demo { backend, client, .. } = demo;
        let namespace = span(demo.namespace.as_ref()).or(span(istio.namespace.as_ref()));
        let deployment = span(client.deployment.as_ref()).or(span(backend.deployment.as_ref()));
        let mut names = Expectations::of_the_tutorial("", "");
        set(&mut names.istio_namespace, istio.namespace.map(Spanned::into_inner));
        set(&mut names.gateway, istio.gateway);
        names.gateway_namespace = istio.gateway_namespace.map(Into::into);
        let label = names.gateway.strip_prefix("istio-").unwrap_or(&names.gateway).to_owned();
        names.gateway_labels = [("istio".to_owned(), label)].into();
        set(&mut names.gateway_labels, istio.gateway_labels);
        set(&mut names.namespace, demo.namespace.map(Spanned::into_inner));
        set(&mut names.reply, demo.reply);
        set(&mut names.cluster_domain, demo.cluster_domain);
        set(&mut names.backend_service, backend.service);
        set(&mut names.backend.service_port, backend.service_port);
        set(&mut names.backend.service_port_name, backend.service_port_name);
        set(&mut names.backend_deployment, backend.deployment.map(Spanned::into_inner));
        set(&mut names.backend.container, backend.container);
        set(&mut names.backend.labels, backend.labels);
        set(&mut names.backend.image, backend.image);
        set(&mut names.backend.port, backend.port);
        set(&mut names.backend.reply_flag, backend.reply_flag);
        set(&mut names.client_deployment, client.deployment.map(Spanned::into_inner));
        set(&mut names.client.container, client.container);
        set(&mut names.client.labels, client.labels);
        set(&mut names.client.image, client.image);
        set(&mut names.client_interval_seconds, client.interval);
        names.kiali_image = kiali.image.map(Into::into);
        set(&mut names.kiali.web_root, kiali.web_root);
        set(&mut names.kiali.port, kiali.port);
        set(&mut names.kiali.exposed_port, kiali.exposed_port);
        if names.namespace == names.istio_namespace {
            return Err((namespace, format!("demo.namespace: {SAME_NAMESPACE}")));
        }
        if names.backend_deployment == names.client_deployment {
            let message = "demo.client.deployment: backend and client are the same deployment";
            return Err((deployment, message.to_owned()));
        }
        let mut settings = Settings {
            file: Some(path.to_owned()),
            istio_version: istio.version.map(Into::into),
            names,
            waivers: None,
            kiali_url: kiali.url.map(Into::into),
            context: cluster.context.map(Into::into),
            kubeconfig: None,
            look: limits.look.map(Into::into),
            settle: limits.settle.map(Into::into),
            elsewhere: String::new(),
        };
        if let Some(file) = cluster.kubeconfig {
            let span = file.span();
            let found = from_directory(path, &String::from(file.into_inner()));
            settings.kubeconfig =
                Some(found.map_err(|why| (Some(span), format!("cluster.kubeconfig: {why}")))?);
        }
        for (claims, asks) in [(claims.may_fail, Asks::AVerdict), (claims.skip, Asks::Nothing)] {
            let source = settings.source();
            let Some(claims) = claims else { continue };
            settings.waivers.get_or_insert_default().extend(claims.into_iter().map(
                |(claims, reason)| Waiver {
                    claims: claims.into(),
                    asks,
                    reason: reason.into(),
                    source: source.clone(),
                },
            ));
        }
        Ok(settings)
    }
}

/// Tells where a value stands.
fn span<T>(value: Option<&Spanned<T>>) -> Option<Range<usize>> {
    value.map(Spanned::span)
}

/// Replaces the tutorial's value where the file has one.
fn set<T>(place: &mut T, value: Option<impl Into<T>>) {
    if let Some(value) = value {
        *place = value.into();
    }
}

/// Finds a file from the directory of the configuration, or from the home directory behind `~/`.
fn from_directory(configuration: &Path, file: &str) -> Result<PathBuf, String> {
    let file =
        expand_home(file).ok_or_else(|| format!("there is no home directory for `{file}`"))?;
    let absolute = std::path::absolute(configuration).unwrap_or_else(|_| configuration.to_owned());
    Ok(absolute.parent().unwrap_or(Path::new(".")).join(file))
}

/// Says what is wrong at a key, and which key may be meant in place of an unknown one.
fn explain(mut error: toml::de::Error, text: &str) -> String {
    // Without the text, the error names its key behind its message.
    error.set_input(None);
    let shown = error.to_string();
    let key = shown.trim_end().rsplit_once("\nin `").map(|(_, key)| key.trim_end_matches('`'));
    let message = error.message();
    if message.starts_with("unknown field") {
        let name = error.span().and_then(|span| text.get(span)).unwrap_or_default();
        let place = key.map_or_else(String::new, |section| format!(" in [{section}]"));
        let advice = match nearest(key.unwrap_or_default(), name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => message.split_once("`, ").unwrap_or_default().1.to_owned(),
        };
        return format!("unknown key `{name}`{place}: {advice}");
    }
    let key = key.unwrap_or_default();
    if message.contains("expected struct") || message.contains("expected a map") {
        return format!("`{key}` is a section: its keys stand below `[{key}]`");
    }
    if message.ends_with("as i128, expected any valid TOML value") {
        return format!("{key}: the number is too large");
    }
    format!("{key}: {message}")
}

/// Finds the key or section that is most like this name, where any is like it: in the same section, or
/// else anywhere.
fn nearest(section: &str, name: &str) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let keys = keys();
    let inside = |key: &&String| key.rsplit_once('.').map_or("", |(outer, _)| outer) == section;
    let here = keys.iter().filter(inside).map(|key| (last(key), last(key)));
    suggest::nearest(name, here)
        .or_else(|| suggest::nearest(name, keys.iter().map(|key| (last(key), key.clone()))))
}

/// Lists all keys and sections, as the default file has them: `demo`, `demo.reply`, `demo.backend.port`.
fn keys() -> Vec<String> {
    let mut keys = vec!["claims".to_owned()];
    let mut section = "";
    for line in DEFAULT.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            keys.push(section.to_owned());
        } else if let Some((name, _)) = line.trim_start_matches("# ").split_once(" = ")
            && !name.contains([' ', '"'])
        {
            keys.push(format!("{section}.{name}"));
        }
    }
    keys
}

#[cfg(test)]
mod tests;
