//! The registration functions of a file's top level: `on_method(..)` notes its arguments and its place, nothing more.

use std::any::TypeId;
use std::cell::RefCell;
use std::rc::Rc;

use rhai::{Dynamic, FuncRegistration, Module, NativeCallContext, Position, RhaiFunc, Shared};

use crate::dialect::refuse;
use crate::lane;

/// Arguments that a hook may have: a name, options and a closure, and one to spare.
const MOST_ARGUMENTS: usize = 4;

/// The context of a load: what has been registered so far.
#[derive(Default)]
pub(super) struct Collected(pub(super) RefCell<Vec<Found>>);

/// One call of a hook.
pub(super) struct Found {
    pub(super) hook: &'static str,
    pub(super) args: Vec<Dynamic>,
    pub(super) position: Position,
}

/// The hooks as functions of one to four arguments.
pub(super) fn hooks(names: &[&'static str]) -> Module {
    let mut module = Module::new();
    for name in names.iter().copied() {
        for count in 1..=MOST_ARGUMENTS {
            let types = vec![TypeId::of::<Dynamic>(); count];
            let note = move |ncc: Option<NativeCallContext<'_>>, args: &mut [&mut Dynamic]| {
                let Some(ncc) = ncc else { return refuse(format!("`{name}` has no context")) };
                let Some(collected) = lane::context::<Collected>(&ncc) else {
                    return refuse(format!("`{name}` belongs at the top level of a file, not inside a handler"));
                };
                let args = args.iter_mut().map(|arg| arg.take()).collect();
                collected.0.borrow_mut().push(Found { hook: name, args, position: ncc.call_position() });
                Ok(Dynamic::UNIT)
            };
            FuncRegistration::new(name).set_into_module_raw(
                &mut module,
                types,
                RhaiFunc::Pure { func: Shared::new(note), has_context: true, is_pure: false, is_volatile: true },
            );
        }
    }
    module
}

/// A fresh collection.
pub(super) fn collection() -> Rc<Collected> {
    Rc::default()
}
