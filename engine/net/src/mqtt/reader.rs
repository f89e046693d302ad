//! A cursor over the body of one packet, with MQTT's field types.

use super::Violation;

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Violation::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Violation> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn number(&mut self) -> Result<u16, Violation> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A packet identifier, which is never 0.
    pub(super) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.number()? {
            0 => Err(Violation::PacketIdZero),
            id => Ok(id),
        }
    }

    /// Binary data with a length of two bytes.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.number()?;
        self.take(usize::from(length))
    }

    /// Text with a length of two bytes.
    pub(super) fn text(&mut self) -> Result<&'a str, Violation> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| Violation::NotUtf8)?;
        if text.as_bytes().contains(&0) { Err(Violation::Nul) } else { Ok(text) }
    }

    /// The name of a topic: text without wildcards.
    pub(super) fn topic(&mut self) -> Result<&'a str, Violation> {
        let topic = self.text()?;
        if topic.is_empty() {
            return Err(Violation::EmptyTopic);
        }
        if topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
            return Err(Violation::WildcardTopic);
        }
        Ok(topic)
    }

    /// A topic filter; whether its wildcards stand rightly is for the one who matches it.
    pub(super) fn filter(&mut self) -> Result<&'a str, Violation> {
        let filter = self.text()?;
        if filter.is_empty() { Err(Violation::EmptyFilter) } else { Ok(filter) }
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Fails unless everything was read.
    pub(super) fn end(&self) -> Result<(), Violation> {
        if self.0.is_empty() { Ok(()) } else { Err(Violation::TrailingBytes) }
    }
}
