//! The percent-encodings of this protocol. `+` is never a space here, in either direction.

use std::borrow::Cow;
use std::fmt::Display;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything but `A-Z a-z 0-9 - _ . ~`: SAS fields, property bags, ids in REST paths.
const ALL_BUT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What a topic segment cannot hold as itself. The rest stays raw, because Node's SDK does not decode method names.
const TOPIC_SEGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'+').add(b'/').add(b'%').add(b'?').add(b'&');

pub(crate) fn encode(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, ALL_BUT_UNRESERVED)
}

pub(crate) fn encode_segment(text: &str) -> impl Display + '_ {
    utf8_percent_encode(text, TOPIC_SEGMENT)
}

/// `None` when the decoded bytes are not UTF-8. Borrowed when there is nothing to decode; a `%` without two digits stays.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}
