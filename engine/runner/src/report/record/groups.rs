//! Failures that say the same, counted: thousands of devices fail in a few ways.

use std::collections::HashMap;

use super::run::{DeviceRecord, PlayRecord};
use super::texts::{Text, Texts};
use super::word::Word;

/// Ids that a group names.
const FIRST: usize = 5;
/// What stands for the device's own id in a message that holds it.
pub(in crate::report) const OWN: &str = "\u{2026}";

/// Devices that failed in one way.
#[derive(Debug)]
pub(in crate::report) struct Group {
    pub(in crate::report) outcome: Word,
    /// The step that failed them.
    pub(in crate::report) step: Option<Text>,
    pub(in crate::report) message: String,
    pub(in crate::report) count: usize,
    /// The first ids.
    pub(in crate::report) first: Vec<Text>,
}

/// All ways in which devices failed, the most frequent first.
pub(in crate::report) fn groups(texts: &Texts, plays: &[PlayRecord]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<(Word, Option<Text>, String), usize> = HashMap::new();
    for device in plays.iter().flat_map(|play| &play.devices).filter(|device| device.outcome.is_bad()) {
        let step = device.culprit().map(|step| step.name);
        let message = message(texts, device);
        let index = *known.entry((device.outcome, step, message.clone())).or_insert_with(|| {
            groups.push(Group { outcome: device.outcome, step, message, count: 0, first: Vec::new() });
            groups.len() - 1
        });
        groups[index].count += 1;
        if groups[index].first.len() < FIRST {
            groups[index].first.push(device.id);
        }
    }
    // Stable: ways of the same frequency stay in the order in which they came.
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

/// The message without the device's own id, or each device would be a group of its own.
fn message(texts: &Texts, device: &DeviceRecord) -> String {
    let message = texts.or_empty(device.error);
    let id = texts.get(device.id);
    // An id of one letter stands in every sentence.
    if id.chars().count() < 3 { message.to_owned() } else { message.replace(id, OWN) }
}
