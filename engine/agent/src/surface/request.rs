//! `request`: a method call as its handler sees it.

use std::sync::Arc;

use rhai::{FuncRegistration, Map};
use script::{Dynamic, ImmutableString, Module, from_json_bytes};

/// A method call: its name, its id and its payload as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    name: Arc<str>,
    id: Arc<str>,
    payload: Dynamic,
}

impl Request {
    pub(crate) fn new(name: Arc<str>, id: impl Into<Arc<str>>, payload: Dynamic) -> Self {
        Self { name, id: id.into(), payload }
    }

    /// A member of the payload: of a map, or of JSON that was sent as a text, as the tutorial's service does. `()` when it
    /// is missing or null, or when there are no members at all.
    pub(crate) fn param(&self, name: &str) -> Dynamic {
        let member = |map: &Map| map.get(name).cloned();
        let found = match self.payload.as_immutable_string_ref() {
            Ok(text) => from_json_bytes(text.as_bytes())
                .ok()
                .and_then(|inner| inner.read_lock::<Map>().and_then(|map| member(&map))),
            Err(_) => self.payload.read_lock::<Map>().and_then(|map| member(&map)),
        };
        found.unwrap_or_default()
    }
}

pub(super) fn register(module: &mut Module) {
    module.set_custom_type::<Request>("request");
    FuncRegistration::new_getter("name")
        .set_into_module(module, |request: &mut Request| ImmutableString::from(&*request.name));
    FuncRegistration::new_getter("id")
        .set_into_module(module, |request: &mut Request| ImmutableString::from(&*request.id));
    FuncRegistration::new_getter("payload").set_into_module(module, |request: &mut Request| request.payload.clone());
    FuncRegistration::new("param").set_into_module(module, |request: &mut Request, name: &str| request.param(name));
    FuncRegistration::new("param").set_into_module(module, |request: &mut Request, name: &str, default: Dynamic| {
        let found = request.param(name);
        if found.is_unit() { default } else { found }
    });
    for name in ["to_string", "to_debug"] {
        FuncRegistration::new(name)
            .set_into_module(module, |request: &mut Request| format!("request {} {}", request.id, request.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use script::{from_json, to_json};
    use serde_json::{Value, json};

    fn param(payload: &Value, name: &str) -> Value {
        to_json(&Request::new("m".into(), "1", from_json(payload)).param(name))
    }

    #[test]
    fn a_member_is_found_in_a_map_and_in_json_within_a_text() {
        for payload in [json!({"method_number": "42", "none": null}), json!("{\"method_number\":\"42\",\"none\":null}")]
        {
            assert_eq!(param(&payload, "method_number"), json!("42"));
            assert_eq!(param(&payload, "none"), Value::Null);
            assert_eq!(param(&payload, "other"), Value::Null);
        }
        for payload in [json!(null), json!(1), json!([1]), json!("text"), json!("[1]"), json!("")] {
            assert_eq!(param(&payload, "method_number"), Value::Null);
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_text_of_json_is_as_good_as_the_json(payload in proptest::collection::btree_map("[a-c]{1,2}", json(), 0..4), name in "[a-c]{1,2}") {
            let payload = Value::Object(payload.into_iter().collect());
            let expected = payload.get(&name).cloned().unwrap_or(Value::Null);
            prop_assert_eq!(param(&Value::from(payload.to_string()), &name), param(&payload, &name));
            prop_assert_eq!(param(&payload, &name), expected);
        }

        #[test]
        fn no_payload_upsets_it(payload in json(), name in ".{0,4}") {
            param(&payload, &name);
        }

        #[test]
        fn a_payload_survives_the_way_through_a_script(payload in json()) {
            prop_assert_eq!(to_json(&from_json(&payload)), payload);
        }
    }
}
