//! What the schema of Jenkins' xUnit plugin allows, the strictest that reads our documents, as a table.
//!
//! Its source: `junit-10.xsd` of <https://github.com/jenkinsci/xunit-plugin>, in
//! `src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd`. Left out are elements that we never
//! write: outputs, reruns, suites in suites.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element: the attributes that it must have and those that it may have, the elements that may stand
/// in it, and whether text may.
struct Element(&'static str, &'static str, &'static str, &'static str, bool);

const SCHEMA: [Element; 8] = [
    Element("testsuites", "", "name time tests failures errors", "testsuite", false),
    Element(
        "testsuite",
        "name tests failures errors",
        "group time skipped timestamp hostname id package file log url version",
        "properties testcase",
        false,
    ),
    Element("properties", "", "", "property", false),
    Element("property", "name value", "", "", false),
    Element("testcase", "name", "time classname group", "skipped error failure", false),
    Element("skipped", "", "type message", "", true),
    Element("error", "", "type message", "", true),
    Element("failure", "", "type message", "", true),
];

fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|it| it == word)
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
            Event::Text(_) | Event::GeneralRef(_) if open.last().is_some_and(|it| it.4) => {}
            other => return Err(format!("{other:?} stands where nothing may")),
        }
    }
}

/// The element that begins with this tag.
fn entered(open: &[&Element], tag: &BytesStart<'_>) -> Result<&'static Element, String> {
    let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
    match open.last() {
        None if name == "testsuites" => {}
        Some(parent) if lists(parent.3, &name) => {}
        parent => return Err(format!("{name} in {:?}", parent.map(|parent| parent.0))),
    }
    let element = SCHEMA.iter().find(|it| it.0 == name);
    let element = element.ok_or_else(|| format!("no element {name} is known"))?;
    let mut there = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        if !lists(element.1, &key) && !lists(element.2, &key) {
            return Err(format!("{name} has no attribute {key}"));
        }
        let value = String::from_utf8_lossy(&attribute.value).into_owned();
        if key == "time" && !is_time(&value) {
            return Err(format!("{name}: {value} is no time"));
        }
        there.push(key);
    }
    match element.1.split_whitespace().find(|key| !there.iter().any(|it| it == key)) {
        Some(missing) => Err(format!("{name} lacks {missing}")),
        None => Ok(element),
    }
}

/// Seconds, with three digits behind the point at the most.
fn is_time(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    part.len() <= 3 && [whole, part].iter().all(|it| it.bytes().all(|it| it.is_ascii_digit()))
}
