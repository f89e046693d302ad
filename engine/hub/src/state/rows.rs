//! The registry as rows of a query: a lookup walks the twin in place, a document is made only of rows that pass.

use std::borrow::Cow;
use std::time::SystemTime;

use serde_json::Value;
use wire::{DeviceId, Identity, ModuleId};

use super::HubState;
use super::record::shown_time;
use super::registry::Entry;
use super::twins::document;
use crate::query::{Collection, Query, Row, Segment, walk};

/// Rows looked at before others get their turn: some 0.5 ms with the state held.
const TURN: usize = 1_000;

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PageStart {
    /// The last identity of the page before.
    pub(crate) after: Option<Identity>,
    /// Rows of all pages before, for TOP.
    pub(crate) sent: u64,
}

/// Rows, and where the next page begins, if there is one.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<Value>,
    pub(crate) next: Option<PageStart>,
}

struct EntryRow<'a> {
    identity: &'a Identity,
    entry: &'a Entry,
}

impl Row for EntryRow<'_> {
    fn at(&self, path: &[Segment]) -> Option<Cow<'_, Value>> {
        let [Segment::Name(root), rest @ ..] = path else { return None };
        let twin = &self.entry.twin;
        if root.eq_ignore_ascii_case("tags") {
            return members(twin.tags(), rest);
        }
        if root.eq_ignore_ascii_case("properties") {
            let [Segment::Name(section), rest @ ..] = rest else { return self.computed(root, rest) };
            let section = match section.as_str() {
                "desired" => twin.desired(),
                "reported" => twin.reported(),
                _ => return None,
            };
            return match rest {
                [Segment::Name(name), rest @ ..] if name == "$metadata" => {
                    let whole = section.to_json_service();
                    walk(whole.get(name)?, rest).cloned().map(Cow::Owned)
                }
                [Segment::Name(name)] if name == "$version" => Some(Cow::Owned(section.version().into())),
                _ => members(section.properties(), rest),
            };
        }
        self.computed(root, rest)
    }
}

impl EntryRow<'_> {
    /// A field at the root: the plain ones at once, the others from the whole document, which costs ten times as much.
    fn computed(&self, root: &str, rest: &[Segment]) -> Option<Cow<'_, Value>> {
        let is = |name: &str| root.eq_ignore_ascii_case(name);
        if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| is(name)) {
            return plain(self.identity, self.entry).filter(|_| rest.is_empty()).map(Cow::Owned);
        }
        let Value::Object(whole) = document(self.identity, self.entry) else { return None };
        let (_, value) = whole.into_iter().find(|(name, _)| is(name))?;
        walk(&value, rest).cloned().map(Cow::Owned)
    }
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
    ("cloudToDeviceMessageCount", |_, _| Some(0.into())),
    ("authenticationType", |_, entry| Some(entry.record.authentication.kind.as_str().into())),
    ("modelId", |_, entry| Some(entry.twin.model_id.as_str().into())),
    ("version", |_, entry| Some(entry.twin.version().into())),
];

/// A value below a section; the section itself is built, as hardly anyone asks for it.
fn members<'a>(members: &'a serde_json::Map<String, Value>, path: &[Segment]) -> Option<Cow<'a, Value>> {
    match path {
        [] if members.is_empty() => None,
        [] => Some(Cow::Owned(Value::Object(members.clone()))),
        [Segment::Name(name), rest @ ..] => walk(members.get(name)?, rest).map(Cow::Borrowed),
        [Segment::Index(_), ..] => None,
    }
}

/// A page under way.
struct Scan<'a> {
    query: &'a Query,
    rows: Vec<Value>,
    /// The last row taken.
    after: Option<Identity>,
    sent: u64,
    size: usize,
    full: bool,
    now: SystemTime,
}

impl Scan<'_> {
    /// Takes a row that passes; sets `full` when there is one more than fits.
    fn look(&mut self, identity: Identity, entry: &Entry) {
        let Some(entry) = entry.as_queried(self.now) else { return };
        let row = EntryRow { identity: &identity, entry };
        if self.query.condition.as_ref().is_none_or(|condition| condition.passes(&row)) {
            if self.rows.len() >= self.size {
                self.full = true;
                return;
            }
            self.rows.push(document(&identity, entry));
            self.sent += 1;
            self.after = Some(identity);
        }
    }

    fn is_done(&self) -> bool {
        self.full || self.query.top.is_some_and(|top| self.sent >= top)
    }
}

impl HubState {
    /// One page of a query's rows, in order of id. Others get their turn between a thousand rows looked at.
    pub(crate) async fn query(&self, query: &Query, start: PageStart, size: usize) -> Page {
        let now = self.clock.now();
        let mut scan =
            Scan { query, rows: Vec::new(), after: start.after.clone(), sent: start.sent, size, full: false, now };
        let mut at = start.after;
        if !scan.is_done() && !self.named(&mut scan) {
            while self.turn(&mut scan, &mut at) {
                tokio::task::yield_now().await;
            }
        }
        let next = scan.full.then(|| PageStart { after: scan.after.clone(), sent: scan.sent });
        Page { rows: scan.rows, next }
    }

    /// A query for named devices looks at no others. Says whether this was one.
    fn named(&self, scan: &mut Scan<'_>) -> bool {
        if scan.query.collection != Collection::Devices {
            return false;
        }
        let Some(ids) = scan.query.condition.as_ref().and_then(|condition| condition.device_ids()) else {
            return false;
        };
        let mut ids: Vec<DeviceId> = ids.into_iter().filter_map(|id| id.parse().ok()).collect();
        ids.sort();
        ids.dedup();
        let after = scan.after.clone().map(|after| after.device);
        let inner = self.inner();
        for id in ids.into_iter().filter(|id| after.as_ref().is_none_or(|after| id > after)) {
            let identity = Identity::device(id);
            if let Some(entry) = inner.registry.get(&identity) {
                scan.look(identity, entry);
            }
            if scan.is_done() {
                break;
            }
        }
        true
    }

    /// Looks at the next rows; says whether there may be more.
    fn turn(&self, scan: &mut Scan<'_>, at: &mut Option<Identity>) -> bool {
        let inner = self.inner();
        let mut looked = 0;
        let from = at.as_ref().map(|at| at.device.clone());
        // Modules of the device where the last page ended may be left.
        if let (Collection::Modules, Some(Identity { device, module })) = (scan.query.collection, at.clone()) {
            for (id, entry) in inner.registry.modules(&device).filter(|(id, _)| behind(id, module.as_ref())) {
                scan.look(Identity::module(device.clone(), id.clone()), entry);
                if scan.is_done() {
                    return false;
                }
            }
        }
        for (device, entry) in inner.registry.devices_after(from.as_ref()) {
            looked += 1;
            match scan.query.collection {
                Collection::Devices => scan.look(Identity::device(device.clone()), entry),
                Collection::Modules => {
                    for (id, entry) in inner.registry.modules(device) {
                        scan.look(Identity::module(device.clone(), id.clone()), entry);
                        if scan.is_done() {
                            return false;
                        }
                    }
                }
            }
            if scan.is_done() {
                return false;
            }
            if looked == TURN {
                // All of this device's modules have been looked at: nothing is behind the last possible one.
                *at = Some(Identity::device(device.clone()));
                return true;
            }
        }
        false
    }
}

/// Modules that come after the last one of a page; after a whole device, none.
fn behind(id: &ModuleId, last: Option<&ModuleId>) -> bool {
    last.is_some_and(|last| id > last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Document;
    use crate::state::record::Record;
    use serde_json::json;
    use wire::Twin;

    #[test]
    fn plain_fields_say_what_the_document_says() {
        let device = json!({"deviceId": "d", "status": "disabled", "statusReason": "why", "etag": "MQ==",
            "statusUpdatedTime": "2026-11-23T13:27:42.1180000Z", "authentication": {"type": "none"}});
        let module = json!({"deviceId": "d", "moduleId": "m", "lastActivityTime": "2026-11-23T13:27:42.1180000Z"});
        for asked in [
            Document::Device(serde_json::from_value(device).unwrap()),
            Document::Device(serde_json::from_value(json!({"deviceId": "e"})).unwrap()),
            Document::Module(serde_json::from_value(module).unwrap()),
        ] {
            let identity = asked.identity();
            let twin = Twin::new(identity.clone(), std::time::UNIX_EPOCH);
            let entry = Entry::new(Record::of(&asked), twin);
            let whole = document(&identity, &entry);
            let row = EntryRow { identity: &identity, entry: &entry };
            for (name, _) in PLAIN {
                let path = [Segment::Name(name.to_ascii_uppercase())];
                assert_eq!(row.at(&path).as_deref(), whole.get(name), "{name} of {identity}");
            }
        }
    }
}
