//! The names that come and go while a device walks: `item`, `attempt`, `result`, `error`, and a step's own `vars`. An inner
//! frame hides the outer ones.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use script::Dynamic;
use serde_json::Value;

/// A name: one of the language's, or one of the playbook's.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Name {
    Fixed(&'static str),
    Own(Arc<str>),
}

/// This attempt's value.
const RESULT: &str = "result";

impl Name {
    fn is(&self, name: &str) -> bool {
        match self {
            Self::Fixed(fixed) => *fixed == name,
            Self::Own(own) => own.as_ref() == name,
        }
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::Fixed(name)
    }
}

impl From<&Arc<str>> for Name {
    fn from(name: &Arc<str>) -> Self {
        Self::Own(Arc::clone(name))
    }
}

/// Where a device is in its playbook: the steps around, outermost first, each with its round (of a loop or of attempts, from 1;
/// 0 before the first). Places of one playbook are passed in their order.
pub(super) type Place = Vec<(usize, usize)>;

/// Something that knows values by name: hides how deep frames are nested.
pub(super) trait Lookup {
    fn find(&self, name: &str) -> Option<Dynamic>;

    fn add_place(&self, place: &mut Place);
}

/// Names of one step, item or block, over those around it.
#[derive(Default)]
pub(super) struct Frame<'a> {
    outer: Option<&'a dyn Lookup>,
    round: Cell<Option<(usize, usize)>>,
    names: RefCell<Vec<(Name, Value)>>,
    /// Whether this attempt changed something: what `changed(result)` says.
    changed: Cell<Option<bool>>,
}

impl<'a> Frame<'a> {
    /// A frame without names inside another.
    pub(super) fn inside(outer: &'a Frame<'_>) -> Self {
        Self { outer: Some(outer), ..Self::default() }
    }

    /// Which round of a step this is.
    pub(super) fn round(&self, step: usize, round: usize) {
        self.round.set(Some((step, round)));
    }

    /// Where whoever has this frame is.
    pub(super) fn place(&self) -> Place {
        let mut place = Place::new();
        self.add_place(&mut place);
        place
    }

    /// Gives a name a value, in this frame.
    pub(super) fn set(&self, name: impl Into<Name>, value: Value) {
        let name = name.into();
        let mut names = self.names.borrow_mut();
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => names.push((name, value)),
        }
    }

    /// Puts this attempt's value in sight, and whether it changed something.
    pub(super) fn set_result(&self, value: Value, changed: bool) {
        self.changed.set(Some(changed));
        self.set(RESULT, value);
    }

    /// Takes a name's value back, out of this frame.
    pub(super) fn take(&self, name: &str) -> Value {
        let mut names = self.names.borrow_mut();
        match names.iter().position(|(known, _)| known.is(name)) {
            Some(index) => names.swap_remove(index).1,
            None => Value::Null,
        }
    }
}

impl Lookup for Frame<'_> {
    fn find(&self, name: &str) -> Option<Dynamic> {
        let names = self.names.borrow();
        match names.iter().find(|(known, _)| known.is(name)) {
            Some((_, value)) => {
                let value = script::from_json(value);
                Some(match self.changed.get() {
                    Some(changed) if name == RESULT => script::mark_change(value, changed),
                    _ => value,
                })
            }
            None => self.outer?.find(name),
        }
    }

    fn add_place(&self, place: &mut Place) {
        if let Some(outer) = self.outer {
            outer.add_place(place);
        }
        place.extend(self.round.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn inner_names_hide_outer_ones_and_are_taken_back() {
        let outer = Frame::default();
        outer.set("item", json!(1));
        let inner = Frame::inside(&outer);
        assert_eq!(inner.find("item").and_then(|value| value.as_int().ok()), Some(1));
        inner.set("item", json!(2));
        assert_eq!(inner.find("item").and_then(|value| value.as_int().ok()), Some(2));
        assert_eq!(inner.take("item"), json!(2));
        assert_eq!(inner.find("item").and_then(|value| value.as_int().ok()), Some(1));
        assert!(inner.find("other").is_none());
    }
}
