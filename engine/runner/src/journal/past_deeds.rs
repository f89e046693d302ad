//! What a journal knows of the things that a script did: each by its place in the script's order.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base::parse_time;

use super::past_device::PastEnd;
use super::{Kind, Record};

/// One thing that a script did, or began.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastDeed {
    pub(crate) name: Box<str>,
    /// Stands for its arguments.
    pub(crate) args: Box<str>,
    /// Where the script says it.
    pub(crate) at: Box<str>,
    /// It was about to be sent, and its end is not known: when.
    pub(crate) call: Option<SystemTime>,
    pub(crate) end: Option<PastEnd>,
}

/// What one run of one script did, by place.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastDeeds(BTreeMap<Box<str>, PastDeed>);

impl PastDeeds {
    pub(crate) fn get(&self, place: &str) -> Option<&PastDeed> {
        self.0.get(place)
    }

    /// The places that the same script comes to again. What was done inside of something that has ended is not among them.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        let known = self.0.iter().filter(|(_, deed)| deed.call.is_some() || deed.end.is_some());
        known.map(|(place, _)| &**place).filter(|place| !self.is_inside(place))
    }

    fn is_inside(&self, place: &str) -> bool {
        let around = place.match_indices(['[', '/']).map(|(at, _)| &place[..at]);
        around.into_iter().any(|around| self.0.get(around).is_some_and(|deed| deed.end.is_some()))
    }

    /// Those at places that begin so: of a script inside of another one.
    pub(crate) fn below(&self, prefix: &str) -> Self {
        let below = self.0.iter().filter(|(place, _)| place.starts_with(prefix));
        Self(below.map(|(place, deed)| (place.clone(), deed.clone())).collect())
    }

    /// Without what scripts inside did.
    pub(crate) fn own(&self) -> Self {
        let own = self.0.iter().filter(|(place, _)| !place.contains('/'));
        Self(own.map(|(place, deed)| (place.clone(), deed.clone())).collect())
    }

    pub(super) fn take(&mut self, place: &str, record: &Record) {
        let deed = self.0.entry(place.into()).or_default();
        let text = |text: &Option<Box<str>>| text.clone().unwrap_or_default();
        (deed.name, deed.args) = (text(&record.name), text(&record.args));
        match record.kind {
            Kind::Call => {
                deed.call = Some(parse_time(&record.at).unwrap_or(SystemTime::UNIX_EPOCH));
                deed.end = None;
            }
            // Of an attempt that failed the text is the reason.
            Kind::NotSent | Kind::Again => deed.call = None,
            Kind::Step | Kind::Seen => (deed.call, deed.end) = (None, Some(PastEnd::of(record))),
            _ => {}
        }
        if record.kind != Kind::Again {
            deed.at = text(&record.text);
        }
    }
}
