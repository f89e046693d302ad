//! The row that tables are tried on.

use serde_json::{Value, json};

use crate::query::Query;

/// The document, with one of everything.
pub(super) fn device() -> Value {
    json!({
        "deviceId": "d1", "status": "enabled", "statusReason": null, "connectionState": "Disconnected",
        "lastActivityTime": "2026-11-23T13:27:42.1180000Z", "version": 7,
        "tags": {
            "site": "delft", "floor": 2, "a-b": true, "list": [1, {"x": "y"}], "deep": {"er": 1.5}, "Site": "Delft",
            "group": {"name": "g"}, "minus": -3, "text": "12.50", "name": "Zoë 😀", "off": false, "it's": "q\"uote",
        },
        "properties": {"desired": {"$version": 3}, "reported": {"$version": 4, "$metadata": {"$lastUpdated": "2026"}}},
    })
}

pub(super) fn passes(condition: &str, row: &Value) -> bool {
    let query = Query::parse(&format!("SELECT * FROM devices WHERE {condition}"));
    query.unwrap_or_else(|error| panic!("{condition}: {error}")).condition.unwrap().passes(row)
}
