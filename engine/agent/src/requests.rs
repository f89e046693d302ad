//! The twin requests of one session that wait for an answer: one for the whole twin and one report, each with a number,
//! a deadline and another try. Decides what an answer means; sends nothing.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use wire::HubError;

use crate::outbox::Outbox;

/// Unanswered tries after which nobody is taken to be listening.
const TRIES: u32 = 2;

/// The pause after an answer that says "later"; it grows with each.
const LATER: Duration = Duration::from_secs(2);

/// The longest such pause.
const LATEST: Duration = Duration::from_secs(60);

const TOO_MANY_REQUESTS: u16 = 429;

/// What a request is doing.
#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// To be sent, not before then.
    Due(Option<Instant>),
    /// On the line under this number, to be answered by then.
    Sent(String, Instant),
}

#[derive(Debug, Default)]
struct Request {
    state: State,
    /// Tries without an answer.
    tries: u32,
    /// Answers that said "later".
    put_off: u32,
}

/// What an answer came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody asked for it (any more).
    Nobodys,
    /// The hub is busy; the request goes out again by itself.
    Later,
    /// It is the twin.
    Twin,
    /// There is no twin to be had.
    NoTwin(String),
    /// The report is taken.
    Reported,
    /// The report is refused for good.
    NotReported(String),
}

/// Both requests.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    numbers: u64,
    get: Request,
    report: Request,
}

impl Request {
    fn is(&self, rid: &str) -> bool {
        matches!(&self.state, State::Sent(sent, _) if sent == rid)
    }

    fn at(&self) -> Option<Instant> {
        match &self.state {
            State::Idle | State::Due(None) => None,
            State::Due(Some(at)) | State::Sent(_, at) => Some(*at),
        }
    }

    fn is_due(&self) -> bool {
        match &self.state {
            State::Due(at) => at.is_none_or(|at| at <= Instant::now()),
            _ => false,
        }
    }

    fn sent(&mut self, rid: &str, answer: Duration) {
        self.state = State::Sent(rid.to_owned(), Instant::now() + answer);
    }

    fn put_off(&mut self) {
        let pause = LATER.saturating_mul(1 << self.put_off.min(10)).min(LATEST);
        self.put_off += 1;
        self.tries = 0;
        self.state = State::Due(Some(Instant::now() + pause));
    }

    /// Whether it went unanswered too often.
    fn overdue(&mut self, now: Instant) -> bool {
        if matches!(&self.state, State::Sent(_, by) if *by <= now) {
            self.tries += 1;
            self.state = State::Due(None);
        }
        self.tries >= TRIES
    }
}

impl Requests {
    /// The whole twin is wanted. A request on the line is asked again: its answer may be older than the wish.
    pub(crate) fn ask(&mut self) {
        self.get.state = State::Due(None);
    }

    /// The number to ask for the twin with, if it is time to; the answer may take so long.
    pub(crate) fn get(&mut self, answer: Duration) -> Option<String> {
        if !self.get.is_due() {
            return None;
        }
        let rid = self.number();
        self.get.sent(&rid, answer);
        Some(rid)
    }

    /// The report to send, if it is time to; the answer may take so long.
    pub(crate) fn report(&mut self, outbox: &Outbox, answer: Duration) -> Option<(String, Vec<u8>)> {
        let patch = match &self.report.state {
            State::Idle => outbox.reports(crate::reports::Reports::take)?,
            State::Due(_) if self.report.is_due() => outbox.reports(|reports| reports.sent())?,
            _ => return None,
        };
        let rid = self.number();
        self.report.sent(&rid, answer);
        Some((rid, patch))
    }

    /// What an answer means.
    pub(crate) fn answered(&mut self, rid: &str, status: u16, body: &Bytes) -> Verdict {
        let get = self.get.is(rid);
        let request = match get {
            true => &mut self.get,
            false if self.report.is(rid) => &mut self.report,
            false => return Verdict::Nobodys,
        };
        if status == TOO_MANY_REQUESTS || status >= 500 {
            request.put_off();
            return Verdict::Later;
        }
        *request = Request::default();
        match (get, status) {
            (true, 200..300) => Verdict::Twin,
            (false, 200..300) => Verdict::Reported,
            (true, _) => Verdict::NoTwin(HubError::parse(status, None, body).to_string()),
            (false, _) => Verdict::NotReported(HubError::parse(status, None, body).to_string()),
        }
    }

    /// Notes what went unanswered; whether nobody seems to listen.
    pub(crate) fn overdue(&mut self, now: Instant) -> bool {
        let (get, report) = (self.get.overdue(now), self.report.overdue(now));
        get || report
    }

    /// When something is to be done.
    pub(crate) fn due(&self) -> Option<Instant> {
        [self.get.at(), self.report.at()].into_iter().flatten().min()
    }

    /// The connection is gone.
    pub(crate) fn forget(&mut self) {
        (self.get, self.report) = <(Request, Request)>::default();
    }

    fn number(&mut self) -> String {
        self.numbers += 1;
        self.numbers.to_string()
    }
}
