//! What JSON Schema says of the short texts of a playbook: sizes, rates, times of day, words. For `#[schemars(with = "..")]` on
//! fields that are read by hand.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

macro_rules! words {
    ($($(#[$about:meta])* $name:ident: $schema:tt)*) => {$(
        $(#[$about])*
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

words! {
    /// A text; plain numbers are texts too.
    Text: { "type": ["string", "number"] }
    /// `5` or `5%`.
    Limit: { "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": r"^[0-9.]+\s*%$" }] }
    /// `30/s`.
    Rate: { "description": "Devices per time: `30/s`, `100/m`, `1000/h`.", "anyOf": [
        { "type": "number", "exclusiveMinimum": 0 }, { "type": "string", "pattern": r"^[0-9.]+\s*(/\s*(s|m|min|h))?$" },
    ] }
    /// `id`, `given`, `random`.
    OrderWord: { "enum": ["id", "given", "random"] }
    /// `stop`, `pause`, `continue`.
    ActionWord: { "enum": ["stop", "pause", "continue"] }
    /// `mon`, `mon-fri`, or a list of such.
    Days: { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }] }
    /// `22:00`.
    TimeOfDay: { "description": "A time of day, such as 22:00.", "type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$" }
    /// The name of a group of runs.
    Group: { "type": ["string", "number"], "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$" }
    /// A list of steps.
    Steps: { "$ref": "#/$defs/steps" }
    /// An expression, or `{ that, approve }`.
    GateWord: { "anyOf": [
        { "type": ["string", "boolean"] },
        {
            "type": "object", "additionalProperties": false,
            "properties": { "that": { "type": ["string", "boolean"] }, "approve": { "type": "boolean" } },
        },
    ] }
}
