//! The other end of a case's line: a hub's half of the conversation, and an ear. Keeps a twin with a hub's own rules; there
//! is no network, nothing is lost and nothing takes time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use wire::{ErrorCode, PropertyBag, Section, SectionKind, Tracking, property, twin_error_body};

use crate::link::{DeviceLink, Down, Inbound, Outbound};

/// What was said to it since the last look.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Request id, status, payload.
    pub(super) replies: Vec<(String, i32, Value)>,
    /// Patches as they came.
    pub(super) reported: Vec<Map<String, Value>>,
    pub(super) sent: Vec<(PropertyBag, Vec<u8>)>,
}

struct Inner {
    inbox: VecDeque<Inbound>,
    desired: Section,
    reported: Section,
    heard: Heard,
    /// When a line that was left comes up again.
    back: Option<Instant>,
    now: SystemTime,
}

/// Shared by the line and by whoever plays the case.
#[derive(Clone)]
pub(super) struct Counterpart {
    inner: Rc<RefCell<Inner>>,
    bell: Rc<Notify>,
    /// Rung at everything that happens here.
    looked_at: Rc<Notify>,
}

/// A twin that no hub would hold.
pub(super) type Impossible = wire::HubError;

impl Counterpart {
    /// With this twin; the line is up at once.
    pub(super) fn new(
        desired: &Map<String, Value>,
        reported: &Map<String, Value>,
        now: SystemTime,
        looked_at: &Rc<Notify>,
    ) -> Result<Self, Impossible> {
        let (mut first, mut second) =
            (Section::new(SectionKind::Desired, now), Section::new(SectionKind::Reported, now));
        if !desired.is_empty() {
            first.merge(desired, now)?;
        }
        if !reported.is_empty() {
            second.merge(reported, now)?;
        }
        let inner = Inner {
            inbox: VecDeque::from([Inbound::Up]),
            desired: first,
            reported: second,
            heard: Heard::default(),
            back: None,
            now,
        };
        Ok(Self { inner: Rc::new(RefCell::new(inner)), bell: Rc::default(), looked_at: Rc::clone(looked_at) })
    }

    /// Calls a method.
    pub(super) fn call(&self, rid: &str, name: &str, payload: Option<&Value>) {
        let payload = payload.map_or_else(Bytes::new, |payload| Bytes::from(payload.to_string()));
        self.push(Inbound::Method { rid: rid.to_owned(), name: name.to_owned(), payload });
    }

    /// Sends a cloud-to-device message.
    pub(super) fn send(&self, number: u32, properties: &[(String, String)], body: &Value) {
        let body = match body {
            Value::String(text) => Bytes::from(text.clone()),
            other => Bytes::from(other.to_string()),
        };
        let mut bag = PropertyBag::default();
        bag.push(property::MESSAGE_ID, format!("case-{number}").as_str());
        for (key, value) in properties {
            bag.push(key.as_str(), value.as_str());
        }
        let id = u16::try_from(number).ok();
        self.push(Inbound::Message { id, again: false, properties: bag, body });
    }

    /// Changes desired properties.
    pub(super) fn desire(&self, patch: &Map<String, Value>) -> Result<(), Impossible> {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        let version = inner.desired.merge(patch, now)?;
        drop(inner);
        let mut patch = patch.clone();
        patch.insert("$version".to_owned(), version.into());
        self.push(Inbound::Desired { version, patch: Bytes::from(Value::Object(patch).to_string()) });
        Ok(())
    }

    /// What was said to it since the last look.
    pub(super) fn take(&self) -> Heard {
        std::mem::take(&mut self.inner.borrow_mut().heard)
    }

    /// The reported section as a hub holds it.
    pub(super) fn reported(&self) -> Map<String, Value> {
        self.inner.borrow().reported.properties().clone()
    }

    /// The desired section.
    pub(super) fn desired(&self) -> Map<String, Value> {
        self.inner.borrow().desired.properties().clone()
    }

    /// Nothing waits to be heard by the device.
    pub(super) fn is_quiet(&self) -> bool {
        let inner = self.inner.borrow();
        inner.inbox.is_empty() && inner.back.is_none()
    }

    fn push(&self, inbound: Inbound) {
        self.inner.borrow_mut().inbox.push_back(inbound);
        self.bell.notify_one();
        self.looked_at.notify_one();
    }

    fn report(&self, rid: String, patch: &[u8]) {
        let patch: Map<String, Value> = serde_json::from_slice(patch).unwrap_or_default();
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        let taken = inner.reported.merge(&patch, now);
        inner.heard.reported.push(patch);
        drop(inner);
        let (status, body) = match taken {
            Ok(_) => (204, Bytes::new()),
            Err(error) => (error.code.http_status(), Bytes::from(twin_error_body(&error, &Tracking::new(0, now)))),
        };
        self.push(Inbound::Twin { rid, status, body });
    }

    fn twin(&self) -> Bytes {
        let inner = self.inner.borrow();
        let twin = json!({ "desired": inner.desired.to_json_device(), "reported": inner.reported.to_json_device() });
        Bytes::from(twin.to_string())
    }
}

/// The device's end.
pub(super) struct Line(pub(super) Counterpart);

impl DeviceLink for Line {
    async fn next(&mut self) -> Inbound {
        loop {
            let (next, back) = {
                let mut inner = self.0.inner.borrow_mut();
                let back = inner.back;
                // While it is away, only the news of that comes in.
                let waits = back.is_some() && !matches!(inner.inbox.front(), Some(Inbound::Down(_)));
                (if waits { None } else { inner.inbox.pop_front() }, back)
            };
            if let Some(next) = next {
                self.0.looked_at.notify_one();
                return next;
            }
            match back {
                Some(back) => {
                    sleep_until(back).await;
                    self.0.inner.borrow_mut().back = None;
                    self.0.looked_at.notify_one();
                    return Inbound::Up;
                }
                None => self.0.bell.notified().await,
            }
        }
    }

    fn send(&mut self, out: Outbound) {
        match out {
            Outbound::TwinGet { rid } => self.0.push(Inbound::Twin { rid, status: 200, body: self.0.twin() }),
            Outbound::Report { rid, patch } => self.0.report(rid, &patch),
            Outbound::Reply { rid, status, payload, ticket } => {
                let payload = serde_json::from_slice(&payload).unwrap_or(Value::Null);
                self.0.inner.borrow_mut().heard.replies.push((rid, status, payload));
                ticket.into_iter().for_each(|ticket| self.0.push(Inbound::Acknowledged(ticket)));
            }
            Outbound::Message { message, ticket } => {
                self.0.inner.borrow_mut().heard.sent.push((message.properties, message.body));
                self.0.push(Inbound::Acknowledged(ticket));
            }
        }
        self.0.looked_at.notify_one();
    }

    fn hush(&mut self) {
        self.0.push(Inbound::Hushed);
    }

    // No case sends messages to the device.
    fn listen(&mut self, _: bool) {}

    fn acknowledge(&mut self, _: u16) {}

    fn reconnect(&mut self, why: &str, pause: Duration) {
        let mut inner = self.0.inner.borrow_mut();
        inner.inbox.clear();
        inner.inbox.push_back(Inbound::Down(Down::Lost(why.to_owned())));
        inner.back = Some(Instant::now() + pause);
        drop(inner);
        self.0.bell.notify_one();
    }

    async fn close(&mut self) {}
}

/// What a hub says of a patch that it refuses.
pub(super) fn refusal(error: &Impossible) -> String {
    let ErrorCode(code) = error.code;
    format!("no hub would take it: {} ({code})", error.message)
}
