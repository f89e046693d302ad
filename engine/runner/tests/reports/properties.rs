//! Whatever a device says: the XML is well-formed and of the schema's elements, the page gives every text back, the summary
//! stays one table.

use std::collections::BTreeMap;

use iotplay_runner::{Class, Counts, Outcome};
use proptest::prelude::*;
use serde_json::json;

use super::html::{data, element, text};
use super::junit::{Element, parse};
use super::stream::{Papers, Stream, failure};

/// Texts that have broken reports before, and any other.
fn said() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("</script><img src=x onerror=alert(1)>".to_owned()),
        Just("<!-- ]]> --> <![CDATA[ &amp; &#0; \u{0}\u{1b}[31m\u{fffe}\u{ffff}".to_owned()),
        Just("a | b\n| --- |\n<details>@team https://x.example `code` [x](y) ![](z)".to_owned()),
        Just("{{data}}{{script}}\u{2028}\u{2029}\r\n\t\\\"'".to_owned()),
        any::<String>(),
        "\\PC{1,40}",
    ]
}

/// Four devices that say these.
fn papers(ids: &[String; 2], why: &str, payload: &str, step: &str) -> Papers {
    let mut run = Stream::begin(&[step], 2, 1);
    run.device(&ids[0], 1).begins(&ids[0], 0, step).retried(&ids[0], 0, 1, why);
    run.ends(&ids[0], 0, step, failure(Class::Rejected, why), |_| {}).ended(&ids[0], 1, "rejected", Some(why));
    run.device(&ids[1], 1)
        .step(&ids[1], 0, step, Outcome::read(json!({ payload: payload })))
        .ended(&ids[1], 1, "ok", None);
    run.end(Counts { ok: 1, failed: 1, ..Counts::default() }, 4, Some(why));
    run.papers()
}

/// Children and attributes that the schema knows, by element.
fn allowed() -> BTreeMap<&'static str, (&'static [&'static str], &'static [&'static str])> {
    const SUITE: &[&str] = &["name", "tests", "failures", "errors", "skipped", "time", "timestamp", "file"];
    const CASE: &[&str] = &["skipped", "error", "failure", "rerunFailure", "flakyFailure", "system-out"];
    BTreeMap::from([
        ("testsuites", (&["testsuite"][..], &["name", "tests", "failures", "errors", "time"][..])),
        ("testsuite", (&["properties", "testcase", "system-out"][..], SUITE)),
        ("properties", (&["property"][..], &[][..])),
        ("property", (&[][..], &["name", "value"][..])),
        ("testcase", (CASE, &["name", "classname", "time"][..])),
        ("failure", (&[][..], &["type", "message"][..])),
        ("error", (&[][..], &["type", "message"][..])),
        ("skipped", (&[][..], &["type", "message"][..])),
        ("rerunFailure", (&[][..], &["type", "message"][..])),
        ("flakyFailure", (&[][..], &["type", "message"][..])),
        ("system-out", (&[][..], &[][..])),
    ])
}

fn check(element: &Element) {
    let allowed = allowed();
    let (children, attributes) = allowed.get(element.name.as_str()).unwrap_or_else(|| panic!("<{}>", element.name));
    for attribute in element.attributes.keys() {
        assert!(attributes.contains(&attribute.as_str()), "{attribute} of <{}>", element.name);
    }
    for child in &element.children {
        assert!(children.contains(&child.name.as_str()), "<{}> in <{}>", child.name, element.name);
        check(child);
    }
}

/// Characters that XML 1.0 cannot hold.
fn forbidden(c: char) -> bool {
    (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn reports_hold_whatever_is_said(first in said(), second in said(), why in said(), payload in said(), step in said()) {
        prop_assume!(first != second && !first.is_empty() && !second.is_empty() && !step.is_empty());
        let ids = [first, second];
        let papers = papers(&ids, &why, &payload, &step);

        let root = parse(&papers.junit);
        check(&root);
        prop_assert!(!papers.junit.contains(forbidden), "{:?}", papers.junit);
        prop_assert_eq!(root.children[0].all("testcase").count(), 2);

        let inert = element(&papers.html);
        let active = ['<', '>', '&', '\u{2028}', '\u{2029}'];
        prop_assert!(!inert.contains(active));
        let data = data(&papers.html);
        let devices = data["plays"][0]["devices"].as_array().expect("devices");
        for (device, id) in devices.iter().zip(&ids) {
            prop_assert_eq!(&text(&data, &device[0]), &shown(id, 300));
        }
        prop_assert_eq!(text(&data, &devices[0][6]), shown(&why, 1_000));
        let reply = json!({ payload.clone(): payload }).to_string();
        prop_assert_eq!(text(&data, &devices[1][8][0][8]), shown(&reply, 2_000));

        // A row for each of: counts with one row, failures with one row; and nothing that is markup.
        let rows: Vec<&str> = papers.summary.lines().filter(|line| line.starts_with('|')).collect();
        prop_assert_eq!(rows.len(), 6, "{}", papers.summary);
        for (row, cells) in rows.iter().zip([4, 4, 4, 5, 5, 5]) {
            prop_assert_eq!(row.matches('|').count(), cells + 1, "{}", row);
        }
        let active = ['<', '>', '`', '[', '@', '\u{1b}'];
        prop_assert!(!papers.summary.contains(active), "{}", papers.summary);
    }
}

fn shown(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        text.to_owned()
    } else {
        format!("{}..", text.chars().take(longest).collect::<String>())
    }
}
