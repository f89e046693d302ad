//! `device.state`: a map that outlives calls, reloads and, with a state folder, the agent. Each value is set and read by
//! itself, so calls side by side do not undo each other's.

use rhai::{Array, FuncRegistration, Map};
use script::{Dynamic, ImmutableString, Module, NativeCallContext, from_json};
use serde_json::Value;

use super::device::{DeviceRef, state_ref};
use super::native::{Answer, call, fail, failed, json, object};

/// `device.state` in a script: a name for the state of the device whose call it is used in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateRef;

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<StateRef>("state");
    FuncRegistration::new_getter("state").set_into_module(module, state_ref);
    FuncRegistration::new_setter("state")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut DeviceRef, state: Dynamic| replace(&ncc, state));
    FuncRegistration::new_index_getter()
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut StateRef, key: &str| get(&ncc, key));
    FuncRegistration::new_index_setter()
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut StateRef, key: &str, value: Dynamic| {
            set(&ncc, key, &value)
        });
    FuncRegistration::new("contains").with_volatility(true).set_into_module(
        module,
        |ncc: NativeCallContext<'_>, _: &mut StateRef, key: &str| {
            Ok::<_, Box<rhai::EvalAltResult>>(call(&ncc)?.device.memory().state.contains_key(key))
        },
    );
    FuncRegistration::new("remove").with_volatility(true).set_into_module(
        module,
        |ncc: NativeCallContext<'_>, _: &mut StateRef, key: &str| {
            let old = get(&ncc, key)?;
            set(&ncc, key, &Dynamic::UNIT)?;
            Ok::<_, Box<rhai::EvalAltResult>>(old)
        },
    );
    FuncRegistration::new("keys").with_volatility(true).set_into_module(
        module,
        |ncc: NativeCallContext<'_>, _: &mut StateRef| {
            let call = call(&ncc)?;
            let memory = call.device.memory();
            Ok::<Array, Box<rhai::EvalAltResult>>(memory.state.keys().map(|key| key.as_str().into()).collect())
        },
    );
    FuncRegistration::new("to_map")
        .with_volatility(true)
        .set_into_module(module, |ncc: NativeCallContext<'_>, _: &mut StateRef| whole(&ncc));
    for name in ["to_string", "to_debug"] {
        FuncRegistration::new(name).with_volatility(true).set_into_module(
            module,
            |ncc: NativeCallContext<'_>, _: &mut StateRef| {
                Ok::<ImmutableString, Box<rhai::EvalAltResult>>(
                    Value::Object(call(&ncc)?.device.memory().state.clone()).to_string().into(),
                )
            },
        );
    }
}

fn get(ncc: &NativeCallContext<'_>, key: &str) -> Answer<Dynamic> {
    Ok(call(ncc)?.device.memory().state.get(key).map_or(Dynamic::UNIT, from_json))
}

fn set(ncc: &NativeCallContext<'_>, key: &str, value: &Dynamic) -> Answer<()> {
    let value = json(value)?;
    call(ncc)?.device.memory_mut().set(key, value).or_else(|error| failed(&error))
}

fn whole(ncc: &NativeCallContext<'_>) -> Answer<Map> {
    let call = call(ncc)?;
    let memory = call.device.memory();
    Ok(memory.state.iter().map(|(key, value)| (key.as_str().into(), from_json(value))).collect())
}

/// `device.state = #{ .. }`. Rhai also hands the state itself back after a change within it: that is no change.
fn replace(ncc: &NativeCallContext<'_>, state: Dynamic) -> Answer<()> {
    if state.is::<StateRef>() {
        return Ok(());
    }
    let Some(map) = state.try_cast::<Map>() else { return fail("the state is a map") };
    call(ncc)?.device.memory_mut().replace(object(map)?).or_else(|error| failed(&error))
}
