//! Known secrets, hidden inside values: before these become text, in which a quote or a backslash would hide one from the mask.

use std::borrow::Cow;

use base::Mask;
use serde_json::Value;

/// Hides known secrets in every text, keys too.
pub(super) fn mask(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(masked) = Mask::process().apply(text) {
                *text = masked;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => {
            let shown = |key: &String| matches!(Mask::process().apply(key), Cow::Borrowed(_));
            if !members.keys().all(shown) {
                let taken = std::mem::take(members);
                members.extend(taken.into_iter().map(|(key, value)| (Mask::process().apply(&key).into_owned(), value)));
            }
            members.values_mut().for_each(mask);
        }
        _ => {}
    }
}
