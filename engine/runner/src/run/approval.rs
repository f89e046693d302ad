//! A person's word: asked for by a gate, by a budget that pauses, and by a step. Without it the run ends in good order, and
//! says how it goes on.

use base::Diagnostic;
use serde_json::json;

use super::attempt::Tried;
use super::device::{Device, End};
use super::exit;
use super::play::PlayRun;
use crate::{Outcome, Question, Skip};

impl PlayRun<'_> {
    /// Asks a person; nobody to ask is a no. `--yes` is not an approval: it was given before anything was seen.
    pub(super) async fn approved(&self, sentence: String) -> bool {
        let question = Question {
            hub: self.inventory().hub().title,
            devices: 0,
            first: Vec::new(),
            verbs: Vec::new(),
            approve: Some(sentence.clone()),
        };
        let expected = question.expected();
        let (answer, why) = match &self.options.confirm {
            Some(confirm) => (confirm(question).await, "It was not approved"),
            None => (None, "There is no terminal to ask on"),
        };
        let yes = answer.is_some_and(|answer| answer.trim() == expected);
        if !yes && !self.stop.is_cancelled() {
            let finding = Diagnostic::error(format!("{sentence} {why}")).labelled("waiting");
            self.events.stopped(finding.help(format!("to go on: iotplay resume {} --approve", self.options.run)));
        }
        yes
    }

    /// No device starts another step: what is under way ends in good order.
    pub(super) fn halt(&self, reason: String) {
        self.end(exit::ABORTED, reason);
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
        let approved = tokio::select! {
            biased;
            approved = self.play.approved(sentence.clone()) => approved,
            () = self.stop.cancelled() => return Err(End::Stopped),
        };
        if approved {
            return Ok(Tried::once(Outcome::read(json!(true))));
        }
        self.play.halt(format!("not approved: {sentence}"));
        Err(End::Stopped)
    }
}
