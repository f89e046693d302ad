//! A person's word: asked for by a gate, by a budget that pauses, and by a step. Without it the run ends in good order, and
//! the journal holds the place at which it goes on.

use serde_json::json;

use super::attempt::Tried;
use super::device::{Device, End};
use super::exit;
use super::play::PlayRun;
use crate::journal::{Journal, Kind, Record};
use crate::{Outcome, Question, Skip};

/// What a person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// There was nobody to ask; a later process may ask again.
    Nobody,
}

impl PlayRun<'_> {
    /// Asks a person. `--yes` is not an approval: it was given before anything was seen; `resume --approve` is one.
    pub(super) async fn approved(&self, sentence: String) -> Answer {
        if self.journal.is_some_and(Journal::take_approval) {
            return Answer::Yes;
        }
        let Some(confirm) = &self.options.confirm else { return self.nobody() };
        let question = Question {
            hub: self.inventory().hub().title,
            devices: 0,
            first: Vec::new(),
            verbs: Vec::new(),
            approve: Some(sentence),
        };
        let expected = question.expected();
        match confirm(question).await {
            None => self.nobody(),
            Some(answer) if answer.trim() == expected => Answer::Yes,
            Some(_) => Answer::No,
        }
    }

    /// Without a journal nothing can be gone on with later: then silence is a no.
    pub(super) fn nobody(&self) -> Answer {
        if self.journal.is_some() { Answer::Nobody } else { Answer::No }
    }

    /// Nobody can be asked: the run ends for now.
    pub(super) fn pause(&self, why: String, wave: usize) {
        if self.stop.is_cancelled() {
            return;
        }
        self.note(|| Record::new(Kind::Paused).wave(wave).text(&why));
        self.paused.set(true);
        self.end(exit::ABORTED, why);
    }

    /// No device starts another step: what is under way ends in good order.
    fn halt(&self) {
        self.halted.cancel();
        // Nor is anybody waited for who is not there.
        self.give_up.cancel();
        self.moved.notify_one();
    }
}

impl Device<'_> {
    /// A step that wants a person's word.
    pub(super) async fn ask(&self, sentence: String) -> Result<Tried, End> {
        if self.play.options.check {
            return Ok(Tried::once(Outcome::Skipped(Skip::Check(format!("would ask: {sentence}")))));
        }
        self.fork.release();
        self.go_on()?;
        let answer = tokio::select! {
            biased;
            answer = self.play.approved(sentence.clone()) => answer,
            () = self.stop.cancelled() => return Err(End::Stopped),
        };
        match answer {
            Answer::Yes => return Ok(Tried::once(Outcome::read(json!(true)))),
            Answer::No => self.play.end(exit::ABORTED, format!("not approved: {sentence}")),
            Answer::Nobody => self.play.pause(format!("waits for an approval: {sentence}"), self.wave),
        }
        self.play.halt();
        Err(End::Stopped)
    }
}
