//! The hub's end of one MQTT connection, as the rest of the hub sees it: a mailbox, the calls that wait for an answer,
//! and the order to end. The connection's own task owns the socket; everybody else only has this.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};
use net::mqtt::write_publish;
use tokio::sync::{Notify, oneshot};
use wire::{DeviceFilter, DeviceTopic};

use crate::faults::{How, Strain};
use crate::mqtt::LIMITS;

/// Packets that may wait for a connection that does not take them; beyond it is dropped.
pub(crate) const MAIL_PACKETS: usize = 10_000;
/// Bytes that may wait for a connection that does not take them: 32 of the largest method calls.
pub(crate) const MAIL_BYTES: usize = 4 * 1024 * 1024;
/// Up to this capacity the mailbox keeps its buffer.
const MAIL_KEPT: usize = 512;
/// Up to this many calls the table of waiting calls keeps its memory.
const CALLS_KEPT: usize = 8;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ending {
    /// The device said DISCONNECT: no will.
    #[error("it disconnected")]
    Disconnected,
    /// The socket closed or failed.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The device broke MQTT's or IoT Hub's rules.
    #[error("it was dropped: {0}")]
    Broke(String),
    /// Nothing was heard in time.
    #[error("nothing was heard for one and a half times its keep-alive")]
    Silent,
    /// The same identity connected again.
    #[error("it connected again")]
    TakenOver,
    /// Its token ended and the grace is over.
    #[error("its token expired")]
    Expired,
    /// It sent more than the hub's quota allows; there is no error packet for that.
    #[error("it was throttled: {0}")]
    Throttled(String),
    /// It does not take what is sent to it.
    #[error("it does not take what is sent to it")]
    Slow,
    /// It was asked for.
    #[error("a fault that this hub was asked for ended it ({})", match .0 {
        How::Reset => "reset",
        How::Close => "close",
        How::Silence => "silence",
    })]
    Fault(How),
    /// The registry no longer lets it in.
    #[error("{0}")]
    Dropped(DropReason),
    /// The hub stops.
    #[error("the hub stops")]
    Stopping,
}

/// What changed in the registry so that a connection must go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DropReason {
    #[error("it was disabled")]
    Disabled,
    #[error("it was deleted")]
    Deleted,
    #[error("its keys changed")]
    KeysChanged,
}

/// What a device said to a call, or why it will not.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply {
        status: i32,
        payload: Bytes,
    },
    /// The status was not a number.
    Unreadable,
    Ended(Ending),
}

/// See the module's description.
#[derive(Debug, Default)]
pub(crate) struct Link {
    state: Mutex<State>,
    /// Tells a successor: the socket is closed.
    gone: Notify,
    /// What is wrong with the socket's bytes.
    strain: Arc<Strain>,
}

#[derive(Debug, Default)]
struct State {
    mail: BytesMut,
    packets: usize,
    calls: HashMap<u64, oneshot::Sender<Answer>>,
    last_rid: u64,
    methods: bool,
    desired: bool,
    /// Cloud-to-device messages may wait in the state.
    messages: bool,
    ending: Option<Ending>,
    gone: bool,
    /// The connection's task, while it waits.
    task: Option<Waker>,
}

impl Link {
    /// The link of a connection whose stream obeys `strain`.
    pub(crate) fn new(strain: Arc<Strain>) -> Self {
        Self { strain, ..Self::default() }
    }

    pub(crate) fn strain(&self) -> &Strain {
        &self.strain
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the mailbox is plain data: nothing panics while it is held")
    }

    /// Whether a call can be sent now.
    pub(crate) fn takes_methods(&self) -> bool {
        let state = self.state();
        state.methods && state.ending.is_none()
    }

    /// Notes what is subscribed to from now on.
    pub(crate) fn subscribe<'a>(&self, filters: impl IntoIterator<Item = &'a DeviceFilter>) {
        let mut state = self.state();
        (state.methods, state.desired) = (false, false);
        for filter in filters {
            match filter {
                DeviceFilter::Methods => state.methods = true,
                DeviceFilter::Desired => state.desired = true,
                DeviceFilter::CloudToDevice(_) | DeviceFilter::ModuleInputs(_) | DeviceFilter::TwinResponses => {}
            }
        }
    }

    /// Sends a method call; the answer comes through the returned handle.
    pub(crate) fn call(self: &Arc<Self>, name: &str, payload: &[u8]) -> Result<Call, Ending> {
        let mut state = self.state();
        if let Some(ending) = &state.ending {
            return Err(ending.clone());
        }
        state.last_rid += 1;
        let rid = state.last_rid;
        let mut hex = String::with_capacity(16);
        write!(hex, "{rid:x}").expect("writing to a string cannot fail");
        let topic = DeviceTopic::MethodRequest { name: name.into(), rid: &hex };
        if let Err(ending) = state.post(&topic, payload) {
            wake(state);
            return Err(ending);
        }
        let (sender, answer) = oneshot::channel();
        state.calls.insert(rid, sender);
        wake(state);
        Ok(Call { link: Arc::clone(self), rid, answer })
    }

    /// Passes a device's answer on; an unknown request id is nobody's any more and is forgotten.
    pub(crate) fn answer(&self, rid: &str, answer: Answer) {
        let Ok(rid) = u64::from_str_radix(rid, 16) else { return };
        if let Some(caller) = self.state().take_call(rid) {
            // The caller may have given up in this very moment; then nobody wants the answer.
            let _ = caller.send(answer);
        }
    }

    /// Sends a notification of desired properties, if subscribed.
    pub(crate) fn desired(&self, version: u64, patch: &[u8]) {
        let mut state = self.state();
        if state.desired && state.ending.is_none() {
            // A mailbox that is full has just ordered the connection to end; there is nobody to tell besides.
            let _ = state.post(&DeviceTopic::Desired { version }, patch);
            wake(state);
        }
    }

    /// Cloud-to-device messages may wait: the connection's task looks when it can.
    pub(crate) fn message_waits(&self) {
        let mut state = self.state();
        state.messages = true;
        wake(state);
    }

    /// Whether messages may wait; asked once for each time that it was said. For the connection's task alone.
    pub(crate) fn messages_wait(&self) -> bool {
        std::mem::take(&mut self.state().messages)
    }

    /// Orders the connection to end, with the first reason given; calls that wait learn it at once.
    pub(crate) fn end(&self, why: Ending) {
        let mut state = self.state();
        state.end(why);
        wake(state);
    }

    /// The order to end, if there is one.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.state().ending.clone()
    }

    /// Waits for mail, for word of a message, or for the order to end. For the connection's task alone.
    pub(crate) async fn woken(&self) {
        self.until(|state| state.packets > 0 || state.messages || state.ending.is_some()).await;
    }

    /// Waits for mail or the order to end. For the connection's task alone.
    pub(crate) async fn mailed(&self) {
        self.until(|state| state.packets > 0 || state.ending.is_some()).await;
    }

    /// Waits for the order to end. For the connection's task alone.
    pub(crate) async fn ended(&self) {
        self.until(|state| state.ending.is_some()).await;
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        poll_fn(|cx| {
            let mut state = self.state();
            if condition(&state) {
                return Poll::Ready(());
            }
            match &mut state.task {
                Some(task) => task.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
        .await;
    }

    /// Hands all mail to `take`.
    pub(crate) fn collect(&self, take: impl FnOnce(&[u8])) {
        let mut state = self.state();
        if state.packets == 0 {
            return;
        }
        take(&state.mail);
        state.packets = 0;
        if state.mail.capacity() > MAIL_KEPT {
            state.mail = BytesMut::new();
        } else {
            state.mail.clear();
        }
    }

    /// Says that the socket is closed; for the connection's task, once.
    pub(crate) fn closed(&self) {
        self.state().gone = true;
        self.gone.notify_waiters();
    }

    /// Waits until the socket is closed.
    pub(crate) async fn until_closed(&self) {
        let notified = self.gone.notified();
        tokio::pin!(notified);
        // Registered before the look, so that a close in between is not missed.
        notified.as_mut().enable();
        if !self.state().gone {
            notified.await;
        }
    }

    /// How many calls wait for an answer.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state().calls.len()
    }
}

/// Lets go of the state, then wakes the connection's task: the other way round it would wake to a locked door.
fn wake(mut state: MutexGuard<'_, State>) {
    let task = state.task.take();
    drop(state);
    if let Some(task) = task {
        task.wake();
    }
}

impl State {
    /// Puts a publish into the mailbox; a full one ends the connection.
    fn post(&mut self, topic: &DeviceTopic<'_>, payload: &[u8]) -> Result<(), Ending> {
        let full = self.packets >= MAIL_PACKETS || self.mail.len() + payload.len() > MAIL_BYTES;
        if full || write_publish(&topic.to_string(), payload, LIMITS, &mut self.mail).is_err() {
            self.end(Ending::Slow);
            return Err(Ending::Slow);
        }
        self.packets += 1;
        Ok(())
    }

    fn take_call(&mut self, rid: u64) -> Option<oneshot::Sender<Answer>> {
        let caller = self.calls.remove(&rid);
        if self.calls.is_empty() && self.calls.capacity() > CALLS_KEPT {
            self.calls = HashMap::new();
        }
        caller
    }

    fn end(&mut self, why: Ending) {
        if self.ending.is_some() {
            return;
        }
        for (_, caller) in std::mem::take(&mut self.calls) {
            let _ = caller.send(Answer::Ended(why.clone()));
        }
        self.ending = Some(why);
    }
}

/// A call under way. Dropping it forgets the request id: a late answer is nobody's.
#[derive(Debug)]
pub(crate) struct Call {
    link: Arc<Link>,
    rid: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Call {
    /// The answer, however long it takes; the caller brings the deadline.
    pub(crate) async fn answer(&mut self) -> Answer {
        // The sender lives in the link, which this call holds; it is taken out only to be used.
        (&mut self.answer).await.unwrap_or(Answer::Unreadable)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.link.state().take_call(self.rid);
    }
}
