//! What a script does that could come out differently another time: the calls that it makes, what it reads. Whoever runs it writes
//! each down, and tells a script that is run again what came of it. What is written where is the runner's own.

use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::{Effect, Failure, Outcome, Ready};

/// One thing that a script does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// Where it stands in the order of all that the script does: `3`, or `3[1].2` in a branch.
    pub place: Arc<str>,
    /// What it is: `invoke_method ping`.
    pub name: Arc<str>,
    /// Stands for its arguments.
    pub args: Arc<str>,
    /// Where the script says it: `fix.rhai:3:5`.
    pub at: Arc<str>,
}

impl Deed {
    /// The same inside of another one: what the script of a verb does that a script calls.
    #[must_use]
    pub fn inside(&self, place: &str) -> Self {
        Self { place: format!("{place}/{}", self.place).into(), ..self.clone() }
    }

    /// As people read it: ``invoke_method ping` (fix.rhai:3:5)``.
    pub(crate) fn words(&self) -> String {
        words(&self.name, &self.at)
    }
}

pub(crate) fn words(name: &str, at: &str) -> String {
    if at.is_empty() { format!("`{name}`") } else { format!("`{name}` ({at})") }
}

/// How a deed is done.
#[derive(Clone, Debug)]
pub struct Manner {
    /// May it change a device?
    pub effect: Effect,
    /// It only waits: no call is in flight meanwhile.
    pub waits: bool,
    /// Doing it again after an unknown reply does no harm.
    pub repeatable: bool,
    /// What counts as its value when nobody will ever know its reply.
    pub lost: Option<Value>,
    /// It is the script of another verb: what it does is written down, not itself.
    pub scripted: bool,
}

impl Manner {
    /// A verb's.
    pub fn of(ready: &dyn Ready, effect: Effect) -> Self {
        Self {
            effect,
            waits: ready.waits() || ready.scripted(),
            repeatable: ready.repeatable(),
            lost: ready.lost(),
            scripted: ready.scripted(),
        }
    }

    /// Of what only looks.
    pub fn looking() -> Self {
        Self { effect: Effect::Reads, waits: true, repeatable: true, lost: None, scripted: false }
    }

    /// Whether a line of it must be on disk before it is done.
    pub(crate) fn changes(&self) -> bool {
        self.effect == Effect::Changes && !self.scripted
    }
}

/// What is known of a deed before it is done.
#[derive(Debug)]
pub enum Told {
    /// Nothing: it is to be done.
    New,
    /// It was done in an earlier process, and came to this.
    Again(Outcome),
    /// The script must not go on, whatever it catches.
    Stop(Failure),
}

/// A turn among the calls that may be in flight; over when it is dropped.
#[derive(Debug, Default)]
pub struct Turn {
    _held: Option<OwnedSemaphorePermit>,
}

impl Turn {
    pub(crate) fn of(held: Option<OwnedSemaphorePermit>) -> Self {
        Self { _held: held }
    }
}

/// Who keeps the account of what a script does.
pub trait Deeds {
    /// Whether anything is written down: else nothing need be told.
    fn keeps(&self) -> bool;

    /// What an earlier process knows of it.
    fn told(&self, deed: &Deed, manner: &Manner) -> Told;

    /// Waits for its turn, and until its line is on disk. `None`: the run is being stopped, and it must not be done.
    fn begin<'a>(&'a self, deed: &'a Deed, manner: &'a Manner) -> LocalBoxFuture<'a, Option<Turn>>;

    /// What it came to.
    fn ended(&self, deed: &Deed, manner: &Manner, outcome: &Outcome);

    /// A value that the script sees and that would be another one later.
    fn seen(&self, deed: &Deed, value: &Value);

    /// Whether the script is still doing again what it did before, below this place (everywhere if it is empty).
    fn retells(&self, under: &str) -> bool;

    /// The script has ended below this place: what is wrong when something that it did before was not done again.
    fn left_out(&self, under: &str) -> Option<Failure>;
}

/// The account of a script inside of another one.
pub(crate) struct Inside<'a> {
    pub(crate) deeds: &'a dyn Deeds,
    pub(crate) place: &'a str,
}

impl Inside<'_> {
    fn below(&self, under: &str) -> String {
        if under.is_empty() { format!("{}/", self.place) } else { format!("{}/{under}", self.place) }
    }
}

impl Deeds for Inside<'_> {
    fn keeps(&self) -> bool {
        self.deeds.keeps()
    }

    fn told(&self, deed: &Deed, manner: &Manner) -> Told {
        self.deeds.told(&deed.inside(self.place), manner)
    }

    fn begin<'a>(&'a self, deed: &'a Deed, manner: &'a Manner) -> LocalBoxFuture<'a, Option<Turn>> {
        Box::pin(async move {
            let deed = deed.inside(self.place);
            self.deeds.begin(&deed, manner).await
        })
    }

    fn ended(&self, deed: &Deed, manner: &Manner, outcome: &Outcome) {
        self.deeds.ended(&deed.inside(self.place), manner, outcome);
    }

    fn seen(&self, deed: &Deed, value: &Value) {
        self.deeds.seen(&deed.inside(self.place), value);
    }

    fn retells(&self, under: &str) -> bool {
        self.deeds.retells(&self.below(under))
    }

    fn left_out(&self, under: &str) -> Option<Failure> {
        self.deeds.left_out(&self.below(under))
    }
}
