//! What the schema of Jenkins' xUnit plugin allows, the strictest that reads our documents, as a table.
//!
//! Its source: `junit-10.xsd` of <https://github.com/jenkinsci/xunit-plugin>, in
//! `src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd`. Left out are elements that we never
//! write: outputs, reruns, suites in suites.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element.
struct Element {
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    children: &'static [&'static str],
    /// Whether text may stand in it.
    text: bool,
}

const OUTCOME: Element =
    Element { name: "", required: &[], optional: &["type", "message"], children: &[], text: true };

const SCHEMA: [Element; 8] = [
    Element {
        name: "testsuites",
        required: &[],
        optional: &["name", "time", "tests", "failures", "errors"],
        children: &["testsuite"],
        text: false,
    },
    Element {
        name: "testsuite",
        required: &["name", "tests", "failures", "errors"],
        optional: &[
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
            "version",
        ],
        children: &["properties", "testcase"],
        text: false,
    },
    Element {
        name: "properties",
        required: &[],
        optional: &[],
        children: &["property"],
        text: false,
    },
    Element {
        name: "property",
        required: &["name", "value"],
        optional: &[],
        children: &[],
        text: false,
    },
    Element {
        name: "testcase",
        required: &["name"],
        optional: &["time", "classname", "group"],
        children: &["skipped", "error", "failure"],
        text: false,
    },
    Element { name: "skipped", ..OUTCOME },
    Element { name: "error", ..OUTCOME },
    Element { name: "failure", ..OUTCOME },
];

fn element(name: &str) -> Result<&'static Element, String> {
    SCHEMA.iter().find(|it| it.name == name).ok_or_else(|| format!("no element {name} is known"))
}

/// Whether a document is as the schema wants it; what is not.
pub(super) fn validate(xml: &str) -> Result<(), String> {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<&Element> = Vec::new();
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Eof if open.is_empty() => return Ok(()),
            Event::Eof => return Err("it ends within an element".into()),
            Event::Decl(_) => {}
            Event::Start(tag) => open.push(entered(&open, &tag)?),
            Event::Empty(tag) => drop(entered(&open, &tag)?),
            Event::End(_) => drop(open.pop()),
            Event::Text(text) if text.iter().all(u8::is_ascii_whitespace) => {}
            Event::Text(_) | Event::GeneralRef(_) if open.last().is_some_and(|it| it.text) => {}
            other => return Err(format!("{other:?} stands where nothing may")),
        }
    }
}

/// The element that begins with this tag.
fn entered(open: &[&Element], tag: &BytesStart<'_>) -> Result<&'static Element, String> {
    let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
    match open.last() {
        None if name == "testsuites" => {}
        Some(parent) if parent.children.contains(&name.as_str()) => {}
        parent => return Err(format!("{name} in {:?}", parent.map(|parent| parent.name))),
    }
    let element = element(&name)?;
    let mut there = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        if !element.required.contains(&key.as_str()) && !element.optional.contains(&key.as_str()) {
            return Err(format!("{name} has no attribute {key}"));
        }
        let value = String::from_utf8_lossy(&attribute.value).into_owned();
        if key == "time" && !is_time(&value) {
            return Err(format!("{name}: {value} is no time"));
        }
        there.push(key);
    }
    match element.required.iter().find(|key| !there.iter().any(|it| it == *key)) {
        Some(missing) => Err(format!("{name} lacks {missing}")),
        None => Ok(element),
    }
}

/// Seconds, with three digits behind the point at the most.
fn is_time(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    part.len() <= 3 && [whole, part].iter().all(|it| it.bytes().all(|it| it.is_ascii_digit()))
}
