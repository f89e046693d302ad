//! What happened before the interruption, told again from the journal to the reports of a resumed run: so they know the steps of
//! those who are not come to any more. Decides nothing; the run itself goes by `recall`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use base::Diagnostic;

use super::device::HIDDEN;
use super::ended::sentence;
use super::events::Events;
use crate::book::Book;
use crate::journal::{Journal, Kind, PastPlay, Record};
use crate::{Counts, Outcome, RunEvent};

/// The runner's own steps have no device.
const RUNNER: &str = "runner";

type Again = HashMap<(Arc<str>, usize, u32), Vec<(u32, String)>>;

/// One play, told again.
pub(super) struct Retold<'a> {
    book: &'a Book,
    past: &'a PastPlay,
    events: Events<'a>,
    /// Attempts that were repeated, of steps whose end has not come yet.
    again: Again,
    begun: HashSet<Arc<str>>,
    /// The wave of each device, from 1.
    waves: HashMap<Arc<str>, usize>,
}

/// Tells what earlier processes did of a play, if there are any and somebody wants to hear it.
pub(super) fn retell(book: &Book, play: usize, past: &PastPlay, journal: Option<&Journal>, events: Events<'_>) {
    let Some(journal) = journal.filter(|_| events.wants_past()) else { return };
    let sizes = past.sizes.iter().enumerate().flat_map(|(index, size)| std::iter::repeat_n(index + 1, *size));
    let waves = past.targets.iter().zip(sizes).map(|(target, wave)| (Arc::clone(&target.id), wave)).collect();
    let mut told = Retold { book, past, events, again: Again::new(), begun: HashSet::new(), waves };
    let read = journal.retell(play, |record| told.line(&record));
    told.under_way();
    if let Err(error) = read {
        events.say(&RunEvent::Warned { text: format!("reports lack what happened before the interruption: {error}") });
    }
}

impl Retold<'_> {
    fn line(&mut self, record: &Record) {
        match (record.kind, record.step) {
            (Kind::Passed, _) => self.passed(record.wave.unwrap_or(0)),
            (Kind::Again, Some(step)) if !record.quiet => {
                let reason = record.text.as_deref().unwrap_or_default();
                let key = (device(record), step, record.n);
                self.again.entry(key).or_default().push((record.attempt, reason.to_owned()));
            }
            (Kind::Step, Some(step)) if !record.quiet => self.step(record, step),
            (Kind::List, Some(step)) if record.failure.is_some() => self.step(record, step),
            _ => {}
        }
    }

    /// Those that a resumed run does not begin again.
    fn passed(&self, index: usize) {
        let of = self.past.sizes.len();
        let Some(size) = index.checked_sub(1).and_then(|index| self.past.sizes.get(index)).copied() else { return };
        if of > 1 {
            self.events.earlier(RunEvent::WaveStarted { index, of, size });
            self.events.earlier(RunEvent::WaveEnded { index, counts: Counts::default(), waiting: 0 });
        }
    }

    /// Steps that were cut off between two attempts: they go on, and their first attempts belong to them.
    fn under_way(&mut self) {
        for ((device, step, _), again) in std::mem::take(&mut self.again) {
            self.opened(&device);
            let name = self.book.steps.get(step).map(|(name, _)| Arc::clone(name)).unwrap_or_default();
            self.repeated(&device, (step, &name), again);
        }
    }

    fn opened(&mut self, device: &Arc<str>) {
        if let Some(wave) = self.waves.get(device).copied()
            && self.begun.insert(Arc::clone(device))
        {
            self.events.earlier(RunEvent::DeviceStarted { device: Arc::clone(device), wave });
        }
    }

    fn repeated(&self, device: &Arc<str>, (step, name): (usize, &Arc<str>), again: Vec<(u32, String)>) {
        self.events.earlier(RunEvent::StepStarted { device: Arc::clone(device), step, name: Arc::clone(name) });
        for (attempt, reason) in again {
            self.events.earlier(RunEvent::StepRetried { device: Arc::clone(device), step, attempt, reason });
        }
    }

    fn step(&mut self, record: &Record, step: usize) {
        let Some((written, place)) = self.book.steps.get(step) else { return };
        let id = device(record);
        self.opened(&id);
        let name: Arc<str> = record.name.as_deref().map_or_else(|| Arc::clone(written), Arc::from);
        if let Some(again) = self.again.remove(&(Arc::clone(&id), step, record.n)) {
            self.repeated(&id, (step, &name), again);
        }
        let mut outcome = record.read_outcome();
        if let (Outcome::Done { value, .. }, Some(shown)) = (&mut outcome, &record.shown) {
            *value = shown.value();
        }
        let diagnostic = match &outcome {
            Outcome::Failed(failure) => {
                let message = if record.hidden { HIDDEN } else { &failure.message };
                let message = if id.as_ref() == RUNNER && record.device.is_none() {
                    message.to_owned()
                } else {
                    sentence(&id, message, failure.span.is_some())
                };
                let at = failure.span.map_or_else(|| place.clone(), |span| place.source.place(span));
                let found = Diagnostic::error(message).labelled(failure.class.to_string()).at(at);
                let found = failure.note.iter().fold(found, |found, note| found.note(note.clone()));
                Some(Box::new(failure.help.iter().fold(found, |found, help| found.help(help.clone()))))
            }
            _ => None,
        };
        self.events.earlier(RunEvent::StepEnded {
            device: id,
            step,
            name,
            outcome,
            ignored: record.caught,
            rescued: record.rescued,
            attempts: record.attempt.max(1),
            took: Duration::try_from_secs_f64(record.seconds.unwrap_or(0.0)).unwrap_or_default(),
            summary: record.says.as_deref().unwrap_or_default().to_owned(),
            diagnostic,
            hidden: record.hidden,
        });
    }
}

fn device(record: &Record) -> Arc<str> {
    record.device.as_ref().map_or_else(|| RUNNER.into(), Arc::clone)
}
