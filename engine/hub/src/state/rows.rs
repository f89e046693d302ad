//! The registry as rows of a query: a lookup walks the twin in place, a document is made only of rows that pass.

use std::borrow::Cow;

use serde_json::Value;
use wire::Identity;

use super::record::shown_time;
use super::registry::Entry;
use super::twins::document;
use crate::query::{Row, Segment, walk};

pub(super) struct EntryRow<'a> {
    identity: &'a Identity,
    entry: &'a Entry,
}

impl<'a> EntryRow<'a> {
    pub(super) fn of(entry: &'a Entry) -> Self {
        Self { identity: &entry.twin.identity, entry }
    }

    pub(super) fn key(&self) -> String {
        self.identity.to_string()
    }

    /// A field at the root: the plain ones at once, the others from the whole document, which costs ten times as much.
    fn computed(&self, root: &str, rest: &[Segment]) -> Option<Cow<'_, Value>> {
        if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| *name == root) {
            return plain(self.identity, self.entry).filter(|_| rest.is_empty()).map(Cow::Owned);
        }
        walk(self.document().get(root)?, rest).cloned().map(Cow::Owned)
    }
}

impl Row for EntryRow<'_> {
    fn at(&self, path: &[Segment]) -> Option<Cow<'_, Value>> {
        let [Segment::Name(root), rest @ ..] = path else { return None };
        let twin = &self.entry.twin;
        let (section, rest) = match (root.as_str(), rest) {
            ("tags", []) if twin.tags().is_empty() => return None,
            ("tags", []) => return Some(Cow::Owned(Value::Object(twin.tags().clone()))),
            ("tags", rest) => return member(twin.tags(), rest),
            ("properties", [Segment::Name(section), rest @ ..]) if section == "desired" => (twin.desired(), rest),
            ("properties", [Segment::Name(section), rest @ ..]) if section == "reported" => (twin.reported(), rest),
            _ => return self.computed(root, rest),
        };
        match rest {
            [] => Some(Cow::Owned(section.to_json_service())),
            [Segment::Name(name), rest @ ..] if name == "$metadata" => {
                walk(section.to_json_service().get(name)?, rest).cloned().map(Cow::Owned)
            }
            [Segment::Name(name)] if name == "$version" => Some(Cow::Owned(section.version().into())),
            _ => member(section.properties(), rest),
        }
    }

    fn document(&self) -> Value {
        document(self.identity, self.entry)
    }
}

/// A value below a section.
fn member<'a>(members: &'a serde_json::Map<String, Value>, path: &[Segment]) -> Option<Cow<'a, Value>> {
    let [Segment::Name(name), rest @ ..] = path else { return None };
    walk(members.get(name)?, rest).map(Cow::Borrowed)
}

/// A plain field of a twin's document; none where the document has none.
type Plain = fn(&Identity, &Entry) -> Option<Value>;

/// Must say what the document says: a test compares them.
const PLAIN: [(&str, Plain); 13] = [
    ("deviceId", |identity, _| Some(identity.device.as_str().into())),
    ("moduleId", |identity, _| identity.module.as_ref().map(|module| module.as_str().into())),
    ("etag", |_, entry| Some(entry.twin.etag().into())),
    ("deviceEtag", |_, entry| Some(entry.record.etag.as_ref().into())),
    ("status", |_, entry| Some(entry.record.status.as_str().into())),
    ("statusReason", |_, entry| entry.record.status_reason.as_deref().map(Into::into)),
    ("statusUpdateTime", |_, entry| Some(shown_time(entry.record.status_time).into())),
    ("connectionState", |_, entry| Some(entry.record.connection.as_str().into())),
    ("lastActivityTime", |_, entry| Some(shown_time(entry.record.activity).into())),
    ("cloudToDeviceMessageCount", |_, entry| Some(entry.record.waiting.into())),
    ("authenticationType", |_, entry| Some(entry.record.authentication.kind.as_str().into())),
    ("modelId", |_, entry| Some(entry.twin.model_id.as_str().into())),
    ("version", |_, entry| Some(entry.twin.version().into())),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Document;
    use crate::state::record::Record;
    use serde_json::json;
    use wire::Twin;

    /// Every path of a document, and one beside each that leads nowhere.
    fn paths(value: &Value, path: &[Segment], found: &mut Vec<Vec<Segment>>) {
        let mut below = |segment: Segment, value: &Value| {
            let path = [path, &[segment]].concat();
            found.push(path.clone());
            found.push([path.as_slice(), &[Segment::Name("none".into())]].concat());
            found.push([path.as_slice(), &[Segment::Index(7)]].concat());
            paths(value, &path, found);
        };
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| below(Segment::Name(name.clone()), value));
            }
            Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| below(Segment::Index(at), item)),
            _ => {}
        }
    }

    #[test]
    fn rows_say_what_documents_say() {
        let device = json!({"deviceId": "d", "status": "disabled", "statusReason": "why", "etag": "MQ==",
            "statusUpdatedTime": "2026-11-23T13:27:42.1180000Z", "authentication": {"type": "none"},
            "capabilities": {"iotEdge": true}, "deviceScope": "s", "parentScopes": ["p"]});
        let module = json!({"deviceId": "d", "moduleId": "m", "lastActivityTime": "2026-11-23T13:27:42.1180000Z"});
        for asked in [
            Document::Device(serde_json::from_value(device).unwrap()),
            Document::Device(serde_json::from_value(json!({"deviceId": "e"})).unwrap()),
            Document::Module(serde_json::from_value(module).unwrap()),
        ] {
            let identity = asked.identity();
            let mut twin = Twin::new(identity.clone(), std::time::UNIX_EPOCH);
            for full in [false, true] {
                if full {
                    let service =
                        json!({"tags": {"a": {"b": [1, {"c": 2}]}, "x": "y"}, "properties": {"desired": {"q": 1}}});
                    twin.replace_service(&service, std::time::UNIX_EPOCH).unwrap();
                    twin.patch_reported(br#"{"r": {"s": true}}"#, std::time::UNIX_EPOCH).unwrap();
                }
                let entry = Entry::new(Record::of(&asked), twin.clone());
                let row = EntryRow::of(&entry);
                let whole = row.document();
                let mut found: Vec<Vec<Segment>> =
                    PLAIN.iter().map(|(name, _)| vec![Segment::Name((*name).into())]).collect();
                paths(&whole, &[], &mut found);
                for path in found {
                    assert_eq!(row.at(&path).as_deref(), walk(&whole, &path), "{path:?} of {identity}");
                }
            }
        }
    }
}
