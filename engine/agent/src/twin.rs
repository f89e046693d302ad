//! What the device knows of its twin: both sections and the desired version. Knows nothing of how they arrive.

use serde_json::{Map, Value};

use crate::reports::merge;

/// A body that is not what a hub sends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TwinError {
    #[error("the twin is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the twin has no `{0}` object")]
    Section(&'static str),
}

/// The device's copy of its twin.
#[derive(Debug, Default)]
pub(crate) struct Twin {
    desired: Map<String, Value>,
    reported: Map<String, Value>,
    /// Version of the desired section; 0 before the first answer.
    version: u64,
    /// The newest desired version that was announced, known or not.
    announced: u64,
    known: bool,
}

impl Twin {
    /// Takes the hub's answer to a twin request. Returns `false` when a newer change was announced meanwhile, so that
    /// the answer is stale and must be asked for again.
    pub(crate) fn replace(&mut self, body: &[u8]) -> Result<bool, TwinError> {
        let mut whole: Map<String, Value> = serde_json::from_slice(body)?;
        let mut section = |name| match whole.remove(name) {
            Some(Value::Object(map)) => Ok(map),
            _ => Err(TwinError::Section(name)),
        };
        let (mut desired, mut reported) = (section("desired")?, section("reported")?);
        let version = desired.remove("$version").and_then(|version| version.as_u64()).unwrap_or(1);
        reported.remove("$version");
        (self.desired, self.reported, self.version, self.known) = (desired, reported, version, true);
        Ok(self.announced <= version)
    }

    /// Takes a change of the desired section. Returns the patch when it is the next one; none when it is old; and an
    /// error's stand-in, `Missed`, when one before it never arrived or nothing is known yet.
    pub(crate) fn change(&mut self, version: u64, patch: &[u8]) -> Result<Change, TwinError> {
        let mut patch: Map<String, Value> = serde_json::from_slice(patch)?;
        patch.remove("$version");
        self.announced = self.announced.max(version);
        if self.known && version <= self.version {
            return Ok(Change::Old);
        }
        if !self.known || version != self.version + 1 {
            return Ok(Change::Missed);
        }
        merge(&mut self.desired, &patch);
        self.version = version;
        Ok(Change::Applied(patch))
    }

    /// The connection is gone: changes may be missed from here on, and numbers may start anew on another hub.
    pub(crate) fn lost(&mut self) {
        self.known = false;
        self.announced = 0;
    }

    /// Takes a patch that the device reports.
    pub(crate) fn report(&mut self, patch: &Map<String, Value>) {
        merge(&mut self.reported, patch);
    }

    pub(crate) fn desired(&self) -> &Map<String, Value> {
        &self.desired
    }

    pub(crate) fn reported(&self) -> &Map<String, Value> {
        &self.reported
    }

    pub(crate) fn reported_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.reported
    }

    /// The desired section's version; 0 before the first answer.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The desired value at a dotted path; an empty path is the whole section.
    pub(crate) fn desired_at(&self, path: &str) -> Option<Value> {
        if path.is_empty() { Some(Value::Object(self.desired.clone())) } else { at(&self.desired, path).cloned() }
    }
}

/// The value at a dotted path of at least one name.
pub(crate) fn at<'a>(section: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = section.get(first)?;
    match rest {
        None => Some(value),
        Some(rest) => at(value.as_object()?, rest),
    }
}

/// What a change of the desired section came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    /// It is in force; the patch, without its version.
    Applied(Map<String, Value>),
    /// It was in force already.
    Old,
    /// Another one is missing before it: ask for the whole twin.
    Missed,
}

/// Whether a patch says anything about a dotted path: about itself, something in it, or something around it.
pub(crate) fn touches(patch: &Map<String, Value>, path: &str) -> bool {
    if path.is_empty() {
        return !patch.is_empty();
    }
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (patch.get(first), rest) {
        (None, _) => false,
        (Some(Value::Object(inner)), Some(rest)) => touches(inner, rest),
        (Some(_), _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn twin(version: u64, desired: Value) -> Vec<u8> {
        let mut desired = desired;
        desired["$version"] = json!(version);
        json!({"desired": desired, "reported": {"r": 1, "$version": 9}}).to_string().into_bytes()
    }

    fn patch(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn versions_are_kept_apart_from_the_properties() {
        let mut known = Twin::default();
        assert_eq!(known.version(), 0);
        assert!(known.replace(&twin(3, json!({"a": {"b": 1}}))).unwrap());
        assert_eq!(known.desired(), &patch(json!({"a": {"b": 1}})));
        assert_eq!(known.reported(), &patch(json!({"r": 1})));
        assert_eq!(known.desired_at("a.b"), Some(json!(1)));
        assert_eq!(known.desired_at("a.b.c"), None);
        assert_eq!(known.desired_at(""), Some(json!({"a": {"b": 1}})));
    }

    #[test]
    fn changes_apply_in_order_and_a_gap_is_noticed() {
        let mut known = Twin::default();
        assert_eq!(known.change(4, br#"{"a":1,"$version":4}"#).unwrap(), Change::Missed, "nothing known yet");
        assert!(!known.replace(&twin(3, json!({}))).unwrap(), "older than what was announced");
        assert!(known.replace(&twin(4, json!({"a": 1}))).unwrap());
        assert_eq!(known.change(4, br#"{"a":1,"$version":4}"#).unwrap(), Change::Old);
        assert_eq!(
            known.change(5, br#"{"a":null,"b":2,"$version":5}"#).unwrap(),
            Change::Applied(patch(json!({"a": null, "b": 2})))
        );
        assert_eq!((known.desired(), known.version()), (&patch(json!({"b": 2})), 5));
        assert_eq!(known.change(7, br#"{"c":1,"$version":7}"#).unwrap(), Change::Missed);
    }

    #[test]
    fn a_body_from_nowhere_is_an_error() {
        let mut known = Twin::default();
        for body in [&b""[..], b"[]", b"{}", br#"{"desired":{}}"#, br#"{"desired":1,"reported":{}}"#] {
            assert!(known.replace(body).is_err(), "{body:?}");
        }
        assert!(known.change(2, b"nonsense").is_err());
    }

    #[test]
    fn a_path_is_touched_from_inside_and_from_around() {
        let change = patch(json!({"config": {"interval": 5}, "gone": null}));
        for (path, expected) in [
            ("", true),
            ("config", true),
            ("config.interval", true),
            ("config.interval.deep", true),
            ("config.other", false),
            ("gone", true),
            ("gone.inner", true),
            ("else", false),
        ] {
            assert_eq!(touches(&change, path), expected, "{path}");
        }
    }
}
