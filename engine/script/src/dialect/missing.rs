//! What `()`, the missing value, means: a chain over it is `()`, `not ()` is true, comparing anything with it is false.

use rhai::{Dynamic, EvalAltResult, ImmutableString, Module, Position};

use super::rewrite::NOT;

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// Registers the meaning of the missing value.
pub(crate) fn register(module: &mut Module) {
    module.set_indexer_get_fn(|_: &mut (), _: ImmutableString| Ok(Dynamic::UNIT));
    module.set_indexer_get_fn(|_: &mut (), _: i64| Ok(Dynamic::UNIT));
    module.set_native_fn("!", |_: ()| Ok(true));
    module.set_native_fn(NOT, |_: (), value: bool| Ok(!value));
    module.set_native_fn(NOT, |_: (), _: ()| Ok(true));
    module.set_native_fn(NOT, |_: (), value: Dynamic| -> Answer<bool> {
        let message = format!("`not` needs true or false, this is {}", name_of(&value));
        Err(EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into())
    });
}

/// A value's type in words.
pub(crate) fn name_of(value: &Dynamic) -> &'static str {
    match value.type_name() {
        "()" => "nothing, `()`",
        "bool" => "true or false",
        "i64" => "an integer",
        "f64" => "a number with a point",
        "string" | "char" => "text",
        "array" => "a list",
        "map" => "a map",
        "Fn" => "a function",
        _ => "another type of value",
    }
}
