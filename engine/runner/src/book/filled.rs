//! Parameters of verbs that are constant at load, or filled per device from `${{ expr }}`; one value or a list of them; and
//! what JSON Schema says of these types.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use script::Expressions;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Visitor};

use super::expression::{Expression, FillError};
use super::template::Template;
use super::{Node, decode, handed};
use crate::Scope;

/// A parameter of type `T`: constant at load, or a template.
#[derive(Clone, Debug)]
pub enum Filled<T> {
    /// Known at load.
    Constant(T),
    /// Known per device.
    Template(Template, PhantomData<fn() -> T>),
}

impl<T: Default> Default for Filled<T> {
    fn default() -> Self {
        Self::Constant(T::default())
    }
}

impl<T> Filled<T> {
    /// The value, when it is known at load: what a check may look at.
    pub fn constant(&self) -> Option<&T> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Template(..) => None,
        }
    }

    /// The template, when it is not known at load.
    pub fn template(&self) -> Option<&Template> {
        match self {
            Self::Constant(_) => None,
            Self::Template(template, _) => Some(template),
        }
    }
}

impl<T: Clone + DeserializeOwned> Filled<T> {
    /// The value on a device.
    pub fn fill(&self, scope: &dyn Scope, expressions: &Expressions) -> Result<T, FillError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Template(template, _) => {
                let value = template.fill_value(scope, expressions)?;
                decode::from_json(&value, template.span())
            }
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Filled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<fn() -> T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Filled<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                let template =
                    handed::take_template().ok_or_else(|| E::custom("a template can only be read from a playbook"))?;
                Ok(Filled::Template(template, PhantomData))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                T::deserialize(deserializer).map(Filled::Constant)
            }
        }
        deserializer.deserialize_newtype_struct(handed::FILLED, Either(PhantomData))
    }
}

/// One value, or a list of them: `that: x` and `that: [x, y]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<fn() -> T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                Vec::deserialize(deserializer).map(OneOrMany)
            }
        }
        deserializer.deserialize_newtype_struct(handed::ONE_OR_MANY, Items(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taken;
        impl<'de> Visitor<'de> for Taken {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
                handed::take_node().ok_or_else(|| E::custom("a node can only be read from a playbook"))
            }
        }
        deserializer.deserialize_newtype_struct(handed::NODE, Taken)
    }
}

/// For schemas of durations: `#[schemars(with = "DurationText")]` on a `Duration` or a `Filled<Duration>`.
pub struct DurationText;

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of seconds, or a text such as `90s`, `1h30m`, `250ms`.",
            "type": ["number", "string"],
        })
    }
}

impl JsonSchema for Expression {
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "An expression.", "type": ["string", "boolean"] })
    }
}

impl<T: JsonSchema> JsonSchema for Filled<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Filled_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let constant = generator.subschema_for::<T>();
        if constant.as_value() == &serde_json::Value::Bool(true) {
            return constant;
        }
        json_schema!({ "anyOf": [constant, { "type": "string", "pattern": r"\$\{\{" }] })
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

macro_rules! anything {
    ($($type:ty),*) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                true.into()
            }
        }
    )*};
}

anything!(Template, Node);
