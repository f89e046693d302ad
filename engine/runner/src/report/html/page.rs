//! The page: template, style, script and data put together. Only what stands in these files runs: a policy in the page names
//! them by their hashes, and the data is in an element that is no script.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::data;
use crate::report::record::RunRecord;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPTS: [&str; 2] = [include_str!("data.js"), include_str!("page.js")];

/// The whole page.
pub(in crate::report) fn render(record: &RunRecord) -> String {
    let script = SCRIPTS.concat();
    let title = record.plays.first().map_or("iotplay", |play| record.texts.get(play.file));
    let data = data::json(record);
    let parts = [
        ("{{style-hash}}", hash(STYLE)),
        ("{{script-hash}}", hash(&script)),
        ("{{title}}", escaped(title)),
        ("{{style}}", STYLE.to_owned()),
        ("{{title}}", escaped(title)),
        ("{{data}}", data),
        ("{{script}}", script),
    ];
    let mut page = String::with_capacity(TEMPLATE.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut rest = TEMPLATE;
    // From front to back, each once: a text that was put in is never looked into.
    for (mark, text) in parts {
        let (before, after) = rest.split_once(mark).expect("the template has its marks in this order");
        page.push_str(before);
        page.push_str(&text);
        rest = after;
    }
    page.push_str(rest);
    page
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// As text of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
