//! Script values and JSON, both ways, and cutting a value loose from what it shares with others.
//! Deep values are cut off: whoever walks one needs stack, and so does whoever drops it.

use rhai::{Dynamic, FnPtr};
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::dialect::Version;

/// What serde_json reads at most, so that whatever we write can be read again.
pub(crate) const DEEPEST: usize = 120;

/// Bytes that are not JSON.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct JsonError(#[from] serde_json::Error);

/// Tags of values that a step registered.
const UNCHANGED: i32 = 1;
const CHANGED: i32 = 2;

/// Marks a value as registered by a step that changed something, or nothing: what `changed(value)` answers. The mark is the
/// value's own; neither its parts nor its JSON have it.
pub fn mark_change(mut value: Dynamic, changed: bool) -> Dynamic {
    value.set_tag(if changed { CHANGED } else { UNCHANGED });
    value
}

/// What the mark says; nothing when there is none.
pub(crate) fn change_of(value: &Dynamic) -> Option<bool> {
    match value.flatten_clone().tag() {
        CHANGED => Some(true),
        UNCHANGED => Some(false),
        _ => None,
    }
}

/// The value as JSON: `()` is null, bytes are base64, functions and other values of the host are text. Not-a-number and
/// infinity are null; what is nested deeper than 120 levels is the text `(nested too deeply)`.
pub fn to_json(value: &Dynamic) -> Value {
    json(value, DEEPEST)
}

fn json(value: &Dynamic, left: usize) -> Value {
    if value.is_unit() {
        return Value::Null;
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Value::String(text.to_string());
    }
    if let Ok(number) = value.as_int() {
        return number.into();
    }
    if let Ok(truth) = value.as_bool() {
        return truth.into();
    }
    if let Ok(number) = value.as_float() {
        return Number::from_f64(number).map_or(Value::Null, Value::Number);
    }
    if left == 0 {
        return Value::String("(nested too deeply)".to_owned());
    }
    if let Ok(map) = value.as_map_ref() {
        let entries = map.iter().map(|(key, value)| (key.to_string(), json(value, left - 1)));
        return Value::Object(entries.collect::<Map<_, _>>());
    }
    if let Ok(list) = value.as_array_ref() {
        return list.iter().map(|value| json(value, left - 1)).collect();
    }
    if let Ok(bytes) = value.as_blob_ref() {
        use base64::Engine as _;
        return Value::String(base64::prelude::BASE64_STANDARD.encode(&*bytes));
    }
    if let Some(version) = value.read_lock::<Version>() {
        return Value::String(version.to_string());
    }
    Value::String(value.to_string())
}

/// JSON as a script's value: null is `()`; a whole number beyond 64 signed bits becomes a number with a point.
pub fn from_json(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Dynamic::from_float(number.as_f64().unwrap_or(f64::MAX)), Dynamic::from_int)
        }
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Dynamic::from_array(items.iter().map(from_json).collect()),
        Value::Object(entries) => {
            Dynamic::from_map(entries.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect())
        }
    }
}

/// JSON text as a script's value, without the detour over [`Value`].
///
/// # Errors
/// Text that is not JSON, with line and column.
pub fn from_json_bytes(bytes: &[u8]) -> Result<Dynamic, JsonError> {
    Ok(serde_json::from_slice(bytes)?)
}

/// Values looked at when a value is checked or copied. Closures can share what they captured, so that a small value is an
/// exponentially large tree.
const MOST_VALUES: usize = 1_000_000;

/// Whether a value can leave the coroutine: walking and dropping it needs little stack and time, and [`to_json`] cuts
/// nothing off.
pub(crate) fn is_shallow(value: &Dynamic) -> bool {
    is_shallow_within(value, usize::MAX)
}

/// The same, and its texts, names and blobs have no more than so many bytes. One text in many places costs a script nothing; written out
/// it is there as many times.
pub fn is_shallow_within(value: &Dynamic, bytes: usize) -> bool {
    shallow(value, DEEPEST, &mut Room { values: MOST_VALUES, bytes })
}

/// What a walk over a value may meet yet.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    /// Takes what this value needs, its parts not counted.
    fn take(&mut self, value: &Dynamic) -> bool {
        let bytes = if let Ok(text) = value.as_immutable_string_ref() {
            text.len()
        } else if let Ok(blob) = value.as_blob_ref() {
            blob.len()
        } else if let Ok(map) = value.as_map_ref() {
            map.keys().map(|key| key.len()).sum()
        } else {
            0
        };
        let (Some(values), Some(left)) = (self.values.checked_sub(1), self.bytes.checked_sub(bytes)) else {
            return false;
        };
        (self.values, self.bytes) = (values, left);
        true
    }
}

fn shallow(value: &Dynamic, left: usize, room: &mut Room) -> bool {
    if !room.take(value) {
        return false;
    }
    let mut inner = |value: &Dynamic| left > 0 && shallow(value, left - 1, room);
    if let Ok(map) = value.as_map_ref() {
        left > 0 && map.values().all(inner)
    } else if let Ok(list) = value.as_array_ref() {
        left > 0 && list.iter().all(inner)
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        function.iter_curry().all(&mut inner)
    } else {
        true
    }
}

/// A copy that shares nothing: captured variables become plain values, all the way down. `None` when it is nested too
/// deeply, as is a closure that captures itself, or is too large.
pub(crate) fn detach(value: &Dynamic) -> Option<Dynamic> {
    if is_shallow(value) { copy(value) } else { None }
}

/// Of a value that is shallow.
fn copy(value: &Dynamic) -> Option<Dynamic> {
    let plain = value.flatten_clone();
    if plain.is_map() {
        let entries = plain
            .as_map_ref()
            .ok()?
            .iter()
            .map(|(key, value)| Some((key.clone(), copy(value)?)))
            .collect::<Option<_>>()?;
        return Some(Dynamic::from_map(entries));
    }
    if plain.is_array() {
        return Some(Dynamic::from_array(plain.as_array_ref().ok()?.iter().map(copy).collect::<Option<_>>()?));
    }
    match plain.try_cast_result::<FnPtr>() {
        Ok(mut function) => {
            for captured in function.iter_curry_mut() {
                *captured = copy(captured)?;
            }
            Some(function.into())
        }
        Err(other) => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1.0e9..1.0e9).prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z]{0,3}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_round_trips(value in any_json()) {
            prop_assert_eq!(&to_json(&from_json(&value)), &value);
            let bytes = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(to_json(&from_json_bytes(&bytes).unwrap()), value);
        }
    }

    #[test]
    fn what_json_has_no_word_for() {
        assert_eq!(to_json(&Dynamic::from_float(f64::NAN)), Value::Null);
        assert_eq!(to_json(&Dynamic::from_blob(vec![1, 2])), json!("AQI="));
        assert_eq!(to_json(&Dynamic::from('x')), json!("x"));
        assert_eq!(to_json(&from_json(&json!(u64::MAX))), json!(u64::MAX as f64));
        assert!(from_json_bytes(b"{").is_err());
    }

    #[test]
    fn deep_values_are_cut_off() {
        let mut deep = Dynamic::UNIT;
        for _ in 0..DEEPEST + 5 {
            deep = Dynamic::from_array(vec![deep]);
        }
        assert!(!is_shallow(&deep));
        assert!(detach(&deep).is_none());
        assert!(to_json(&deep).to_string().contains("(nested too deeply)"));
    }
}
