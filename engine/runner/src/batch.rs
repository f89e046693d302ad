//! Many devices served by one call of a verb (`via: job`): who they are, what each of them asks for, and what came of each. The
//! verb sees the batch, each device's walk its own seat in it; who sits together is decided in `run/gather`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Outcome, Progress, StepContext, Target};

/// Warnings that one batch can say: one per job that was called off is enough for any screen.
const WARNINGS: usize = 100;

/// A verb that serves many devices with one call. The runner lets the devices of a wave that come to the step meet, and
/// calls [`Gathers::serve`] once for all of them; while they wait for each other they hold no fork.
pub trait Gathers {
    /// The first half, on one device, before it meets the others: what it asks for, or its outcome when there is nothing to be
    /// done for it. Holds a fork.
    fn share<'a>(&'a self, step: &'a StepContext<'a>) -> LocalBoxFuture<'a, Result<Value, Outcome>>;

    /// The second half, once for all: tells each device's outcome by [`Batch::end`] as soon as it is known. Ends by itself, soon
    /// after [`Batch::cancel`]; whoever has no outcome then was not served.
    fn serve<'a>(&'a self, batch: &'a Batch) -> LocalBoxFuture<'a, ()>;
}

/// Devices that are served together.
pub struct Batch {
    name: String,
    seats: Vec<Rc<Seat>>,
    cancel: CancellationToken,
}

impl Batch {
    pub(crate) fn new(name: String, seats: Vec<Rc<Seat>>, cancel: CancellationToken) -> Self {
        Self { name, seats, cancel }
    }

    /// Made of the run's id, the step, the wave and the number of the batch, and nothing else: a run that is resumed, or tried
    /// again, gives the same batch the same name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many devices.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there is nobody in it.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// A device.
    pub fn device(&self, index: usize) -> &Target {
        &self.seats[index].target
    }

    /// What the device asks for, as [`Gathers::share`] gave it.
    pub fn share(&self, index: usize) -> &Value {
        &self.seats[index].share
    }

    /// The step's `timeout:` on this device: counted from [`Batch::begun`] on.
    pub fn timeout(&self, index: usize) -> Option<Duration> {
        self.seats[index].timeout
    }

    /// Ends when the run is being stopped.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Whether the device still waits for its outcome.
    pub fn is_open(&self, index: usize) -> bool {
        let news = self.seats[index].news.borrow();
        !news.ended && !news.gone
    }

    /// From now on something may reach the device, and its step's time runs.
    pub fn begun(&self, index: usize) {
        self.tell(index, |news| {
            news.begun = true;
            news.runs = true;
        });
    }

    /// Nothing more reaches the device: what became of it is only to be found out, and that is not its step's time any more.
    pub fn over(&self, index: usize) {
        self.tell(index, |news| news.runs = false);
    }

    /// Says how far it is with a device. The last [`Progress::Says`] is the summary of its step.
    pub fn progress(&self, index: usize, progress: Progress) {
        self.tell(index, |news| news.progress = Some(progress));
    }

    /// What came of a device; of several outcomes the first one counts.
    pub fn end(&self, index: usize, outcome: Outcome) {
        self.tell(index, |news| {
            if !news.ended {
                news.ended = true;
                news.outcome = Some(outcome);
            }
        });
    }

    /// A warning of the run itself.
    pub fn warn(&self, text: String) {
        let there = self.seats.iter().position(|seat| !seat.news.borrow().gone).unwrap_or(0);
        self.tell(there, |news| {
            if news.warnings.len() < WARNINGS {
                news.warnings.push(text);
            }
        });
    }

    /// Nobody is served any more.
    pub(crate) fn close(&self) {
        (0..self.seats.len()).for_each(|index| self.tell(index, |news| news.closed = true));
    }

    fn tell(&self, index: usize, change: impl FnOnce(&mut News)) {
        if let Some(seat) = self.seats.get(index) {
            change(&mut seat.news.borrow_mut());
            seat.moved.notify_one();
        }
    }
}

/// One device's place in a batch.
pub(crate) struct Seat {
    pub(crate) target: Target,
    pub(crate) share: Value,
    pub(crate) timeout: Option<Duration>,
    pub(crate) news: RefCell<News>,
    pub(crate) moved: Notify,
}

/// What the verb tells a device's walk.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) begun: bool,
    /// The step's time runs.
    pub(crate) runs: bool,
    pub(crate) progress: Option<Progress>,
    pub(crate) warnings: Vec<String>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) ended: bool,
    pub(crate) closed: bool,
    /// The walk waits no more.
    pub(crate) gone: bool,
}

impl Seat {
    pub(crate) fn new(target: Target, share: Value, timeout: Option<Duration>) -> Rc<Self> {
        Rc::new(Self { target, share, timeout, news: RefCell::default(), moved: Notify::new() })
    }

    /// What is new since the last time.
    pub(crate) fn take(&self) -> News {
        let mut news = self.news.borrow_mut();
        News {
            begun: news.begun,
            runs: news.runs,
            progress: news.progress.take(),
            warnings: std::mem::take(&mut news.warnings),
            outcome: news.outcome.take(),
            ended: news.ended,
            closed: news.closed,
            gone: news.gone,
        }
    }
}

/// Serves one device by itself: for scripts, whose calls meet nobody. `name` must be unlike that of any other batch.
pub async fn serve_alone(verb: &dyn Gathers, step: &StepContext<'_>, name: String) -> Outcome {
    let share = match verb.share(step).await {
        Ok(share) => share,
        Err(outcome) => return outcome,
    };
    let seat = Seat::new(step.target.clone(), share, step.timeout);
    let batch = Batch::new(name, vec![Rc::clone(&seat)], step.cancel.clone());
    let mut serving = verb.serve(&batch);
    let mut over = false;
    loop {
        tokio::select! {
            biased;
            () = seat.moved.notified() => {}
            () = &mut serving, if !over => over = true,
        }
        let news = seat.take();
        news.warnings.into_iter().for_each(|text| (step.say)("warn", text));
        news.progress.into_iter().for_each(|progress| (step.progress)(progress));
        if let Some(outcome) = news.outcome {
            return outcome;
        }
        if over {
            return unserved();
        }
    }
}

/// Whoever the verb forgot.
pub(crate) fn unserved() -> Outcome {
    crate::Failure::new(crate::Class::Failed, "was not served: the step was called off").into()
}
