//! Checks values: names of Kubernetes, ports, durations, patterns.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::friendly::{Spacing, SpanPrinter};
use meshcheck_suites::{CLAIMS, Pattern};
use serde::Deserialize;
use toml::Value;

use crate::suggest::nearest_id;

/// Makes a type of values, with the function that reads them.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = $read:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "Value")]
        pub(super) struct $name($inner);

        impl TryFrom<Value> for $name {
            type Error = String;
            fn try_from(value: Value) -> Result<Self, String> {
                let read: fn(&Value) -> Result<$inner, String> = $read;
                read(&value).map(Self)
            }
        }

        impl From<$name> for $inner {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    )+};
}

values! {
    /// A text of one line that is not empty.
    Line(String) = |value| text(value, filled);
    /// A name of one DNS label: namespaces, containers.
    Label(String) = |value| text(value, label);
    /// A name of labels and dots: deployments, domains.
    Domain(String) = |value| text(value, subdomain);
    /// A service's name: a label that begins with a letter.
    Service(String) = |value| text(value, service);
    /// The name of a port that speaks HTTP.
    PortName(String) = |value| text(value, port_name);
    /// A repository of images, without a tag.
    Repository(String) = |value| text(value, repository);
    /// An image with its tag.
    Image(String) = |value| text(value, image);
    /// A version of Istio.
    Version(String) = |value| text(value, version);
    /// A flag of a program, or nothing.
    Flag(String) = |value| text(value, flag);
    /// A path at which a console is served, with a slash at both ends.
    WebRoot(String) = |value| {
        text(value, web_root).map(|path| format!("/{}/", path.trim_matches('/')))
    };
    /// An address for HTTP.
    Url(String) = |value| text(value, url);
    /// A port.
    Port(u16) = |value| whole_number(value, u16::MAX);
    /// Seconds between two requests.
    Interval(u32) = |value| whole_number(value, 3600);
    /// Seconds, with or without a fraction.
    Seconds(Duration) = seconds;
    /// Labels: a table with at least one.
    Labels(BTreeMap<String, String>) = labels;
}

/// A pattern that matches claims.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Claims(String);

impl TryFrom<String> for Claims {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let pattern: Result<Pattern, _> = text.parse();
        let listed = |error| match nearest_id(&text, CLAIMS.iter().map(|claim| claim.id)) {
            Some(id) => format!("{error}: did you mean `{id}`?"),
            None => format!("{error}: `meshcheck claims` lists them"),
        };
        pattern.map_err(listed)?;
        Ok(Self(text))
    }
}

impl From<Claims> for String {
    fn from(claims: Claims) -> Self {
        claims.0
    }
}

/// Reads a text without control characters that passes a check.
fn text(value: &Value, check: fn(&str) -> Result<(), String>) -> Result<String, String> {
    let Some(text) = value.as_str() else {
        return Err(format!("a text in quotes is needed here, and this is {}", kind(value)));
    };
    if text.chars().any(char::is_control) {
        return Err("a text with control characters is not usable here: write one line".into());
    }
    check(text).map(|()| text.to_owned())
}

/// Names the kind of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// Reads a whole number from 1 to `most`.
fn whole_number<N: Copy + TryFrom<i64> + PartialOrd + Display>(
    value: &Value,
    most: N,
) -> Result<N, String> {
    let needed = format!("a whole number from 1 to {most} is needed here");
    let Some(number) = value.as_integer() else {
        return Err(format!("{needed}, without quotes, and this is {}", kind(value)));
    };
    let number = Some(number).filter(|number| *number >= 1).and_then(|it| N::try_from(it).ok());
    number.filter(|number| *number <= most).ok_or(needed)
}

/// Reads a limit of time: a number of seconds, or a text such as `90s`.
fn seconds(value: &Value) -> Result<Duration, String> {
    match value {
        Value::Integer(number) => parse_limit(&number.to_string()),
        Value::Float(number) => parse_limit(&number.to_string()),
        Value::String(text) => parse_limit(text),
        other => return Err(format!("a duration is needed here, and this is {}", kind(other))),
    }
    .map_err(|error| error.replace('\n', ": "))
}

/// Reads a duration such as `90s`, `5m` or `1h30m`; a number alone is in seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok()),
    };
    duration.ok_or_else(|| "not a duration\nwrite one such as 90s, 5m or 1h30m".to_owned())
}

/// Reads how long something may take.
pub(crate) fn parse_limit(text: &str) -> Result<Duration, String> {
    let limit = parse_duration(text).ok();
    let limit =
        limit.filter(|it| (Duration::from_millis(100)..=Duration::from_mins(10)).contains(it));
    limit.ok_or_else(|| "not a duration from 0.1s to 10m\nwrite one such as 5s or 1m30s".to_owned())
}

/// Reads how long to wait, or how long to pause: a second at least, a day at the most.
pub(crate) fn parse_wait(text: &str) -> Result<Duration, String> {
    let wait = parse_duration(text)?;
    let fits = (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&wait);
    let needed = || "not a duration from 1s to 24h\nwrite one such as 90s, 5m or 1h30m".to_owned();
    fits.then_some(wait).ok_or_else(needed)
}

/// Writes a duration as it is read: `1m30s`.
pub(crate) fn format_duration(duration: Duration) -> String {
    SpanPrinter::new().spacing(Spacing::None).unsigned_duration_to_string(&duration)
}

/// Reads the version of Istio on the command line.
pub(crate) fn parse_version(text: &str) -> Result<String, String> {
    let known = version(text).map(|()| text.to_owned());
    known.map_err(|_| "not a version of Istio\nwrite all three numbers, as in 1.20.3".to_owned())
}

/// Reads the version of Kubernetes to install Istio on: two or three numbers.
pub(crate) fn parse_kubernetes(text: &str) -> Result<String, String> {
    let numbers: Vec<_> = text.strip_prefix('v').unwrap_or(text).split('.').collect();
    let are_numbers = numbers.iter().all(|it| it.parse::<u32>().is_ok());
    let fits = (2..=3).contains(&numbers.len()) && are_numbers;
    let needed = "not a version of Kubernetes\nwrite two or three numbers, as in 1.34";
    fits.then(|| text.to_owned()).ok_or_else(|| needed.to_owned())
}

/// Reads the address of a console on the command line.
pub(crate) fn parse_url(text: &str) -> Result<String, String> {
    let known = url(text).map(|()| text.to_owned());
    known.map_err(|reason| match reqwest::Url::parse(&format!("http://{text}")) {
        // `localhost:20001` is a URL of the scheme `localhost`.
        Ok(_) if !text.contains("://") => {
            format!("the scheme is missing\nwrite http://{text}")
        }
        _ => reason.replacen(": ", "\n", 1),
    })
}

/// Reads the name of a namespace on the command line.
pub(crate) fn parse_namespace(text: &str) -> Result<String, String> {
    let known = label(text).map(|()| text.to_owned());
    let rule =
        "not a name of a namespace\nwrite lower-case letters, digits and hyphens, 63 at most";
    known.map_err(|_| rule.to_owned())
}

/// Any text that is not empty.
fn filled(text: &str) -> Result<(), String> {
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
fn label(text: &str) -> Result<(), String> {
    if is_label(text) {
        return Ok(());
    }
    let rule = "Kubernetes takes 1 to 63 lower-case letters, digits and hyphens, a letter or digit at both ends";
    Err(format!("`{text}` is not a valid name: {rule}"))
}

/// A service's name: a label that begins with a letter.
fn service(text: &str) -> Result<(), String> {
    label(text)?;
    if text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(format!("`{text}` is not a name of a service: it must begin with a letter"))
}

/// A name of labels and dots: deployments, domains.
fn subdomain(text: &str) -> Result<(), String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(());
    }
    let rule = "Kubernetes takes up to 253 lower-case letters, digits, hyphens and dots";
    Err(format!("`{text}` is not a valid name: {rule}"))
}

/// The name of the service's port, by which the mesh knows that HTTP is spoken there.
/// Source: <https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>.
fn port_name(text: &str) -> Result<(), String> {
    let known = ["http", "http2"].contains(&text)
        || ["http-", "http2-"].iter().any(|start| text.starts_with(start));
    if known && is_label(text) && text.len() <= 15 {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a name of an HTTP port: Istio needs `http` or `http-…`, 15 characters at most"
    ))
}

/// A repository of images, without a tag.
fn repository(text: &str) -> Result<(), String> {
    image_name(text)?;
    if text.contains('@') || tag(text).is_some() {
        return Err(format!("leave the tag out of `{text}`: any tag is taken"));
    }
    Ok(())
}

/// An image with its tag.
fn image(text: &str) -> Result<(), String> {
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
    Err(format!("`{text}` is not an image: write one as in `hashicorp/http-echo`"))
}

fn tag(image: &str) -> Option<&str> {
    image.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

/// A version of Istio.
fn version(text: &str) -> Result<(), String> {
    match semver::Version::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("`{text}` is not a version: write one as in `1.20.3`")),
    }
}

/// A flag of a program, or nothing.
fn flag(text: &str) -> Result<(), String> {
    let name = text.trim_start_matches('-');
    let dashes = text.len() - name.len();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || (1..=2).contains(&dashes) && !name.is_empty() && name.chars().all(word) {
        return Ok(());
    }
    Err(format!(
        "`{text}` is not a flag: write one as in `-text`, or `\"\"` where no flag sets the reply"
    ))
}

/// A path at which a console is served, below the root.
fn web_root(text: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.~/".contains(c);
    let inner = text.trim_matches('/');
    if text.starts_with('/') && !inner.is_empty() && !text.contains("//") && text.chars().all(word)
    {
        return Ok(());
    }
    Err(format!("`{text}` is not a path below the root: write one as in `/kiali/`"))
}

/// An address for HTTP.
fn url(text: &str) -> Result<(), String> {
    let needed = "write an address as in `http://192.0.2.7:30001/`";
    match reqwest::Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.has_host() => {
            if url.password().is_some() || !url.username().is_empty() {
                return Err(
                    "it contains a password, which every report would show: leave the password out"
                        .into(),
                );
            }
            Ok(())
        }
        Ok(_) => Err(format!("`{text}` is not an address for HTTP: {needed}")),
        Err(error) => Err(format!("`{text}` is not an address ({error}): {needed}")),
    }
}

/// Labels: a table with at least one.
fn labels(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let needed = "labels are needed here, as in `{ app = \"echo\" }`";
    let Some(table) = value.as_table() else {
        return Err(format!("{needed}, and this is {}", kind(value)));
    };
    if table.is_empty() {
        return Err(format!("{needed}: one at least"));
    }
    table.iter().map(|(key, value)| one_label(key, value)).collect()
}

fn one_label(key: &str, value: &Value) -> Result<(String, String), String> {
    let is_word = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = |c: char| c.is_ascii_alphanumeric();
        text.len() <= 63 && text.chars().all(inner) && text.starts_with(end) && text.ends_with(end)
    };
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("a", key));
    if !is_word(name) || subdomain(prefix).is_err() {
        return Err(format!("`{key}` is not a label of Kubernetes"));
    }
    let value = text(value, |_| Ok(())).map_err(|error| format!("label `{key}`: {error}"))?;
    if !value.is_empty() && !is_word(&value) {
        return Err(format!("`{value}` is not a value of a label"));
    }
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("5", "5s")]
    #[case("0.5", "500ms")]
    #[case("90s", "1m30s")]
    #[case("1h30m", "1h30m")]
    #[case("1h 30m", "1h30m")]
    #[case("5m", "5m")]
    fn duration_is_written_as_it_is_read(#[case] text: &str, #[case] written: &str) {
        let duration = parse_duration(text).unwrap();
        assert_eq!(parse_duration(written), Ok(duration));
        assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[rstest]
    #[case("")]
    #[case("-5s")]
    #[case("soon")]
    #[case("1e300")]
    #[case("nan")]
    fn other_text_is_no_duration(#[case] text: &str) {
        assert!(parse_duration(text).is_err());
    }
}
