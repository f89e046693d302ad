//! Versions of resources as texts, and the condition of `If-Match` in every form that clients send.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A twin's etag: base64 of a counter as eight bytes, the highest first. `AAAAAAAAAAE=` is 1.
pub fn twin_etag(counter: u64) -> String {
    STANDARD.encode(counter.to_be_bytes())
}

/// An identity's or configuration's etag: base64 of a decimal number. `MQ==` is 1.
pub fn identity_etag(number: u64) -> String {
    STANDARD.encode(number.to_string())
}

/// The header form: in double quotes.
pub fn quoted_etag(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// A condition on the version of what is about to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: any version, as long as it exists.
    Any,
    /// This version only, without quotes.
    Tag(String),
}

impl IfMatch {
    /// Reads `*`, `"*"`, `"etag"`, `etag` and `W/"etag"`; SDKs send all of them. An empty one is none.
    pub fn parse(header: &str) -> Option<Self> {
        let text = header.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        match text {
            "" => None,
            "*" => Some(Self::Any),
            tag => Some(Self::Tag(tag.to_owned())),
        }
    }

    /// Whether the resource, at this etag (without quotes), may be changed.
    pub fn matches(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tag(tag) => tag == etag,
        }
    }
}

/// The header form, quoted as SDKs do it.
impl fmt::Display for IfMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("\"*\""),
            Self::Tag(tag) => write!(f, "\"{tag}\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_counters() {
        assert_eq!(twin_etag(1), "AAAAAAAAAAE=");
        assert_eq!(twin_etag(7), "AAAAAAAAAAc=");
        assert_eq!(identity_etag(1), "MQ==");
        assert_eq!(quoted_etag("MQ=="), "\"MQ==\"");
    }

    #[test]
    fn reads_every_form_of_the_condition() {
        let tag = IfMatch::Tag("AAAAAAAAAAE=".into());
        for (header, expected) in [
            ("*", Some(IfMatch::Any)),
            ("\"*\"", Some(IfMatch::Any)),
            ("AAAAAAAAAAE=", Some(tag.clone())),
            ("\"AAAAAAAAAAE=\"", Some(tag.clone())),
            ("W/\"AAAAAAAAAAE=\"", Some(tag.clone())),
            ("", None),
            ("\"\"", None),
        ] {
            assert_eq!(IfMatch::parse(header), expected, "{header}");
        }
        assert!(tag.matches("AAAAAAAAAAE=") && !tag.matches("AAAAAAAAAAI=") && IfMatch::Any.matches("x"));
        for condition in [IfMatch::Any, tag] {
            assert_eq!(IfMatch::parse(&condition.to_string()), Some(condition));
        }
    }
}
