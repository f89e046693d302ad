//! `device`: its id, twin, messages, timers and restarts.

use std::rc::Rc;
use std::sync::Arc;

use rhai::{FuncRegistration, Map as RhaiMap};
use script::{Caller, Dynamic, FnPtr, ImmutableString, Module, NativeCallContext, from_json, wait};
use serde_json::{Map, Value};
use wire::limits::{D2C_BYTES, PROPERTIES_SIZE, TOPIC_BYTES};
use wire::{DeviceTopic, PropertyBag, property};

use super::native::{self, Answer, call, duration_of, fail, failed, object, throw};
use super::state::StateRef;
use crate::call::Call;
use crate::device::Device;
use crate::outbox::Wish;
use crate::reboot::{self, Kind};
use crate::reports::Taken;
use crate::timers;

/// `device` in a script: a name. What it does, it does for the device whose call it is used in.
#[derive(Clone, Debug)]
pub(crate) struct DeviceRef(Arc<str>);

impl DeviceRef {
    /// The device as a script's value.
    pub(crate) fn of(device: &Device) -> Self {
        Self(device.identity.to_string().into())
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<DeviceRef>("device");
    FuncRegistration::new_getter("id")
        .set_into_module(module, |device: &mut DeviceRef| ImmutableString::from(&*device.0));
    FuncRegistration::new_getter("boot_id")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef| boot_id(&ncc));
    for name in ["to_string", "to_debug"] {
        FuncRegistration::new(name).set_into_module(module, |device: &mut DeviceRef| ImmutableString::from(&*device.0));
    }
    method("report").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, patch: RhaiMap| {
        report(&ncc, &*call(&ncc)?, object(patch)?)
    });
    method("desired").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef| desired(&ncc));
    method("reported").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef| reported(&ncc));
    method("send").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, body: Dynamic| {
        send(&ncc, &body, RhaiMap::new())
    });
    method("send").set_into_module(
        module,
        |ncc: NativeCallContext<'_>, _: &mut DeviceRef, body: Dynamic, properties: RhaiMap| {
            send(&ncc, &body, properties)
        },
    );
    method("every").set_into_module(
        module,
        |ncc: NativeCallContext<'_>, _: &mut DeviceRef, name: &str, interval: Dynamic, closure: FnPtr| {
            every(&ncc, name, &interval, &closure)
        },
    );
    method("stop").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, name: &str| {
        Ok::<bool, Box<rhai::EvalAltResult>>(call(&ncc)?.device.timers.borrow_mut().remove(name).is_some())
    });
    method("reconnect").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef| reconnect(&ncc));
    method("reboot").set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef| reboot(&ncc));
}

/// A function that looks at the world, so that Rhai never takes a result for the next one.
fn method(name: &str) -> FuncRegistration {
    FuncRegistration::new(name).with_volatility(true)
}

fn boot_id(ncc: &NativeCallContext<'_>) -> Answer<ImmutableString> {
    Ok(call(ncc)?.device.memory().boot_id.as_str().into())
}

fn desired(ncc: &NativeCallContext<'_>) -> Answer<Dynamic> {
    Ok(section(call(ncc)?.device.twin.borrow().desired()))
}

fn reported(ncc: &NativeCallContext<'_>) -> Answer<Dynamic> {
    Ok(section(call(ncc)?.device.twin.borrow().reported()))
}

fn section(members: &Map<String, Value>) -> Dynamic {
    members.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect::<RhaiMap>().into()
}

/// Reports a patch. Comes back when the hub has it; without a connection at once, and it is sent on the next one.
pub(super) fn report(ncc: &NativeCallContext<'_>, call: &Call, patch: Map<String, Value>) -> Answer<()> {
    let device = &call.device;
    // A patch is refused by the hub for more than its size; this one would even cost the connection.
    if serde_json::to_vec(&patch).is_ok_and(|bytes| bytes.len() > 8 * PROPERTIES_SIZE) {
        return fail("the report is larger than a twin can be");
    }
    device.twin.borrow_mut().report(&patch);
    let taken = device.outbox.report(patch).or_else(|error| failed(&error))?;
    outcome(wait(ncc, taken)?)
}

fn outcome(taken: Result<Taken, tokio::sync::oneshot::error::RecvError>) -> Answer<()> {
    match taken {
        // Nobody is left to say more when the device ends.
        Ok(Taken::Yes | Taken::Later) | Err(_) => Ok(()),
        Ok(Taken::Refused(why)) => fail(why),
    }
}

/// Sends a message: a text as it is, bytes as they are, anything else as JSON. Comes back as `report` does.
fn send(ncc: &NativeCallContext<'_>, body: &Dynamic, properties: RhaiMap) -> Answer<()> {
    let call = call(ncc)?;
    let device = &call.device;
    let mut bag = PropertyBag::default();
    let bytes = match (body.as_immutable_string_ref(), body.as_blob_ref()) {
        (Ok(text), _) => text.as_bytes().to_vec(),
        (_, Ok(blob)) => blob.clone(),
        _ => {
            bag.push(property::CONTENT_TYPE, "application/json");
            bag.push(property::CONTENT_ENCODING, "utf-8");
            serde_json::to_vec(&native::json(body)?).expect("a JSON value is JSON")
        }
    };
    for (key, value) in properties {
        bag.0.retain(|(known, _)| *known != key.as_str());
        match value.as_immutable_string_ref() {
            Ok(text) => bag.push(key.as_str(), text.as_str()),
            Err(_) => bag.push(key.as_str(), value.to_string()),
        }
    }
    // So that a receiver can tell a message that comes twice, after a loss or a crash, from two.
    if bag.get(property::MESSAGE_ID).is_none() {
        bag.push(property::MESSAGE_ID, device.message_id());
    }
    let size = bytes.len() + bag.counted_bytes();
    if size > D2C_BYTES {
        return fail(format!("a message has at most {} KiB, this one has {size} bytes", D2C_BYTES / 1024));
    }
    let topic = DeviceTopic::Telemetry { identity: device.identity.clone(), properties: bag.clone() };
    if topic.to_string().len() > TOPIC_BYTES {
        return fail(format!("the properties of a message have at most {} KiB once encoded", TOPIC_BYTES / 1024));
    }
    let taken = device.post(bag, bytes).or_else(|error| failed(&error))?;
    outcome(wait(ncc, taken)?)
}

fn every(ncc: &NativeCallContext<'_>, name: &str, interval: &Dynamic, closure: &FnPtr) -> Answer<()> {
    let call = call(ncc)?;
    let interval = duration_of(interval).or_else(fail)?;
    let handler = Caller::of(ncc)?.handler(closure)?;
    timers::every(&call.device, &call.scripts, name.into(), interval, handler).or_else(|error| failed(&error))
}

fn reconnect(ncc: &NativeCallContext<'_>) -> Answer<()> {
    call(ncc)?.device.outbox.wish(Wish::Reconnect);
    Ok(())
}

fn reboot(ncc: &NativeCallContext<'_>) -> Answer<()> {
    let call = call(ncc)?;
    match reboot::ask(&call) {
        Ok(Kind::AfterTheCall) => Ok(()),
        Ok(Kind::InPlace(time)) => wait(ncc, reboot::in_place(Rc::clone(&call.device), time)),
        Err(error) => throw(409, &error.to_string()),
    }
}

/// The state as a script's value.
pub(super) fn state_ref(_: &mut DeviceRef) -> StateRef {
    StateRef
}
