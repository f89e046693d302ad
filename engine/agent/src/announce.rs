//! What a device says of itself in its twin, if that is wanted: `reported.iotplay` with its methods, what they take, and which
//! scripts they come from. Everything in it is replaced as a whole, so that nothing old stays.

use std::rc::Rc;

use base::Seed;
use script::Bundle;
use serde_json::{Map, Value, json};

use crate::device::Device;
use crate::scripts::Scripts;

/// The member of the reported properties.
const MEMBER: &str = "iotplay";

/// Bytes of an announcement: a quarter of what a twin can hold. One that is longer leaves out parameters, then names.
const MOST: usize = 8 * 1024;

/// A number for what the scripts consist of: the same texts have the same one, on every machine.
pub(crate) fn version(bundle: &Bundle) -> String {
    let texts = bundle.sources().iter().fold(Seed(0), |seed, source| seed.of(source.name()).of(source.text()));
    format!("{:016x}", texts.0)
}

/// The announcement of these scripts.
fn document(scripts: &Scripts) -> Value {
    let methods: Vec<&str> = scripts.methods.keys().map(AsRef::as_ref).collect();
    let takes = scripts.methods.iter().filter(|(_, handler)| !handler.params.is_empty());
    let takes: Vec<Value> =
        takes.map(|(name, handler)| json!({ "method": &**name, "takes": handler.params.to_json() })).collect();
    let mut document = json!({
        "agent": env!("CARGO_PKG_VERSION"), "scripts": scripts.version, "methods": methods, "params": takes,
    });
    for part in ["params", "methods"] {
        if document.to_string().len() > MOST {
            document[part] = Value::Null;
        }
    }
    document
}

/// Reports it, unless the twin says so already.
pub(crate) fn announce(device: &Rc<Device>) {
    if !device.lane.habits.announce || device.outbox.connection() == 0 {
        return;
    }
    let document = document(&device.lane.scripts.current());
    let mut known = document.clone();
    known.as_object_mut().expect("made as one").retain(|_, value| !value.is_null());
    if device.twin.borrow().reported().get(MEMBER) == Some(&known) {
        return;
    }
    let mut patch = Map::new();
    patch.insert(MEMBER.to_owned(), document);
    device.twin.borrow_mut().report(&patch);
    // A refusal is told as a fault, since nobody hears it here; too many that wait are the script's trouble.
    drop(device.outbox.report(patch));
}
