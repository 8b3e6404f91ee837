//! quick-junit counts what was skipped on the document too, where the schema of Jenkins' xUnit plugin has
//! no such attribute: that plugin would refuse the whole document. It is taken out again.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};

/// What the schema knows on the document. All of it is optional there.
const DOCUMENT: [&[u8]; 5] = [b"name", b"tests", b"failures", b"errors", b"time"];

/// The document without the attributes on its root that the schema does not know.
pub(super) fn conforming(xml: &str) -> Result<String, quick_xml::Error> {
    let mut reader = Reader::from_str(xml);
    let mut writer = Writer::new(Vec::with_capacity(xml.len()));
    loop {
        match reader.read_event()? {
            Event::Eof => break,
            Event::Start(tag) if tag.name().as_ref() == b"testsuites" => {
                writer.write_event(Event::Start(known(&tag)?))?;
            }
            other => writer.write_event(other)?,
        }
    }
    // What was read is text, and nothing else was written.
    Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
}

fn known(tag: &BytesStart<'_>) -> Result<BytesStart<'static>, quick_xml::Error> {
    let mut known = BytesStart::new("testsuites");
    for attribute in tag.attributes() {
        let attribute = attribute?;
        if DOCUMENT.contains(&attribute.key.as_ref()) {
            known.push_attribute(attribute);
        }
    }
    Ok(known)
}
