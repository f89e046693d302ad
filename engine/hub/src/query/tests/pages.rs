//! Columns, aggregates, groups, TOP and pages, over rows that come in the order of a number.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::query::{Gather, PageStart, Query};

/// All pages of an answer, each with how many rows it has.
fn pages(text: &str, rows: &[Value], size: usize) -> Vec<Vec<Value>> {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut start = PageStart::default();
    let mut pages = Vec::new();
    loop {
        let mut gather = Gather::new(&query, &start, size);
        let after = match &start.after {
            Some(crate::query::Position::Row(key)) => key.parse::<usize>().unwrap() + 1,
            _ => 0,
        };
        for (index, row) in rows.iter().enumerate().skip(after) {
            gather.look(row, || index.to_string());
        }
        let page = gather.page();
        pages.push(serde_json::from_slice(&page.rows).unwrap());
        match page.next {
            Some(next) => start = next,
            None => return pages,
        }
    }
}

fn answer(text: &str, rows: &[Value]) -> Value {
    pages(text, rows, 100).concat().into()
}

fn fleet() -> Vec<Value> {
    let site = |index: usize| match index % 3 {
        0 => json!({"site": "delft", "load": index}),
        1 => json!({"site": "gent", "load": 0.5, "floor": "top"}),
        _ => json!({"load": "none"}),
    };
    (0..9).map(|index| json!({"deviceId": format!("d{index}"), "version": index, "tags": site(index)})).collect()
}

#[test]
fn columns_by_table() {
    let row = super::device::device();
    for (list, expected) in [
        ("deviceId", json!({"deviceId": "d1"})),
        ("DEVICEID, lastactivitytime", json!({"deviceId": "d1", "lastActivityTime": "2026-11-23T13:27:42.1180000Z"})),
        ("deviceId AS id", json!({"id": "d1"})),
        ("deviceId id, tags.site [[the site]]", json!({"id": "d1", "the site": "delft"})),
        ("deviceId as [[from]]", json!({"from": "d1"})),
        ("tags.site, tags.missing, tags.deep.er", json!({"site": "delft", "er": 1.5})),
        ("tags.site AS a, tags.Site AS b", json!({"a": "delft", "b": "Delft"})),
        ("tags.list[1].x, tags.list[0]", json!({"x": "y", "list": 1})),
        ("tags.list, tags.[[a-b]]", json!({"list": [1, {"x": "y"}], "a-b": true})),
        ("statusReason", json!({"statusReason": null})),
        ("devices.deviceId, devices.tags.floor", json!({"deviceId": "d1", "floor": 2})),
        ("properties.reported.$version AS v", json!({"v": 4})),
        ("count, sum total", json!({})),
    ] {
        assert_eq!(
            answer(&format!("SELECT {list} FROM devices"), std::slice::from_ref(&row)),
            json!([expected]),
            "{list}"
        );
    }
}

#[test]
fn aggregates_by_table() {
    for (text, expected) in [
        ("SELECT COUNT() AS n FROM devices", json!([{"n": 9}])),
        ("SELECT count(*) FROM devices", json!([{"Column1": 9}])),
        ("SELECT COUNT(), COUNT(tags.site), COUNT() AS c FROM devices", json!([{"Column1": 9, "Column2": 6, "c": 9}])),
        ("SELECT COUNT(tags.floor) n FROM devices", json!([{"n": 3}])),
        ("SELECT SUM(tags.load) s, AVG(tags.load) a FROM devices", json!([{"s": 10.5, "a": 1.75}])),
        ("SELECT MIN(tags.load) a, MAX(tags.load) b FROM devices", json!([{"a": 0, "b": 6}])),
        ("SELECT SUM(version) s, AVG(version) a FROM devices", json!([{"s": 36, "a": 4.0}])),
        (
            "SELECT COUNT() n, SUM(version) s, AVG(version) a, MIN(version) b FROM devices WHERE false",
            json!([{"n": 0, "s": 0}]),
        ),
        ("SELECT MAX(tags.floor) m FROM devices", json!([{}])),
        ("SELECT COUNT() n FROM devices.modules", json!([{"n": 9}])),
        ("SELECT TOP 0 COUNT() n FROM devices", json!([])),
        (
            "SELECT tags.site, COUNT() AS n FROM devices GROUP BY tags.site",
            json!([{"n": 3}, {"site": "delft", "n": 3}, {"site": "gent", "n": 3}]),
        ),
        (
            "SELECT COUNT() AS n, SUM(version) AS v, tags.site AS place FROM devices WHERE IS_DEFINED(tags.site) GROUP BY tags.site",
            json!([{"n": 3, "v": 9, "place": "delft"}, {"n": 3, "v": 12, "place": "gent"}]),
        ),
        ("SELECT COUNT() AS n FROM devices WHERE false GROUP BY tags.site", json!([])),
        ("SELECT tags.site FROM devices GROUP BY tags.site", json!([{}, {"site": "delft"}, {"site": "gent"}])),
        ("SELECT TOP 1 tags.site FROM devices GROUP BY tags.site", json!([{}])),
        (
            "SELECT tags.load, COUNT() n FROM devices GROUP BY tags.load",
            json!([{"load": 0, "n": 1}, {"load": 0.5, "n": 3}, {"load": 3, "n": 1}, {"load": 6, "n": 1}, {"load": "none", "n": 3}]),
        ),
        (
            "SELECT tags.site, tags.floor, COUNT() n FROM devices GROUP BY tags.site, tags.floor",
            json!([{"n": 3}, {"site": "delft", "n": 3}, {"site": "gent", "floor": "top", "n": 3}]),
        ),
    ] {
        assert_eq!(answer(text, &fleet()), expected, "{text}");
    }
}

#[test]
fn groups_are_told_apart_by_value_and_type() {
    let long = |end: &str| format!("{}{end}", "x".repeat(100));
    let values = json!([null, false, true, -1.5, -1, 0, -0.0, 1, 1.0, "", "1", "true", long("a"), long("b"), [1], [2], {"a": 1}]);
    let rows: Vec<Value> = values.as_array().unwrap().iter().map(|value| json!({"tags": {"v": value}})).collect();
    for size in [1, 2, 5, 100] {
        let found = pages("SELECT tags.v, COUNT() n FROM devices GROUP BY tags.v", &rows, size);
        assert!(found.iter().all(|page| page.len() <= size));
        let found: Vec<(String, u64)> =
            found.concat().iter().map(|row| (row["v"].to_string(), row["n"].as_u64().unwrap())).collect();
        assert_eq!(found.len(), 15, "{found:?}");
        assert_eq!(found.iter().filter(|(_, count)| *count == 2).count(), 2, "{found:?}");
    }
}

#[test]
fn a_page_of_large_rows_is_short() {
    let rows: Vec<Value> = (0..20).map(|_| json!({"tags": {"x": "x".repeat(1_000_000)}})).collect();
    let pages = pages("SELECT * FROM devices", &rows, 100);
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
}

#[test]
fn top_ends_the_pages() {
    let rows = fleet();
    for (top, size, expected) in
        [(0, 3, vec![0]), (2, 3, vec![2]), (3, 3, vec![3]), (4, 3, vec![3, 1]), (9, 9, vec![9]), (99, 4, vec![4, 4, 1])]
    {
        for text in ["SELECT TOP {} * FROM devices", "SELECT TOP ({}) version FROM devices GROUP BY version"] {
            let pages = pages(&text.replace("{}", &top.to_string()), &rows, size);
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{text} {top} {size}");
        }
    }
}

proptest! {
    /// Whatever the page size, pages are the whole answer, each row once, in one order.
    #[test]
    fn pages_are_the_whole(
        values in proptest::collection::vec(proptest::option::of(0_i64..12), 0..60),
        size in 1_usize..20,
        top in proptest::option::of(0_u64..70),
        below in 0_i64..14,
    ) {
        let rows: Vec<Value> = values.iter().enumerate().map(|(index, value)| match value {
            Some(value) => json!({"deviceId": index, "tags": {"v": value}}),
            None => json!({"deviceId": index, "tags": {}}),
        }).collect();
        let top_text = top.map_or(String::new(), |top| format!("TOP {top} "));
        let whole = |text: &str| {
            let found = pages(text, &rows, size);
            assert!(found.iter().all(|page| page.len() <= size));
            assert!(found.len() == 1 || found.iter().all(|page| !page.is_empty()));
            found.concat()
        };
        let most = top.map_or(usize::MAX, |top| top as usize);
        let found = whole(&format!("SELECT {top_text}deviceId FROM devices WHERE tags.v < {below}"));
        let expected: Vec<Value> = rows.iter()
            .filter(|row| row["tags"]["v"].as_i64().is_some_and(|v| v < below))
            .map(|row| json!({"deviceId": row["deviceId"]})).take(most).collect();
        prop_assert_eq!(found, expected);
        let mut counts = std::collections::BTreeMap::<Option<i64>, u64>::new();
        values.iter().for_each(|value| *counts.entry(*value).or_default() += 1);
        let expected: Vec<Value> = counts.into_iter().take(most).map(|(value, n)| match value {
            Some(value) => json!({"v": value, "n": n}),
            None => json!({"n": n}),
        }).collect();
        prop_assert_eq!(whole(&format!("SELECT {top_text}tags.v, COUNT() n FROM devices GROUP BY tags.v")), expected);
    }
}
