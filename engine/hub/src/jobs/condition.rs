//! A job's condition as a query: what stands behind WHERE, `*` for all devices, or `FROM devices.modules [WHERE ..]`.

use crate::query::Query;

/// What stands before a plain condition. A message of the service places the first character of a condition at column 29, from 0.
const BEFORE: &str = "SELECT * FROM devices  WHERE ";

/// The query that picks the devices. Positions in errors count from the start of the whole query, as the service's do.
pub(super) fn query(condition: &str) -> Result<Query, String> {
    let text = condition.trim();
    let from = text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("from"));
    Query::parse(&if text == "*" {
        "SELECT * FROM devices".to_owned()
    } else if from {
        format!("SELECT * {text}")
    } else {
        format!("{BEFORE}{text}")
    })
    .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Collection;

    #[test]
    fn conditions_by_table() {
        for (condition, collection, all) in [
            ("*", Collection::Devices, true),
            ("deviceId IN ['d1']", Collection::Devices, false),
            (" from devices", Collection::Devices, true),
            ("FROM devices.modules WHERE ModuleId = 'm'", Collection::Modules, false),
            ("FROM devices.modules", Collection::Modules, true),
        ] {
            let query = query(condition).unwrap();
            assert_eq!((query.collection, query.condition.is_none()), (collection, all), "{condition}");
        }
        let error = query("SELECT * FROM devices").unwrap_err();
        assert!(error.starts_with("SQL query parse failed") && error.contains("Line 1:29"), "{error}");
        assert!(query("tags.a = ").is_err());
    }
}
