//! The limits of a twin's sections, with the service's words where they are known (EdgeHub's validator otherwise).

use serde_json::{Map, Number, Value};

use crate::HubError;
use crate::limits::{PROPERTIES_SIZE, TAGS_SIZE, TWIN_DEPTH, TWIN_INTEGER, TWIN_KEY_BYTES, TWIN_TEXT_BYTES};

/// A section of a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// Only the service sees and writes them.
    Tags,
    /// Written by the service, seen by both.
    Desired,
    /// Written by the device, seen by both.
    Reported,
}

impl SectionKind {
    /// The most that [`counted_size`] may be.
    pub fn largest(self) -> usize {
        match self {
            Self::Tags => TAGS_SIZE,
            Self::Desired | Self::Reported => PROPERTIES_SIZE,
        }
    }
}

/// Checks a section, or a patch of one: keys, depth, texts, integers, nulls in arrays, and the size.
pub fn check_limits(section: SectionKind, value: &Value) -> Result<(), HubError> {
    let Value::Object(members) = value else {
        return Err(HubError::invalid("The section of a twin must be a JSON object."));
    };
    check_form(section, members)?;
    check_size(section, members)
}

/// Everything but the size.
pub(super) fn check_form(section: SectionKind, members: &Map<String, Value>) -> Result<(), HubError> {
    object(section, members, 0, false)
}

pub(super) fn check_size(section: SectionKind, members: &Map<String, Value>) -> Result<(), HubError> {
    let (size, most) = (members_size(members), section.largest());
    if size <= most {
        return Ok(());
    }
    Err(HubError::invalid(format!("Twin properties size {size} exceeds maximum {most}")))
}

fn object(section: SectionKind, members: &Map<String, Value>, depth: usize, in_array: bool) -> Result<(), HubError> {
    for (key, value) in members {
        check_key(key)?;
        check_value(section, key, value, depth, in_array)?;
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), HubError> {
    if key.len() > TWIN_KEY_BYTES {
        let shown: String = key.chars().take(64).collect();
        let text = format!("Length of property name {shown}.. exceeds maximum length of {TWIN_KEY_BYTES}");
        return Err(HubError::invalid(text));
    }
    let wrong = |c: &char| c.is_control() || c.is_whitespace() || matches!(c, '.' | '$' | '#');
    match key.chars().find(wrong) {
        Some(c) => Err(HubError::invalid(format!("Property name {key} contains invalid character '{c}'"))),
        None => Ok(()),
    }
}

fn check_value(section: SectionKind, key: &str, value: &Value, depth: usize, in_array: bool) -> Result<(), HubError> {
    match value {
        Value::Null if in_array => Err(HubError::invalid("Arrays cannot contain 'null' as value")),
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => check_number(key, number),
        Value::String(text) if text.len() > TWIN_TEXT_BYTES => Err(HubError::invalid(match section {
            SectionKind::Tags | SectionKind::Desired => {
                format!("Property or Tag value should be maximum {TWIN_TEXT_BYTES} bytes. Error in Property/Tag {key}")
            }
            SectionKind::Reported => format!(
                "Value associated with property name {key} has length {} that exceeds maximum length of {TWIN_TEXT_BYTES}",
                text.len()
            ),
        })),
        Value::String(_) => Ok(()),
        Value::Array(_) | Value::Object(_) if depth >= TWIN_DEPTH => {
            Err(HubError::invalid(format!("Nested depth of twin property exceeds {TWIN_DEPTH}")))
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_value(section, key, item, depth + 1, true)),
        Value::Object(members) => object(section, members, depth + 1, in_array),
    }
}

/// Only integers have bounds; a number with a fraction or an exponent is a double.
fn check_number(key: &str, number: &Number) -> Result<(), HubError> {
    let (least, most) = TWIN_INTEGER;
    let inside = match (number.as_i64(), number.as_u64()) {
        (Some(integer), _) => (least..=most).contains(&integer),
        (None, Some(_)) => false,
        (None, None) => true,
    };
    if inside {
        return Ok(());
    }
    let text = format!("Property {key} has an out of bound value. Valid values are between {least} and {most}");
    Err(HubError::invalid(text))
}

/// The service's own count: keys and texts by UTF-8 bytes without control characters, numbers 8, booleans 4.
pub fn counted_size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text_size(text),
        Value::Array(items) => items.iter().map(counted_size).sum(),
        Value::Object(members) => members_size(members),
    }
}

fn members_size(members: &Map<String, Value>) -> usize {
    members.iter().map(|(key, value)| text_size(key) + counted_size(value)).sum()
}

fn text_size(text: &str) -> usize {
    text.chars().filter(|c| !c.is_control()).map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!({ "k": inner }))
    }

    fn refusal(section: SectionKind, value: &Value) -> String {
        check_limits(section, value).unwrap_err().message
    }

    #[test]
    fn takes_what_fits() {
        for value in [
            json!({}),
            json!({"a": null, "b": {"c": null}, "d": [1, "x", true, {"e": 1}, []]}),
            json!({"é-_:": "x".repeat(4096), "n": -4_503_599_627_370_496i64, "m": 4_503_599_627_370_495i64, "f": 1e300}),
            json!({"k".repeat(1024): 1}),
            nested(11),
        ] {
            assert_eq!(check_limits(SectionKind::Reported, &value), Ok(()), "{value}");
        }
    }

    #[test]
    fn refuses_in_the_services_words() {
        let reported = SectionKind::Reported;
        for (value, words) in [
            (json!([]), "The section of a twin must be a JSON object."),
            (json!({"a": [null]}), "Arrays cannot contain 'null' as value"),
            (json!({"a": [{"b": null}]}), "Arrays cannot contain 'null' as value"),
            (json!({"$version": 1}), "Property name $version contains invalid character '$'"),
            (json!({"a": {"b.c": 1}}), "Property name b.c contains invalid character '.'"),
            (json!({"a b": 1}), "Property name a b contains invalid character ' '"),
            (json!({"a#": 1}), "Property name a# contains invalid character '#'"),
            (nested(12), "Nested depth of twin property exceeds 10"),
            (
                json!({"n": 4_503_599_627_370_496i64}),
                "Property n has an out of bound value. Valid values are between -4503599627370496 and 4503599627370495",
            ),
            (
                json!({"t": "x".repeat(4097)}),
                "Value associated with property name t has length 4097 that exceeds maximum length of 4096",
            ),
        ] {
            assert_eq!(refusal(reported, &value), words);
        }
        let long = json!({"t": "x".repeat(4097)});
        let words = "Property or Tag value should be maximum 4096 bytes. Error in Property/Tag t";
        assert_eq!(refusal(SectionKind::Tags, &long), words);
        assert!(refusal(reported, &json!({"k".repeat(1025): 1})).contains("exceeds maximum length of 1024"));
        assert!(refusal(reported, &json!({"a": u64::MAX})).contains("out of bound"));
        assert!(refusal(reported, &json!({"a\u{85}": 1})).contains("invalid character"));
    }

    #[test]
    fn counts_as_the_service_counts() {
        assert_eq!(
            counted_size(&json!({"ab": "é\u{1}", "n": 1.5, "b": true, "o": {"x": [1, false, null]}})),
            2 + 2 + 9 + 5 + 1 + 1 + 12
        );
        let of = |bytes: usize| {
            let texts = (bytes - 1) / 4096;
            let mut members: Map<String, Value> =
                (0..texts).map(|n| (format!("{n:04}"), json!("x".repeat(4092)))).collect();
            members.insert("y".into(), json!("y".repeat(bytes - texts * 4096 - 1)));
            Value::Object(members)
        };
        assert_eq!(counted_size(&of(8192)), 8192);
        assert_eq!(check_limits(SectionKind::Tags, &of(8192)), Ok(()));
        assert_eq!(refusal(SectionKind::Tags, &of(8193)), "Twin properties size 8193 exceeds maximum 8192");
        assert_eq!(check_limits(SectionKind::Desired, &of(32768)), Ok(()));
        assert_eq!(refusal(SectionKind::Reported, &of(32769)), "Twin properties size 32769 exceeds maximum 32768");
    }
}
