//! The Rhai host: load, sandbox, call, suspend, reload. Knows nothing of IoT.

mod dialect;
mod error;
mod expr;
mod host;
mod lane;
mod live;
mod look;
mod value;
mod watch;

pub use error::{ErrorKind, ScriptError, ScriptResult, type_in_words};
pub use expr::{Expr, ExprError, Expressions, Names};
pub use host::{Bundle, Handler, HostBuilder, Registration, Script, ScriptHost};
pub use lane::{Budget, Caller, StackConfig, context, place, wait};
pub use live::Live;
pub use look::{Literal, Written, library, library_names};
pub use rhai::{
    Array, Blob, Dynamic, EvalAltResult, FnPtr, FuncRegistration, ImmutableString, Map, Module, NativeCallContext,
    Position, RhaiFunc, Shared,
};
pub use value::{JsonError, from_json, from_json_bytes, is_shallow_within, mark_change, to_json};
pub use watch::{Watch, WatchError, WatchMode};
