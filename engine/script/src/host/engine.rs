//! The engine of one call: the host's modules, the bundle's library and variables, and the call's own budget and tether.

use std::sync::Arc;

use rhai::{Dynamic, Engine};

use super::builder::Host;
use crate::dialect::{self, SharedModule};
use crate::lane::{Pause, Tether};

/// Makes the engine; must run on the coroutine.
pub(super) fn engine(
    host: &Arc<Host>,
    library: Option<&SharedModule>,
    globals: Option<&SharedModule>,
    tether: &Arc<Tether>,
) -> Engine {
    let limits = tether.here().map(|call| call.budget.limits()).expect("engines are made on the coroutine they serve");
    let mut engine = dialect::runtime(&host.modules, limits);
    attach(&mut engine, host, tether);
    if let Some(library) = library {
        engine.register_static_module("lib", SharedModule::clone(library));
    }
    if let Some(globals) = globals {
        engine.register_static_module("global", SharedModule::clone(globals));
    }
    engine
}

/// Ties an engine to its coroutine.
pub(super) fn attach(engine: &mut Engine, host: &Arc<Host>, tether: &Arc<Tether>) {
    engine.set_default_tag(Dynamic::from(Arc::clone(tether)));
    let tied = Arc::clone(tether);
    engine.on_progress(move |_| progress(&tied));
    let (tied, printer) = (Arc::clone(tether), Arc::clone(host));
    engine.on_print(move |text| print(&tied, &printer, text));
    let (tied, printer) = (Arc::clone(tether), Arc::clone(host));
    engine.on_debug(move |text, _, position| {
        let line = position.line().map_or_else(|| text.to_owned(), |line| format!("line {line}: {text}"));
        print(&tied, &printer, &line);
    });
}

fn print(tether: &Tether, host: &Host, text: &str) {
    let Some(call) = tether.here() else { return };
    (host.printer)(call.context.as_deref(), text);
}

/// Counts an operation; a value ends the script.
fn progress(tether: &Tether) -> Option<Dynamic> {
    let left = tether.stack_left()?;
    let call = tether.here()?;
    call.note_depth(tether.stack_size(), left);
    match call.step(left) {
        Ok(false) => None,
        Ok(true) => {
            tether.suspend(Pause::Turn);
            call.end.get().map(|_| Dynamic::UNIT)
        }
        Err(_) => Some(Dynamic::UNIT),
    }
}
