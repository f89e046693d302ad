//! Reported patches on their way: merged while they wait, one on the line at a time, kept until the hub has taken it.
//! Knows nothing of topics or connections.

use std::collections::VecDeque;

use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::outbox::{Kept, record};

/// Patches that can not be merged into one (a value deleted and then given members again) wait one behind the other.
/// More than this means that a script flips a value's shape without end while nobody takes the patches.
const MOST_WAITING: usize = 64;

/// How a report went, for the handler that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The hub has it.
    Yes,
    /// The connection is gone; it will be sent again on the next one.
    Later,
    /// The hub refused it for good; the message is the hub's.
    Refused(String),
}

/// Too many patches wait that can not be merged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("too many reports wait for the hub")]
pub(crate) struct TooMany;

#[derive(Debug, Default)]
struct Batch {
    patch: Map<String, Value>,
    waiters: Vec<oneshot::Sender<Taken>>,
    /// Of the newest patch in it.
    number: u64,
    /// Whether the disk has all of it.
    kept: Kept,
    /// Whether the file knows anything of it.
    written: bool,
}

impl Batch {
    /// Returns whether anybody heard it.
    fn tell(&mut self, taken: &Taken) -> bool {
        let mut heard = false;
        for waiter in self.waiters.drain(..) {
            heard |= waiter.send(taken.clone()).is_ok();
        }
        heard
    }
}

/// All patches of one device that the hub has not taken yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    waiting: VecDeque<Batch>,
    flying: Option<Batch>,
    numbers: u64,
    /// Those up to this one are answered, and the file does not know it; 0 is none.
    answered: u64,
}

impl Reports {
    /// Adds a patch behind all others; the receiver hears how it went.
    pub(crate) fn push(&mut self, patch: Map<String, Value>) -> Result<oneshot::Receiver<Taken>, TooMany> {
        let (sender, receiver) = oneshot::channel();
        if let Some(last) = self.waiting.back_mut()
            && let Some(merged) = compose(&last.patch, &patch)
        {
            self.numbers += 1;
            (last.patch, last.number, last.kept) = (merged, self.numbers, Kept::No);
            last.waiters.push(sender);
            return Ok(receiver);
        }
        if self.waiting.len() >= MOST_WAITING {
            return Err(TooMany);
        }
        self.numbers += 1;
        let waiters = vec![sender];
        self.waiting.push_back(Batch { patch, waiters, number: self.numbers, ..Batch::default() });
        Ok(receiver)
    }

    /// One from the file, behind those before it.
    pub(crate) fn restore(&mut self, number: u64, patch: Map<String, Value>) {
        self.numbers = self.numbers.max(number);
        match self.waiting.back_mut().and_then(|last| Some((compose(&last.patch, &patch)?, last))) {
            Some((merged, last)) => (last.patch, last.number) = (merged, number),
            None => {
                let batch = Batch { patch, waiters: Vec::new(), number, kept: Kept::Yes, written: true };
                self.waiting.push_back(batch);
            }
        }
    }

    /// Numbers up to this one were given out already.
    pub(crate) fn begin_after(&mut self, number: u64) {
        self.numbers = self.numbers.max(number);
    }

    /// Takes the next patch to send, unless one is on the line already.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        if self.flying.is_some() {
            return None;
        }
        self.flying = self.waiting.pop_front();
        self.sent()
    }

    /// The patch on the line once more.
    pub(crate) fn sent(&self) -> Option<Vec<u8>> {
        self.flying.as_ref().map(|batch| serde_json::to_vec(&batch.patch).expect("a map with text keys is JSON"))
    }

    /// The hub has answered about the patch on the line. Returns whether a handler heard it.
    pub(crate) fn settle(&mut self, taken: &Taken) -> bool {
        let Some(mut batch) = self.flying.take() else { return false };
        if batch.written {
            self.answered = batch.number;
        }
        batch.tell(taken)
    }

    /// The connection is gone: what was on the line goes first again.
    pub(crate) fn lost(&mut self) {
        if let Some(batch) = self.flying.take() {
            match self.waiting.front_mut().and_then(|next| Some((compose(&batch.patch, &next.patch)?, next))) {
                Some((merged, next)) => {
                    next.patch = merged;
                    next.waiters.extend(batch.waiters);
                    next.written |= batch.written;
                    if batch.kept != Kept::Yes {
                        next.kept = Kept::No;
                    }
                }
                None => self.waiting.push_front(batch),
            }
        }
    }

    /// Nobody is to wait for a line that is not there; for a write, if there is one under way.
    pub(crate) fn tell_kept(&mut self, on_disk: bool) {
        for batch in self.waiting.iter_mut().filter(|batch| !on_disk || batch.kept == Kept::Yes) {
            batch.tell(&Taken::Later);
        }
    }

    /// Writes down what is not on the disk yet, with this write; whether there was any.
    pub(crate) fn write_down(&mut self, to: &mut Vec<u8>, write: u64) -> bool {
        let before = to.len();
        for batch in self.waiting.iter_mut().filter(|batch| batch.kept == Kept::No) {
            record::put_report(to, batch.number, &batch.patch);
            (batch.kept, batch.written) = (Kept::With(write), true);
        }
        to.len() > before
    }

    /// Writes down which are answered.
    pub(crate) fn strike_out(&mut self, to: &mut Vec<u8>) {
        match std::mem::take(&mut self.answered) {
            0 => {}
            number => record::put_reports_done(to, number),
        }
    }

    /// Writes down all of it that was ever written.
    pub(crate) fn write_all(&self, to: &mut Vec<u8>) {
        for batch in self.flying.iter().chain(&self.waiting).filter(|batch| batch.written) {
            record::put_report(to, batch.number, &batch.patch);
        }
    }

    /// A write is done. A patch that it could not keep stays, and its sender hears that nobody promises it.
    pub(crate) fn written(&mut self, write: u64, failed: Option<&str>) {
        for batch in self.flying.iter_mut().chain(&mut self.waiting) {
            if batch.kept.settle(write, failed.is_none())
                && let Some(why) = failed
            {
                batch.tell(&Taken::Refused(format!("the report cannot be kept: {why}")));
            }
        }
    }

    /// Applies all patches that the hub has not taken to what it last said.
    pub(crate) fn apply_to(&self, reported: &mut Map<String, Value>) {
        for batch in self.flying.iter().chain(&self.waiting) {
            merge(reported, &batch.patch);
        }
    }

    /// Whether everything was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.flying.is_none() && self.waiting.is_empty()
    }
}

/// Applies a JSON merge patch (RFC 7396) to an object: members recurse, null removes, all else replaces.
pub(crate) fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, change) in patch {
        match change {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(members) => {
                let slot = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                merge(slot.as_object_mut().expect("made an object above"), members);
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// One patch that does what `first` and then `second` would do, whatever they are applied to; none if there is no such patch:
/// a merge patch can not say "replace by this object", which is what giving members to a deleted value asks for.
fn compose(first: &Map<String, Value>, second: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut merged = first.clone();
    for (key, change) in second {
        let composed = match (merged.get(key), change) {
            (Some(Value::Object(old)), Value::Object(new)) => Value::Object(compose(old, new)?),
            (Some(_), Value::Object(_)) => return None,
            _ => change.clone(),
        };
        merged.insert(key.clone(), composed);
    }
    Some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("not an object: {other}"),
        }
    }

    fn sent(reports: &mut Reports) -> Option<Value> {
        reports.take().map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn what_waits_is_merged_and_what_flies_is_not() {
        let mut reports = Reports::default();
        let mut first = reports.push(object(json!({"a": 1}))).unwrap();
        assert_eq!(sent(&mut reports), Some(json!({"a": 1})));
        let mut second = reports.push(object(json!({"b": 1, "c": {"x": 1}}))).unwrap();
        reports.push(object(json!({"b": null, "c": {"y": 2}}))).unwrap();
        assert_eq!(sent(&mut reports), None, "one at a time");
        reports.settle(&Taken::Yes);
        assert_eq!(first.try_recv(), Ok(Taken::Yes));
        assert_eq!(sent(&mut reports), Some(json!({"b": null, "c": {"x": 1, "y": 2}})));
        reports.settle(&Taken::Refused("no".into()));
        assert_eq!(second.try_recv(), Ok(Taken::Refused("no".into())));
        assert!(reports.is_empty());
    }

    #[test]
    fn a_lost_connection_sends_again_in_order_and_lets_handlers_go() {
        let mut reports = Reports::default();
        let mut first = reports.push(object(json!({"a": 1, "b": 1}))).unwrap();
        assert!(reports.take().is_some());
        let mut second = reports.push(object(json!({"a": 2}))).unwrap();
        reports.lost();
        reports.tell_kept(false);
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(Taken::Later), Ok(Taken::Later)));
        assert_eq!(sent(&mut reports), Some(json!({"a": 2, "b": 1})));
        reports.lost();
        assert_eq!(sent(&mut reports), Some(json!({"a": 2, "b": 1})));
    }

    #[test]
    fn patches_that_do_not_merge_wait_in_line_up_to_a_bound() {
        let mut reports = Reports::default();
        let mut view = object(json!({"k": {"old": 1}}));
        for _ in 1..MOST_WAITING {
            reports.push(object(json!({"k": null}))).unwrap();
            reports.push(object(json!({"k": {"new": 1}}))).unwrap();
        }
        reports.push(object(json!({"k": {"newer": 1}}))).unwrap();
        reports.apply_to(&mut view);
        assert_eq!(Value::Object(view), json!({"k": {"new": 1, "newer": 1}}));
        reports.push(object(json!({"k": 1}))).unwrap();
        assert_eq!(reports.push(object(json!({"k": {}}))).unwrap_err(), TooMany);
    }

    fn value(depth: u32) -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), (0..3i64).prop_map(Value::from), Just(json!([1, null]))];
        leaf.prop_recursive(depth, 12, 3, |inner| {
            proptest::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        })
    }

    fn patch() -> impl Strategy<Value = Map<String, Value>> {
        proptest::collection::btree_map("[abc]", value(3), 0..3).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_composed_patch_does_what_both_do(base in patch(), first in patch(), second in patch()) {
            let mut start = Map::new();
            merge(&mut start, &base);
            if let Some(both) = compose(&first, &second) {
                let (mut one, mut two) = (start.clone(), start);
                merge(&mut one, &first);
                merge(&mut one, &second);
                merge(&mut two, &both);
                prop_assert_eq!(one, two);
            }
        }

        #[test]
        fn nothing_is_lost_over_any_number_of_cuts(base in patch(), patches in proptest::collection::vec((patch(), any::<bool>(), any::<bool>()), 0..12)) {
            let (mut hub, mut expected, mut reports) = (Map::new(), Map::new(), Reports::default());
            merge(&mut hub, &base);
            merge(&mut expected, &base);
            for (patch, send, cut) in patches {
                merge(&mut expected, &patch);
                reports.push(patch).unwrap();
                if send && let Some(bytes) = reports.take() {
                    // The hub takes it; the word of it is lost or arrives.
                    merge(&mut hub, &serde_json::from_slice(&bytes).unwrap());
                    if cut {
                        reports.lost();
                    } else {
                        reports.settle(&Taken::Yes);
                    }
                }
            }
            while let Some(bytes) = reports.take() {
                merge(&mut hub, &serde_json::from_slice(&bytes).unwrap());
                reports.settle(&Taken::Yes);
            }
            prop_assert_eq!(hub, expected);
        }
    }
}
