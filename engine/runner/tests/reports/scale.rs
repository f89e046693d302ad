//! Ten thousand devices, four steps each.

use iotplay_runner::{Class, Counts, Outcome};
use serde_json::json;

use super::html::{data, text};
use super::junit::parse;
use super::stream::{Stream, failure};

/// A page beyond this is no pleasure to open or to send.
const LARGEST: usize = 10 << 20;

#[test]
fn ten_thousand_devices_fit_in_every_report() {
    let names = ["Remember the last reboot", "Ask the device to reboot", "Wait until it reports", "Say so"];
    let mut run = Stream::begin(&names, 10_000, 1);
    for n in 0..10_000 {
        let id = format!("press-{n:05}");
        run.device(&id, 1);
        for (step, name) in names.iter().enumerate() {
            if step == 3 && n % 100 == 7 {
                run.step(&id, step, name, failure(Class::Rejected, "answered 500"));
            } else {
                // Each reply is its own, and those of the first are as long as a twin.
                let twin = "x".repeat(if n < 1_000 { 1_500 } else { 40 });
                run.step(&id, step, name, Outcome::read(json!({ "n": n, "step": step, "twin": twin })));
            }
        }
        let bad = n % 100 == 7;
        run.ended(&id, 1, if bad { "rejected" } else { "ok" }, bad.then_some("answered 500"));
    }
    run.end(Counts { ok: 9_900, failed: 100, ..Counts::default() }, 4, None);
    let papers = run.papers();
    assert!(papers.html.len() < LARGEST, "{} bytes", papers.html.len());
    let data = data(&papers.html);
    let devices = data["plays"][0]["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 10_000);
    assert_eq!(text(&data, &devices[9_999][0]), "press-09999");
    let root = parse(&papers.junit);
    assert_eq!((root.of("tests"), root.of("failures")), ("10000", "100"));
    assert!(papers.summary.contains("| 100 | rejected | Say so | answered 500 |"), "{}", papers.summary);
}
