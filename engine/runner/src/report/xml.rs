//! XML as JUnit's readers want it: indented elements, texts left as they are, nothing that XML forbids. Knows no report.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// Writing fails only for want of memory.
pub(super) type Written = std::io::Result<()>;

/// Attributes of an element.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a str)];

/// A document that grows.
pub(super) struct Xml(Writer<Vec<u8>>);

impl Xml {
    /// A document with its declaration.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(Self(writer))
    }

    /// The whole document.
    pub(super) fn done(self) -> Vec<u8> {
        let mut bytes = self.0.into_inner();
        bytes.push(b'\n');
        bytes
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: Attributes<'_>) -> Written {
        self.0.write_event(Event::Empty(element(name, attributes)))
    }

    pub(super) fn open(&mut self, name: &str, attributes: Attributes<'_>) -> Written {
        self.0.write_event(Event::Start(element(name, attributes)))
    }

    pub(super) fn close(&mut self, name: &str) -> Written {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    pub(super) fn text(&mut self, name: &str, attributes: Attributes<'_>, text: &str) -> Written {
        self.0.write_event(Event::Start(element(name, attributes)))?;
        // Not as an event of its own beside others: nothing may be indented inside.
        self.0.write_event(Event::Text(BytesText::new(&allowed(text))))?;
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }
}

fn element<'a>(name: &'a str, attributes: Attributes<'_>) -> BytesStart<'a> {
    let mut element = BytesStart::new(name);
    for (name, value) in attributes {
        element.push_attribute((*name, &*allowed(value)));
    }
    element
}

/// XML 1.0 forbids most control characters, even escaped.
fn allowed(text: &str) -> String {
    let fine = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if fine(c) { c } else { '\u{fffd}' }).collect()
}

/// Milliseconds as seconds.
pub(super) fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
