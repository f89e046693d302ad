//! What an expression sees on one device: the names of the language page, values converted only when asked for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use script::Dynamic;
use serde_json::{Map, Value, json};

use super::device::Device;
use super::frame::{Frame, Lookup};
use super::values::all;
use crate::Scope;

/// One device's names, with the frames of the step that asks.
pub(super) struct DeviceScope<'a> {
    pub(super) device: &'a Device<'a>,
    pub(super) frame: &'a Frame<'a>,
}

impl Scope for DeviceScope<'_> {
    fn get(&self, name: &str) -> Option<Dynamic> {
        let device = self.device;
        if name == "vars" {
            return Some(device.vars());
        }
        self.frame
            .find(name)
            .or_else(|| device.names.get(name))
            .or_else(|| device.play.values.get(name))
            .or_else(|| self.built_in(name))
            .or_else(|| device.facts.borrow().get(name).map(script::from_json))
    }
}

impl DeviceScope<'_> {
    fn built_in(&self, name: &str) -> Option<Dynamic> {
        let device = self.device;
        let value = match name {
            "device" if !device.on_runner => {
                let mut value = device.target.attributes.as_object().cloned().unwrap_or_default();
                value.insert("id".into(), json!(device.target.id));
                Value::Object(value)
            }
            "run" => device.play.run_value(),
            "wave" => device.play.wave_value(device.wave),
            "devices" => Value::clone(device.play.ended_devices.borrow().as_ref()?),
            _ => return None,
        };
        Some(script::from_json(&value))
    }
}

/// The values that a device has come to: registered ones, those that `set` gave, and variables of its own.
#[derive(Default)]
pub(super) struct Names(RefCell<BTreeMap<Arc<str>, Held>>);

struct Held {
    value: Value,
    kind: Kind,
}

/// Where a name came from: only registered ones are reported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Var,
    /// Registered; whether its step changed something.
    Registered(bool),
    /// Registered by a `no_log` step: seen by expressions, never reported.
    Hidden(bool),
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<Dynamic> {
        let names = self.0.borrow();
        let held = names.get(name)?;
        let value = script::from_json(&held.value);
        Some(match held.kind {
            Kind::Var => value,
            Kind::Registered(changed) | Kind::Hidden(changed) => script::mark_change(value, changed),
        })
    }

    pub(super) fn set(&self, name: &Arc<str>, value: Value, kind: Kind) {
        self.0.borrow_mut().insert(Arc::clone(name), Held { value, kind });
    }

    pub(super) fn forget(&self, name: &str) {
        self.0.borrow_mut().remove(name);
    }

    /// What was registered, for reports; leaves nothing behind.
    pub(super) fn take(&self) -> Value {
        let names = std::mem::take(&mut *self.0.borrow_mut());
        let shown = names.into_iter().filter(|(_, held)| matches!(held.kind, Kind::Registered(_)));
        Value::Object(shown.map(|(name, held)| (name.to_string(), held.value)).collect::<Map<_, _>>())
    }

    /// The variables that all devices share, with the device's own over them: `vars`.
    pub(super) fn vars(&self, shared: &IndexMap<&str, Value>) -> Value {
        let names = self.0.borrow();
        let own = names.iter().filter(|(_, held)| held.kind == Kind::Var);
        let shared = shared.iter().map(|(name, value)| (*name, value));
        all(shared.chain(own.map(|(name, held)| (name.as_ref(), &held.value))))
    }
}
