//! The data of the page: compact JSON, so that ten thousand devices fit. Texts stand once, in `texts`, and are named by their
//! place there, counted from 1; 0 is none. Rows are arrays in the order that data.js reads.

use std::fmt::Write as _;

use base::rfc3339_millis;
use serde_json::{Value, json};

use crate::report::record::{DeviceRecord, Finding, PlayRecord, RunRecord, StepRecord, Text, Word};

const CHANGED: u8 = 1;
const IGNORED: u8 = 2;
const RESCUED: u8 = 4;
const EARLIER: u8 = 8;

/// The whole of it, fit to stand inside a script element.
pub(super) fn json(record: &RunRecord) -> String {
    let counts = record.counts;
    let head = json!({
        "run": place(Some(record.run)), "hub": place(Some(record.hub)), "local": record.local,
        "began": rfc3339_millis(record.began), "took": record.took, "exit": record.exit, "reason": place(record.reason),
        "counts": {
            "ok": counts.ok, "failed": counts.failed, "unreachable": counts.unreachable, "skipped": counts.skipped,
        },
        "words": Word::ALL.map(Word::text),
        "stopped": record.stopped.iter().map(finding).collect::<Vec<_>>(),
        "warnings": record.warnings.iter().map(|text| place(Some(*text))).collect::<Vec<_>>(),
        "texts": record.texts.all(),
    });
    let mut text = head.to_string();
    // The rows are written, not built: as values they would take ten times their room.
    text.pop();
    text.push_str(",\"plays\":[");
    list(&mut text, &record.plays, play);
    text.push_str("]}");
    inert(&text)
}

/// Nothing in it ends a script element or opens another one, and no reader takes a character for the end of a line.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text
}

fn place(text: Option<Text>) -> usize {
    text.map_or(0, |text| text.place() + 1)
}

fn finding(found: &Finding) -> Value {
    json!([place(Some(found.label)), place(found.message), place(found.at), place(found.note), place(found.help)])
}

fn list<T>(text: &mut String, items: &[T], item: fn(&mut String, &T)) {
    for (index, one) in items.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        item(text, one);
    }
}

fn play(text: &mut String, play: &PlayRecord) {
    let head = json!({
        "name": place(Some(play.name)), "file": place(Some(play.file)), "began": play.began, "took": play.took,
        "steps": play.steps.iter().map(|step| place(Some(*step))).collect::<Vec<_>>(),
        "size": play.size, "waves": play.waves, "spans": play.spans,
    });
    text.push_str(&head.to_string());
    text.pop();
    text.push_str(",\"own\":[");
    list(text, &play.own, step);
    text.push_str("],\"devices\":[");
    list(text, &play.devices, device);
    text.push_str("]}");
}

fn device(text: &mut String, device: &DeviceRecord) {
    let (id, error, outcome) = (place(Some(device.id)), place(device.error), device.outcome as u8);
    let DeviceRecord { wave, began, took, waited, more, .. } = device;
    let _ = write!(text, "[{id},{outcome},{wave},{began},{took},{waited},{error},{more},[");
    list(text, &device.steps, step);
    text.push_str("]]");
}

fn step(text: &mut String, step: &StepRecord) {
    let flags = [(step.changed, CHANGED), (step.ignored, IGNORED), (step.rescued, RESCUED), (step.earlier, EARLIER)];
    let flags: u8 = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum();
    let StepRecord { step: index, attempts, began, took, .. } = step;
    let (name, outcome) = (place(Some(step.name)), step.outcome as u8);
    let _ = write!(text, "[{index},{name},{outcome},{flags},{attempts},{began},{took}");
    // What is missing at the end of a row is none.
    let said = [step.text, step.value, step.at, step.note, step.help].map(place);
    let kept = if step.retries.is_empty() {
        said.iter().rposition(|place| *place > 0).map_or(0, |last| last + 1)
    } else {
        said.len()
    };
    for place in &said[..kept] {
        let _ = write!(text, ",{place}");
    }
    if !step.retries.is_empty() {
        text.push_str(",[");
        list(text, &step.retries, |text, (attempt, why)| {
            let _ = write!(text, "[{attempt},{}]", place(Some(*why)));
        });
        text.push(']');
    }
    text.push(']');
}
