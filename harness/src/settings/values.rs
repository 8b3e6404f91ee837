//! What a value may be: names of Kubernetes, ports, times, patterns; and what to write instead.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Whether a text is allowed, and what to write instead.
type Check = fn(&str) -> Result<(), String>;

/// A text without control characters that is not empty.
pub(super) fn text(value: &DeValue<'_>, check: Check) -> Result<String, String> {
    let Some(text) = value.as_str() else {
        return Err(format!("a text in quotes is needed here, and this is {}", kind(value)));
    };
    if text.chars().any(char::is_control) {
        return Err("a text with control characters is not usable here: write one line".into());
    }
    check(text).map(|()| text.to_owned())
}

/// What a value is, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A whole number in a range.
pub(super) fn whole(value: &DeValue<'_>, least: u32, most: u32) -> Result<u32, String> {
    let needed = format!("a whole number from {least} to {most} is needed here");
    let Some(number) = value.as_integer() else {
        return Err(format!("{needed}, without quotes, and this is {}", kind(value)));
    };
    let parsed = i64::from_str_radix(number.as_str(), number.radix()).ok();
    let parsed = parsed.and_then(|number| u32::try_from(number).ok());
    parsed.filter(|number| (least..=most).contains(number)).ok_or(needed)
}

/// A port.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, String> {
    let number = whole(value, 1, u32::from(u16::MAX))?;
    u16::try_from(number).map_err(|error| error.to_string())
}

/// Seconds, with or without a fraction.
pub(super) fn seconds(value: &DeValue<'_>) -> Result<Duration, String> {
    let text = match value {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        other => {
            return Err(format!("a number of seconds is needed here, and this is {}", kind(other)));
        }
    };
    crate::cli::parse_seconds(text)
}

/// Any text that is not empty.
pub(super) fn filled(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("it is empty".into()) } else { Ok(()) }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A name of one DNS label: namespaces, containers.
pub(super) fn label(text: &str) -> Result<(), String> {
    if is_label(text) {
        return Ok(());
    }
    let rule = "Kubernetes takes 1 to 63 lower-case letters, digits and hyphens, a letter or digit at both ends";
    Err(format!("`{text}` is no such name: {rule}"))
}

/// A service's name: a label that begins with a letter.
pub(super) fn service(text: &str) -> Result<(), String> {
    label(text)?;
    if text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(format!("`{text}` is no name of a service: it begins with a letter"))
}

/// A name of labels and dots: deployments, domains.
pub(super) fn subdomain(text: &str) -> Result<(), String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(());
    }
    let rule = "Kubernetes takes up to 253 lower-case letters, digits, hyphens and dots";
    Err(format!("`{text}` is no such name: {rule}"))
}

/// The name of the service's port, by which the mesh knows that HTTP is spoken there.
/// Source: <https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>.
pub(super) fn port_name(text: &str) -> Result<(), String> {
    let known = ["http", "http2"].contains(&text)
        || ["http-", "http2-"].iter().any(|start| text.starts_with(start));
    if known && is_label(text) && text.len() <= 15 {
        return Ok(());
    }
    Err(format!(
        "`{text}` is no name of a port that speaks HTTP: Istio knows it by `http` or `http-…`, 15 characters at most"
    ))
}

/// A repository of images, without a tag.
pub(super) fn repository(text: &str) -> Result<(), String> {
    image_name(text)?;
    if text.contains('@') || tag(text).is_some() {
        return Err(format!("leave the tag out of `{text}`: any tag is taken"));
    }
    Ok(())
}

/// An image with its tag.
pub(super) fn image(text: &str) -> Result<(), String> {
    image_name(text)?;
    if tag(text.split('@').next().unwrap_or(text)).is_some() {
        return Ok(());
    }
    Err(format!("`{text}` has no tag: write one, as in `quay.io/kiali/kiali:v1.76`"))
}

fn image_name(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if !text.is_empty() && text.chars().all(allowed) && !text.starts_with(['/', ':']) {
        return Ok(());
    }
    Err(format!("`{text}` is no image: write one as in `hashicorp/http-echo`"))
}

fn tag(image: &str) -> Option<&str> {
    image.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

/// A version of Istio.
pub(super) fn version(text: &str) -> Result<(), String> {
    match semver::Version::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is no version: write one as in `1.20.3`")),
    }
}

/// A flag of a program, or nothing.
pub(super) fn flag(text: &str) -> Result<(), String> {
    let name = text.trim_start_matches('-');
    let dashes = text.len() - name.len();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || (1..=2).contains(&dashes) && !name.is_empty() && name.chars().all(word) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is no flag: write one as in `-text`, or `\"\"` where the reply is not told by one"
    ))
}

/// A path at which a console is served, below the root.
pub(super) fn web_root(text: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
    let inner = text.trim_matches('/');
    if text.starts_with('/') && !inner.is_empty() && !text.contains("//") && text.chars().all(word)
    {
        return Ok(());
    }
    Err(format!("`{text}` is no path below the root: write one as in `/kiali/`"))
}

/// An address for HTTP.
pub(super) fn url(text: &str) -> Result<(), String> {
    let needed = "write an address as in `http://192.0.2.7:30001/`";
    match reqwest::Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => {
            if url.password().is_some() || !url.username().is_empty() {
                return Err("leave the password out: it would stand in every report".into());
            }
            Ok(())
        }
        Ok(_) => Err(format!("`{text}` is no address for HTTP: {needed}")),
        Err(error) => Err(format!("`{text}` is no address: {error}: {needed}")),
    }
}

/// A file, from the directory of the configuration, or from the home directory behind `~/`.
pub(super) fn path(text: &str, directory: &std::path::Path) -> Result<PathBuf, String> {
    match text.strip_prefix("~/") {
        Some(rest) => std::env::home_dir()
            .map(|home| home.join(rest))
            .ok_or_else(|| format!("there is no home directory for `{text}`")),
        None => Ok(directory.join(text)),
    }
}

/// Labels: a table with at least one.
pub(super) fn labels(value: &DeValue<'_>) -> Result<BTreeMap<String, String>, String> {
    let needed = "labels are needed here, as in `{ app = \"echo\" }`";
    let Some(table) = value.as_table() else {
        return Err(format!("{needed}, and this is {}", kind(value)));
    };
    if table.is_empty() {
        return Err(format!("{needed}: one at least"));
    }
    table.iter().map(|(key, value)| one_label(key.get_ref(), value.get_ref())).collect()
}

fn one_label(key: &str, value: &DeValue<'_>) -> Result<(String, String), String> {
    let is_word = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = |c: char| c.is_ascii_alphanumeric();
        text.len() <= 63 && text.chars().all(inner) && text.starts_with(end) && text.ends_with(end)
    };
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("a", key));
    if !is_word(name) || subdomain(prefix).is_err() {
        return Err(format!("`{key}` is no label of Kubernetes"));
    }
    let value = text(value, |_| Ok(())).map_err(|error| format!("label `{key}`: {error}"))?;
    if !value.is_empty() && !is_word(&value) {
        return Err(format!("`{value}` is no value of a label"));
    }
    Ok((key.to_owned(), value))
}

/// The patterns of claims in a table, each with its reason.
pub(super) fn reasons<'t>(
    value: &'t DeValue<'_>,
) -> Result<impl Iterator<Item = (&'t str, &'t Spanned<DeValue<'t>>)>, String> {
    let needed = "patterns of claims with a reason each are needed here, as in `\"kiali::*\" = \"this class has no console\"`";
    let Some(table) = value.as_table() else {
        return Err(format!("{needed}, and this is {}", kind(value)));
    };
    let table: &DeTable<'_> = table;
    Ok(table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)))
}
