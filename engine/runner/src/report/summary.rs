//! `GITHUB_STEP_SUMMARY`: a few tables in Markdown at the end of the job's page. Never longer than a page, whatever the fleet.

use std::fmt::Write as _;

use super::line::{one_line, took};
use super::record::{PlayRecord, RunRecord, Word, groups};

/// Ways of failing that are shown; the others are counted.
const SHOWN: usize = 20;
/// Waves of a play that are shown.
const WAVES: usize = 50;
/// Plays that are shown.
const PLAYS: usize = 20;
/// Longest text in a cell.
const CELL: usize = 200;

/// The whole summary.
pub(super) fn render(record: &RunRecord) -> String {
    let texts = &record.texts;
    let mut page = String::new();
    let file = record.plays.first().map_or("iotplay", |play| texts.get(play.file));
    let counts = record.counts;
    let verdict = if record.exit == 0 { "\u{2705}" } else { "\u{274c}" };
    line(&mut page, &format!("### {verdict} {}", cell(file)));
    let time = took(std::time::Duration::from_millis(record.took));
    let mut head = format!(
        "{} \u{b7} run {} \u{b7} {time} \u{b7} exit {}",
        cell(texts.get(record.hub)),
        cell(texts.get(record.run)),
        record.exit
    );
    if let Some(reason) = record.reason {
        let _ = write!(head, "  \n**{}**", cell(texts.get(reason)));
    }
    line(&mut page, &head);
    for found in record.stopped.iter().take(SHOWN) {
        line(&mut page, &format!("**{}**: {}", cell(texts.get(found.label)), cell(texts.or_empty(found.message))));
    }
    table(
        &mut page,
        &["ok", "failed", "unreachable", "skipped"],
        &[[counts.ok, counts.failed, counts.unreachable, counts.skipped].map(|count| count.to_string()).to_vec()],
    );
    failures(&mut page, record);
    for play in record.plays.iter().take(PLAYS) {
        waves(&mut page, record, play);
    }
    page
}

fn failures(page: &mut String, record: &RunRecord) {
    let texts = &record.texts;
    let groups = groups(texts, &record.plays);
    if groups.is_empty() {
        return;
    }
    let rows = groups.iter().take(SHOWN).map(|group| {
        let first: Vec<&str> = group.first.iter().map(|id| texts.get(*id)).collect();
        let more = if group.count > first.len() { ", .." } else { "" };
        vec![
            group.count.to_string(),
            group.outcome.text().to_owned(),
            texts.or_empty(group.step).to_owned(),
            group.message.clone(),
            format!("{}{more}", first.join(", ")),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    table(page, &["devices", "outcome", "step", "why", "which"], &rows);
    let (unseen, rest) = (groups.len().saturating_sub(SHOWN), groups.iter().skip(SHOWN));
    if unseen > 0 {
        let devices: usize = rest.map(|group| group.count).sum();
        line(page, &format!("{unseen} more ways of failing, {devices} devices: see the other reports."));
    }
}

fn waves(page: &mut String, record: &RunRecord, play: &PlayRecord) {
    if play.waves < 2 {
        return;
    }
    line(page, &format!("Waves of {}", cell(record.texts.get(play.name))));
    let rows = play.wave_counts().into_iter().enumerate().take(WAVES).map(|(index, counts)| {
        let of = |word: Word| counts[word as usize];
        let failed = of(Word::Failed) + of(Word::Timeout) + of(Word::Rejected);
        let span = play.spans.get(index).map_or_else(String::new, |(begin, end)| {
            took(std::time::Duration::from_millis(end.saturating_sub(*begin)))
        });
        let numbers = [index + 1, of(Word::Ok), failed, of(Word::Unreachable), of(Word::Skipped)];
        numbers.map(|number| number.to_string()).into_iter().chain([span]).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    table(page, &["wave", "ok", "failed", "unreachable", "skipped", "time"], &rows);
    if play.waves > WAVES {
        line(page, &format!("{} more waves", play.waves - WAVES));
    }
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push_str("\n\n");
}

fn table(page: &mut String, heads: &[&str], rows: &[Vec<String>]) {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    page.push_str(&row(heads.iter().map(|head| (*head).to_owned()).collect()));
    page.push_str(&row(heads.iter().map(|_| "---".to_owned()).collect()));
    for cells in rows {
        page.push_str(&row(cells.iter().map(|text| cell(text)).collect()));
    }
    page.push('\n');
}

/// A text on one line in which nothing means anything: no markup, no link, no mention, no HTML, no end of a cell.
fn cell(text: &str) -> String {
    let shown = one_line(text, CELL);
    let mut escaped = String::with_capacity(shown.len());
    for c in shown.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | ',' | '\'' | '/' | '%' | '?' => escaped.push(c),
            // As a number: neither Markdown nor a mention nor an address begins with one.
            c if c.is_ascii() && !c.is_ascii_control() => {
                let _ = write!(escaped, "&#{};", c as u32);
            }
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
